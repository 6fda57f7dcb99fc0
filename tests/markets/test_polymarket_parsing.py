"""Polymarket's wire objects become rows."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itomarkets.lib.venues import VenueProtocolError
from markets.venues.polymarket import parse_event, parse_market, parse_side_book, read_page
from markets.venues.rows import read_rows
from tests.markets.payloads import gamma_event, gamma_market
from tests.markets.test_kalshi_parsing import json_values


def test_a_market_is_read_exactly() -> None:
    row = parse_market(gamma_market(), "9001")
    assert (row.yes_bid, row.yes_ask, row.last_price) == (Decimal("0.41"), Decimal("0.42"), Decimal("0.415"))
    assert (row.volume, row.volume_24h, row.liquidity) == (Decimal("81234.56"), Decimal("12.5"), Decimal("400.25"))
    assert (row.yes_token, row.no_token) == ("700001111", "700001222")
    assert (row.status, row.min_size, row.event_key) == ("open", Decimal(5), "9001")
    assert row.price_ranges == ({"start": "0", "end": "1", "step": "0.001"},)
    assert row.fee_schedule == {"type": "quadratic", "rate": "0.04", "exponent": "1"}


def test_yes_follows_the_name_and_not_the_place() -> None:
    row = parse_market(gamma_market(outcomes='["No", "Yes"]', bestBid=0.1, bestAsk=0.2, lastTradePrice=0.15))
    assert (row.yes_token, row.no_token) == ("700001222", "700001111")
    assert (row.yes_bid, row.yes_ask, row.last_price) == (Decimal("0.8"), Decimal("0.9"), Decimal("0.85"))
    assert (row.yes_label, row.no_label) == ("Yes", "No")


def test_other_labels_keep_their_order() -> None:
    row = parse_market(gamma_market(outcomes='["Up", "Down"]'))
    assert (row.yes_label, row.no_label, row.yes_token) == ("Up", "Down", "700001111")


@pytest.mark.parametrize("outcomes", [["Yes", "No"], '["Yes","No"]'])
def test_lists_come_as_lists_or_inside_strings(outcomes: object) -> None:
    assert parse_market(gamma_market(outcomes=outcomes)).outcome_count == 2


@pytest.mark.parametrize("empty", [None, "", "[]", []])
def test_missing_tokens_are_empty(empty: object) -> None:
    row = parse_market(gamma_market(clobTokenIds=empty))
    assert (row.yes_token, row.no_token) == ("", "")


def test_three_outcomes_are_kept_and_flagged() -> None:
    row = parse_market(gamma_market(outcomes='["A","B","C"]', clobTokenIds='["1","2","3"]'))
    assert (row.outcome_count, row.yes_token, row.yes_label) == (3, "", "Yes")


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({}, "open"),
        ({"active": False}, "unopened"),
        ({"acceptingOrders": False}, "paused"),
        ({"enableOrderBook": False}, "paused"),
        ({"archived": True}, "paused"),
        ({"umaResolutionStatus": "proposed"}, "open"),
        ({"umaResolutionStatus": "proposed", "acceptingOrders": False}, "closed"),
        ({"umaResolutionStatus": "disputed"}, "disputed"),
        ({"closed": True}, "closed"),
        ({"closed": True, "umaResolutionStatus": "disputed"}, "disputed"),
        # Exact prices without the oracle's word, and its word without exact prices, decide nothing.
        ({"closed": True, "outcomePrices": '["1", "0"]'}, "closed"),
        ({"closed": True, "umaResolutionStatus": "resolved", "outcomePrices": '["0.99", "0.01"]'}, "closed"),
        ({"closed": True, "umaResolutionStatus": "proposed", "outcomePrices": '["1", "0"]'}, "closed"),
        ({"umaResolutionStatus": "resolved", "outcomePrices": '["1", "0"]'}, "open"),
    ],
)
def test_status_comes_from_the_venues_fields(values: dict[str, object], status: str) -> None:
    row = parse_market(gamma_market(**values))
    assert (row.status, row.result, row.payout) == (status, "", None)


@pytest.mark.parametrize(
    ("prices", "outcomes", "result", "payout"),
    [
        ('["1", "0"]', '["Yes", "No"]', "yes", Decimal(1)),
        ('["0", "1"]', '["Yes", "No"]', "no", Decimal(0)),
        ('["0.5", "0.5"]', '["Yes", "No"]', "fraction", Decimal("0.5")),
        ('["0", "1"]', '["No", "Yes"]', "yes", Decimal(1)),
    ],
)
def test_resolved_needs_the_oracle_and_exact_prices(prices: str, outcomes: str, result: str, payout: Decimal) -> None:
    row = parse_market(
        gamma_market(
            closed=True,
            umaResolutionStatus="resolved",
            outcomePrices=prices,
            outcomes=outcomes,
            closedTime="2026-07-28 09:38:15+00",
        )
    )
    assert (row.status, row.result, row.payout) == ("resolved", result, payout)
    assert row.resolved_at == datetime(2026, 7, 28, 9, 38, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"umaResolutionStatus": "pondering"}, "'pondering'"),
        ({"outcomes": '["Yes"'}, "outcomes"),
        ({"bestBid": 1.5}, "bestBid"),
        ({"id": None}, "id"),
        ({"orderPriceMinTickSize": 0}, "orderPriceMinTickSize"),
        ({"feeSchedule": {"rate": 4}}, "feeSchedule"),
    ],
)
def test_what_cannot_be_read_is_named(values: dict[str, object], words: str) -> None:
    with pytest.raises(VenueProtocolError, match=words):
        parse_market(gamma_market(**values))


def test_an_unquoted_side_is_null() -> None:
    row = parse_market(gamma_market(bestBid=0, bestAsk=1, lastTradePrice=0))
    assert (row.yes_bid, row.yes_ask, row.last_price) == (None, None, None)


def test_fees_that_the_listing_does_not_name_are_unknown_not_free() -> None:
    assert parse_market(gamma_market(feeSchedule=None)).fee_schedule == {"type": "unknown"}
    assert parse_market(gamma_market(feeSchedule=None, feesEnabled=False)).fee_schedule == {}


def test_an_event_is_shelved_by_its_tags() -> None:
    tags = [
        {"id": "1", "label": "All", "slug": "all"},
        {"id": "2", "label": "伊朗", "slug": "iran-war"},
        {"id": "3", "label": "Politics", "slug": "politics"},
    ]
    event = parse_event(gamma_event(tags=tags, negRisk=True))
    assert (event.category, event.tags) == ("Politics", ("iran war", "Politics"))
    assert event.neg_risk
    assert event.mutually_exclusive


def test_a_bad_market_does_not_take_its_event_along() -> None:
    page = read_page([gamma_event(markets=[gamma_market(1), gamma_market(2, umaResolutionStatus="?")]), "no object"])
    assert [row.native_id for row in page.markets] == ["1"]
    assert [row.native_id for row in page.bad] == ["", "2"]
    assert len(page.events) == 1


def test_a_market_outside_an_event_names_its_parent() -> None:
    assert parse_market(gamma_market(events=[{"id": "55"}])).event_key == "55"


def test_books_are_sorted_best_first_whatever_their_order() -> None:
    levels = [{"price": "0.51", "size": "3"}, {"price": "0.50", "size": "1"}, {"price": "0.52", "size": "0"}]
    book = parse_side_book({"bids": levels, "asks": levels[::-1]})
    assert [level.price for level in book.bids] == [Decimal("0.51"), Decimal("0.50")]
    assert [level.price for level in book.asks] == [Decimal("0.50"), Decimal("0.51")]


@given(field=st.sampled_from(sorted(gamma_market())), value=json_values)
def test_any_value_in_any_field_is_read_or_set_aside(field: str, value: object) -> None:
    rows, bad = read_rows([gamma_market(**{field: value})], parse_market, "id")
    assert len(rows) + len(bad) == 1


@given(value=json_values)
def test_any_page_is_read_or_set_aside(value: object) -> None:
    read_page([value, gamma_event(markets=value), gamma_event(tags=value), gamma_event(series=value)])
