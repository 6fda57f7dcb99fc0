"""A year of daily prices: the right tier, the right day, once."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from markets.history import HistoryReport, backfill_prices
from markets.models import Market, PricePoint
from markets.venues.marks import daily_mark
from tests.factories import make_market
from tests.markets.payloads import FakeVenues
from tests.markets.test_kalshi_parsing import candle

pytestmark = pytest.mark.django_db


def new_york_midnight(month: int, day: int) -> int:
    return int(datetime(2026, month, day, 4, tzinfo=UTC).timestamp())


def points(token_days: dict[int, str], month: int = 7) -> list[dict[str, object]]:
    return [
        {"timestamp": int(datetime(2026, month, day, 23, tzinfo=UTC).timestamp()), "price": price}
        for day, price in token_days.items()
    ]


def run(venues: FakeVenues, now: datetime, days: int = 30) -> HistoryReport:
    return backfill_prices(markets=Market.objects.all(), days=days, now=now, client=venues.client)


def test_both_venues_days_are_stored_with_their_source(venues: FakeVenues, now: datetime) -> None:
    kalshi, polymarket = make_market(), make_market(venue="polymarket")
    venues.candles[kalshi.native_id] = [candle(new_york_midnight(7, day)) for day in (10, 11)]
    venues.history[polymarket.yes_token] = points({5: "0.31", 25: "0.35"})
    report = run(venues, now)
    assert (report.written, report.markets, report.without_history) == (4, 2, 0)
    assert list(PricePoint.objects.order_by("market", "at").values_list("market", "at__day", "price", "source")) == [
        (kalshi.pk, 9, Decimal("0.42"), "candles"),
        (kalshi.pk, 10, Decimal("0.42"), "candles"),
        (polymarket.pk, 5, Decimal("0.31"), "prices-history"),
        (polymarket.pk, 25, Decimal("0.35"), "prices-history"),
    ]
    point = PricePoint.objects.filter(market=kalshi).earliest("at")
    assert point.at == datetime(2026, 7, 9, tzinfo=UTC)
    assert (point.bid, point.ask, point.volume) == (Decimal("0.4"), Decimal("0.44"), Decimal("12.5"))


def test_a_second_run_writes_nothing(venues: FakeVenues, now: datetime) -> None:
    kalshi, polymarket = make_market(), make_market(venue="polymarket")
    venues.candles[kalshi.native_id] = [candle(new_york_midnight(7, day)) for day in range(2, 31)]
    venues.history[polymarket.yes_token] = points(dict.fromkeys(range(1, 32), "0.3"))
    first = run(venues, now)
    before = list(PricePoint.objects.values())
    second = run(venues, now)
    assert (first.written > 50, second.written, second.conflicts) == (True, 0, 0)
    assert list(PricePoint.objects.values()) == before


def test_a_market_with_every_day_is_not_asked_for_again(venues: FakeVenues, now: datetime) -> None:
    polymarket = make_market(venue="polymarket")
    venues.history[polymarket.yes_token] = points(dict.fromkeys(range(1, 32), "0.3"))
    run(venues, now)
    venues.requests = []
    assert run(venues, now).written == 0
    assert venues.requests == []


def test_a_long_window_is_asked_for_in_fortnights(venues: FakeVenues, now: datetime) -> None:
    polymarket = make_market(venue="polymarket", open_at=now - timedelta(days=400))
    venues.history[polymarket.yes_token] = points({1: "0.2"}, month=1) + points({1: "0.3"})
    report = run(venues, now, days=365)
    assert report.written == 2
    assert len(venues.requests) == 25


def test_the_older_endpoint_helps_out(venues: FakeVenues, now: datetime) -> None:
    polymarket = make_market(venue="polymarket")
    moment = int(datetime(2026, 7, 9, 12, tzinfo=UTC).timestamp())
    venues.clob_history[polymarket.yes_token] = [{"t": moment, "p": 0.275}]
    assert run(venues, now).written == 1
    assert PricePoint.objects.values_list("price", "source").get() == (Decimal("0.275"), "clob-history")


def test_an_archived_market_is_read_from_the_historical_tier(venues: FakeVenues, now: datetime) -> None:
    settled = datetime(2026, 7, 20, tzinfo=UTC)
    market = make_market(status="resolved", result="yes", payout=Decimal(1), resolved_at=settled)
    venues.cutoff = "2026-07-25T00:00:00Z"
    venues.archived_candles[market.native_id] = [
        {
            "end_period_ts": new_york_midnight(7, 15),
            "yes_bid": {"close": "0.4000"},
            "yes_ask": {"close": "0.4400"},
            "price": {"close": None},
            "volume": "1.00",
        }
    ]
    assert run(venues, now).written == 1
    assert PricePoint.objects.get().source == "candles-historical"
    assert "/markets/candlesticks" not in venues.paths()


def test_a_market_that_moved_tiers_is_found_on_the_other_side(venues: FakeVenues, now: datetime) -> None:
    market = make_market(
        status="resolved", result="no", payout=Decimal(0), resolved_at=datetime(2026, 7, 20, tzinfo=UTC)
    )
    venues.archived_candles[market.native_id] = [candle(new_york_midnight(7, 15))]
    assert run(venues, now).written == 1
    PricePoint.objects.all().delete()
    venues.cutoff, venues.archived_candles = "2026-07-25T00:00:00Z", {}
    venues.candles[market.native_id] = [candle(new_york_midnight(7, 15))]
    assert run(venues, now).written == 1


def test_the_day_that_has_not_ended_is_not_written(venues: FakeVenues, now: datetime) -> None:
    polymarket = make_market(venue="polymarket")
    venues.history[polymarket.yes_token] = points({31: "0.3"}) + points({1: "0.4"}, month=8)
    run(venues, now)
    assert [at.day for at in PricePoint.objects.values_list("at", flat=True)] == [31]


def test_what_stands_wins_and_a_conflict_is_counted(venues: FakeVenues, now: datetime) -> None:
    polymarket = make_market(venue="polymarket")
    at = datetime(2026, 7, 9, tzinfo=UTC)
    PricePoint.objects.create(market=polymarket, interval=86400, at=at, price=Decimal("0.5"), source="live")
    venues.history[polymarket.yes_token] = points({9: "0.3", 10: "0.31"})
    report = run(venues, now)
    assert (report.written, report.standing, report.conflicts) == (1, 1, 1)
    assert PricePoint.objects.get(at=at).price == Decimal("0.5")


def test_a_gap_stays_a_gap(venues: FakeVenues, now: datetime) -> None:
    polymarket = make_market(venue="polymarket")
    venues.history[polymarket.yes_token] = points({5: "0.3", 9: "0.3"})
    run(venues, now)
    assert PricePoint.objects.count() == 2


def test_a_venue_that_stops_is_reported_and_a_rerun_goes_on(venues: FakeVenues, now: datetime) -> None:
    kalshi, polymarket = make_market(), make_market(venue="polymarket")
    venues.candles[kalshi.native_id] = [candle(new_york_midnight(7, 10))]
    venues.history[polymarket.yes_token] = points({5: "0.3"})
    venues.down = {"/historical/cutoff"}
    report = run(venues, now)
    assert (report.written, len(report.errors)) == (1, 1)
    venues.down = set()
    report = run(venues, now)
    assert (report.written, report.errors) == (1, ())


def test_a_market_without_history_is_counted(venues: FakeVenues, now: datetime) -> None:
    make_market()
    assert run(venues, now).without_history == 1


@pytest.mark.parametrize("days", [0, -1, 4000])
def test_a_silly_window_is_refused(venues: FakeVenues, now: datetime, days: int) -> None:
    with pytest.raises(ValueError, match="expected 1 to 3650 days"):
        run(venues, now, days=days)


@pytest.mark.parametrize(
    ("bid", "ask", "last", "mark"),
    [
        ("0.40", "0.44", "0.90", "0.42"),
        ("0.40", "0.60", "0.90", "0.60"),
        ("0.40", "0.60", None, "0.50"),
        ("0.10", "0.90", None, None),
        ("0.01", "0.99", "0.30", "0.30"),
        ("0.40", None, "0.30", "0.40"),
        (None, "0.40", "0.50", "0.40"),
        ("0.40", None, None, None),
        (None, None, "0.30", "0.30"),
        (None, None, None, None),
        ("0.60", "0.40", None, None),
        ("0.60", "0.40", "0.50", "0.50"),
    ],
)
def test_a_days_mark_follows_the_waterfall(
    bid: str | None, ask: str | None, last: str | None, mark: str | None
) -> None:
    exact = [None if value is None else Decimal(value) for value in (bid, ask, last, mark)]
    assert daily_mark(bid=exact[0], ask=exact[1], last=exact[2]) == exact[3]


@pytest.fixture
def _as_client(venues: FakeVenues, monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = dict(backfill_prices.__kwdefaults__ or {})
    monkeypatch.setattr(backfill_prices, "__kwdefaults__", {**defaults, "client": venues.client})


@pytest.mark.usefixtures("_as_client")
def test_the_command_fills_one_market_twice(venues: FakeVenues, now: datetime) -> None:
    market = make_market(venue="polymarket")
    venues.history[market.yes_token] = points({5: "0.3"})
    for _ in range(2):
        call_command("backfill_market_prices", "--market", f"polymarket:{market.native_id}", "--days", "40")
    assert PricePoint.objects.count() == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--days", "0"], "expected 1 to 3650"), (["--market", "kalshi:NOPE"], "no market 'kalshi:NOPE'")],
)
def test_the_command_refuses_with_a_sentence(now: datetime, arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("backfill_market_prices", *arguments)
