"""`/api/v1/markets/…`: what needs no label. The search and one market are served by categorization, which has them."""

from datetime import timedelta

from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from itomarkets.lib import clock
from itomarkets.lib.api_series import PARAMETERS, read_series_request
from itomarkets.lib.api_views import ApiView
from itomarkets.lib.scopes import Scope
from itomarkets.lib.series import read_series
from markets.api.ids import parts_of
from markets.api.serializers import (
    POINT_COLUMNS,
    MarketHistoryShape,
    show_conflict,
    show_gap,
    show_point,
)
from markets.gaps import conflicts_between, explain_gaps
from markets.models import Market, PricePoint

MOST_CONFLICTS = 100
INTERVALS = {
    "minute": PricePoint.Interval.MINUTE,
    "hour": PricePoint.Interval.HOUR,
    "day": PricePoint.Interval.DAY,
}


class MarketView(ApiView):
    """What views of one market share."""

    required_scopes = {"GET": Scope.MARKETS_READ}

    def market(self, market_id: str) -> Market:
        venue, native_id = parts_of(market_id) or ("", "")
        return get_object_or_404(Market.objects.select_related("event", "quote"), venue=venue, native_id=native_id)


class MarketHistory(MarketView):
    """GET: recorded prices of YES by the minute, the hour or the day, oldest first, with gaps and conflicts named."""

    parameters = {"GET": PARAMETERS}
    answers = {"GET": MarketHistoryShape}

    def get(self, request: Request, market_id: str) -> Response:
        market, now = self.market(market_id), clock.now()
        asked = read_series_request(request, now=now)
        rows = PricePoint.objects.filter(market=market, interval=INTERVALS[asked.resolution])
        # A bucket is known when it has ended.
        page = read_series(rows, POINT_COLUMNS, window=asked.window, step=asked.step, now=now, lag=asked.step)
        interval = INTERVALS[asked.resolution]
        conflicts = conflicts_between(market=market, interval=interval, start=asked.window.start, end=asked.window.end)
        body = asked.body(page, timedelta(0), show_point)
        body["gaps"] = list(map(show_gap, explain_gaps(page.gaps, market=market, interval=interval, step=asked.step)))
        body["conflicts"] = list(map(show_conflict, conflicts[:MOST_CONFLICTS]))
        return Response(body)
