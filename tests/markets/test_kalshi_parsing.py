"""Kalshi's wire objects become rows; what cannot be read says which field and what was expected."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itomarkets.lib.venues import VenueProtocolError
from markets.venues.kalshi import parse_book, parse_event, parse_market, parse_series
from markets.venues.rows import read_rows
from tests.markets.payloads import kalshi_event, kalshi_market, kalshi_series

NOW = datetime(2026, 8, 1, tzinfo=UTC)


def test_a_market_is_read_exactly() -> None:
    row = parse_market(kalshi_market(a_field_of_next_year={"x": 1}))
    assert (row.yes_bid, row.yes_ask, row.last_price) == (Decimal("0.61"), Decimal("0.63"), Decimal("0.62"))
    assert (row.volume, row.status, row.result, row.payout) == (Decimal("125000.75"), "open", "", None)
    assert (row.event_key, row.subtitle, row.is_combo) == ("KXRATE-26SEP", "Hold", False)
    assert row.close_at == datetime(2026, 9, 16, 17, 55, tzinfo=UTC)
    assert row.price_ranges == ({"start": "0.0000", "end": "1.0000", "step": "0.0100"},)


@pytest.mark.parametrize(
    ("wire", "ours"),
    [
        ("initialized", "unopened"),
        ("active", "open"),
        ("inactive", "paused"),
        ("closed", "closed"),
        ("determined", "closed"),
        ("disputed", "disputed"),
        ("amended", "closed"),
    ],
)
def test_each_status_before_settlement_has_no_result(wire: str, ours: str) -> None:
    row = parse_market(kalshi_market(status=wire, result="yes", settlement_value_dollars="1.0000"))
    assert (row.status, row.result, row.payout, row.resolved_at) == (ours, "", None, None)


@pytest.mark.parametrize(
    ("result", "value", "ours", "payout"),
    [
        ("yes", "1.0000", "yes", Decimal(1)),
        ("yes", None, "yes", Decimal(1)),
        ("no", "0.0000", "no", Decimal(0)),
        ("scalar", "0.2900", "fraction", Decimal("0.29")),
        ("", "0.5000", "fraction", Decimal("0.5")),
    ],
)
def test_a_finalized_market_pays_what_the_venue_says(
    result: str, value: str | None, ours: str, payout: Decimal
) -> None:
    row = parse_market(
        kalshi_market(
            status="finalized", result=result, settlement_value_dollars=value, settlement_ts="2026-09-17T01:00:00Z"
        )
    )
    assert (row.status, row.result, row.payout) == ("resolved", ours, payout)
    assert row.resolved_at == datetime(2026, 9, 17, 1, tzinfo=UTC)


def test_a_finalized_market_without_any_result_is_void() -> None:
    row = parse_market(kalshi_market(status="finalized", result=""))
    assert (row.status, row.result, row.payout) == ("void", "", None)


def test_a_price_of_99_cents_decides_nothing() -> None:
    row = parse_market(kalshi_market(status="closed", last_price_dollars="0.9900", yes_bid_dollars="0.9900"))
    assert (row.status, row.result, row.payout) == ("closed", "", None)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"status": "hibernating"}, "'hibernating'"),
        ({"status": "finalized", "result": "maybe"}, "'maybe'"),
        ({"market_type": "ternary"}, "'ternary'"),
        ({"yes_bid_dollars": "1.2000"}, "yes_bid_dollars"),
        ({"yes_bid_dollars": "a lot"}, "'a lot'"),
        ({"ticker": ""}, "ticker"),
        ({"close_time": "soon"}, "close_time"),
        ({"status": "finalized", "result": "scalar"}, "settlement_value_dollars"),
        ({"status": "finalized", "result": "yes", "settlement_value_dollars": "0.9000"}, "settlement_value_dollars"),
        ({"price_ranges": [{"start": "0", "end": "1", "step": "0"}]}, "price_ranges.step"),
    ],
)
def test_what_cannot_be_read_is_named(values: dict[str, object], words: str) -> None:
    with pytest.raises(VenueProtocolError, match=words):
        parse_market(kalshi_market(**values))


@pytest.mark.parametrize(
    "values",
    [
        {"yes_bid_dollars": "0.0000", "yes_ask_dollars": "1.0000"},
        {"yes_bid_dollars": "0.0000", "yes_ask_dollars": "0.0000"},
        {"yes_bid_size_fp": "0.00", "yes_ask_size_fp": "0.00"},
        {"yes_bid_dollars": None, "yes_ask_dollars": ""},
    ],
)
def test_an_empty_side_is_null_and_never_a_price(values: dict[str, object]) -> None:
    row = parse_market(kalshi_market(**values))
    assert (row.yes_bid, row.yes_ask) == (None, None)


def test_a_market_that_never_traded_has_no_last_price() -> None:
    assert parse_market(kalshi_market(last_price_dollars="0.0000")).last_price is None


def test_combos_and_scalars_are_kept_and_flagged() -> None:
    assert parse_market(kalshi_market("KXMVESPORTS-S1")).is_combo
    assert parse_market(kalshi_market(mve_collection_ticker="KXMVEX")).is_combo
    assert parse_market(kalshi_market(market_type="scalar")).outcome_count == 0


def test_the_year_one_is_no_time() -> None:
    assert parse_market(kalshi_market(close_time="0001-01-01T00:00:00Z")).close_at is None


def test_an_event_takes_category_tags_and_fees_from_its_series() -> None:
    series = {"KXRATE": parse_series(kalshi_series(fee_multiplier=0.5))}
    event = parse_event(kalshi_event(), series)
    assert (event.category, event.tags, event.fee_type, event.fee_multiplier) == (
        "Economics",
        ("Rates",),
        "quadratic",
        "0.5",
    )
    assert event.mutually_exclusive


def test_an_events_own_fee_overrides_its_series() -> None:
    series = {"KXRATE": parse_series(kalshi_series())}
    raw = kalshi_event(fee_type_override="quadratic_with_maker_fees", fee_multiplier_override=2)
    event = parse_event(raw, series)
    assert (event.fee_type, event.fee_multiplier) == ("quadratic_with_maker_fees", "2")


def test_a_series_with_null_tags_has_none() -> None:
    assert parse_series(kalshi_series(tags=None)).tags == ()


def test_a_book_of_bids_becomes_both_sides() -> None:
    book = parse_book(
        {
            "yes_dollars": [["0.0100", "900.00"], ["0.6100", "120.00"]],
            "no_dollars": [["0.3500", "10.00"], ["0.3700", "80.50"]],
        },
        received_at=NOW,
    )
    assert (book.yes.best_bid.price, book.yes.best_bid.size) == (Decimal("0.61"), Decimal("120"))  # type: ignore[union-attr]
    assert (book.yes.best_ask.price, book.yes.best_ask.size) == (Decimal("0.63"), Decimal("80.5"))  # type: ignore[union-attr]
    assert book.no.best_ask.price == Decimal("0.39")  # type: ignore[union-attr]
    assert book.no.best_bid.price == Decimal("0.37")  # type: ignore[union-attr]


@pytest.mark.parametrize("raw", [{}, {"yes_dollars": None, "no_dollars": None}, {"yes_dollars": [], "no_dollars": []}])
def test_an_empty_book_has_no_prices(raw: dict[str, object]) -> None:
    book = parse_book(raw, received_at=NOW)
    assert (book.yes.best_bid, book.yes.best_ask, book.no.best_bid, book.no.best_ask) == (None,) * 4


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=5,
)


@given(field=st.sampled_from(sorted(kalshi_market())), value=json_values)
def test_any_value_in_any_field_is_read_or_set_aside(field: str, value: object) -> None:
    rows, bad = read_rows([kalshi_market(**{field: value})], parse_market, "ticker")
    assert len(rows) + len(bad) == 1
    assert all(row.error for row in bad)


@given(value=json_values)
def test_a_row_that_is_no_object_is_set_aside(value: object) -> None:
    rows, bad = read_rows([value, kalshi_market()], parse_market, "ticker")
    assert len(rows) >= 1
    assert len(rows) + len(bad) == 2
