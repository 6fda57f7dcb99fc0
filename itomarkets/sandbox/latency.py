"""How long each order takes to be answered, drawn from a seed: the same seed gives the same orders the same times."""

import random
from dataclasses import dataclass, field

import orjson

# Where orders are posted. A batch is answered when the slowest of its orders would be.
ORDER_PATHS = ("/clob/order", "/trade-api/v2/portfolio/events/orders")
BATCH_PATHS = ("/clob/orders", "/trade-api/v2/portfolio/events/orders/batched")
LONGEST_SECONDS = 60.0


class LatencyError(ValueError):
    """A latency that the sandbox does not play."""


@dataclass(slots=True)
class Latency:
    """Seconds from an order's arrival to its answer, between two bounds; both 0 answers at once."""

    least: float = 0.0
    most: float = 0.0
    seed: int = 0
    drawn: list[float] = field(default_factory=list)
    _random: random.Random = field(default_factory=lambda: random.Random(0), repr=False)

    def of(self, method: str, path: str, body: bytes) -> float:
        """Draw for each order of a request; 0 for what posts no order."""
        if method != "POST" or self.most == 0:
            return 0.0
        if path in ORDER_PATHS:
            count = 1
        elif path in BATCH_PATHS:
            count = _count(body)
        else:
            return 0.0
        own = [self._random.uniform(self.least, self.most) for _ in range(count)]
        self.drawn += own
        return max(own, default=0.0)


def parse_latency(least: object, most: object, seed: object) -> Latency:
    """Read a setting; LatencyError says what was expected."""
    low, high = _seconds("least_seconds", least), _seconds("most_seconds", most)
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise LatencyError(f"seed is {seed!r}; expected a whole number")
    if low > high:
        raise LatencyError(f"least_seconds is {least!r}; expected no more than most_seconds, {most!r}")
    return Latency(low, high, seed, _random=random.Random(seed))


def _seconds(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST_SECONDS:
        raise LatencyError(f"{name} is {value!r}; expected 0 to {LONGEST_SECONDS:.0f}")
    return float(value)


def _count(body: bytes) -> int:
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError:
        return 1
    rows = asked.get("orders") if isinstance(asked, dict) else asked
    return len(rows) if isinstance(rows, list) else 1
