"""What a past lacks and where its sources disagree is told by the API and on the market's page."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from itomarkets.lib.series import Gap
from markets.gaps import explain_gaps
from markets.models import HistoryGap, Interval, Market, PriceConflict
from tests.baskets.helpers import day_price
from tests.factories import make_market, make_user

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def gap(market: Market, start: datetime, days: int, reason: str) -> HistoryGap:
    return HistoryGap.objects.create(
        market=market,
        interval=Interval.DAY,
        start_at=start,
        end_at=start + (days - 1) * DAY,
        missing=days,
        reason=reason,
        detail="yes_bid: expected a price" if reason == "unreadable" else "",
        found_at=start + 40 * DAY,
    )


def test_promise_5_a_gap_comes_in_as_many_parts_as_it_has_reasons(now: datetime) -> None:
    market, first = make_market(), now.replace(hour=0) - 20 * DAY
    gap(market, first + 2 * DAY, 2, "empty")
    gap(market, first + 4 * DAY, 1, "unreadable")
    gap(make_market(), first, 9, "unpriced")
    found = explain_gaps([Gap(first, first + 9 * DAY, 10)], market=market, interval=Interval.DAY, step=DAY)
    assert [((part.start - first).days, (part.end - first).days, part.missing, part.reason) for part in found] == [
        (0, 1, 2, "unasked"),
        (2, 3, 2, "empty"),
        (4, 4, 1, "unreadable"),
        (5, 9, 5, "unasked"),
    ]
    # A window that begins or ends inside a gap is told of that part alone.
    (part,) = explain_gaps([Gap(first + 3 * DAY, first + 3 * DAY, 1)], market=market, interval=Interval.DAY, step=DAY)
    assert (part.missing, part.reason) == (1, "empty")


def test_promises_5_and_6_gaps_and_conflicts_are_served_and_shown(client: Client, now: datetime) -> None:
    market, midnight = make_market(), now.replace(hour=0)
    for days in (9, 5):
        day_price(market, midnight - days * DAY, "0.40")
    gap(market, midnight - 8 * DAY, 3, "empty")
    PriceConflict.objects.create(
        market=market, interval=Interval.DAY, at=midnight - 5 * DAY, price=Decimal("0.4"), source="live",
        other_price=Decimal("0.47"), other_source="candles", found_at=now,
    )  # fmt: skip
    client.force_login(make_user())
    body = client.get(f"/api/v1/markets/kalshi:{market.native_id}/history").json()
    assert [(row["missing"], row["reason"]) for row in body["gaps"]] == [(3, "empty"), (4, "unasked")]
    assert body["conflicts"] == [
        {
            "at": "2026-07-27T00:00:00Z",
            "price": "0.400000",
            "source": "live",
            "other_price": "0.470000",
            "other_source": "candles",
            "found_at": "2026-08-01T12:00:00Z",
        }
    ]
    page = client.get(reverse("market-detail", args=[market.pk])).content.decode()
    assert "3 days without a price" in page
    assert "The venue has no price there" in page
    assert "sources disagree" in page
    assert "by candles" in page
    other = client.get(reverse("market-detail", args=[make_market().pk])).content.decode()
    assert "without a price" not in other
