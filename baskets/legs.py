"""What baskets hold now, with all that is needed to price it: one statement for any number of baskets."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import (
    BigIntegerField,
    Exists,
    ExpressionWrapper,
    F,
    FilteredRelation,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
)

from baskets.marks import DOLLAR, Carried, LegMark, SideQuote, mark_leg
from baskets.method import CARRY_SECONDS, LIVE_SECONDS
from baskets.models import Composition, Constituent, Mark, MinuteMark
from itomarkets.lib.venues import Side
from markets.models import Market

QUOTE_PRICES = ("yes_bid", "yes_ask", "no_bid", "no_ask", "last_price")
LAST_MINUTE = ("minute_price", "minute_at")
RESOLVED = (Market.Status.RESOLVED, Market.Status.VOID)


@dataclass(frozen=True, slots=True)
class BookRow:
    """One market's state and quote as stored: YES and NO prices in millionths, times as they are."""

    market_id: int
    status: str
    payout: int | None
    close_at: datetime | None
    vanished_at: datetime | None
    yes_bid: int | None
    yes_ask: int | None
    no_bid: int | None
    no_ask: int | None
    last_price: int | None
    last_at: datetime | None
    received_at: datetime | None

    def side_quote(self, side: str, now: datetime) -> SideQuote | None:
        """Return the quote as the holder of a side sees it; NO is the mirror of YES where NO has no book."""
        if self.received_at is None:
            return None
        # From when we received it: a quiet book is still true, however long ago its venue last touched it.
        age = seconds_between(self.received_at, now)
        last_age = None if self.last_at is None else seconds_between(self.last_at, now)
        yes = SideQuote(self.yes_bid, self.yes_ask, self.last_price, age, last_age)
        if side == Side.YES:
            return yes
        mirror = yes.flipped()
        if self.no_bid is None and self.no_ask is None:
            return mirror
        return SideQuote(self.no_bid, self.no_ask, mirror.last, age, last_age)

    def settled(self, side: str) -> int | None:
        """Return what the side paid, once the venue has said so; never guessed from a price."""
        if self.status not in RESOLVED or self.payout is None:
            return None
        return self.payout if side == Side.YES else DOLLAR - self.payout

    def mark(
        self,
        side: str,
        now: datetime,
        carried: Carried | None,
        *,
        listing: SideQuote | None = None,
        carry_seconds: int | None = CARRY_SECONDS,
    ) -> LegMark:
        """Price one side of the market now."""
        is_closed = self.status in (Market.Status.CLOSED, *RESOLVED) or (
            self.close_at is not None and self.close_at <= now
        )
        return mark_leg(
            settled=self.settled(side),
            is_disputed=self.status == Market.Status.DISPUTED,
            is_closed=is_closed,
            quote=self.side_quote(side, now),
            carried=carried,
            listing=listing,
            max_age_seconds=LIVE_SECONDS,
            carry_seconds=carry_seconds,
        )


@dataclass(frozen=True, slots=True)
class HeldLeg:
    """One leg of a current composition. Weight and units in 1e-8, cash in 1e-14, divisors in 1e-15."""

    basket_id: int
    composition_id: int
    version: int
    cash: int
    divisor: int
    divisor_net: int
    constituent_id: int
    side: str
    weight: int
    units: int
    carried_price: int | None
    carried_at: datetime | None
    book: BookRow

    def carried(self, now: datetime) -> Carried | None:
        return carried(self.carried_price, self.carried_at, now)


@dataclass(frozen=True, slots=True)
class PricedSide:
    """One side of a market with its book and its last good mark."""

    side: str
    carried_price: int | None
    carried_at: datetime | None
    book: BookRow

    def mark(self, now: datetime) -> LegMark:
        return self.book.mark(self.side, now, carried(self.carried_price, self.carried_at, now))


def carried(price: int | None, at: datetime | None, now: datetime) -> Carried | None:
    return None if price is None or at is None else Carried(price, seconds_between(at, now))


def seconds_between(earlier: datetime, now: datetime) -> int:
    """Return an age in whole seconds; a quote that came after `now` was read is of now."""
    return max(0, int((now - earlier).total_seconds()))


def scaled(path: str) -> ExpressionWrapper:
    """Select a scaled decimal as the whole number that is stored."""
    return ExpressionWrapper(F(path), output_field=BigIntegerField())


def current_compositions() -> QuerySet[Composition]:
    """Each basket's newest composition."""
    newer = Composition.objects.filter(basket=OuterRef("basket"), version__gt=OuterRef("version"))
    return Composition.objects.filter(~Exists(newer))


def held_legs(*, basket_ids: Iterable[int] | None = None) -> Iterator[HeldLeg]:
    """Yield the legs of all active baskets (or of those named), basket by basket, in one statement."""
    newer = Composition.objects.filter(
        basket=OuterRef("composition__basket"), version__gt=OuterRef("composition__version")
    )
    rows = Constituent.objects.filter(~Exists(newer), composition__basket__is_active=True)
    if basket_ids is not None:
        rows = rows.filter(composition__basket__in=list(basket_ids))
    rows = rows.annotate(
        last_mark=FilteredRelation("market__marks", condition=Q(market__marks__side=F("side"))), **last_minute()
    ).order_by("composition__basket_id", "id")
    columns = [
        "composition__basket_id",
        "composition_id",
        "composition__version",
        scaled("composition__cash"),
        scaled("composition__divisor"),
        scaled("composition__divisor_net"),
        "id",
        "side",
        scaled("weight"),
        scaled("units"),
        scaled("last_mark__price"),
        "last_mark__at",
        *LAST_MINUTE,
        *book_columns("market__"),
    ]
    found: Iterable[Any] = rows.values_list(*columns).iterator(chunk_size=5_000)
    for row in found:
        yield HeldLeg(*[*row[:10], *later_mark(*row[10:14]), BookRow(*row[14:])])


def priced_sides() -> Iterator[PricedSide]:
    """Yield each side that some basket holds or held, with what prices it, in one statement."""
    rows = Mark.objects.annotate(**last_minute()).order_by("market_id", "side")
    columns = ["side", scaled("price"), "at", *LAST_MINUTE, *book_columns("market__")]
    found: Iterable[Any] = rows.values_list(*columns).iterator(chunk_size=5_000)
    for row in found:
        yield PricedSide(row[0], *later_mark(*row[1:5]), BookRow(*row[5:]))


def last_minute() -> dict[str, Any]:
    """Annotate rows of a market and a side with the good mark that the newest minute knew of it."""
    newest = Subquery(MinuteMark.objects.order_by("-at").values("at")[:1])
    mine = MinuteMark.objects.filter(at=newest, market=OuterRef("market"), side=OuterRef("side"))
    return {
        "minute_price": Subquery(mine.values(whole=scaled("good_price"))[:1]),
        "minute_at": Subquery(mine.values("good_at")[:1]),
    }


def later_mark(
    price: int | None, at: datetime | None, other: int | None, other_at: datetime | None
) -> tuple[int | None, datetime | None]:
    """Return the later of two good marks, each of which may be unknown."""
    if at is None or price is None or (other is not None and other_at is not None and other_at > at):
        return other, other_at
    return price, at


def good_marks(market_ids: Iterable[int]) -> dict[tuple[int, str], tuple[int, datetime]]:
    """Return the last good mark of the markets' sides, and the instant that it was good at."""
    rows = Mark.objects.filter(market__in=list(market_ids)).annotate(**last_minute())
    found = {}
    for market_id, side, *marks in rows.values_list("market_id", "side", scaled("price"), "at", *LAST_MINUTE):
        price, at = later_mark(*marks)
        if price is not None and at is not None:
            found[market_id, side] = (price, at)
    return found


def book_columns(prefix: str = "") -> list[Any]:
    """Name the columns of a BookRow, seen from a row that reaches the market by `prefix`."""
    market = prefix.removesuffix("__")
    return [
        f"{market}_id" if market else "id",
        f"{prefix}status",
        scaled(f"{prefix}payout"),
        f"{prefix}close_at",
        f"{prefix}vanished_at",
        *[scaled(f"{prefix}quote__{name}") for name in QUOTE_PRICES],
        f"{prefix}quote__last_at",
        f"{prefix}quote__received_at",
    ]


def books_of(market_ids: Sequence[int]) -> dict[int, BookRow]:
    """Return the state and quote of the markets, by id."""
    rows = Market.objects.filter(pk__in=market_ids).values_list(*book_columns())
    return {row[0]: BookRow(*row) for row in rows}
