"""Walking one side of a book: pure arithmetic, Decimal in and out."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from itomarkets.lib.rounding import ZERO
from markets.venues.base import Level, SideBook

Fee = Callable[[Decimal, Decimal], Decimal]


@dataclass(frozen=True, slots=True)
class Ladder:
    """The levels that a taker meets, best first: asks for a buy, bids for a sale."""

    levels: tuple[Level, ...]
    is_buy: bool

    @classmethod
    def of(cls, book: SideBook, *, action: str) -> "Ladder":
        is_buy = action == "buy"
        return cls(levels=book.asks if is_buy else book.bids, is_buy=is_buy)

    @property
    def best(self) -> Decimal | None:
        return self.levels[0].price if self.levels else None

    @property
    def depth(self) -> Decimal:
        """Contracts on all levels together."""
        return sum((level.size for level in self.levels), ZERO)

    def within(self, limit: Decimal) -> "Ladder":
        """Return the levels that are no worse than a limit price."""
        kept = tuple(level for level in self.levels if (level.price <= limit if self.is_buy else level.price >= limit))
        return Ladder(levels=kept, is_buy=self.is_buy)

    def take(self, count: Decimal) -> tuple[Level, ...]:
        """Return what `count` contracts take of each level; less in all where the depth does not suffice."""
        taken: list[Level] = []
        missing = count
        for level in self.levels:
            if missing <= 0:
                break
            part = min(level.size, missing)
            taken.append(Level(level.price, part))
            missing -= part
        return tuple(taken)

    def worst_price(self, count: Decimal) -> Decimal | None:
        """Return the price of the last level that `count` contracts reach."""
        taken = self.take(count)
        return taken[-1].price if taken else None


@dataclass(frozen=True, slots=True)
class Walk:
    """What a number of contracts costs (or brings) on a ladder."""

    count: Decimal
    cost: Decimal
    fee: Decimal
    worst: Decimal | None

    @property
    def average(self) -> Decimal | None:
        return self.cost / self.count if self.count else None


def walk(ladder: Ladder, count: Decimal, fee: Fee) -> Walk:
    """Take up to `count` contracts, level by level; `fee(price, count)` is charged on each level, as venues do."""
    taken = ladder.take(count)
    return Walk(
        count=sum((level.size for level in taken), ZERO),
        cost=sum((level.price * level.size for level in taken), ZERO),
        fee=sum((fee(level.price, level.size) for level in taken), ZERO),
        worst=taken[-1].price if taken else None,
    )
