"""What both read clients give: books as the venues keep them, in one shape."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from itomarkets.lib.venues import Side

ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Level:
    """One price level: dollars of one contract, and contracts."""

    price: Decimal
    size: Decimal


@dataclass(frozen=True, slots=True)
class SideBook:
    """The two sides of one outcome's book, best price first."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]

    @property
    def best_bid(self) -> Level | None:
        return self.bids[0] if self.bids else None

    @property
    def best_ask(self) -> Level | None:
        return self.asks[0] if self.asks else None

    def flipped(self) -> "SideBook":
        """The other outcome's book: to sell YES at p is to buy NO at 1 − p."""
        return SideBook(
            bids=tuple(Level(ONE - level.price, level.size) for level in self.asks),
            asks=tuple(Level(ONE - level.price, level.size) for level in self.bids),
        )


@dataclass(frozen=True, slots=True)
class OrderBook:
    """One market's book, as seen from both outcomes."""

    yes: SideBook
    no: SideBook
    observed_at: datetime
    received_at: datetime
    last_price: Decimal | None = None

    def side(self, side: Side | str) -> SideBook:
        return self.yes if Side(side) is Side.YES else self.no


def sort_levels(levels: Sequence[Level], *, best_high: bool) -> tuple[Level, ...]:
    """Order levels best first, whatever order a venue sent them in; empty levels are dropped."""
    return tuple(
        sorted((level for level in levels if level.size > 0), key=lambda level: level.price, reverse=best_high)
    )
