"""Past prices of a token, sampled from the feed: what both history endpoints serve."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .engine import World
from .model import NO, SandboxMarket
from .polymarket_wire import WireError

MINUTE, HOUR, DAY = 60, 3600, 86_400
# How far back an interval reaches, in seconds; None: as long as there are prices. 1m is one month.
INTERVALS: dict[str, int | None] = {
    "max": None,
    "all": None,
    "1m": 30 * DAY,
    "1w": 7 * DAY,
    "1d": DAY,
    "6h": 6 * HOUR,
    "1h": HOUR,
}
# The order book's finest step of an interval in minutes, where it sets one.
FINEST = {"1m": 10, "1w": 5, "max": 10, "all": 10}
# A span longer than this must name its fidelity there.
UNNAMED_SPAN = 15 * DAY


@dataclass(frozen=True, slots=True)
class Span:
    """Unix seconds from `start` to before `end`, within which a token had prices."""

    start: int
    end: int

    def clipped(self, start: int | None, end: int | None) -> "Span":
        return Span(
            self.start if start is None else max(self.start, start), self.end if end is None else min(self.end, end)
        )


def life_of(market: SandboxMarket, now: datetime) -> Span:
    """Return the span in which a market has had prices so far."""
    return Span(int(market.open_at.timestamp()), int(min(market.close_at, now).timestamp()) + 1)


def interval_of(market: SandboxMarket, interval: str, now: datetime) -> Span:
    """Return the last hour, day and so on; of a market that has ended, of its life."""
    life = life_of(market, now)
    back = INTERVALS[interval]
    return life if back is None else life.clipped(int(now.timestamp()) - back, None)


def price_at(world: World, market: SandboxMarket, token: str, second: int) -> float:
    """Return the token's price, 0 to 1 with four places, at a Unix second."""
    yes = world.feed.price_float(market, float(second))
    return round(1 - yes if token == NO else yes, 4)


def samples(world: World, market: SandboxMarket, token: str, span: Span, step: int) -> list[tuple[int, float]]:
    """Return the prices at the multiples of `step` seconds in a span, oldest first."""
    first = -(-span.start // step) * step
    return [(second, price_at(world, market, token, second)) for second in range(first, span.end, step)]


def buckets(world: World, market: SandboxMarket, token: str, span: Span, step: int) -> list[tuple[int, float]]:
    """Return (start, last price) of each stretch of `step` seconds that a span touches, oldest first."""
    return [
        (second, price_at(world, market, token, min(second + step, span.end) - 1))
        for second in range(span.start // step * step, span.end, step)
    ]


def points(
    world: World, token_id: str, start: int | None, end: int | None, interval: str, fidelity: int | None
) -> list[dict[str, Any]]:
    """Return what the order book serves of an interval, or between two times; `fidelity` is minutes.

    Raises WireError with the venue's sentence for a span that it does not serve.
    """
    if not token_id:
        raise WireError(400, "invalid filters: 'market' is required")
    found = world.feed.by_token(token_id)
    if found is None:
        return []
    market, token = found
    now = world.now()
    if interval and (start is not None or end is not None):
        raise WireError(400, "invalid filters: 'interval' cannot be combined with 'startTs' and 'endTs'")
    if interval:
        if interval not in INTERVALS:
            raise WireError(400, "invalid filters: 'interval' is invalid")
        finest = FINEST.get(interval, 1)
        if fidelity is not None and fidelity < finest:
            raise WireError(400, f"invalid filters: minimum 'fidelity' for '{interval}' range is {finest}")
        span, minutes = interval_of(market, interval, now), fidelity or finest
    else:
        if start is None:
            raise WireError(400, "invalid filters: 'startTs' and 'endTs' or 'interval' are required")
        span = life_of(market, now).clipped(start, None if end is None else end + 1)
        if fidelity is None and span.end - span.start > UNNAMED_SPAN:
            raise WireError(400, "invalid filters: 'startTs' and 'endTs' interval is too long")
        minutes = fidelity or 1
    return [{"t": second, "p": price} for second, price in samples(world, market, token, span, minutes * MINUTE)]
