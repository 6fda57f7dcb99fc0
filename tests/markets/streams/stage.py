"""A venue's stream against the sandbox's sockets on loopback; its rows are kept in memory."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from itomarkets.lib import clock
from itomarkets.lib.kalshi_signing import load_private_key, signed_headers
from itomarkets.lib.venues import Venue
from itomarkets.sandbox.model import POLYMARKET, SandboxEvent, uniform_ticks
from markets.models import Market, Quote
from markets.quotes import supersedes
from markets.streams.desk import StreamStatus
from markets.streams.kalshi import KalshiSession
from markets.streams.polymarket import PolymarketSession
from markets.streams.running import Pace, VenueStream, Wire
from markets.streams.session import Patience
from markets.venues.base import Level, OrderBook
from markets.venues.clients import kalshi_reads, polymarket_reads
from tests.trading.sandbox_world import NOON, TICKER, Exchange, TwoVenues, point_settings_at, running_exchange

QUICK = Pace(
    write=0.02, hold=0.5, want=0.05, poll=0.1, rest=0, audit=3600, settled=0.1, tell=0.2, tick=0.05, first_pause=0.05
)
# Long enough for a slow machine, and never waited for where all goes well.
PATIENT = Patience(quiet=3600, probe=3600, reask=0.2)
PATHS = {Venue.KALSHI: "/trade-api/ws/v2", Venue.POLYMARKET: "/ws/market"}


class ManyVenues(TwoVenues):
    """With so many more Polymarket markets: keys 1000 and up."""

    def __init__(self, more: int) -> None:
        super().__init__()
        for number in range(1000, 1000 + more):
            event = SandboxEvent(POLYMARKET, f"e{number}", f"event-{number}", f"Event {number}")
            ticks = uniform_ticks("0.01")
            self.add(event, [self._market(str(number), event.key, f"Question {number}", ticks, neg_risk=False)])


@dataclass
class Rows:
    """The database's place: what is wanted, and the newest of all that was stored and told."""

    markets: dict[int, Market] = field(default_factory=dict)
    held: bool = True
    books: dict[int, OrderBook] = field(default_factory=dict)
    sources: dict[int, Quote.Source] = field(default_factory=dict)
    stores: int = 0
    told: list[StreamStatus] = field(default_factory=list)
    has_left: bool = False

    def hold(self) -> bool:
        return self.held

    def wanted(self) -> dict[int, Market]:
        return dict(self.markets)

    def store(self, books: dict[int, OrderBook], source: Quote.Source) -> None:
        self.stores += 1
        for pk, book in books.items():
            before = self.books.get(pk)
            if before is None or supersedes(
                book, Quote(observed_at=before.observed_at, received_at=before.received_at)
            ):
                self.books[pk], self.sources[pk] = book, source

    def tell(self, status: StreamStatus) -> None:
        self.told.append(status)

    def leave(self) -> None:
        self.has_left = True

    @property
    def states(self) -> list[str]:
        """The states that were told, without repetitions."""
        states = [status.state.value for status in self.told]
        return [state for number, state in enumerate(states) if not number or states[number - 1] != state]


@dataclass
class Stage:
    """The exchange, one venue's stream and its rows."""

    exchange: Exchange
    venue: Venue
    rows: Rows
    stream: VenueStream

    def change(self, key: str, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
        """Give a market another book: price units of YES and contracts, best first."""
        self.exchange.feed.books[key] = (bids, asks)

    async def fault(self, *faults: tuple[str, int]) -> None:
        """Replace the plan for this venue's socket by (fault, nth) lines."""
        lines = [("WS", PATHS[self.venue], nth, fault, 0.0) for fault, nth in faults]
        await asyncio.to_thread(self.exchange.plan, *lines)

    def best_bid(self, pk: int) -> Level | None:
        """Return the best bid of a market's last written book; None where none was written yet."""
        book = self.rows.books.get(pk)
        return book.yes.best_bid if book else None

    async def until(self, what: Callable[[], Any], seconds: float = 20.0) -> None:
        """Wait until something is true; the test fails when it does not come."""
        deadline = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < deadline, f"it did not come: {self.stream.status()}"
            await asyncio.sleep(0.01)

    def streams(self) -> bool:
        """Say whether every wanted market has a book that stands."""
        return (
            bool(self.stream.markets)
            and self.stream.markets.keys() == self.rows.markets.keys()
            and all(any(one.session.stands(pk) for one in self.stream.connections) for pk in self.stream.markets)
        )

    def levels(self, pk: int) -> Any:
        """Return the kept book of YES in full: bids and asks, best first."""
        (session,) = (one.session for one in self.stream.connections if pk in one.session.markets)
        key = session.keys_of(session.markets[pk])[0]
        return session.levels(key)  # type: ignore[attr-defined]

    def rest_levels(self, pk: int) -> Any:
        """Return the same as the venue's HTTP interface tells it."""
        book = rest_books(self.venue)([self.rows.markets[pk]])[pk]
        return book.yes.bids, (book.no.bids if self.venue is Venue.KALSHI else book.yes.asks)


def rest_books(venue: Venue) -> Callable[[Sequence[Market]], dict[int, OrderBook]]:
    def fetch(markets: Sequence[Market]) -> dict[int, OrderBook]:
        reads = kalshi_reads() if venue is Venue.KALSHI else polymarket_reads()
        try:
            return reads.fetch_books(markets)
        finally:
            reads.close()

    return fetch


def market_of(exchange: Exchange, venue: Venue, key: str, pk: int) -> Market:
    found = exchange.feed.market(venue.value, key)
    assert found is not None
    return Market(pk=pk, venue=venue, native_id=key, yes_token=found.yes_token, no_token=found.no_token)


def wire_to(exchange: Exchange, venue: Venue, patience: Patience, keys_a_connection: int) -> Wire:
    url = exchange.url.replace("http", "ws", 1) + PATHS[venue]
    if venue is Venue.POLYMARKET:
        return Wire(url, PolymarketSession, keys_a_connection, patience=patience)
    account = exchange.control("/accounts", {"name": "listener"})["kalshi"]
    private_key = load_private_key(account["private_key_pem"])

    def headers() -> dict[str, str]:
        stamp = int(clock.now().timestamp() * 1000)
        return signed_headers(account["key_id"], private_key, "GET", PATHS[venue], stamp)

    return Wire(url, KalshiSession, keys_a_connection, headers, patience)


@contextmanager
def sandbox(settings: Any, feed: TwoVenues | None = None) -> Iterator[Exchange]:
    """Serve the exchange from noon on, with sockets that look at their books fifty times a second."""
    clock.set_clock(clock.Clock(start=NOON, rate=1.0, anchor=time.time()))
    with running_exchange(feed, look_seconds=0.02) as exchange:
        point_settings_at(settings, exchange.url)
        yield exchange


@asynccontextmanager
async def streaming(
    exchange: Exchange,
    venue: Venue,
    keys: Sequence[str] = (),
    *,
    patience: Patience = PATIENT,
    keys_a_connection: int = 200,
    rows: Rows | None = None,
    **values: Any,
) -> AsyncIterator[Stage]:
    """Run one venue's stream while the block lasts; it must end in good order."""
    rows = rows or Rows({pk: market_of(exchange, venue, key, pk) for pk, key in enumerate(keys or _keys(venue), 1)})
    pace = replace(QUICK, **{name: values.pop(name) for name in list(values) if hasattr(QUICK, name)})
    wire = await asyncio.to_thread(wire_to, exchange, venue, patience, keys_a_connection)
    with ThreadPoolExecutor(max_workers=1) as pool:
        named = {"wire": wire, "fetch_books": rest_books(venue), **values}
        stream = VenueStream(venue=venue, rows=rows, in_database=pool, pace=pace, **named)
        stop = asyncio.Event()
        task = asyncio.create_task(stream.run(stop))
        try:
            yield Stage(exchange, venue, rows, stream)
        finally:
            stop.set()
            await asyncio.wait_for(task, 20)


def _keys(venue: Venue) -> tuple[str, ...]:
    return (TICKER,) if venue is Venue.KALSHI else ("11",)


def since(status: StreamStatus) -> datetime:
    assert status.since is not None
    return status.since
