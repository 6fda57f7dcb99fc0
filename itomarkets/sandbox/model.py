"""What the sandbox trades: markets, events and series, in one shape for both venues."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, NamedTuple, Protocol

KALSHI = "kalshi"
POLYMARKET = "polymarket"
VENUES = (KALSHI, POLYMARKET)
# How many exchange shards hold a member's collateral, each its own.
SHARDS = {KALSHI: 4, POLYMARKET: 1}
# What an order moves: the one signed count of a netting venue, or one of two tokens.
NET, YES, NO = "net", "yes", "no"

ZERO = Decimal(0)
ONE = Decimal(1)
# Prices are whole numbers of this unit inside the sandbox: the finest step that either venue has.
PRICE_UNITS = 10_000
MICRO = Decimal("0.000001")


class TickRange(NamedTuple):
    """Prices from start to end (dollars) are multiples of step."""

    start: Decimal
    end: Decimal
    step: Decimal

    @property
    def step_units(self) -> int:
        return int(self.step * PRICE_UNITS)


def _ranges(*parts: tuple[str, str, str]) -> tuple[TickRange, ...]:
    return tuple(TickRange(*(Decimal(part) for part in triple)) for triple in parts)


# Kalshi's names of its tick structures (venues/kalshi.md section 5); other markets take their step alone.
TICKS: dict[str, tuple[TickRange, ...]] = {
    "linear_cent": _ranges(("0", "1", "0.01")),
    "deci_cent": _ranges(("0", "1", "0.001")),
    "tapered_deci_cent": _ranges(("0", "0.1", "0.001"), ("0.1", "0.9", "0.01"), ("0.9", "1", "0.001")),
    "center_whole_edge_half_cent": _ranges(("0", "0.1", "0.005"), ("0.1", "0.9", "0.01"), ("0.9", "1", "0.005")),
    "center_half_edge_half_cent": _ranges(("0", "1", "0.005")),
    "center_deci_edge_centi_cent": _ranges(("0", "0.01", "0.0001"), ("0.01", "0.99", "0.001"), ("0.99", "1", "0.0001")),
}


def uniform_ticks(step: str) -> tuple[TickRange, ...]:
    """Return the grid of one step (dollars) from 0 to 1, the same object for the same step."""
    found = _UNIFORM.get(step)
    if found is None:
        found = _UNIFORM[step] = _ranges(("0", "1", step))
    return found


_UNIFORM: dict[str, tuple[TickRange, ...]] = {
    "0.01": TICKS["linear_cent"],
    "0.001": TICKS["deci_cent"],
    "0.005": TICKS["center_half_edge_half_cent"],
}


class FeeRule(NamedTuple):
    """A fee of rate x count x p x (1 - p) dollars for takers, maker_rate for makers.

    Kalshi rounds it up to $0.0001 and then floors the balance change to $0.0001 (2026-06-01);
    Polymarket rounds to 5 places (venues/kalshi.md section 11, venues/polymarket.md section 5).
    """

    kind: str
    rate: Decimal
    maker_rate: Decimal = ZERO
    multiplier: Decimal = ONE

    def raw(self, price: Decimal, size: Decimal, *, taker: bool) -> Decimal:
        return (self.rate if taker else self.maker_rate) * size * price * (ONE - price)


def kalshi_fee(kind: str = "quadratic", multiplier: Decimal = ONE) -> FeeRule:
    """Return the rule of a Kalshi fee type: 0.07 for takers, a quarter (combos: half) of it for makers if at all."""
    taker = multiplier * Decimal("0.07")
    share = {"quadratic_with_maker_fees": Decimal("0.25"), "quadratic_with_combo_maker_fees": Decimal("0.5")}
    return FeeRule(kind, taker, taker * share.get(kind, ZERO), multiplier)


def polymarket_fee(kind: str, rate: str) -> FeeRule:
    """Return the rule of a Polymarket category: takers pay rate x shares x p x (1 - p), makers nothing."""
    return FeeRule(kind, Decimal(rate))


class Process(Protocol):
    """How one market's YES price moves."""

    def price(self, ts: float) -> float:
        """Return the fair price at Unix seconds, 0 to 1; from the close on, what YES pays."""

    def outcome(self) -> float:
        """Return what YES will pay."""


@dataclass(slots=True, eq=False)
class SandboxMarket:
    """One binary market. Prices are of YES, in dollars from 0 to 1; times are aware UTC.

    `key` is the Kalshi ticker or the Gamma id. `outcome` is what YES pays if it is already known
    to the sandbox (ask `Feed.outcome`); nobody sees it before `settle_at`. `raw` is the recorded
    wire object, where there is one. `ordinal` orders listings and is the cursor of pages. `depth`
    multiplies the sizes of the standing book. Of a market that `grows`, `volume` is that at its close
    and `volume_24h` that halfway; otherwise they are those of now.
    """

    venue: str
    key: str
    event_key: str
    title: str
    subtitle: str = ""
    rules: str = ""
    yes_label: str = "Yes"
    no_label: str = "No"
    open_at: datetime = field(kw_only=True)
    close_at: datetime = field(kw_only=True)
    settle_at: datetime = field(kw_only=True)
    outcome: Decimal | None = None
    ticks: tuple[TickRange, ...] = TICKS["linear_cent"]
    tick_label: str = "linear_cent"
    min_size: Decimal = Decimal("0.01")
    exchange_index: int = 0
    fee: FeeRule = field(default_factory=kalshi_fee)
    volume: int = 0
    volume_24h: int = 0
    depth: int = 1
    grows: bool = False
    slug: str = ""
    group_title: str = ""
    condition_id: str = ""
    question_id: str = ""
    yes_token: str = ""
    no_token: str = ""
    neg_risk: bool = False
    floor_strike: float | None = None
    strike_type: str = ""
    legs: tuple[tuple[str, str, str], ...] = ()
    raw: dict[str, Any] | None = None
    seed: int = 0
    ordinal: int = 0
    paused: bool = False
    process: Process | None = None

    @property
    def is_combo(self) -> bool:
        return bool(self.legs)

    def share_of_life(self, now: datetime) -> float:
        """Return how much of its time from opening to close is over, 0 to 1."""
        life = (self.close_at - self.open_at).total_seconds()
        return min(1.0, max(0.0, (now - self.open_at).total_seconds() / life)) if life > 0 else 1.0

    def traded_until(self, now: datetime) -> int:
        """Return the contracts traded so far: of what grows, little at first, `volume` by the close."""
        return int(self.volume * self.share_of_life(now) ** 1.5) if self.grows else self.volume

    def traded_today(self, now: datetime) -> int:
        """Return the contracts traded in the last day: of what grows, `volume_24h` only halfway through its life."""
        return int(self.volume_24h * (2 * self.share_of_life(now)) ** 0.5) if self.grows else self.volume_24h

    def step_at(self, units: int) -> int:
        """Return the tick, in price units, at a price in price units."""
        for part in self.ticks:
            if units < part.end * PRICE_UNITS:
                return part.step_units
        return self.ticks[-1].step_units

    def on_grid(self, price: Decimal) -> bool:
        """Say whether a price is strictly inside (0, 1) and a multiple of the tick where it lies."""
        if not ZERO < price < ONE:
            return False
        return any(part.start <= price <= part.end and (price - part.start) % part.step == 0 for part in self.ticks)

    def snap(self, units: int, *, up: bool) -> int:
        """Return the nearest price on the grid at or below (above, if up), in price units; 0 and 10,000 mean none."""
        step = self.step_at(units)
        snapped = -(-units // step) * step if up else units // step * step
        return max(0, min(PRICE_UNITS, snapped))


@dataclass(slots=True, eq=False)
class SandboxEvent:
    """One event: the markets that share a question. `key` is the Kalshi event ticker or the Gamma event id."""

    venue: str
    key: str
    slug: str
    title: str
    subtitle: str = ""
    series_key: str = ""
    series_title: str = ""
    category: str = ""
    tags: tuple[str, ...] = ()
    mutually_exclusive: bool = False
    neg_risk: bool = False
    market_keys: list[str] = field(default_factory=list)
    exchange_index: int = 0
    is_combo: bool = False
    raw: dict[str, Any] | None = None
    ordinal: int = 0


@dataclass(slots=True, eq=False)
class SandboxSeries:
    """One Kalshi series, or the Gamma series of recurring events."""

    venue: str
    key: str
    title: str
    category: str = ""
    tags: tuple[str, ...] = ()
    frequency: str = "custom"
    fee: FeeRule = field(default_factory=kalshi_fee)
    exchange_index: int = 0
    raw: dict[str, Any] | None = None


def stable_hash(*parts: object) -> int:
    """Return 64 bits that depend on the parts alone, the same in every process."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def polymarket_ids(key: str) -> tuple[str, str, str, str]:
    """Return condition id, question id (0x + 64 hex) and the YES and NO token ids (decimal uint256) of a key."""

    def digest(kind: str) -> bytes:
        return hashlib.sha256(f"itomarkets sandbox {kind} {key}".encode()).digest()

    yes, no = (str(int.from_bytes(digest(kind), "big")) for kind in ("yes", "no"))
    return "0x" + digest("condition").hex(), "0x" + digest("question").hex(), yes, no


def to_units(price: Decimal) -> int:
    return int(price * PRICE_UNITS)


def from_units(units: int) -> Decimal:
    return Decimal(units).scaleb(-4)


def floor_money(value: Decimal, unit: Decimal = MICRO) -> Decimal:
    """Round towards minus infinity to a unit of money: what an exchange credits."""
    return value.quantize(unit, rounding=ROUND_FLOOR)


def ceil_money(value: Decimal, unit: Decimal = MICRO) -> Decimal:
    """Round towards plus infinity to a unit of money: what an exchange charges."""
    return value.quantize(unit, rounding=ROUND_CEILING)
