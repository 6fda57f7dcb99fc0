"""What books said is kept by the minute, once, and stands against what is fetched later."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from baskets.tasks import record_prices_task
from markets.history import backfill_prices
from markets.models import Interval, Market, PriceConflict, PricePoint, QuoteDemand
from markets.recording import record_quotes
from tests.factories import make_market, make_quote
from tests.markets.payloads import FakeVenues, candle

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def wanted(now: datetime, bid: str | None, ask: str | None, *, age: int = 5, last: str | None = None) -> Market:
    market = make_market()
    QuoteDemand.objects.create(market=market, source="test")
    quote = make_quote(market, bid, ask, now - timedelta(seconds=age))
    quote.last_price = None if last is None else Decimal(last)
    quote.save()
    return market


def test_a_minute_is_kept_of_every_live_quote_that_makes_a_price_and_of_no_other(now: datetime) -> None:
    tight, one_sided = wanted(now, "0.40", "0.42"), wanted(now, None, "0.30", last="0.35")
    wanted(now, None, None)
    wanted(now, "0.40", "0.42", age=91)
    make_quote(make_market(), "0.40", "0.42", now)
    lapsed = wanted(now, "0.40", "0.42")
    lapsed.demands.update(until=now)
    assert record_quotes(now=now + timedelta(seconds=40)) == 2
    assert list(PricePoint.objects.order_by("market").values_list("market", "interval", "at", "price", "source")) == [
        (tight.pk, Interval.MINUTE, now, Decimal("0.41"), "live"),
        (one_sided.pk, Interval.MINUTE, now, Decimal("0.3"), "live"),
    ]
    make_quote(tight, "0.60", "0.62", now)
    before = list(PricePoint.objects.values())
    # A second run in this minute, and a clock that steps back.
    assert record_quotes(now=now + timedelta(seconds=50)) == 0
    assert record_quotes(now=now) == 0
    assert list(PricePoint.objects.values()) == before
    assert record_quotes(now=now + MINUTE) == 2


def test_the_minutes_task_keeps_quotes_besides_fixing_baskets(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted(now, "0.40", "0.42")
    monkeypatch.setattr("baskets.tasks.refresh_quotes", lambda now: None)
    for _ in range(2):
        record_prices_task()
    assert PricePoint.objects.count() == 1


def test_promise_6_live_minutes_win_over_fetched_ones(now: datetime) -> None:
    market = wanted(now, "0.40", "0.42")
    record_quotes(now=now)
    venues = FakeVenues()
    ends = [int((now + number * MINUTE).timestamp()) for number in range(4)]
    venues.candles[market.native_id] = [candle(end, yes_bid={"close_dollars": "0.2000"},
                                               yes_ask={"close_dollars": "0.2200"}) for end in ends]  # fmt: skip
    report = backfill_prices(
        markets=Market.objects.all(), days=1, now=now + 10 * MINUTE, interval=Interval.MINUTE, client=venues.client
    )
    assert (report.written, report.conflicts) == (3, 1)
    assert PricePoint.objects.get(at=now).source == "live"
    assert PriceConflict.objects.values_list("at", "price", "other_price").get() == (
        now,
        Decimal("0.41"),
        Decimal("0.21"),
    )
