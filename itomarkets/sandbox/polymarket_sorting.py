"""What Gamma's listings can be ordered and bounded by, read from the catalogue without building objects."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from .engine import World
from .model import SandboxEvent, SandboxMarket
from .polymarket_objects import changed_at, event_changed_at, markets_of

Entry = SandboxEvent | SandboxMarket
Read = Callable[[World, Any, datetime], Any]


def sort_field(name: str) -> Read | None:
    """Return how to read a JSON field of an event or market, named in camelCase or snake_case; None if unknown."""
    return _FIELDS.get(_camel(name))


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _markets(world: World, row: Entry) -> list[SandboxMarket]:
    return markets_of(world, row) if isinstance(row, SandboxEvent) else [row]


def _updated(world: World, row: Entry, now: datetime) -> datetime:
    if isinstance(row, SandboxEvent):
        return event_changed_at(row, markets_of(world, row), now)
    return changed_at(row, now)


def _liquidity(world: World, row: Entry, now: datetime) -> int:
    live = (market for market in _markets(world, row) if now < market.settle_at)
    return sum(4 * (top.bid_size + top.ask_size) for top in (world.top(market, now) for market in live))


def _volume(world: World, row: Entry, now: datetime) -> int:
    return sum(market.traded_until(now) for market in _markets(world, row))


def _volume_as_text(world: World, row: Entry, now: datetime) -> Any:
    """A market's `volume` is text at the venue and sorts like text; an event's is a number."""
    volume = _volume(world, row, now)
    return volume if isinstance(row, SandboxEvent) else str(volume)


def _liquidity_as_text(world: World, row: Entry, now: datetime) -> Any:
    liquidity = _liquidity(world, row, now)
    return liquidity if isinstance(row, SandboxEvent) else str(liquidity)


_FIELDS: dict[str, Read] = {
    "id": lambda world, row, now: (len(row.key), row.key),
    "slug": lambda world, row, now: row.slug,
    "ticker": lambda world, row, now: row.slug,
    "title": lambda world, row, now: row.title,
    "question": lambda world, row, now: row.title,
    "startDate": lambda world, row, now: min((market.open_at for market in _markets(world, row)), default=now),
    "createdAt": lambda world, row, now: min((market.open_at for market in _markets(world, row)), default=now),
    "endDate": lambda world, row, now: max((market.close_at for market in _markets(world, row)), default=now),
    "closedTime": lambda world, row, now: max((market.settle_at for market in _markets(world, row)), default=now),
    "updatedAt": _updated,
    "volume": _volume_as_text,
    "volumeNum": _volume,
    "volumeClob": _volume,
    "volume24hr": lambda world, row, now: sum(market.traded_today(now) for market in _markets(world, row)),
    "liquidity": _liquidity_as_text,
    "liquidityNum": _liquidity,
    "liquidityClob": _liquidity,
}
