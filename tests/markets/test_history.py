"""A market's past: the right tier, the right day, once; what is missing and what disagrees is kept and said."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command

from itomarkets.lib.venues import Venue
from markets.history import HistoryReport, backfill_prices
from markets.models import HistoryGap, HistoryWindow, Interval, Market, PriceConflict, PricePoint, QuoteDemand
from tests.factories import make_market
from tests.markets.payloads import FakeVenues, archived_candle, candle

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def new_york_midnight(month: int, day: int) -> int:
    return int(datetime(2026, month, day, 4, tzinfo=UTC).timestamp())


def points(token_days: dict[int, str], month: int = 7, hour: int = 23) -> list[dict[str, object]]:
    return [
        {"timestamp": int(datetime(2026, month, day, hour, tzinfo=UTC).timestamp()), "price": price}
        for day, price in token_days.items()
    ]


def run(venues: FakeVenues, now: datetime, days: int = 30, **options: Any) -> HistoryReport:
    return backfill_prices(markets=Market.objects.all(), days=days, now=now, client=venues.client, **options)


def everything() -> list[list[dict[str, Any]]]:
    """Every row of the history, without the ids that databases give."""
    return [
        [
            {name: value for name, value in row.items() if name != "id"}
            for row in model.objects.order_by(*order).values()
        ]
        for model, order in (
            (PricePoint, ("market", "interval", "at")),
            (HistoryGap, ("market", "interval", "start_at")),
            (HistoryWindow, ("market", "interval", "start_at")),
            (PriceConflict, ("market", "interval", "at", "other_price")),
        )
    ]


def test_both_venues_days_are_stored_with_their_source_and_three_times(venues: FakeVenues, now: datetime) -> None:
    kalshi, polymarket = make_market(), make_market(venue="polymarket")
    venues.candles[kalshi.native_id] = [candle(new_york_midnight(7, day)) for day in (10, 11)]
    venues.history[polymarket.yes_token] = points({5: "0.29"}, hour=5) + points({5: "0.31", 25: "0.35"})
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
    assert point.observed_at == datetime(2026, 7, 10, 4, tzinfo=UTC)
    assert point.received_at == now
    assert (point.bid, point.ask, point.volume) == (Decimal("0.4"), Decimal("0.44"), Decimal("12.5"))
    averages = PricePoint.objects.order_by("market", "at").values_list("average", flat=True)
    assert list(averages) == [Decimal("0.405"), Decimal("0.405"), Decimal("0.30"), None]


@pytest.mark.parametrize(("interval", "rows", "calls"), [(Interval.HOUR, 48, 1), (Interval.MINUTE, 2880, 2)])
def test_hours_and_minutes_are_fetched_where_they_are_served(
    venues: FakeVenues, now: datetime, interval: Interval, rows: int, calls: int
) -> None:
    kalshi, polymarket = make_market(), make_market(venue="polymarket")
    last = int(now.timestamp()) - 300
    ends = [last - last % interval - interval * number for number in range(rows)]
    venues.candles[kalshi.native_id] = [candle(end) for end in ends]
    venues.history[polymarket.yes_token] = [{"timestamp": end - interval, "price": "0.3"} for end in ends]
    report = run(venues, now, days=3, interval=interval)
    assert report.written == 2 * rows
    asked = [request.url.params for request in venues.requests if "period_interval" in request.url.params]
    assert {params["period_interval"] for params in asked} == {str(interval // 60)}
    assert len([params for params in asked if "market_tickers" in params]) == calls
    venues.requests = []
    assert run(venues, now, days=3, interval=interval).written == 0
    assert venues.requests == []


def test_promise_6_a_second_run_asks_nothing_and_writes_nothing(venues: FakeVenues, now: datetime) -> None:
    kalshi, polymarket = make_market(), make_market(venue="polymarket")
    venues.candles[kalshi.native_id] = [candle(new_york_midnight(7, day)) for day in range(2, 31)]
    venues.history[polymarket.yes_token] = points(dict.fromkeys(range(1, 32), "0.3"))
    first, before = run(venues, now), everything()
    venues.requests = []
    second = run(venues, now)
    assert (first.written > 50, second.written, second.standing) == (True, 0, first.written)
    assert venues.requests == []
    assert everything() == before


def test_promise_6_any_part_run_again_is_compared_and_writes_nothing(venues: FakeVenues, now: datetime) -> None:
    kalshi, polymarket = make_market(), make_market(venue="polymarket")
    venues.candles[kalshi.native_id] = [candle(new_york_midnight(7, day)) for day in range(2, 31) if day % 5]
    venues.history[polymarket.yes_token] = points(dict.fromkeys(range(1, 32, 2), "0.3"))
    run(venues, now)
    before = everything()
    for days in (1, 9, 17, 30):
        for chosen in (Market.objects.filter(pk=kalshi.pk), Market.objects.all()):
            report = backfill_prices(markets=chosen, days=days, now=now, client=venues.client, recheck=True)
            assert (report.written, report.conflicts, report.gaps, everything() == before) == (0, 0, 0, True)
    assert len(venues.requests) > 10


def test_promise_6_a_longer_past_and_a_later_day_ask_for_what_is_new(venues: FakeVenues, now: datetime) -> None:
    polymarket = make_market(venue="polymarket", open_at=now - 100 * DAY)
    venues.history[polymarket.yes_token] = points(dict.fromkeys(range(1, 32), "0.3")) + points({1: "0.3"}, month=8)
    assert run(venues, now, days=7).written == 7
    assert run(venues, now, days=20).written == 13
    venues.requests = []
    assert run(venues, now + DAY, days=20).written == 1
    (asked,) = [request for request in venues.requests if request.url.path.endswith("/v2/prices-history")]
    # The new day, with the one before it to compare.
    assert int(asked.url.params["end"]) - int(asked.url.params["start"]) == 2 * 86_400
    assert HistoryWindow.objects.filter(covered_to=datetime(2026, 8, 2, tzinfo=UTC)).count() == 1


def test_a_long_window_is_asked_for_in_fortnights(venues: FakeVenues, now: datetime) -> None:
    polymarket = make_market(venue="polymarket", open_at=now - timedelta(days=400))
    venues.history[polymarket.yes_token] = points({1: "0.2"}, month=1) + points({1: "0.3"})
    report = run(venues, now, days=365)
    assert report.written == 2
    windows = [request.url.params for request in venues.requests if "bucket_seconds" in request.url.params]
    # FakeVenues refuses a window of more than 15 days.
    assert len(windows) == HistoryWindow.objects.count() == 29


def test_the_older_endpoint_helps_out(venues: FakeVenues, now: datetime) -> None:
    polymarket = make_market(venue="polymarket")
    moment = int(datetime(2026, 7, 9, 12, tzinfo=UTC).timestamp())
    # A sample at midnight is how the day before it ended.
    venues.clob_history[polymarket.yes_token] = [{"t": moment, "p": 0.275}, {"t": moment + 12 * 3600, "p": 0.285}]
    assert run(venues, now).written == 1
    assert PricePoint.objects.values_list("at__day", "price", "source").get() == (9, Decimal("0.285"), "clob-history")


def test_a_decided_market_is_read_from_its_coarse_bars(venues: FakeVenues, now: datetime) -> None:
    values = {"status": "resolved", "result": "yes", "payout": Decimal(1), "resolved_at": now - 9 * DAY}
    polymarket = make_market(venue="polymarket", **values)
    venues.history[polymarket.yes_token] = [
        {**point, "resolution_seconds": 43_200} for point in points({5: "0.3", 6: "0.4"}, hour=12)
    ]
    assert run(venues, now).written == 2
    assert set(PricePoint.objects.values_list("source", flat=True)) == {"prices-history"}
    steps = [request.url.params.get("bucket_seconds") for request in venues.requests]
    assert steps[:2] == ["21600", "43200"]


def test_an_archived_market_is_read_from_the_historical_tier(venues: FakeVenues, now: datetime) -> None:
    settled = datetime(2026, 7, 20, tzinfo=UTC)
    market = make_market(status="resolved", result="yes", payout=Decimal(1), resolved_at=settled)
    venues.cutoff = "2026-07-25T00:00:00Z"
    venues.archived_candles[market.native_id] = [
        archived_candle(new_york_midnight(7, 15), price={"close": None}),
    ]
    assert run(venues, now).written == 1
    assert PricePoint.objects.get().source == "candles-historical"
    assert "/markets/candlesticks" not in venues.paths()


def test_a_market_that_moved_tiers_is_found_on_the_other_side(venues: FakeVenues, now: datetime) -> None:
    market = make_market(
        status="resolved", result="no", payout=Decimal(0), resolved_at=datetime(2026, 7, 20, tzinfo=UTC)
    )
    venues.archived_candles[market.native_id] = [archived_candle(new_york_midnight(7, 15))]
    assert run(venues, now).written == 1
    for model in (PricePoint, HistoryWindow):
        model.objects.all().delete()
    venues.cutoff, venues.archived_candles = "2026-07-25T00:00:00Z", {}
    venues.candles[market.native_id] = [candle(new_york_midnight(7, 15))]
    assert run(venues, now).written == 1


def test_promise_6_the_tiers_are_joined_at_the_served_cutoff(venues: FakeVenues, now: datetime) -> None:
    market = make_market()
    venues.cutoff = "2026-07-15T04:00:00Z"
    venues.archived_candles[market.native_id] = [archived_candle(new_york_midnight(7, day)) for day in range(2, 16)]
    venues.candles[market.native_id] = [candle(new_york_midnight(7, day)) for day in range(15, 32)]
    report = run(venues, now, days=31)
    by_day = dict(PricePoint.objects.values_list("at__day", "source"))
    assert by_day == {day: "candles-historical" if day < 14 else "candles" for day in range(1, 31)}
    # 30 and 31 July: the last has not been served; 1 July is the day that the market opened on.
    assert (report.conflicts, [gap.start_at.day for gap in HistoryGap.objects.all()][-1]) == (0, 31)


def test_promise_2_a_day_is_not_written_before_it_has_ended_in_its_venues_calendar(venues: FakeVenues, at: Any) -> None:
    early = at(datetime(2026, 8, 1, 3, 30, tzinfo=UTC))
    kalshi, polymarket = make_market(), make_market(venue="polymarket")
    venues.candles[kalshi.native_id] = [candle(new_york_midnight(7, 31)), candle(new_york_midnight(8, 1))]
    venues.history[polymarket.yes_token] = points({30: "0.3", 31: "0.3"}) + points({1: "0.4"}, month=8, hour=2)
    run(venues, early)
    assert list(PricePoint.objects.order_by("market", "at").values_list("market", "at__day")) == [
        (kalshi.pk, 30),
        (polymarket.pk, 30),
        (polymarket.pk, 31),
    ]
    assert run(venues, early + timedelta(hours=1)).written == 1
    assert PricePoint.objects.filter(market=kalshi).latest("at").at.day == 31


def test_promise_6_live_rows_win_and_a_conflict_is_kept_once(venues: FakeVenues, now: datetime) -> None:
    polymarket = make_market(venue="polymarket")
    for day, price in ((9, "0.5"), (10, "0.325")):
        PricePoint.objects.create(
            market=polymarket,
            interval=86400,
            at=datetime(2026, 7, day, tzinfo=UTC),
            price=Decimal(price),
            source="live",
        )
    # The tenth is a book seen and a price served that differ by less than two ways to measure may.
    venues.history[polymarket.yes_token] = points({9: "0.3", 10: "0.31", 11: "0.32"})
    report = run(venues, now)
    assert (report.written, report.standing, report.conflicts) == (1, 2, 1)
    run(venues, now, recheck=True)
    conflict = PriceConflict.objects.get()
    assert (conflict.at.day, conflict.price, conflict.source) == (9, Decimal("0.5"), "live")
    assert (conflict.other_price, conflict.other_source) == (Decimal("0.3"), "prices-history")
    assert PricePoint.objects.get(at=conflict.at).price == Decimal("0.5")


def test_promise_6_windows_that_disagree_where_they_overlap_are_a_conflict(venues: FakeVenues, now: datetime) -> None:
    polymarket = make_market(venue="polymarket")
    venues.history[polymarket.yes_token] = points({30: "0.30", 31: "0.31"})
    run(venues, now)
    # The next day's window begins with the day that stands; now the venue says otherwise.
    venues.history[polymarket.yes_token] = points({31: "0.36"}) + points({1: "0.4"}, month=8)
    report = run(venues, now + DAY)
    assert (report.written, report.conflicts) == (1, 1)
    assert PriceConflict.objects.values_list("at__day", "price", "other_price").get() == (
        31,
        Decimal("0.31"),
        Decimal("0.36"),
    )


def test_promise_5_gaps_are_rows_that_say_from_when_to_when_and_why(venues: FakeVenues, now: datetime) -> None:
    kalshi, polymarket = make_market(), make_market(venue="polymarket")
    venues.history[polymarket.yes_token] = points({day: "0.3" for day in range(1, 32) if day not in (6, 7, 20)})
    nothing = {"yes_bid": {"close_dollars": "0.0000"}, "yes_ask": {"close_dollars": "1.0000"}, "price": {}}
    bad = candle(new_york_midnight(7, 10), yes_bid={"close_dollars": "7"})
    venues.candles[kalshi.native_id] = [
        candle(new_york_midnight(7, day), **(nothing if day in (4, 5) else {})) for day in range(2, 32) if day != 10
    ] + [bad]
    report = run(venues, now, days=31)
    gaps = HistoryGap.objects.order_by("market", "start_at")
    # The market opened on 30 June in New York; its last day has not been served yet.
    assert list(gaps.values_list("market", "start_at__day", "end_at__day", "missing", "reason")) == [
        (kalshi.pk, 3, 4, 2, "unpriced"),
        (kalshi.pk, 9, 9, 1, "unreadable"),
        (kalshi.pk, 31, 31, 1, "empty"),
        (polymarket.pk, 6, 7, 2, "empty"),
        (polymarket.pk, 20, 20, 1, "empty"),
    ]
    assert "yes_bid" in gaps.get(reason="unreadable").detail or "expected" in gaps.get(reason="unreadable").detail
    assert (report.gaps, report.unreadable) == (5, 1)
    # The venue has learned what it did not know: the gap goes, the day comes.
    venues.history[polymarket.yes_token] += points({6: "0.3"})
    assert run(venues, now, days=31, recheck=True).written == 1
    assert gaps.filter(market=polymarket).values_list("start_at__day", "missing").first() == (7, 1)


TRADE_DAYS = (3, 3, 9, 9, 9, 21)


def kalshi_trade(market: Market, number: int, day: int) -> dict[str, Any]:
    return {
        "trade_id": f"t{number}",
        "ticker": market.native_id,
        "count_fp": "10.00",
        "yes_price_dollars": f"0.{30 + number}00",
        "created_time": f"2026-07-{day:02}T1{number % 10}:00:00Z",
        "is_block_trade": False,
    }


def test_trades_make_the_days_where_only_they_exist(venues: FakeVenues, now: datetime) -> None:
    kalshi, polymarket = make_market(), make_market(venue="polymarket")
    quiet = make_market(volume=Decimal(0))
    trades = [kalshi_trade(kalshi, number, day) for number, day in enumerate(TRADE_DAYS)]
    # One day of them has gone to the historical tier; both serve one page at a time.
    venues.cutoff = "2026-07-04T04:00:00Z"
    venues.trades["/historical/trades"], venues.trades["/markets/trades"] = trades[:2], trades[2:]
    venues.trades_a_page = 2
    venues.trades[polymarket.condition_id] = [
        {
            "asset": token, "price": price, "size": size, "side": "BUY", "proxyWallet": "0x1",
            "conditionId": polymarket.condition_id, "transactionHash": f"0x{number}",
            "timestamp": int(datetime(2026, 7, 5, number, tzinfo=UTC).timestamp()),
        }
        for number, (token, price, size) in enumerate(
            [(polymarket.yes_token, 0.3, 10), (polymarket.no_token, 0.6, 30), ("999", 0.5, 1)], start=1
        )
    ]  # fmt: skip
    report = run(venues, now)
    assert (report.written, report.unreadable, report.without_history) == (4, 1, 1)
    rows = PricePoint.objects.order_by("market", "at")
    assert list(rows.values_list("market", "at__day", "price", "average", "volume", "source")) == [
        (kalshi.pk, 3, Decimal("0.31"), Decimal("0.305"), Decimal(20), "trades-historical"),
        (kalshi.pk, 9, Decimal("0.34"), Decimal("0.33"), Decimal(30), "trades"),
        (kalshi.pk, 21, Decimal("0.35"), Decimal("0.35"), Decimal(10), "trades"),
        (polymarket.pk, 5, Decimal("0.4"), Decimal("0.375"), Decimal(40), "trades"),
    ]
    asked = [request.url.params["ticker"] for request in venues.requests if "is_block_trade" in request.url.params]
    assert set(asked) == {kalshi.native_id}
    assert quiet.price_points.count() == 0


def test_a_span_with_too_many_trades_is_halved(
    venues: FakeVenues, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("markets.venues.polymarket_history.TRADES_A_CALL", 3)
    market = make_market(venue="polymarket")
    venues.trades[market.condition_id] = [
        {
            "asset": market.yes_token, "price": 0.3, "size": 10, "side": "BUY", "transactionHash": f"0x{day}",
            "timestamp": int(datetime(2026, 7, day, 9, tzinfo=UTC).timestamp()),
        }
        for day in range(3, 24)
    ]  # fmt: skip
    assert run(venues, now).written == 21


def shuffled(venues: FakeVenues, draw: random.Random) -> None:
    """The same answers in another order, some rows twice."""
    for rows in (*venues.candles.values(), *venues.archived_candles.values(), *venues.history.values()):
        rows += draw.sample(rows, len(rows) // 3)
        draw.shuffle(rows)


def test_promise_6_pages_in_another_order_and_twice_give_the_same_rows(now: datetime) -> None:
    kalshi, polymarket = make_market(), make_market(venue="polymarket")
    found = []
    for seed in range(4):
        venues = FakeVenues()
        venues.history_a_page = 7
        venues.candles[kalshi.native_id] = [candle(new_york_midnight(7, day)) for day in range(9, 30)]
        venues.archived_candles[kalshi.native_id] = [archived_candle(new_york_midnight(7, day)) for day in range(2, 12)]
        venues.cutoff = "2026-07-12T00:00:00Z"
        venues.history[polymarket.yes_token] = [
            point
            for hour in (3, 9, 15, 21)
            for point in points({day: f"0.{hour + day}" for day in range(1, 28)}, hour=hour)
        ]  # fmt: skip
        if seed:
            shuffled(venues, random.Random(seed))
        for model in (PricePoint, HistoryWindow, HistoryGap):
            model.objects.all().delete()
        run(venues, now)
        found.append(everything())
    assert len(found[0][0]) > 50
    assert all(rows == found[0] for rows in found[1:])


class Killed(BaseException):
    """What ends a process, as far as the database can tell."""


def test_promise_6_a_kill_at_any_page_loses_that_page_alone(venues: FakeVenues, now: datetime) -> None:
    kalshi, polymarket = make_market(open_at=now - 200 * DAY), make_market(venue="polymarket", open_at=now - 60 * DAY)
    venues.history_a_page = 20
    venues.candles[kalshi.native_id] = [candle(new_york_midnight(7, day)) for day in range(2, 30)]
    venues.history[polymarket.yes_token] = [
        point for hour in (3, 15) for point in points(dict.fromkeys(range(1, 31), "0.3"), hour=hour)
    ]
    run(venues, now, days=200)
    undisturbed, pages = everything(), len(venues.requests)
    assert pages > 8
    for last in range(1, pages):
        for model in (PricePoint, HistoryWindow, HistoryGap):
            model.objects.all().delete()
        venues.requests = []
        with pytest.raises(Killed):
            backfill_prices(markets=Market.objects.all(), days=200, now=now, client=killed_after(venues, last))
        asked = len(venues.requests)
        run(venues, now, days=200)
        assert everything() == undisturbed, f"killed after page {last}"
        # What was stored is not asked for again: no more than one window's pages come twice, and the cutoff.
        assert len(venues.requests) - asked <= pages - last + 4


def killed_after(venues: FakeVenues, pages: int) -> Callable[[Venue], Any]:
    def client(venue: Venue) -> Any:
        reads = venues.client(venue)
        history = reads.history
        for http in {id(part): part for part in vars(history).values() if hasattr(part, "get_json")}.values():
            http.get_json = dying(http.get_json)
        return reads

    def dying(get_json: Callable[..., Any]) -> Callable[..., Any]:
        def get(*arguments: Any) -> Any:
            if len(venues.requests) >= pages:
                raise Killed
            return get_json(*arguments)

        return get

    return client


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


def test_a_market_that_cannot_be_answered_does_not_stop_the_others(venues: FakeVenues, now: datetime) -> None:
    broken, kalshi, polymarket = make_market(), make_market(), make_market(venue="polymarket")
    venues.candles = {broken.native_id: "no list", kalshi.native_id: [candle(new_york_midnight(7, 10))]}  # type: ignore[dict-item]
    venues.history[polymarket.yes_token] = [*points({5: "0.3"}), {"timestamp": "soon", "price": 0.5}]
    report = run(venues, now)
    assert (report.written, report.unreadable, len(report.errors)) == (2, 3, 1)
    assert broken.native_id in report.errors[0]
    assert not broken.history_windows.exists()
    # Asked for again, and only that one.
    venues.candles[broken.native_id] = [candle(new_york_midnight(7, 11))]
    assert (run(venues, now).written, broken.price_points.count()) == (1, 1)


def test_a_market_without_history_is_counted(venues: FakeVenues, now: datetime) -> None:
    make_market()
    assert run(venues, now).without_history == 1


@pytest.mark.parametrize(("days", "interval"), [(0, 86400), (-1, 86400), (4000, 86400), (8, 60)])
def test_a_silly_window_is_refused(venues: FakeVenues, now: datetime, days: int, interval: int) -> None:
    with pytest.raises(ValueError, match="expected 1 to"):
        run(venues, now, days=days, interval=interval)


@pytest.fixture
def _as_client(venues: FakeVenues, monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = dict(backfill_prices.__kwdefaults__ or {})
    monkeypatch.setattr(backfill_prices, "__kwdefaults__", {**defaults, "client": venues.client})


@pytest.mark.usefixtures("_as_client")
def test_the_command_fills_one_market_and_all_that_is_wanted_twice(
    venues: FakeVenues, now: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    market, wanted = make_market(venue="polymarket"), make_market()
    QuoteDemand.objects.create(market=wanted, source="test")
    venues.history[market.yes_token] = points({5: "0.3"})
    venues.candles[wanted.native_id] = [candle(new_york_midnight(7, 10))]
    for _ in range(2):
        call_command("backfill_history", "--market", f"polymarket:{market.native_id}", "--days", "40")
        call_command("backfill_history", "--all")
        assert list(PricePoint.objects.values_list("market", flat=True)) == [market.pk, wanted.pk]
    said = capsys.readouterr().out
    assert "1 markets: 1 daily prices written, 0 already there, 0 of them with another price" in said
    assert "1 markets: 0 daily prices written, 1 already there, 0 of them with another price, 0 gaps" in said
    assert "polymarket: history of 1 markets, 1 prices written" in said
    call_command("backfill_history", "--all", "--interval", "hour", "--days", "2")
    assert "0 baskets" not in capsys.readouterr().out
