"""Properties of the index mathematics."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baskets.arithmetic import divisor_after, gauge, implied_weights, level, market_value, turnover, units_of
from itomarkets.lib.rounding import shares_of_one

ONE = Decimal(1)
prices = st.integers(min_value=1, max_value=999_999).map(lambda n: Decimal(n).scaleb(-6))
tight_prices = st.integers(min_value=50_000, max_value=950_000).map(lambda n: Decimal(n).scaleb(-6))
parts = st.integers(min_value=1, max_value=10_000).map(Decimal)
modes = st.sampled_from(["dollar", "share", "risk"])


@st.composite
def held(draw, price=prices):
    size = draw(st.integers(min_value=1, max_value=20))
    weights = shares_of_one(draw(st.lists(parts, min_size=size, max_size=size)))
    return weights, draw(st.lists(price, min_size=size, max_size=size))


@given(
    held(), held(tight_prices), modes, st.integers(min_value=1, max_value=10**15).map(lambda n: Decimal(n).scaleb(-12))
)
def test_a_composition_change_at_equal_marks_leaves_the_level_within_a_billionth(old, new, mode, divisor):
    units = units_of(mode=mode, weights=old[0], prices=old[1], value=Decimal(100))
    before = market_value(units, old[1], Decimal(100) - market_value(units, old[1]))
    after_units = units_of(mode=mode, weights=new[0], prices=new[1], value=Decimal(100))
    after = market_value(after_units, new[1], Decimal(100) - market_value(after_units, new[1]))
    changed = divisor_after(divisor=divisor, value_before=before, value_after=after)
    assert abs(level(after, changed) / level(before, divisor) - 1) <= Decimal("1e-9")


@given(held())
def test_flipping_every_side_gives_one_minus_the_gauge(case):
    weights, q = case
    assert gauge(weights, [ONE - price for price in q]) == ONE - gauge(weights, q)


@given(held(), st.randoms())
def test_the_order_of_legs_changes_nothing(case, random):
    weights, q = case
    units = units_of(mode="dollar", weights=weights, prices=q, value=Decimal(100))
    rows = list(zip(weights, q, units, strict=True))
    random.shuffle(rows)
    mixed_weights, mixed_prices, mixed_units = (list(column) for column in zip(*rows, strict=True))
    assert gauge(mixed_weights, mixed_prices) == gauge(weights, q)
    assert market_value(mixed_units, mixed_prices) == market_value(units, q)
    assert units_of(mode="dollar", weights=mixed_weights, prices=mixed_prices, value=Decimal(100)) == mixed_units


@given(held(), st.data())
def test_the_level_is_never_negative_and_stands_still_once_all_is_settled(case, data):
    weights, q = case
    units = units_of(mode="share", weights=weights, prices=q, value=Decimal(100))
    payouts = data.draw(st.lists(st.sampled_from([Decimal(0), ONE, Decimal("0.5")]), min_size=len(q), max_size=len(q)))
    cash = Decimal(100) - market_value(units, q)
    settled = level(market_value(units, payouts, cash), ONE)
    assert settled >= 0
    assert level(market_value(units, payouts, cash), ONE) == settled


@given(held(), modes)
def test_rounding_makes_no_units_and_leaves_only_dust_as_cash(case, mode):
    weights, q = case
    units = units_of(mode=mode, weights=weights, prices=q, value=Decimal(100))
    left = Decimal(100) - market_value(units, q)
    assert 0 <= left <= Decimal("1e-8") * len(units)
    assert all(n >= 0 and n == n.quantize(Decimal("1e-8")) for n in units)


@given(held())
def test_share_units_are_in_proportion_to_the_weights(case):
    weights, q = case
    units = units_of(mode="share", weights=weights, prices=q, value=Decimal(100))
    ratio = Decimal(100) / market_value(weights, q)
    assert all(abs(n - w * ratio) <= Decimal("1e-8") for n, w in zip(units, weights, strict=True))


def test_risk_units_give_each_leg_the_same_terminal_risk():
    q = [Decimal("0.5"), Decimal("0.2"), Decimal("0.9")]
    weights = shares_of_one([ONE, ONE, ONE])
    units = units_of(mode="risk", weights=weights, prices=q, value=Decimal(100))
    risks = [n * (price * (ONE - price)).sqrt() for n, price in zip(units, q, strict=True)]
    assert max(risks) - min(risks) < Decimal("1e-5")


def test_risk_units_do_not_explode_beyond_the_price_gate():
    near_zero = units_of(mode="risk", weights=[ONE], prices=[Decimal("0.000001")], value=ONE)
    at_gate = units_of(
        mode="risk", weights=[Decimal("0.5")] * 2, prices=[Decimal("0.01"), Decimal("0.05")], value=Decimal(100)
    )
    assert near_zero == [Decimal(1_000_000)]
    assert at_gate[0] == at_gate[1]


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="dollar, share or risk"):
        units_of(mode="hope", weights=[ONE], prices=[ONE], value=ONE)


def test_a_worthless_basket_cannot_carry_its_level_over():
    with pytest.raises(ValueError, match="worth more than the cost"):
        divisor_after(divisor=ONE, value_before=Decimal(0), value_after=Decimal(100))


def test_the_net_divisor_takes_the_cost_out_of_the_level():
    gross = divisor_after(divisor=ONE, value_before=Decimal(100), value_after=Decimal(100))
    net = divisor_after(divisor=ONE, value_before=Decimal(100), value_after=Decimal(100), cost=Decimal(2))
    assert level(Decimal(100), gross) == 100
    assert abs(level(Decimal(100), net) - 98) < Decimal("1e-9")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({1: "0.5", 2: "0.5"}, {1: "0.5", 2: "0.5"}, "0"),
        ({1: "0.5", 2: "0.5"}, {1: "0.5", 3: "0.5"}, "0.5"),
        ({1: "0.4"}, {1: "1"}, "0.6"),
    ],
)
def test_turnover_is_half_of_what_moved_cash_included(before, after, expected):
    as_decimals = [{leg: Decimal(w) for leg, w in side.items()} for side in (before, after)]
    assert turnover(*as_decimals) == Decimal(expected)


@given(held(tight_prices), modes)
def test_implied_weights_give_the_units_back_in_every_mode(case, mode):
    weights, q = case
    units = units_of(mode=mode, weights=weights, prices=q, value=Decimal(100))
    implied = implied_weights(mode=mode, units=units, prices=q)
    shares = [part / sum(implied) for part in implied]
    again = units_of(mode=mode, weights=shares, prices=q, value=market_value(units, q))
    assert all(abs(n - m) <= Decimal("2e-8") for n, m in zip(again, units, strict=True))


def test_implied_weights_of_an_unknown_mode_are_refused():
    with pytest.raises(ValueError, match="found 'hope'"):
        implied_weights(mode="hope", units=[ONE], prices=[ONE])
