"""The grid that a market names decides which prices it takes."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from markets.models import Market
from markets.ticks import PriceGrid, count_step, minimum_count

D = Decimal
LINEAR = [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}]
TAPERED = [
    {"start": "0.0000", "end": "0.1000", "step": "0.0010"},
    {"start": "0.1000", "end": "0.9000", "step": "0.0100"},
    {"start": "0.9000", "end": "1.0000", "step": "0.0010"},
]
FIFTHS = [
    {"start": "0.0000", "end": "0.1000", "step": "0.0020"},
    {"start": "0.1000", "end": "0.9000", "step": "0.0050"},
    {"start": "0.9000", "end": "1.0000", "step": "0.0020"},
]
QUARTERS = [{"start": "0", "end": "1", "step": "0.0025"}]
grids = st.sampled_from([LINEAR, TAPERED, FIFTHS, QUARTERS, []]).map(PriceGrid.from_ranges)
prices = st.decimals(min_value=0, max_value=1, places=6)


@pytest.mark.parametrize(
    ("ranges", "price", "on"),
    [
        (LINEAR, "0.57", True),
        (LINEAR, "0.575", False),
        (LINEAR, "0", False),
        (LINEAR, "1", False),
        (TAPERED, "0.055", True),
        (TAPERED, "0.555", False),
        (TAPERED, "0.955", True),
        (TAPERED, "0.10", True),
        # Two decimals too many or too few say nothing: 0.003 has three and is off, 0.1050 is on.
        (FIFTHS, "0.003", False),
        (FIFTHS, "0.004", True),
        (FIFTHS, "0.1050", True),
        (FIFTHS, "0.1020", False),
        (QUARTERS, "0.0025", True),
        (QUARTERS, "0.0030", False),
        ([], "0.57", True),
        ([], "0.575", False),
    ],
)
def test_the_grid_is_checked_by_step_and_not_by_decimals(ranges: list[dict[str, str]], price: str, on: bool) -> None:
    assert PriceGrid.from_ranges(ranges).is_on_grid(D(price)) is on


@pytest.mark.parametrize(
    ("ranges", "lowest", "highest"),
    [(LINEAR, "0.01", "0.99"), (TAPERED, "0.001", "0.999"), (FIFTHS, "0.002", "0.998"), (QUARTERS, "0.0025", "0.9975")],
)
def test_the_ends_are_inside_zero_and_one(ranges: list[dict[str, str]], lowest: str, highest: str) -> None:
    grid = PriceGrid.from_ranges(ranges)
    assert (grid.lowest, grid.highest) == (D(lowest), D(highest))


@given(grid=grids, price=prices)
def test_floor_and_ceil_are_on_the_grid_and_on_their_side(grid: PriceGrid, price: Decimal) -> None:
    floor, ceil = grid.floor(price), grid.ceil(price)
    assert grid.is_on_grid(floor)
    assert grid.is_on_grid(ceil)
    assert floor <= price or floor == grid.lowest
    assert ceil >= price or ceil == grid.highest
    if grid.is_on_grid(price):
        assert floor == ceil == price


@given(grid=grids, price=prices)
def test_nothing_of_the_grid_lies_between_floor_and_ceil(grid: PriceGrid, price: Decimal) -> None:
    if grid.lowest <= price <= grid.highest:
        middle = (grid.floor(price) + grid.ceil(price)) / 2
        assert grid.is_on_grid(price) or not grid.is_on_grid(middle)


@given(grid=grids, cents=st.integers(1, 99))
def test_whole_cents_are_in_kalshis_structures(grid: PriceGrid, cents: int) -> None:
    assert grid.is_on_grid(D(cents) / 100)


def test_counts_come_in_hundredths() -> None:
    kalshi, polymarket = Market(venue="kalshi"), Market(venue="polymarket", min_size=D(5))
    assert (count_step(kalshi), minimum_count(kalshi)) == (D("0.01"), D("0.01"))
    assert (count_step(polymarket), minimum_count(polymarket)) == (D("0.01"), D(5))


def test_a_markets_own_ranges_are_used() -> None:
    assert PriceGrid.of(Market(price_ranges=TAPERED)).is_on_grid(D("0.001"))
