"""Fees to the last digit, and a bound that no split into fills exceeds."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from markets.fees import maker_fee, taker_fee, worst_fee
from markets.models import Market

D = Decimal
STANDARD = {"type": "quadratic", "rate": "0.07", "exponent": "1"}
HALF = {"type": "quadratic", "rate": "0.035", "exponent": "1"}
MAKERS = {**STANDARD, "type": "quadratic_with_maker_fees"}
COMBO = {**STANDARD, "type": "quadratic_with_combo_maker_fees"}
POLITICS = {"type": "quadratic", "rate": "0.04", "exponent": "1"}


def market(venue: str, schedule: dict[str, str]) -> Market:
    return Market(venue=venue, fee_schedule=schedule)


@pytest.mark.parametrize(
    ("venue", "schedule", "price", "count", "fee"),
    [
        ("kalshi", STANDARD, "0.70", "51", "0.7497"),
        ("kalshi", STANDARD, "0.50", "1", "0.0175"),
        ("kalshi", HALF, "0.50", "1", "0.0088"),
        ("kalshi", STANDARD, "0.01", "0.01", "0.0001"),
        ("kalshi", {}, "0.50", "100", "1.7500"),
        ("kalshi", {**STANDARD, "type": "flat"}, "0.90", "100", "1.7500"),
        ("kalshi", {**STANDARD, "waived_until": "2027-01-01T00:00:00+00:00"}, "0.50", "1", "0.0175"),
        ("polymarket", POLITICS, "0.62", "64.516", "0.60800"),
        ("polymarket", POLITICS, "0.5", "0.01", "0.00010"),
        ("polymarket", {**POLITICS, "rate": "0.0001"}, "0.01", "0.01", "0.00001"),
        ("polymarket", {**POLITICS, "exponent": "2"}, "0.5", "100", "0.25000"),
        ("polymarket", {**POLITICS, "rate": "0"}, "0.5", "100", "0"),
        ("polymarket", {}, "0.5", "100", "0"),
        ("polymarket", {"type": "unknown"}, "0.5", "100", "1.75000"),
    ],
)
def test_a_takers_fee(venue: str, schedule: dict[str, str], price: str, count: str, fee: str) -> None:
    assert taker_fee(market(venue, schedule), price=D(price), count=D(count)) == D(fee)


@pytest.mark.parametrize(
    ("venue", "schedule", "fee"),
    [
        ("kalshi", STANDARD, "0"),
        ("kalshi", MAKERS, "0.4375"),
        ("kalshi", COMBO, "0.8750"),
        ("polymarket", POLITICS, "0"),
    ],
)
def test_a_makers_fee_follows_the_type(venue: str, schedule: dict[str, str], fee: str) -> None:
    assert maker_fee(market(venue, schedule), price=D("0.5"), count=D(100)) == D(fee)


def test_nothing_bought_costs_nothing() -> None:
    for venue in ("kalshi", "polymarket"):
        assert taker_fee(market(venue, POLITICS), price=D("0.5"), count=D(0)) == 0
        assert worst_fee(market(venue, POLITICS), price=D("0.5"), count=D(0)) == 0


@pytest.mark.parametrize(("price", "count"), [("1.01", "1"), ("-0.1", "1"), ("0.5", "-1")])
def test_impossible_fills_are_refused(price: str, count: str) -> None:
    with pytest.raises(ValueError, match="expected a price from 0 to 1"):
        taker_fee(market("kalshi", STANDARD), price=D(price), count=D(count))


places = st.decimals(min_value="0.001", max_value="0.999", places=3)
counts = st.integers(1, 500).map(D)


@given(price=places, count=counts)
def test_both_sides_of_a_market_pay_the_same_fee(price: Decimal, count: Decimal) -> None:
    for venue, schedule in (("kalshi", STANDARD), ("polymarket", POLITICS)):
        one = market(venue, schedule)
        assert taker_fee(one, price=price, count=count) == taker_fee(one, price=1 - price, count=count)


@given(price=places, first=st.integers(1, 99), second=st.integers(1, 99))
def test_polymarkets_worst_fee_covers_any_split_into_whole_contracts(price: Decimal, first: int, second: int) -> None:
    one = market("polymarket", POLITICS)
    split = sum((taker_fee(one, price=price, count=D(part)) for part in (first, second)), D(0))
    assert split <= worst_fee(one, price=price, count=D(first + second))


@given(price=places, count=counts)
def test_the_worst_fee_is_never_below_the_fee(price: Decimal, count: Decimal) -> None:
    for venue, schedule in (("kalshi", STANDARD), ("polymarket", POLITICS), ("polymarket", {"type": "unknown"})):
        one = market(venue, schedule)
        assert worst_fee(one, price=price, count=count) >= taker_fee(one, price=price, count=count)
