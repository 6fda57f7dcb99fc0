"""A recorded market's prices: its history, the last known price, and a seeded path from there to 0 or 1."""

from array import array
from bisect import bisect_left
from math import sqrt
from statistics import NormalDist

from .depth import mix
from .diffusion import DAY, Brownian, normal_cdf, shimmer

LOWEST = 0.0005
NORMAL = NormalDist()
History = tuple["array[int]", "array[float]"]


class Replay:
    """Prices at any instant. A day's price is the last of that UTC day, so it stands at the day's end."""

    __slots__ = ("_days", "_end_ts", "_head", "_path", "_prices", "_result", "_seed", "_since_ts")

    def __init__(
        self, seed: int, history: History | None, price: float, since_ts: float, end_ts: float, result: float | None
    ) -> None:
        self._seed = seed
        self._days = history[0] if history else None
        self._prices = history[1] if history else None
        self._head = min(1.0 - LOWEST, max(LOWEST, price))
        self._since_ts = since_ts
        self._end_ts = end_ts
        self._result = result
        self._path: Brownian | None = None

    def price(self, ts: float) -> float:
        if ts >= self._end_ts:
            return self.outcome()
        if self._days is not None and ts < (self._days[-1] + 1) * DAY:
            chance = self._remembered(ts)
        elif ts <= self._since_ts:
            chance = self._before(ts)
        else:
            here, left = self._seen(ts)
            chance = normal_cdf(here / left)
        chance += 0.02 * chance * (1.0 - chance) * shimmer(self._seed, ts)
        return min(1.0 - LOWEST, max(LOWEST, chance))

    def outcome(self) -> float:
        if self._result is None:
            self._result = 1.0 if self._seen(self._end_ts)[0] > 0.0 else 0.0
        return self._result

    def _remembered(self, ts: float) -> float:
        """Walk straight from one day's last price to the next."""
        days, prices = self._days, self._prices
        if days is None or prices is None:
            return self._head
        after = bisect_left(days, ts / DAY - 1.0)
        if after == 0:
            return prices[0]
        start, end = (days[after - 1] + 1) * DAY, (days[after] + 1) * DAY
        return prices[after - 1] + (prices[after] - prices[after - 1]) * (ts - start) / (end - start)

    def _before(self, ts: float) -> float:
        """Sway around the known price, the less the nearer its instant: no history says more."""
        fade = min(1.0, (self._since_ts - ts) / (20.0 * DAY))
        sway = _wave(self._seed, ts / (9.0 * DAY)) + 0.4 * _wave(self._seed ^ 1, ts / DAY)
        odds = self._head / (1.0 - self._head) * (1.0 + 0.35 * fade * sway)
        return odds / (1.0 + odds)

    def _seen(self, ts: float) -> tuple[float, float]:
        if self._path is None:
            self._path = Brownian(self._seed, self._since_ts)
        whole = max(self._end_ts - self._since_ts, 3600.0)
        left = sqrt(max(self._end_ts - ts, 600.0) / whole)
        return NORMAL.inv_cdf(self._head) + self._path.value(ts) / sqrt(whole / DAY), left


def _wave(seed: int, place: float) -> float:
    """Return smooth noise from -1 to 1: straight lines between hashed whole places."""
    whole = int(place)
    here = (mix(seed ^ whole * 0x9E3779B1) & 65_535) / 32_768.0 - 1.0
    there = (mix(seed ^ (whole + 1) * 0x9E3779B1) & 65_535) / 32_768.0 - 1.0
    return here + (there - here) * (place - whole)
