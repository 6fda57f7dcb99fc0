"""The mark of one leg: the waterfall of the methodology, section 6, over whole millionths of a dollar. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from baskets.method import (
    CARRY_SECONDS,
    GHOST_ASK,
    GHOST_BID,
    LAST_TRADE_SECONDS,
    LIVE_SECONDS,
    STALE_SECONDS,
    TIGHT_SPREAD,
    WIDE_SPREAD,
)

DOLLAR = 1_000_000


class Reason(StrEnum):
    """Which rule gave a mark."""

    SETTLED = "settled"
    MID = "mid"
    LAST = "last"
    WIDE = "wide"
    ONE_SIDED = "one_sided"
    FROZEN = "frozen"
    CLOSING = "closing"
    STALE = "stale"
    LISTING = "listing"
    NONE = "none"

    @property
    def is_good(self) -> bool:
        """Tell whether the mark comes from a quote of now, and may be carried later."""
        return self in (Reason.MID, Reason.LAST, Reason.WIDE, Reason.ONE_SIDED)


@dataclass(frozen=True, slots=True)
class SideQuote:
    """The held side's best prices and last trade, in millionths of a dollar, with their ages in seconds."""

    bid: int | None
    ask: int | None
    last: int | None
    age_seconds: int
    last_age_seconds: int | None

    def flipped(self) -> "SideQuote":
        """The other side's view of the same book."""
        return SideQuote(
            bid=None if self.ask is None else DOLLAR - self.ask,
            ask=None if self.bid is None else DOLLAR - self.bid,
            last=None if self.last is None else DOLLAR - self.last,
            age_seconds=self.age_seconds,
            last_age_seconds=self.last_age_seconds,
        )


@dataclass(frozen=True, slots=True)
class Carried:
    """The last good mark and its age."""

    price: int
    age_seconds: int


@dataclass(frozen=True, slots=True)
class LegMark:
    """A leg's price (None: it has none), the rule that gave it, its age, and the prices at which it trades."""

    price: int | None
    reason: Reason
    age_seconds: int
    bid: int | None
    ask: int | None


def middle(bid: int, ask: int) -> int:
    """Return the price halfway, to the millionth, half to even."""
    half = (bid + ask) // 2
    return half + (half & 1) if (bid + ask) & 1 else half


def mark_leg(
    *,
    settled: int | None,
    is_disputed: bool,
    is_closed: bool,
    quote: SideQuote | None,
    carried: Carried | None,
    listing: SideQuote | None = None,
    max_age_seconds: int = LIVE_SECONDS,
    carry_seconds: int | None = CARRY_SECONDS,
) -> LegMark:
    """Walk down the waterfall until a rule gives a price.

    1. settled  2. two-sided and tight: mid  3. two-sided and wide: last trade inside the book, else mid
    4. one-sided: last trade on its side of the book  5. the last good mark, while it is not too old.
    A disputed or closed market skips 2 to 4: what it was worth before stands. `listing` (what the venue's
    list said) is only given where a composition is made and no book was ever seen.
    """
    if settled is not None:
        return LegMark(settled, Reason.SETTLED, 0, settled, settled)
    if is_disputed or is_closed:
        reason = Reason.FROZEN if is_disputed else Reason.CLOSING
        if carried is not None:
            return LegMark(carried.price, reason, carried.age_seconds, None, None)
        return LegMark(None, Reason.NONE, 0, None, None)
    if quote is not None:
        found = _from_book(quote, max_age_seconds)
        if found is not None:
            return found
    # An old book still says where one could trade, for as long as it is not dead.
    seen = quote if quote is not None and quote.age_seconds <= STALE_SECONDS and not _is_ghost(quote) else None
    bid, ask = (seen.bid, seen.ask) if seen else (None, None)
    if carried is not None and (carry_seconds is None or carried.age_seconds <= carry_seconds):
        return LegMark(carried.price, Reason.STALE, carried.age_seconds, bid, ask)
    if listing is not None:
        price = _listed(listing)
        if price is not None:
            return LegMark(price, Reason.LISTING, listing.age_seconds, listing.bid, listing.ask)
    return LegMark(None, Reason.NONE, 0, bid, ask)


def _is_ghost(quote: SideQuote) -> bool:
    """Tell whether the book is only a pair of stubs at the ends of the range."""
    return quote.bid is not None and quote.ask is not None and quote.bid <= GHOST_BID and quote.ask >= GHOST_ASK


def _from_book(quote: SideQuote, max_age_seconds: int) -> LegMark | None:
    bid, ask = quote.bid, quote.ask
    if quote.age_seconds > max_age_seconds or _is_ghost(quote) or (bid is None and ask is None):
        return None
    last = quote.last
    if last is not None and (quote.last_age_seconds is None or quote.last_age_seconds > LAST_TRADE_SECONDS):
        last = None
    if bid is not None and ask is not None:
        if bid >= ask:
            return None
        if ask - bid <= TIGHT_SPREAD:
            return LegMark(middle(bid, ask), Reason.MID, quote.age_seconds, bid, ask)
        if last is not None:
            return LegMark(min(max(last, bid), ask), Reason.LAST, quote.age_seconds, bid, ask)
        if ask - bid <= WIDE_SPREAD:
            return LegMark(middle(bid, ask), Reason.WIDE, quote.age_seconds, bid, ask)
        return None
    if last is None:
        return None
    price = max(last, bid) if bid is not None else min(last, ask or 0)
    return LegMark(price, Reason.ONE_SIDED, quote.age_seconds, bid, ask)


def _listed(listing: SideQuote) -> int | None:
    bid, ask = listing.bid, listing.ask
    if bid is not None and ask is not None and bid < ask and ask - bid <= WIDE_SPREAD:
        return middle(bid, ask)
    return listing.last
