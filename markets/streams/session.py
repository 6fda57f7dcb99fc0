"""What both venues' sessions share: which books are wanted, which stand, what must be asked for again. Pure.

A session is told of frames and of a stopwatch's seconds, and returns the frames to send. It trusts data alone: a
connection on which only pings are answered is probed, then given up.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from markets.models import Market
from markets.streams.books import KeptBook
from markets.venues.base import Level, OrderBook, SideBook

logger = logging.getLogger(__name__)
LONGEST_REASK_SECONDS = 60.0
# A book that stood this long since it was last asked for is well again.
WELL_SECONDS = 60.0


class StreamSilent(Exception):
    """The connection stands, and no data comes."""


class StreamBroken(Exception):
    """The venue ended the subscription, or sent what cannot be read; a new connection is needed."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: until silence is probed, until an unanswered probe ends the connection, until a book is asked again."""

    quiet: float = 20.0
    probe: float = 10.0
    reask: float = 5.0


class Session(ABC):
    """The books of one connection."""

    def __init__(self, patience: Patience | None = None) -> None:
        self.patience = patience or Patience()
        self.markets: dict[int, Market] = {}
        self.books: dict[str, KeptBook] = {}
        self.is_open = False
        # When data last came on this connection, by the stopwatch and by the run's clock.
        self.data_seconds: float | None = None
        self.data_at: datetime | None = None
        self.reasked = 0
        self._opened_seconds = 0.0
        self._is_probed = False
        self._changed: set[int] = set()
        self._last: dict[int, Decimal] = {}

    # What the venue calls a market's books, and how it is asked

    @staticmethod
    @abstractmethod
    def keys_of(market: Market) -> tuple[str, ...]:
        """Return the keys of a market's books, YES first."""

    @abstractmethod
    def _subscribe(self, keys: list[str], *, is_first: bool) -> list[str]: ...

    @abstractmethod
    def _unsubscribe(self, keys: list[str]) -> list[str]: ...

    @abstractmethod
    def _ask_again(self, keys: list[str]) -> list[str]:
        """Return the frames that ask for new snapshots of subscribed books."""

    @abstractmethod
    def receive(self, frame: str | bytes, at: datetime, seconds: float) -> list[str]:
        """Take in one frame; returns frames to send. Raises StreamBroken when the connection is of no more use."""

    @abstractmethod
    def _sides(self, market_id: int) -> tuple[SideBook, SideBook]:
        """Return the best levels of YES and of NO."""

    # A connection's life

    def opened(self, seconds: float) -> list[str]:
        """Begin a connection: nothing is known until its snapshots come."""
        self.closed()
        self.is_open, self._opened_seconds = True, seconds
        for book in self.books.values():
            book.asked_seconds, book.asked_again = seconds, 0
        return self._subscribe(list(self.books), is_first=True) if self.books else []

    def closed(self) -> None:
        """End a connection: what it told is history."""
        self.is_open, self._is_probed = False, False
        self.data_seconds = None
        for book in self.books.values():
            book.stands, book.stamped_at = False, None

    def want(self, markets: Mapping[int, Market], seconds: float) -> list[str]:
        """Keep the books of these markets and of no others."""
        keys = {key: pk for pk, market in markets.items() for key in self.keys_of(market)}
        gone = [key for key, book in self.books.items() if keys.get(key) != book.market_id]
        for key in gone:
            del self.books[key]
        new = [key for key in keys if key not in self.books]
        for key in new:
            self.books[key] = KeptBook(keys[key], asked_seconds=seconds)
        self.markets = dict(markets)
        self._changed &= self.markets.keys()
        self._last = {pk: last for pk, last in self._last.items() if pk in self.markets}
        if not self.is_open:
            return []
        frames = self._unsubscribe(gone) if gone else []
        return frames + (self._subscribe(new, is_first=False) if new else [])

    def tick(self, seconds: float) -> list[str]:
        """Ask again for what did not come; raises StreamSilent when a probe brought nothing either."""
        late = []
        for key, book in self.books.items():
            waited = seconds - book.asked_seconds
            if not book.stands and waited >= max(self._pause(book), self.patience.reask):
                late.append(key)
            elif book.stands and waited > WELL_SECONDS:
                book.asked_again = 0
        frames = self._ask(late, seconds) if late else []
        if not self.books:
            return frames
        silence = seconds - (self._opened_seconds if self.data_seconds is None else self.data_seconds)
        if silence >= self.patience.quiet + self.patience.probe:
            raise StreamSilent(f"no data for {silence:.0f} s, whatever the pings say")
        if silence >= self.patience.quiet and not self._is_probed:
            self._is_probed = True
            frames += self._ask_again([next(iter(self.books))])
        return frames

    # Trust

    def doubt(self, keys: Iterable[str], why: str, seconds: float) -> list[str]:
        """Trust these books no longer; ask for new ones, at once unless that was done just now."""
        due = []
        for key in keys:
            book = self.books[key]
            book.stands = False
            if seconds - book.asked_seconds >= self._pause(book):
                due.append(key)
        if due:
            logger.info("%s: asking again for %d books, such as %s", why, len(due), due[0])
        return self._ask(due, seconds) if due else []

    def doubt_market(self, market_id: int, why: str, seconds: float) -> list[str]:
        market = self.markets.get(market_id)
        return self.doubt([key for key in self.keys_of(market) if key in self.books], why, seconds) if market else []

    def _ask(self, keys: list[str], seconds: float) -> list[str]:
        self.reasked += len(keys)
        for key in keys:
            book = self.books[key]
            book.asked_seconds = seconds
            book.asked_again += 1
        return self._ask_again(keys)

    def _pause(self, book: KeptBook) -> float:
        """Return how long to wait after the last asking: not at all at first, then twice as long each time."""
        if not book.asked_again:
            return 0.0
        return min(LONGEST_REASK_SECONDS, self.patience.reask * 2 ** (book.asked_again - 1))

    # What upper code reads

    def is_filling(self, seconds: float) -> bool:
        """Say whether a new connection's first snapshots are still on their way."""
        is_new = seconds - self._opened_seconds < self.patience.reask
        return is_new and not all(book.stands for book in self.books.values())

    def stands(self, market_id: int) -> bool:
        """Say whether every book of a market can be trusted."""
        market = self.markets.get(market_id)
        return market is not None and all(self.books[key].stands for key in self.keys_of(market))

    def book(self, market_id: int) -> OrderBook | None:
        """Return the best levels of a market's book; None while it cannot be trusted."""
        if not self.stands(market_id):
            return None
        books = self._of(market_id)
        observed = max(book.observed_at for book in books if book.observed_at is not None)
        received = max(book.received_at for book in books if book.received_at is not None)
        yes, no = self._sides(market_id)
        return OrderBook(
            yes=yes,
            no=no,
            observed_at=min(observed, received),
            received_at=received,
            last_price=self._last.get(market_id),
        )

    def take_changed(self) -> dict[int, OrderBook]:
        """Return the books that changed since the last call and stand; the others are told when they stand again."""
        found = {pk: book for pk in self._changed if (book := self.book(pk)) is not None}
        self._changed.clear()
        return found

    def put_back(self, market_ids: Iterable[int]) -> None:
        """Tell these as changed again: they could not be stored."""
        self._changed.update(pk for pk in market_ids if pk in self.markets)

    def state_of(self, market_id: int) -> tuple[int, float]:
        """Return a number that grows with each change of a market's books, and when it was last heard of."""
        books = self._of(market_id)
        return sum(book.version for book in books), max(book.heard_seconds for book in books)

    def confirm(self, market_id: int, at: datetime) -> None:
        """Note that the venue's other interface tells the same book."""
        for book in self._of(market_id):
            book.received_at = at
        self._changed.add(market_id)

    def _of(self, market_id: int) -> list[KeptBook]:
        return [self.books[key] for key in self.keys_of(self.markets[market_id])]

    # For the sessions

    def _heard(self, at: datetime, seconds: float) -> None:
        self.data_at, self.data_seconds, self._is_probed = at, seconds, False

    def _take(self, book: KeptBook, observed_at: datetime | None, at: datetime, seconds: float) -> None:
        """Note that a book has just changed."""
        book.version += 1
        book.observed_at, book.received_at, book.heard_seconds = observed_at or at, at, seconds
        self._changed.add(book.market_id)


def top(bid: Level | None, ask: Level | None) -> SideBook:
    """Return a book of the best levels alone: what a quote holds."""
    return SideBook(bids=() if bid is None else (bid,), asks=() if ask is None else (ask,))


def listed(value: Any) -> list[Any]:
    """Return a frame's events: it may hold one object or an array of them."""
    return value if isinstance(value, list) else [value]
