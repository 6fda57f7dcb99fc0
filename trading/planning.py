"""From books and an amount to counts, price caps and orders. Pure: Decimal in, Decimal out, no database, no network."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from decimal import ROUND_CEILING, Decimal
from typing import Any, Protocol
from uuid import UUID, uuid5

from itomarkets.lib.rounding import ONE, ZERO, floor_to, quantize
from trading.ladders import Fee, Ladder, Walk, walk

MONEY_PLACES = 6
# How fine the search for the scale of a purchase is: a share of the scale itself.
SCALE_PRECISION = Decimal("0.000001")


class Grid(Protocol):
    """The prices at which a market can be ordered."""

    @property
    def lowest(self) -> Decimal: ...
    @property
    def highest(self) -> Decimal: ...
    def floor(self, price: Decimal) -> Decimal: ...
    def ceil(self, price: Decimal) -> Decimal: ...


@dataclass(frozen=True, slots=True)
class LegInput:
    """One side of one market, ready to be sized. `ladder` holds only levels inside the price band."""

    market_id: int
    ladder: Ladder
    grid: Grid
    # fee(price, count) of one fill, and the most that it can be however the venue splits the count.
    fee: Fee
    worst_fee: Fee
    # What the venue's rounding, fill by fill, may add to that.
    fee_reserve: Decimal
    step: Decimal
    minimum: Decimal
    # The least that a marketable buy may cost; 0 where the venue has no such rule.
    minimum_cost: Decimal
    # The band's far end: no limit price is worse than this.
    band_edge: Decimal
    slippage: Decimal
    weight: Decimal
    units: Decimal

    def cap(self, count: Decimal) -> Decimal:
        """Return the limit price for a count: the worst level walked, plus slippage of at least a tick, in the band."""
        worst = self.ladder.worst_price(count)
        if worst is None:
            worst = self.band_edge
        return price_cap(
            worst, grid=self.grid, band_edge=self.band_edge, slippage=self.slippage, is_buy=self.ladder.is_buy
        )

    def worst_cost(self, count: Decimal) -> Decimal:
        """Return the most that buying a count can take: at the cap, with fee and the venue's rounding.

        What one contract costs with its fee grows with its price, so the cap is the worst case.
        Contracts past the depth are priced at the band's edge.
        """
        if count <= 0:
            return ZERO
        cap = self.cap(count) if count <= self.ladder.depth else self.band_edge
        return quantize(count * cap + self.worst_fee(cap, count) + self.fee_reserve, MONEY_PLACES, ROUND_CEILING)

    def least_proceeds(self, count: Decimal) -> Decimal:
        """Return the least that selling a whole count can bring: at the floor price, after fee and rounding."""
        floor = self.cap(count)
        return max(ZERO, count * floor - self.worst_fee(floor, count) - self.fee_reserve)


def price_cap(worst: Decimal, *, grid: Grid, band_edge: Decimal, slippage: Decimal, is_buy: bool) -> Decimal:
    """Return a limit price on the grid: past the worst price walked by the slippage (a tick or more), in the band."""
    if is_buy:
        slipped = grid.ceil(min(worst * (ONE + slippage), grid.highest))
        return max(worst, min(slipped, grid.floor(band_edge), grid.highest))
    slipped = grid.floor(max(worst * (ONE - slippage), grid.lowest))
    return min(worst, max(slipped, grid.ceil(band_edge), grid.lowest))


def band_edge(mid: Decimal, *, band: Decimal, grid: Grid, is_buy: bool) -> Decimal:
    """Return the worst limit price that the band around a fresh middle allows."""
    return min(mid + band, grid.highest) if is_buy else max(mid - band, grid.lowest)


def size_by_units(legs: Sequence[LegInput], amount: Decimal) -> dict[int, Decimal]:
    """Scale the stored units by one factor so that the whole costs, at worst, no more than the amount.

    Counts by market id, each rounded down to its grid and cut at its depth; a leg that is thin does
    not make the others larger. Legs under their minimum are left out and the factor found anew.
    """
    return _drop_small(legs, lambda kept: _scaled(kept, amount))


def size_by_weights(legs: Sequence[LegInput], amount: Decimal) -> dict[int, Decimal]:
    """Split the amount by the target weights over the legs; each buys what its part pays for at worst.

    Legs under their minimum are left out and the weights spread over the others.
    """

    def sized(kept: Sequence[LegInput]) -> dict[int, Decimal]:
        total = sum((leg.weight for leg in kept), ZERO)
        return {leg.market_id: _affordable(leg, amount * leg.weight / total) for leg in kept}

    return _drop_small(legs, sized)


def _drop_small(
    legs: Sequence[LegInput], size: Callable[[Sequence[LegInput]], dict[int, Decimal]]
) -> dict[int, Decimal]:
    kept = [leg for leg in legs if leg.ladder.depth >= leg.minimum]
    while kept:
        counts = size(kept)
        small = [leg for leg in kept if is_too_small(leg, counts[leg.market_id])]
        if not small:
            return counts
        # Those that miss most go first, half of them at a time: without them the others may reach their minimum.
        small.sort(key=lambda leg: counts[leg.market_id] / max(leg.minimum, leg.step))
        gone = {leg.market_id for leg in small[: (len(small) + 1) // 2]}
        kept = [leg for leg in kept if leg.market_id not in gone]
    return {}


def is_too_small(leg: LegInput, count: Decimal) -> bool:
    """Tell whether the venue would refuse the count, or the money, as too little."""
    if count <= 0 or count < leg.minimum:
        return True
    return leg.minimum_cost > 0 and walk(leg.ladder, count, leg.fee).cost < leg.minimum_cost


def _scaled(legs: Sequence[LegInput], amount: Decimal) -> dict[int, Decimal]:
    def counts(scale: Decimal) -> dict[int, Decimal]:
        return {leg.market_id: floor_to(scale * leg.units, leg.step) for leg in legs}

    def worst(scale: Decimal) -> Decimal:
        wanted = counts(scale)
        return sum((leg.worst_cost(wanted[leg.market_id]) for leg in legs), ZERO)

    unit_price = sum(((leg.ladder.best or ZERO) * leg.units for leg in legs), ZERO)
    if unit_price <= 0:
        return {leg.market_id: ZERO for leg in legs}
    low, high = ZERO, amount / unit_price
    while high - low > high * SCALE_PRECISION:
        middle = (low + high) / 2
        low, high = (middle, high) if worst(middle) <= amount else (low, middle)
    wanted = counts(low)
    return {leg.market_id: min(wanted[leg.market_id], floor_to(leg.ladder.depth, leg.step)) for leg in legs}


def _affordable(leg: LegInput, money: Decimal) -> Decimal:
    """Return the largest count on the grid that costs, at worst, no more than the money."""
    low, high = 0, int(floor_to(leg.ladder.depth, leg.step) / leg.step)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if leg.worst_cost(middle * leg.step) <= money else (low, middle - 1)
    return low * leg.step


@dataclass(frozen=True, slots=True)
class QuotedLeg:
    """One leg of a quote as it is shown, stored and confirmed; decimals travel as strings."""

    leg_no: int
    market_id: int
    venue: str
    title: str
    side: str
    account_id: int
    account: str
    weight: Decimal
    count: Decimal
    # Dollars a contract: the best level, the average and the worst of those walked, and the limit of the order.
    best: Decimal
    average: Decimal
    worst: Decimal
    limit: Decimal
    cost: Decimal
    fee: Decimal
    # Buying: the most that can leave. Selling: the least that comes in if all is sold.
    worst_cost: Decimal
    book_at: str
    book_age_seconds: int
    # How much it takes of what is offered inside the price band, 0 to 1.
    depth_share: Decimal
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            name: (f"{value:f}" if isinstance(value, Decimal) else list(value) if isinstance(value, tuple) else value)
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> "QuotedLeg":
        values = {field.name: row[field.name] for field in fields(cls)}
        for field in fields(cls):
            if field.type is Decimal:
                values[field.name] = Decimal(values[field.name])
        values["notes"] = tuple(values["notes"])
        return cls(**values)


def quoted(leg: LegInput, count: Decimal) -> tuple[Walk, Decimal, Decimal]:
    """Walk a sized leg; returns the walk, the limit price, and what it costs (or brings) at worst."""
    found = walk(leg.ladder, count, leg.fee)
    limit = leg.cap(count)
    worst = leg.worst_cost(count) if leg.ladder.is_buy else leg.least_proceeds(count)
    return found, limit, quantize(worst, MONEY_PLACES)


@dataclass(frozen=True, slots=True)
class Stake:
    """A count of one side of one market, for payouts. `event` is set where at most one market of it comes true."""

    market_id: int
    side: str
    count: Decimal
    event: int | None = None


def payouts(stakes: Sequence[Stake]) -> tuple[Decimal, Decimal]:
    """Return the least and the most that the stakes can pay.

    Of the markets of an exclusive event at most one comes true, and perhaps none that is held.
    """
    worst = best = ZERO
    groups: dict[tuple[str, int], list[Stake]] = {}
    for stake in stakes:
        key = ("market", stake.market_id) if stake.event is None else ("event", stake.event)
        groups.setdefault(key, []).append(stake)
    for group in groups.values():
        none_true = sum((stake.count for stake in group if stake.side == "no"), ZERO)
        cases = [none_true]
        for market_id in {stake.market_id for stake in group}:
            own_yes = sum((s.count for s in group if s.market_id == market_id and s.side == "yes"), ZERO)
            own_no = sum((s.count for s in group if s.market_id == market_id and s.side == "no"), ZERO)
            cases.append(none_true - own_no + own_yes)
        worst += min(cases)
        best += max(cases)
    return worst, best


@dataclass(frozen=True, slots=True)
class PlannedOrder:
    """One order to store, as a confirmed quote says it."""

    leg_no: int
    account_id: int
    market_id: int
    side: str
    action: str
    count: Decimal
    limit_price: Decimal
    reserved: Decimal
    depth_share: Decimal
    client_id: UUID


def plan_orders(*, trade_id: UUID, action: str, legs: Sequence[QuotedLeg]) -> list[PlannedOrder]:
    """Turn a quote's legs into orders whose ids follow from the trade, before anything is sent."""
    return [
        PlannedOrder(
            leg_no=leg.leg_no,
            account_id=leg.account_id,
            market_id=leg.market_id,
            side=leg.side,
            action=action,
            count=leg.count,
            limit_price=leg.limit,
            reserved=leg.worst_cost if action == "buy" else ZERO,
            depth_share=leg.depth_share,
            client_id=client_id(trade_id=trade_id, leg_no=leg.leg_no, attempt_no=1),
        )
        for leg in legs
    ]


def client_id(*, trade_id: UUID, leg_no: int, attempt_no: int) -> UUID:
    """Mint the id that the venue will know an attempt by: the same for the same attempt, whoever asks."""
    return uuid5(trade_id, f"{leg_no}:{attempt_no}")
