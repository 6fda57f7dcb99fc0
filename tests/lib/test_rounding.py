import itertools
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itomarkets.lib.rounding import ceil_to, floor_to, quantize, shares_of_one

D = Decimal
parts = st.lists(st.decimals(min_value="0.01", max_value=10**6, places=2), min_size=1, max_size=40)
steps = st.sampled_from([D("0.01"), D("0.001"), D("0.005"), D("0.0025"), D(1)])
values = st.decimals(min_value=0, max_value=1000, places=6)


@pytest.mark.parametrize(
    ("value", "places", "rounded"),
    [("0.125", 2, "0.12"), ("0.135", 2, "0.14"), ("-0.125", 2, "-0.12"), ("2.5", 0, "2"), ("1", 3, "1.000")],
)
def test_halves_go_to_even(value: str, places: int, rounded: str) -> None:
    assert str(quantize(D(value), places)) == rounded


@given(value=values, step=steps)
def test_floor_and_ceil_are_the_neighbours_on_the_grid(value: Decimal, step: Decimal) -> None:
    floor, ceil = floor_to(value, step), ceil_to(value, step)
    assert floor <= value <= ceil
    assert floor % step == ceil % step == 0
    assert ceil - floor in (0, step)


@given(parts=parts, places=st.integers(2, 10))
def test_shares_sum_to_exactly_one(parts: list[Decimal], places: int) -> None:
    shares = shares_of_one(parts, places)
    assert sum(shares) == 1
    assert all(share >= 0 and share == round(share, places) for share in shares)
    # Nobody is more than one unit from his exact share, give or take Decimal's own 28 digits.
    exact = [part / sum(parts) for part in parts]
    assert all(abs(share - want) <= D(10) ** -places * 2 for share, want in zip(shares, exact, strict=True))


@given(parts=parts)
def test_larger_parts_never_get_less(parts: list[Decimal]) -> None:
    shares = shares_of_one(parts)
    pairs = sorted(zip(parts, shares, strict=True))
    assert all(low[1] <= high[1] + D("0.00000001") for low, high in itertools.pairwise(pairs))


@pytest.mark.parametrize("parts", [[], [D(0)], [D(1), D(-1)], [D(2), D("-0.1")]])
def test_nothing_to_share_is_refused(parts: list[Decimal]) -> None:
    with pytest.raises(ValueError, match="positive part"):
        shares_of_one(parts)
