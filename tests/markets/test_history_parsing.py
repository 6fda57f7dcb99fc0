"""Candles, samples and trades become prices of buckets, whatever order they come in. No database."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import permutations

import pytest

from markets.venues.kalshi_history import parse_candles, parse_trade
from markets.venues.marks import daily_mark
from markets.venues.past import CANDLES, DAY, PastPrice, Sample, bounds_of, bucket_of, bucketed
from markets.venues.polymarket_history import parse_points
from tests.markets.payloads import archived_candle, candle

HOUR = timedelta(hours=1)


def stamp(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())


def days(*rows: object) -> dict[date, PastPrice]:
    return {at.date(): price for at, price in parse_candles(rows, step=DAY, source=CANDLES).prices.items()}


# The clocks go forward on 8 March and back on 1 November 2026: days of 23 and of 25 hours.
ENDS = [
    (datetime(2026, 1, 2, 5, tzinfo=UTC), date(2026, 1, 1)),
    (datetime(2026, 7, 2, 4, tzinfo=UTC), date(2026, 7, 1)),
    (datetime(2026, 3, 8, 5, tzinfo=UTC), date(2026, 3, 7)),
    (datetime(2026, 3, 9, 4, tzinfo=UTC), date(2026, 3, 8)),
    (datetime(2026, 11, 1, 4, tzinfo=UTC), date(2026, 10, 31)),
    (datetime(2026, 11, 2, 5, tzinfo=UTC), date(2026, 11, 1)),
]


@pytest.mark.parametrize(("end", "day"), ENDS)
def test_promise_2_a_candles_day_is_the_one_that_ended_in_new_york(end: datetime, day: date) -> None:
    price = days(candle(int(end.timestamp())))[day]
    # Three times: the bucket, the venue's, and (on storing) ours.
    assert (price.at, price.observed_at) == (datetime(day.year, day.month, day.day, tzinfo=UTC), end)


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 8), 23), (date(2026, 11, 1), 25), (date(2026, 7, 1), 24)])
def test_promise_2_the_days_asked_for_begin_and_end_in_new_york(day: date, hours: int) -> None:
    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    start, end = bounds_of("kalshi", at, at + DAY, DAY)
    assert (end - start) == timedelta(hours=hours)
    inside = [start + timedelta(minutes=step) for step in range(0, hours * 60, 7)]
    assert {bucket_of("kalshi", moment, DAY) for moment in inside} == {at}
    assert bucket_of("kalshi", end, DAY) == at + DAY
    assert bounds_of("polymarket", at, at + DAY, DAY) == (at, at + DAY)


def test_promise_2_hours_and_minutes_know_no_calendar() -> None:
    end = datetime(2026, 11, 1, 6, tzinfo=UTC)
    (at,) = parse_candles([candle(int(end.timestamp()))], step=HOUR, source=CANDLES).prices
    assert at == datetime(2026, 11, 1, 5, tzinfo=UTC)


def test_both_tiers_field_names_give_the_same_day() -> None:
    end = stamp(2026, 7, 2, 4)
    live, archived = days(candle(end)), days(archived_candle(end))
    assert live == archived
    price = live[date(2026, 7, 1)]
    assert (price.price, price.average, price.volume) == (Decimal("0.42"), Decimal("0.405"), Decimal("12.5"))


def test_a_day_without_trade_or_book_is_a_gap() -> None:
    end = stamp(2026, 7, 2, 4)
    empty = candle(
        end,
        yes_bid={"close_dollars": "0.0000"},
        yes_ask={"close_dollars": "1.0000"},
        price={"close_dollars": None, "previous_dollars": "0.3000"},
    )
    answer = parse_candles([empty], step=DAY, source=CANDLES)
    assert (answer.prices, answer.unpriced) == ({}, {datetime(2026, 7, 1, tzinfo=UTC)})


@pytest.mark.parametrize(
    "bad",
    [
        candle(stamp(2026, 7, 3, 4), yes_bid={"close_dollars": "12"}),
        candle(stamp(2026, 7, 3, 4), price="none"),
        {"end_period_ts": "soon"},
        "no candle",
        None,
    ],
)
def test_a_candle_that_cannot_be_read_is_named_and_stepped_over(bad: object) -> None:
    answer = parse_candles([bad, candle(stamp(2026, 7, 2, 4))], step=DAY, source=CANDLES)
    assert (len(answer.prices), len(answer.unreadable)) == (1, 1)
    (why,) = answer.unreadable.values()
    assert "expected" in why


def test_a_days_price_is_its_last_sample_and_its_average_their_mean() -> None:
    morning = stamp(2026, 7, 1, 8)
    rows = [(morning + 3600, "0.4"), (morning, "0.3"), (morning + 86_400, 0.25)]
    for order in permutations([*rows, rows[0]]):
        samples, unreadable = parse_points([(at, price, "x", None) for at, price in order])
        found = bucketed(samples, "polymarket", DAY)
        assert [(price.at.day, price.price, price.average) for price in found.values()] == [
            (1, Decimal("0.4"), Decimal("0.35")),
            (2, Decimal("0.25"), None),
        ]
        assert not unreadable


@pytest.mark.parametrize(("at", "price"), [("soon", "0.3"), (1, "1.3"), (1, None), (10**18, "0.3"), (True, "0.3")])
def test_a_bad_point_is_named(at: object, price: object) -> None:
    samples, unreadable = parse_points([(at, price, "x", {"timestamp": at}), (1, "0.5", "x", None)])
    assert (len(samples), list(unreadable)) == (1, [None])


def test_trades_give_a_days_last_price_its_weighted_average_and_what_was_traded() -> None:
    noon = datetime(2026, 7, 1, 12, tzinfo=UTC)
    samples = [
        Sample(noon, Decimal("0.4"), "trades", Decimal(30)),
        Sample(noon + HOUR, Decimal("0.6"), "trades", Decimal(10)),
    ]
    for order in permutations(samples):
        (price,) = bucketed(order, "kalshi", DAY).values()
        assert (price.price, price.average, price.volume) == (Decimal("0.6"), Decimal("0.45"), Decimal(40))
    key, sample = parse_trade(
        {
            "trade_id": "t1",
            "created_time": "2026-07-01T12:00:00Z",
            "yes_price_dollars": "0.4000",
            "count_fp": "30.00",
        },
        source="trades",
    )
    assert (key, sample) == ("t1", samples[0])


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
