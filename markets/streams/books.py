"""One outcome's order book as its venue tells it: a snapshot, then changes of levels. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from markets.venues.base import Level

ZERO = Decimal(0)


class BookError(Exception):
    """A change that cannot belong to the book we hold: something before it was lost."""


class Ladder:
    """One side's levels, with the best price at hand."""

    __slots__ = ("_best", "_is_bid", "sizes")

    def __init__(self, levels: Iterable[Level] = (), *, is_bid: bool) -> None:
        self.sizes = {level.price: level.size for level in levels if level.size > 0}
        self._is_bid = is_bid
        self._best = self._find()

    def put(self, price: Decimal, size: Decimal) -> None:
        """Set a level's size; 0 takes the level away."""
        if size > 0:
            self.sizes[price] = size
            if self._best is None or (price > self._best if self._is_bid else price < self._best):
                self._best = price
        elif self.sizes.pop(price, None) is not None and price == self._best:
            self._best = self._find()

    def shift(self, price: Decimal, change: Decimal) -> None:
        """Add to a level's size; BookError where less than nothing would be left."""
        size = self.sizes.get(price, ZERO) + change
        if size < 0:
            raise BookError(f"{change} at {price} leaves {size}")
        self.put(price, size)

    @property
    def best(self) -> Level | None:
        return None if self._best is None else Level(self._best, self.sizes[self._best])

    def levels(self) -> tuple[Level, ...]:
        """Return all levels, best first."""
        return tuple(Level(price, self.sizes[price]) for price in sorted(self.sizes, reverse=self._is_bid))

    def _find(self) -> Decimal | None:
        if not self.sizes:
            return None
        return max(self.sizes) if self._is_bid else min(self.sizes)


@dataclass(slots=True)
class KeptBook:
    """A book under one key of its venue, and whether it can be trusted.

    It stands from its snapshot until something is amiss; then it is asked for anew and is no source of prices.
    Kalshi's `asks` are bids of NO at NO's prices; Polymarket's are asks of the token.
    """

    market_id: int
    bids: Ladder = field(default_factory=lambda: Ladder(is_bid=True))
    asks: Ladder = field(default_factory=lambda: Ladder(is_bid=False))
    stands: bool = False
    # Grows with each change; an audit compares only what did not change meanwhile.
    version: int = 0
    # The venue's newest stamp of any message of this book, taken in or not.
    stamped_at: datetime | None = None
    observed_at: datetime | None = None
    received_at: datetime | None = None
    heard_seconds: float = 0.0
    # When it was asked for, and how often again since it was last well for long.
    asked_seconds: float = 0.0
    asked_again: int = 0
