"""Prices that wander inside (0, 1) and end at 0 or 1: any instant can be asked, in any order, with the same answer.

A quantity that nobody sees follows a seeded Brownian path: steps at UTC midnights, and inside a day a bridge of
midpoints whose deviations are hashes of their place. A threshold's price is the chance that the path ends above it,
so ladders are monotone, bands sum to 1, and the price is a fair game that is decided when the path ends. News comes
more thickly towards the end, so that a question of years stays open for most of them. These numbers are a simulated
world, not money: the exchange turns them into Decimals on its price grid.
"""

from array import array
from math import erf, exp, sqrt

from .depth import mix

DAY = 86_400.0
SPREAD = sqrt(3.0) / 65_536.0
ROOT_HALF = sqrt(0.5)
BRIDGE_STEPS = 11  # 86,400 s / 2^11 is 42 s: finer than the slots of books
LOWEST = 0.003
SMALL_TALK = 0.06


def gauss(bits: int) -> float:
    """Turn 64 bits into a nearly normal number: the sum of four uniform ones, mean 0, variance 1."""
    total = (bits & 65_535) + (bits >> 16 & 65_535) + (bits >> 32 & 65_535) + (bits >> 48)
    return (total - 131_070) * SPREAD


def normal_cdf(z: float) -> float:
    return 0.5 * (1.0 + erf(z * ROOT_HALF))


class Brownian:
    """A path that starts at 0 at `start_ts` and has variance 1 a day."""

    __slots__ = ("_knots", "_seed", "_start")

    def __init__(self, seed: int, start_ts: float) -> None:
        self._seed = seed
        self._start = start_ts
        self._knots = array("d", (0.0,))

    def value(self, ts: float) -> float:
        """Return the path at Unix seconds; before the start it is 0."""
        days = (ts - self._start) / DAY
        if days <= 0.0:
            return 0.0
        day = int(days)
        knots = self._knots
        while len(knots) <= day + 1:
            knots.append(knots[-1] + gauss(mix(self._seed + 0x51ED270B * len(knots))))
        low, high = knots[day], knots[day + 1]
        place, width, spread, node = days - day, 1.0, 0.5, 1
        base = self._seed ^ (day * 0x9E3779B1)
        for _ in range(BRIDGE_STEPS):
            middle = 0.5 * (low + high) + spread * gauss(mix(base + (node << 20)))
            width *= 0.5
            spread *= ROOT_HALF
            if place < width:
                high = middle
                node = 2 * node
            else:
                low = middle
                place -= width
                node = 2 * node + 1
        return low + (high - low) * place / width


def shimmer(seed: int, ts: float) -> float:
    """Return small talk of the market, from -1 to 1, linear between minutes."""
    minute = int(ts // 60.0)
    part = ts / 60.0 - minute
    here = (mix(seed ^ minute) & 65_535) / 32_768.0 - 1.0
    there = (mix(seed ^ (minute + 1)) & 65_535) / 32_768.0 - 1.0
    return here + (there - here) * part


class Hidden:
    """A hidden quantity between two instants, in units of its own standard deviation at the end.

    Its variance grows with the square of the time: half of all that will be known comes in the last 30 %.
    """

    __slots__ = ("_path", "_talk", "end_ts", "life", "root", "seed", "start_ts")

    def __init__(self, seed: int, start_ts: float, end_ts: float) -> None:
        self.seed = seed
        self.start_ts = start_ts
        self.end_ts = end_ts
        self.life = max(end_ts - start_ts, 3600.0)
        self.root = sqrt(self.life / DAY)
        # Small talk says less about what is years away.
        self._talk = SMALL_TALK / max(1.0, sqrt(self.root))
        self._path = Brownian(seed, start_ts)

    def seen(self, ts: float) -> tuple[float, float]:
        """Return where the quantity stands and how far it may still go (one standard deviation)."""
        gone = min(1.0, max(0.0, (ts - self.start_ts) / self.life))
        known = gone * gone
        left = sqrt(max(1.0 - known, 600.0 / self.life))
        here = self._path.value(self.start_ts + known * self.life) / self.root
        return here + self._talk * left * shimmer(self.seed, ts), left

    def final(self) -> float:
        return self._path.value(self.start_ts + self.life) / self.root


class Between:
    """YES if the hidden quantity ends above `low` and at or below `high`; for a ladder `high` is infinite."""

    __slots__ = ("_hidden", "_high", "_low")

    def __init__(self, hidden: Hidden, low: float, high: float = float("inf")) -> None:
        self._hidden = hidden
        self._low = low
        self._high = high

    def price(self, ts: float) -> float:
        if ts >= self._hidden.end_ts:
            return self.outcome()
        here, left = self._hidden.seen(ts)
        chance = normal_cdf((here - self._low) / left)
        if self._high != float("inf"):
            chance -= normal_cdf((here - self._high) / left)
        return min(1.0 - LOWEST, max(LOWEST, chance))

    def outcome(self) -> float:
        return 1.0 if self._low < self._hidden.final() <= self._high else 0.0


class Race:
    """Rivals of whom exactly one wins: shares of their strengths, which drift and tell more as the end nears."""

    __slots__ = ("_cached", "_heads", "_hidden")

    def __init__(self, rivals: list[Hidden], heads: list[float]) -> None:
        self._hidden = rivals
        self._heads = heads
        self._cached: tuple[float, list[float]] = (-1.0, [])

    @property
    def end_ts(self) -> float:
        return self._hidden[0].end_ts

    def prices(self, ts: float) -> list[float]:
        """Return all prices at an instant; they sum to 1."""
        if self._cached[0] != ts:
            if ts >= self.end_ts:
                finals = [head + hidden.final() for head, hidden in zip(self._heads, self._hidden, strict=True)]
                best = finals.index(max(finals))
                shares = [1.0 if number == best else 0.0 for number in range(len(finals))]
            else:
                seen = [hidden.seen(ts) for hidden in self._hidden]
                left = seen[0][1]
                powers = [1.3 * (head + here) / left for head, (here, _) in zip(self._heads, seen, strict=True)]
                top = max(powers)
                weights = [exp(max(power - top, -40.0)) for power in powers]
                total = sum(weights)
                shares = [weight / total for weight in weights]
            self._cached = (ts, shares)
        return self._cached[1]


class Rival:
    """YES if one of the rivals of a race wins."""

    __slots__ = ("_number", "_race")

    def __init__(self, race: Race, number: int) -> None:
        self._race = race
        self._number = number

    def price(self, ts: float) -> float:
        share = self._race.prices(ts)[self._number]
        return share if ts >= self._race.end_ts else min(1.0 - LOWEST, max(LOWEST, share))

    def outcome(self) -> float:
        return self._race.prices(self._race.end_ts)[self._number]


class Combo:
    """YES if every leg ends on its side."""

    __slots__ = ("_legs",)

    def __init__(self, legs: list[tuple["Process", bool]]) -> None:
        self._legs = legs

    def price(self, ts: float) -> float:
        chance = 1.0
        for leg, wants_yes in self._legs:
            chance *= leg.price(ts) if wants_yes else 1.0 - leg.price(ts)
        return chance

    def outcome(self) -> float:
        return 1.0 if all(leg.outcome() == (1.0 if yes else 0.0) for leg, yes in self._legs) else 0.0


Process = Between | Rival | Combo
