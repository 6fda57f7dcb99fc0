from collections.abc import Callable
from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from uuid import UUID, uuid5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from itomarkets.lib.rounding import floor_to
from markets.fees import fee, worst_fee
from markets.models import Market
from markets.ticks import PriceGrid
from markets.venues.base import Level
from trading.ladders import Ladder, walk
from trading.planning import (
    LegInput,
    QuotedLeg,
    Stake,
    band_edge,
    client_id,
    payouts,
    plan_orders,
    price_cap,
    quoted,
    size_by_units,
    size_by_weights,
)
from trading.quoting import FEE_RESERVES

D = Decimal
Sizer = Callable[[list[LegInput], Decimal], dict[int, Decimal]]
CENTS = PriceGrid.from_ranges([])
DECI = PriceGrid.from_ranges([{"start": "0", "end": "1", "step": "0.001"}])
TAPERED = PriceGrid.from_ranges(
    [
        {"start": "0", "end": "0.1", "step": "0.001"},
        {"start": "0.1", "end": "0.9", "step": "0.01"},
        {"start": "0.9", "end": "1", "step": "0.001"},
    ]
)
KALSHI = Market(venue="kalshi")
POLYMARKET = Market(venue="polymarket", fee_schedule={"rate": "0.05", "exponent": "1"})


def ladder(*levels: tuple[str, str], is_buy: bool = True) -> Ladder:
    return Ladder(levels=tuple(Level(D(price), D(size)) for price, size in levels), is_buy=is_buy)


def make_leg(
    market_id: int, found: Ladder, *, market: Market = KALSHI, grid: PriceGrid = CENTS, **values: str
) -> LegInput:
    def charge(price: Decimal, count: Decimal) -> Decimal:
        return fee(venue=market.venue, schedule=market.fee_schedule, price=price, count=count)

    def worst(price: Decimal, count: Decimal) -> Decimal:
        return worst_fee(market, price=price, count=count)

    best = found.best or D("0.5")
    return LegInput(
        market_id=market_id,
        ladder=found,
        grid=grid,
        fee=charge,
        worst_fee=worst,
        fee_reserve=D("0.01"),
        step=D("0.01"),
        minimum=D(values.get("minimum", "0.01")),
        minimum_cost=D(values.get("minimum_cost", "0")),
        band_edge=band_edge(best, band=D("0.10"), grid=grid, is_buy=found.is_buy),
        slippage=D("0.02"),
        weight=D(values.get("weight", "0.5")),
        units=D(values.get("units", "1")),
    )


@pytest.mark.parametrize(
    ("worst", "grid", "edge", "is_buy", "expected"),
    [
        ("0.42", CENTS, "0.52", True, "0.43"),
        ("0.05", CENTS, "0.15", True, "0.06"),
        ("0.05", DECI, "0.15", True, "0.051"),
        ("0.70", CENTS, "0.80", True, "0.72"),
        ("0.99", CENTS, "0.99", True, "0.99"),
        ("0.50", CENTS, "0.50", True, "0.50"),
        ("0.50", CENTS, "0.505", True, "0.50"),
        ("0.899", TAPERED, "0.95", True, "0.917"),
        ("0.42", CENTS, "0.32", False, "0.41"),
        ("0.01", CENTS, "0.01", False, "0.01"),
        ("0.70", CENTS, "0.60", False, "0.68"),
        ("0.50", CENTS, "0.495", False, "0.50"),
    ],
)
def test_a_cap_goes_a_little_past_the_worst_price_on_the_grid_inside_the_band(
    worst: str, grid: PriceGrid, edge: str, is_buy: bool, expected: str
) -> None:
    assert price_cap(D(worst), grid=grid, band_edge=D(edge), slippage=D("0.02"), is_buy=is_buy) == D(expected)


@given(
    cents=st.integers(1, 99),
    band=st.integers(0, 40),
    grid=st.sampled_from([CENTS, DECI, TAPERED]),
    is_buy=st.booleans(),
)
def test_every_cap_is_on_the_grid_in_the_band_and_no_better_than_the_worst_price(
    cents: int, band: int, grid: PriceGrid, is_buy: bool
) -> None:
    worst = D(cents) / 100
    edge = band_edge(worst, band=D(band) / 200, grid=grid, is_buy=is_buy)
    cap = price_cap(worst, grid=grid, band_edge=edge, slippage=D("0.02"), is_buy=is_buy)
    assert grid.is_on_grid(cap)
    assert (worst <= cap <= edge) if is_buy else (edge <= cap <= worst)


LADDERS = st.lists(
    st.tuples(st.integers(1, 99), st.integers(1, 200_00)), min_size=1, max_size=8, unique_by=lambda level: level[0]
).map(lambda found: Ladder(tuple(Level(D(p) / 100, D(s) / 100) for p, s in sorted(found)), is_buy=True))


@given(
    ladders=st.lists(LADDERS, min_size=1, max_size=5),
    cents=st.integers(100, 2_000_00),
    by_units=st.booleans(),
    market=st.sampled_from([KALSHI, POLYMARKET]),
    units=st.lists(st.integers(1, 500), min_size=5, max_size=5),
)
def test_fills_never_cost_more_than_the_worst_case_nor_the_worst_case_more_than_the_amount(
    ladders: list[Ladder], cents: int, by_units: bool, market: Market, units: list[int]
) -> None:
    amount = D(cents) / 100
    legs = []
    for number, found in enumerate(ladders):
        leg = make_leg(number, found, market=market, units=str(units[number]), weight=str(units[number]))
        kept = leg.ladder.within(leg.band_edge)
        legs.append(make_leg(number, kept, market=market, units=str(units[number]), weight=str(units[number])))
    counts = (size_by_units if by_units else size_by_weights)(legs, amount)
    total = D(0)
    for leg in legs:
        count = counts.get(leg.market_id, D(0))
        if not count:
            continue
        done, limit, worst_cost = quoted(leg, count)
        assert done.count == count
        assert count == floor_to(count, leg.step)
        assert CENTS.is_on_grid(limit)
        assert done.cost + done.fee <= worst_cost
        # Whatever prices up to the cap the venue fills at, in many small fills.
        for price in (limit, min(limit, D("0.5")), D("0.01")):
            pieces = [count / 4] * 4
            paid = sum(piece * price + leg.fee(price, piece) for piece in pieces)
            assert price > limit or paid <= worst_cost
        total += worst_cost
    assert total <= amount


ROUNDINGS = {"up": ROUND_CEILING, "down": ROUND_FLOOR, "to the nearest": ROUND_HALF_UP, "half to even": ROUND_HALF_EVEN}


def polymarket_charges(market: Market, fills: list[tuple[Decimal, Decimal]], rounding: str) -> Decimal:
    """Charge each fill by itself, rounded to five places in any way; a fee that is one is at least the least."""
    step, total = D("0.00001"), D(0)
    for price, count in fills:
        exact = count * D(market.fee_schedule["rate"]) * (price * (1 - price)) ** int(market.fee_schedule["exponent"])
        total += max(exact.quantize(step, rounding=rounding), step)
    return total


def kalshi_charges(fills: list[tuple[Decimal, Decimal]], balance: Decimal, *, is_buy: bool) -> Decimal:
    """Charge as its documents say: each fill's fee up, its balance change down to `balance`, whole cents back."""
    total = kept = D(0)
    for price, count in fills:
        exact = D("0.07") * count * price * (1 - price)
        trade_fee = exact.quantize(D("0.0001"), rounding=ROUND_CEILING)
        change = (-price * count if is_buy else price * count) - trade_fee
        rounding_fee = change - change.quantize(balance, rounding=ROUND_FLOOR)
        kept += trade_fee - exact + rounding_fee
        rebate = min((kept // D("0.01")) * D("0.01"), trade_fee + rounding_fee)
        kept -= rebate
        total += trade_fee + rounding_fee - rebate
    return total


@settings(deadline=None, print_blob=True)
@given(
    book=LADDERS,
    hundredths=st.integers(1, 400_00),
    is_buy=st.booleans(),
    is_kalshi=st.booleans(),
    rate=st.sampled_from(["0.04", "0.05", "0.07"]),
    exponent=st.sampled_from(["1", "2"]),
    rounding=st.sampled_from(sorted(ROUNDINGS)),
    balance=st.sampled_from(["0.0001", "0.01"]),
    cuts=st.lists(st.integers(1, 10_000), max_size=40),
    improved=st.integers(0, 5),
)
def test_a_quotes_worst_case_holds_however_the_venue_splits_the_fills_and_rounds_their_fees(
    book: Ladder,
    hundredths: int,
    is_buy: bool,
    is_kalshi: bool,
    rate: str,
    exponent: str,
    rounding: str,
    balance: str,
    cuts: list[int],
    improved: int,
) -> None:
    market = KALSHI if is_kalshi else Market(venue="polymarket", fee_schedule={"rate": rate, "exponent": exponent})
    found = book if is_buy else Ladder(tuple(reversed(book.levels)), is_buy=False)
    reserve = {"fee_reserve": FEE_RESERVES[market.venue]}
    leg = replace(make_leg(1, found, market=market), **reserve)
    leg = replace(make_leg(1, leg.ladder.within(leg.band_edge), market=market), band_edge=leg.band_edge, **reserve)
    count = min(D(hundredths) / 100, floor_to(leg.ladder.depth, leg.step))
    _, limit, worst = quoted(leg, count)
    # The book may have improved or worsened since, never past the limit.
    fills: list[tuple[Decimal, Decimal]] = []
    for level in leg.ladder.take(count):
        moved = D(improved) / 100 if is_buy else -D(improved) / 100
        price = min(max(level.price - moved, D("0.01")), D("0.99")) if improved < 5 else limit
        left = level.size
        for cut in cuts:
            # A fill is of a hundredth of a contract or more.
            part = min(left, D(cut) / 100)
            if part > 0:
                fills.append((price, part))
                left -= part
        if left > 0:
            fills.append((price, left))
    paid = sum((price * part for price, part in fills), D(0))
    fees = (
        kalshi_charges(fills, D(balance), is_buy=is_buy)
        if is_kalshi
        else polymarket_charges(market, fills, ROUNDINGS[rounding])
    )
    if is_buy:
        assert paid + fees <= worst
    else:
        assert paid - fees >= worst


def test_polymarkets_rounding_is_covered_at_the_cap_itself_for_a_fill_of_every_contract() -> None:
    for price in ("0.01", "0.03", "0.50", "0.99"):
        leg = replace(
            make_leg(1, ladder((price, "100000")), market=POLYMARKET), fee_reserve=FEE_RESERVES["polymarket"],
            band_edge=D(price),
        )  # fmt: skip
        for count in (1, 7, 500):
            each = [(D(price), D(1))] * count
            taken = D(price) * count + polymarket_charges(POLYMARKET, each, ROUND_CEILING)
            assert leg.cap(D(count)) == D(price)
            assert taken <= leg.worst_cost(D(count))


@given(found=LADDERS, cents=st.integers(1, 150_00))
def test_a_walk_takes_no_more_than_asked_or_offered_and_the_average_lies_between(found: Ladder, cents: int) -> None:
    count = D(cents) / 100
    done = walk(found, count, lambda price, part: D(0))
    assert done.count == min(count, found.depth)
    assert done.worst is not None
    assert done.average is not None
    assert found.best is not None
    assert found.best <= done.average <= done.worst


def test_units_keep_their_ratio_and_what_is_thin_does_not_make_the_others_larger() -> None:
    deep, thin = ladder(("0.40", "10000")), ladder(("0.20", "10"))
    legs = [make_leg(1, deep, units="3"), make_leg(2, thin, units="1")]
    counts = size_by_units(legs, D("100"))
    free = size_by_units([make_leg(1, deep, units="3"), make_leg(2, ladder(("0.20", "10000")), units="1")], D("100"))
    assert counts[2] == D("10")
    assert counts[1] < free[1]
    assert abs(free[1] / free[2] - 3) < D("0.01")


def test_weights_split_the_money() -> None:
    legs = [
        make_leg(1, ladder(("0.40", "10000")), weight="0.75"),
        make_leg(2, ladder(("0.20", "10000")), weight="0.25"),
    ]
    counts = size_by_weights(legs, D("100"))
    assert abs(legs[0].worst_cost(counts[1]) - 75) < D("0.5")
    assert abs(legs[1].worst_cost(counts[2]) - 25) < D("0.5")


@pytest.mark.parametrize("sizer", [size_by_units, size_by_weights])
def test_a_leg_under_its_minimum_is_left_out_and_its_money_goes_to_the_others(sizer: Sizer) -> None:
    legs = [
        make_leg(1, ladder(("0.40", "10000")), weight="0.99", units="99"),
        make_leg(2, ladder(("0.40", "10000")), weight="0.01", units="1", minimum="5"),
    ]
    counts = sizer(legs, D("100"))
    assert 2 not in counts
    assert legs[0].worst_cost(counts[1]) > D("99")


def test_a_marketable_buy_under_a_dollar_is_too_small() -> None:
    leg = make_leg(1, ladder(("0.05", "10000")), market=POLYMARKET, minimum="5", minimum_cost="1")
    assert size_by_weights([leg], D("1")) == {}
    assert size_by_weights([leg], D("2"))[1] > 20


@pytest.mark.parametrize(
    ("stakes", "worst", "best"),
    [
        ([Stake(1, "yes", D(10)), Stake(2, "no", D(5))], "0", "15"),
        # Of an exclusive event at most one comes true.
        ([Stake(1, "yes", D(10), 7), Stake(2, "yes", D(4), 7)], "0", "10"),
        # Of NO on two exclusive outcomes at least one pays.
        ([Stake(1, "no", D(10), 7), Stake(2, "no", D(4), 7)], "4", "14"),
        ([Stake(1, "yes", D(10), 7), Stake(2, "no", D(4), 7)], "0", "14"),
        ([Stake(1, "yes", D(3), 7), Stake(2, "no", D(4), 7), Stake(3, "yes", D(2), 8)], "0", "9"),
        ([], "0", "0"),
    ],
)
def test_payouts_respect_exclusive_outcomes(stakes: list[Stake], worst: str, best: str) -> None:
    assert payouts(stakes) == (D(worst), D(best))


def test_the_ids_of_orders_follow_from_the_trade() -> None:
    trade_id = UUID("11111111-1111-4111-8111-111111111111")
    assert client_id(trade_id=trade_id, leg_no=2, attempt_no=1) == uuid5(trade_id, "2:1")
    assert client_id(trade_id=trade_id, leg_no=2, attempt_no=2) != uuid5(trade_id, "2:1")


def test_a_leg_survives_its_journey_through_json_to_the_last_digit() -> None:
    leg = QuotedLeg(
        leg_no=1, market_id=2, venue="kalshi", title="Will it?", side="no", account_id=3, account="Paper",
        weight=D("0.25"), count=D("12.34"), best=D("0.41"), average=D("0.415000"), worst=D("0.42"), limit=D("0.43"),
        cost=D("5.121100"), fee=D("0.2"), worst_cost=D("5.6"), book_at="2026-08-01T12:00:00+00:00",
        book_age_seconds=0, depth_share=D("0.12345678"), notes=("thin: little.",),
    )  # fmt: skip
    assert QuotedLeg.from_json(leg.to_json()) == leg
    (order,) = plan_orders(trade_id=UUID(int=1), action="buy", legs=[leg])
    assert (order.reserved, order.limit_price, order.count) == (D("5.6"), D("0.43"), D("12.34"))
    assert order.depth_share == D("0.12345678")
    (sale,) = plan_orders(trade_id=UUID(int=1), action="sell", legs=[leg])
    assert sale.reserved == 0
