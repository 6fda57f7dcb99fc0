"""Weights sum to exactly one and stay under their caps."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baskets.method import SCHEMES
from baskets.weights import TILT, capped_weights, equal_parts, liquidity_parts, parts_of

LEG, EVENT = Decimal("0.20"), Decimal("0.25")
DUST = Decimal("1e-8")
parts = st.lists(st.integers(min_value=1, max_value=10**9).map(Decimal), min_size=1, max_size=50)


@given(parts)
def test_weights_sum_to_exactly_one_and_none_is_above_its_cap(raw):
    weights = capped_weights(raw, list(range(len(raw))), leg_cap=LEG, group_cap=EVENT)
    assert sum(weights) == 1
    assert max(weights) <= max(LEG, Decimal(1) / len(raw)) + DUST


@given(parts, st.data())
def test_no_event_is_above_its_cap_where_both_caps_can_hold(raw, data):
    groups = data.draw(st.lists(st.integers(0, 60), min_size=len(raw), max_size=len(raw)))
    weights = capped_weights(raw, groups, leg_cap=LEG, group_cap=EVENT)
    assert sum(weights) == 1
    leg = max(LEG, Decimal(1) / len(raw))
    group = max(EVENT, Decimal(1) / len(set(groups)))
    can_hold = sum(min(group, leg * groups.count(name)) for name in set(groups)) >= 1
    totals = {name: sum(w for w, g in zip(weights, groups, strict=True) if g == name) for name in set(groups)}
    if can_hold:
        assert max(totals.values()) <= group + DUST * len(raw)
    assert max(weights) <= leg + DUST * len(raw)


@given(st.integers(1, 50))
def test_equal_parts_give_equal_weights(count):
    weights = capped_weights(equal_parts(count), list(range(count)), leg_cap=LEG, group_cap=EVENT)
    assert max(weights) - min(weights) <= DUST
    assert sum(weights) == 1


def test_what_a_cap_cuts_off_flows_to_the_rest_in_proportion():
    weights = capped_weights([Decimal(n) for n in (60, 10, 10, 10, 5, 5)], list("abcdef"), leg_cap=LEG, group_cap=EVENT)
    assert weights == [Decimal(w) for w in ("0.2", "0.2", "0.2", "0.2", "0.1", "0.1")]


def test_a_fixed_weight_stands_and_the_rest_share_what_is_left():
    weights = capped_weights(
        [Decimal(1)] * 7,
        list("abcdefg"),
        leg_cap=LEG,
        group_cap=EVENT,
        fixed=[Decimal("0.40"), None, None, None, None, None, None],
    )
    assert weights[0] == Decimal("0.40")
    assert weights[1:] == [Decimal("0.1")] * 6
    assert sum(weights) == 1


@given(st.lists(st.integers(1, 9).map(lambda n: Decimal(n) / 100), min_size=0, max_size=5), st.integers(1, 9))
def test_fixed_and_free_weights_together_sum_to_exactly_one(fixed, free):
    given_weights = [*fixed, *[None] * free]
    weights = capped_weights(
        [Decimal(3)] * len(given_weights),
        list(range(len(given_weights))),
        leg_cap=LEG,
        group_cap=EVENT,
        fixed=given_weights,
    )
    assert sum(weights) == 1
    assert weights[: len(fixed)] == fixed


@pytest.mark.parametrize(("raw", "fixed"), [([], None), ([Decimal(0)], None), ([Decimal(1)] * 2, [Decimal(1), None])])
def test_what_cannot_be_weighed_is_refused(raw, fixed):
    with pytest.raises(ValueError, match="expected"):
        capped_weights(raw, list(range(len(raw))), leg_cap=LEG, group_cap=EVENT, fixed=fixed)


@given(st.lists(st.integers(0, 10**12).map(Decimal), min_size=1, max_size=20))
def test_liquidity_tilts_no_further_than_the_limit_from_the_median(volumes):
    raw = liquidity_parts(volumes, [("kalshi", "polymarket")[n % 2] for n in range(len(volumes))])
    assert min(raw) >= 1 / TILT
    assert max(raw) <= TILT


def test_each_venue_is_measured_against_its_own_median():
    volumes = [Decimal(n) for n in (100, 400, 1_000_000, 4_000_000)]
    assert liquidity_parts(volumes, ["kalshi", "kalshi", "polymarket", "polymarket"]) == [Decimal("0.5"), 1] * 2


@pytest.mark.parametrize("scheme", SCHEMES)
@given(
    st.lists(
        st.tuples(st.integers(0, 10**9).map(Decimal), st.integers(0, 100).map(lambda n: Decimal(n) / 100)),
        min_size=1,
        max_size=20,
    )
)
def test_every_scheme_gives_weights_of_exactly_one_under_the_caps(scheme, legs):
    parts = parts_of(
        scheme,
        volumes=[volume for volume, _ in legs],
        venues=[("kalshi", "polymarket")[n % 2] for n in range(len(legs))],
        confidences=[confidence for _, confidence in legs],
    )
    weights = capped_weights(parts, list(range(len(legs))), leg_cap=LEG, group_cap=EVENT)
    assert sum(weights) == 1
    assert max(weights) <= max(LEG, Decimal(1) / len(legs)) + DUST


def test_the_schemes_differ_in_what_they_ask_of_a_leg():
    volumes = [Decimal(n) for n in (100, 400, 900)]
    confidences = [Decimal("0.9"), Decimal("0.6"), Decimal(0)]
    venues = ["kalshi"] * 3

    def parts(scheme: str) -> list[Decimal]:
        return parts_of(scheme, volumes=volumes, venues=venues, confidences=confidences)

    assert parts("equal") == [1, 1, 1]
    assert parts("liquidity") == [Decimal("0.5"), 1, Decimal("1.5")]
    assert parts("volume") == [Decimal("0.25"), 1, Decimal("2.25")]
    assert parts("confidence") == [Decimal("0.9"), Decimal("0.6"), Decimal("0.01")]
    with pytest.raises(ValueError, match="found 'fame'"):
        parts("fame")
