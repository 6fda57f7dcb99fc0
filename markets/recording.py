"""What the order books said, kept by the minute: the live half of a market's history."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from markets.history import POINT_COLUMNS
from markets.models import Interval, PricePoint, Quote, QuoteDemand
from markets.quotes import LIVE_FOR
from markets.upsert import RowWriter, plain, plain_columns
from markets.venues.marks import daily_mark
from markets.venues.past import LIVE, bucket_of

MINUTE = timedelta(minutes=1)


def record_quotes(*, now: datetime) -> int:
    """Keep this minute's price of every market that is wanted quoted and whose quote is live; returns how many.

    A book that makes no price, or an old one, leaves a gap. The first to record a minute is kept: a second run, or
    one beside it, writes nothing, and a late one writes the minute in which it runs.
    """
    wanted = QuoteDemand.objects.filter(Q(until__isnull=True) | Q(until__gt=now)).values("market_id")
    at = bucket_of("", now, MINUTE)
    known = PricePoint.objects.filter(interval=Interval.MINUTE, at=at).values("market_id")
    quotes = Quote.objects.filter(market__in=wanted, received_at__gte=now - LIVE_FOR).exclude(market__in=known)
    rows = []
    for market_id, bid, ask, last, observed_at, received_at in quotes.order_by("market_id").values_list(
        "market_id", "yes_bid", "yes_ask", "last_price", "observed_at", "received_at"
    ):
        price = daily_mark(bid=bid, ask=ask, last=last)
        if price is not None:
            rows.append(
                [market_id, Interval.MINUTE.value, at, price, None, bid, ask, None, LIVE, observed_at, received_at]
            )
    makers = plain_columns(PricePoint, POINT_COLUMNS)
    with transaction.atomic():
        writer = RowWriter(PricePoint, POINT_COLUMNS, key=("market_id", "interval", "at"), update=False)
        writer.write(plain(row, makers) for row in rows)
    return len(rows)
