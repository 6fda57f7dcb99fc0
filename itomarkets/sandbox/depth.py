"""Draw a market's standing order book around a fair price: the same for the same market and time slot."""

from typing import NamedTuple

from .feeds import Levels
from .model import PRICE_UNITS, SandboxMarket

SLOT_SECONDS = 20
MASK = (1 << 64) - 1


class Top(NamedTuple):
    """Best bid and ask of YES in price units with whole contracts; price 0 and PRICE_UNITS mean no quote."""

    bid: int
    ask: int
    bid_size: int
    ask_size: int


def mix(value: int) -> int:
    """Return 64 well-spread bits of an integer (splitmix64's finaliser): cheap enough for every row of a page."""
    value = (value + 0x9E3779B97F4A7C15) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def top_of(market: SandboxMarket, fair: float, slot: int) -> Top:
    """Return the best quotes.

    A market's seed makes it thick (most), ordinary, thin or wild; now and then a thin one has a side without
    quotes. The size jitters from slot to slot; the price moves with the fair price.
    """
    seed = market.seed
    noise = mix(seed ^ slot)
    units = fair * PRICE_UNITS
    here = max(1, min(PRICE_UNITS - 1, int(units)))
    step = market.step_at(here)
    # What trades for years is never thin or wild.
    depth_class = seed % (100 if market.depth == 1 else 88)
    if depth_class < 60:
        half, base = 0.5 * step if step >= 50 else 20.0, 400 + (seed >> 8) % 1600
    elif depth_class < 88:
        half, base = 50.0 + (noise & 15), 120 + (seed >> 8) % 400
    else:
        half, base = 150.0 + (noise & 127), 10 + (seed >> 8) % 60
    base *= market.depth
    bid = market.snap(max(0, int(units - half)), up=False)
    ask = market.snap(min(PRICE_UNITS, int(units + half) + 1), up=True)
    if depth_class >= 96 and (noise >> 20) % 3 == 0:
        if (noise >> 24) & 1:
            bid = 0
        else:
            ask = PRICE_UNITS
    if depth_class == 99 and (noise >> 28) % 2 == 0:
        bid, ask = 0, PRICE_UNITS
    bid_size = 1 + int(base * (0.5 + ((noise >> 32) & 255) / 256)) if bid > 0 else 0
    ask_size = 1 + int(base * (0.5 + ((noise >> 40) & 255) / 256)) if ask < PRICE_UNITS else 0
    return Top(bid, ask, bid_size, ask_size)


def levels_of(market: SandboxMarket, fair: float, slot: int) -> tuple[Levels, Levels]:
    """Return all bids and asks of YES in price units with whole contracts, best first; they start at `top_of`."""
    top = top_of(market, fair, slot)
    return (
        _side(market, top.bid, top.bid_size, down=True) if top.bid_size else [],
        _side(market, top.ask, top.ask_size, down=False) if top.ask_size else [],
    )


def _side(market: SandboxMarket, price: int, size: int, *, down: bool) -> Levels:
    levels: Levels = []
    draw = mix(market.seed ^ (1 if down else 2))
    for number in range(4 + draw % 9):
        if not 0 < price < PRICE_UNITS:
            break
        levels.append((price, max(1, int(size * (1 + number * (0.3 + ((draw >> (number * 3)) & 7) / 8))))))
        step = max(market.step_at(price - 1 if down else price), 10)
        jump = step * (1 + ((draw >> (number * 2)) & 1))
        price = market.snap(price - jump, up=False) if down else market.snap(price + jump, up=True)
    return levels
