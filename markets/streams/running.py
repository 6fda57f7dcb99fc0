"""Keep both venues' books from their sockets, and poll what no socket keeps. All that waits is here.

A venue's stream is a loop over its demands, its connections and its writes, with a second loop that asks over HTTP:
for markets without a book that can be trusted, and for all others now and then, to see that both doors of the venue
tell the same. Only best prices are written, of each market the newest, a few times a second at most.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

from django.db import DatabaseError, connection
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from itomarkets.lib import clock
from itomarkets.lib.http import USER_AGENT, is_loopback
from itomarkets.lib.venues import Venue, VenueError
from markets.models import Market, Quote, QuoteStream
from markets.streams.desk import StreamStatus
from markets.streams.session import Patience, Session, StreamBroken, StreamSilent, top
from markets.venues.base import OrderBook, SideBook

logger = logging.getLogger(__name__)
# Kalshi's limit; a snapshot of many levels is large.
LARGEST_MESSAGE = 64 * 1024 * 1024
# A connection that brought data for so long was a good one: the next failure is a first one.
GOOD_SECONDS = 60.0
LONGEST_POLL_PAUSE = 30.0
State = QuoteStream.State
Done = TypeVar("Done")


class Rows(Protocol):
    """What a stream needs of the database; `Desk` is it."""

    def hold(self) -> bool: ...
    def wanted(self) -> dict[int, Market]: ...
    def store(self, books: dict[int, OrderBook], source: Quote.Source) -> None: ...
    def tell(self, status: StreamStatus) -> None: ...
    def leave(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between the turns of each kind of work.

    Polling rests `rest` times as long as it took, because it shares the venue's budget with everything else. A book
    that differs from its REST twin is wrong only if it had stood still for `settled` before.
    """

    write: float = 0.5
    hold: float = 10.0
    want: float = 2.0
    poll: float = 5.0
    rest: float = 10.0
    audit: float = 45.0
    settled: float = 2.0
    tell: float = 5.0
    tick: float = 1.0
    first_pause: float = 1.0
    longest_pause: float = 60.0


@dataclass(frozen=True, slots=True)
class Wire:
    """How a venue's socket is reached, and how many keys one connection may carry."""

    url: str
    session: type[Session]
    keys_a_connection: int
    headers: Callable[[], dict[str, str]] = dict
    patience: Patience = field(default_factory=Patience)


class Connection:
    """One socket and its session: opened, listened to, and opened again after a pause, until it is cancelled."""

    def __init__(self, venue: Venue, wire: Wire, pace: Pace) -> None:
        self.session = wire.session(wire.patience)
        self.trouble = "connecting"
        self._venue = venue
        self._wire = wire
        self._pace = pace
        self._socket: ClientConnection | None = None
        self.task: asyncio.Task[None] | None = None

    @property
    def streams(self) -> bool:
        """Say whether data came over the socket that is open now, its first books among it."""
        has_data = self._socket is not None and self.session.data_seconds is not None
        return has_data and not self.session.is_filling(clock.monotonic())

    async def run(self) -> None:
        failures = 0
        while True:
            opened = clock.monotonic()
            try:
                await self._listen()
                self.trouble = "the venue closed the connection"
            except InvalidStatus as error:
                self.trouble = f"the venue refused the connection ({error.response.status_code})"
            except (StreamBroken, StreamSilent, VenueError, WebSocketException, OSError, TimeoutError) as error:
                self.trouble = str(error) or type(error).__name__
            except Exception as error:
                logger.exception("%s: the stream met a fault of ours", self._venue.label)
                self.trouble = f"a fault of ours ({type(error).__name__})"
            finally:
                brought_data = self.session.data_seconds is not None
                self._socket = None
                self.session.closed()
            failures = 0 if brought_data and clock.monotonic() - opened > GOOD_SECONDS else failures + 1
            pause = min(self._pace.longest_pause, self._pace.first_pause * 2 ** max(0, failures - 1))
            pause *= random.uniform(0.5, 1.0)
            logger.warning("%s: the stream ended: %s; again in %.1f s", self._venue.label, self.trouble, pause)
            await asyncio.sleep(pause)

    async def _listen(self) -> None:
        wire, session = self._wire, self.session
        host = urlsplit(wire.url).hostname or ""
        async with connect(
            wire.url,
            additional_headers=wire.headers(),
            user_agent_header=USER_AGENT,
            compression=None,
            max_size=LARGEST_MESSAGE,
            close_timeout=1,
            # A proxy from the environment must not be asked for this machine itself.
            proxy=None if is_loopback(host) else True,
        ) as socket:
            self._socket = socket
            await self.send(session.opened(clock.monotonic()))
            ticking = asyncio.create_task(self._tick(socket))
            try:
                async for frame in socket:
                    frames = session.receive(frame, clock.now(), clock.monotonic())
                    if frames:
                        await self.send(frames)
            finally:
                ticking.cancel()
                # A tick that gave the connection up says why; the socket's own words would be poorer.
                with contextlib.suppress(asyncio.CancelledError):
                    await ticking

    async def _tick(self, socket: ClientConnection) -> None:
        while True:
            await asyncio.sleep(self._pace.tick)
            try:
                await self.send(self.session.tick(clock.monotonic()))
            except Exception:
                # What answers pings and sends nothing need not be asked for a polite end.
                socket.transport.abort()
                raise

    async def send(self, frames: Sequence[str]) -> None:
        """Send what the session asks for; a connection that has just ended asks anew when it opens again."""
        if self._socket is not None:
            with contextlib.suppress(WebSocketException, OSError):
                for frame in frames:
                    await self._socket.send(frame)


@dataclass
class Polled:
    """How asking over HTTP went last."""

    at: datetime | None = None
    trouble: str = ""


@dataclass
class VenueStream:
    """One venue's quotes, streamed where that can be and polled where not.

    `wire` is None where nothing can be streamed, and `why_polled` says why. `in_database` runs what blocks on the
    database, one thing at a time; `fetch_books` asks over HTTP and runs in a thread of its own.
    """

    venue: Venue
    rows: Rows
    wire: Wire | None
    fetch_books: Callable[[Sequence[Market]], dict[int, OrderBook]]
    in_database: Executor
    why_polled: str = ""
    pace: Pace = field(default_factory=Pace)
    markets: dict[int, Market] = field(default_factory=dict)
    connections: list[Connection] = field(default_factory=list)
    is_held: bool | None = None

    def __post_init__(self) -> None:
        self._due: dict[str, float] = {}
        self._polled = Polled()
        self._audited: dict[int, float] = {}
        self._home: dict[int, Connection] = {}
        self._told: StreamStatus | None = None
        self._since: datetime = clock.now()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop; then write what is left, close, and leave in good order."""
        polling = asyncio.create_task(self._keep_polling())
        try:
            while not stop.is_set():
                try:
                    await self._turn()
                except Exception:
                    logger.exception("%s: a turn of the stream met a fault of ours", self.venue.label)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), self.pace.write)
        finally:
            await _cancelled([polling])
            if self.is_held:
                await self._write()
                await self._safely("leave", self.rows.leave)
            await self._part()

    async def _turn(self) -> None:
        if self._is_due("hold", self.pace.hold):
            held = await self._safely("hold", self.rows.hold)
            if held is False and self.is_held is not False:
                logger.info("%s: another process streams; this one waits", self.venue.label)
            # Without an answer of the database it goes on: a second writer would undo nothing that is newer.
            self.is_held = self.is_held if held is None else held
        if not self.is_held:
            await self._part()
            return
        if self._is_due("want", self.pace.want):
            wanted = await self._safely("want", self.rows.wanted)
            if wanted is not None:
                await self._assign(wanted)
        await self._write()
        status = self.status()
        if self._is_news(status) or self._is_due("tell", self.pace.tell):
            self._due["tell"] = clock.monotonic() + self.pace.tell
            await self._safely("tell", lambda: self.rows.tell(status))

    def _is_due(self, work: str, seconds: float) -> bool:
        moment = clock.monotonic()
        if moment < self._due.get(work, moment):
            return False
        self._due[work] = moment + seconds
        return True

    async def _safely(self, what: str, work: Callable[[], Done]) -> Done | None:
        """Do what blocks on the database, beside the loop; its trouble is logged and the next turn tries again."""
        try:
            return await self._in_database(work)
        except DatabaseError as error:
            logger.warning("%s: the database would not %s: %s", self.venue.label, what, error)
            return None

    async def _in_database(self, work: Callable[[], Done]) -> Done:
        def with_care() -> Done:
            try:
                return work()
            except DatabaseError:
                # The next call opens a new one: this may be broken.
                connection.close()
                raise

        return await asyncio.get_running_loop().run_in_executor(self.in_database, with_care)

    # Demands

    async def _assign(self, wanted: dict[int, Market]) -> None:
        """Bring the connections' markets in line with what is wanted: each market stays where it is."""
        self.markets = wanted
        self._audited = {pk: at for pk, at in self._audited.items() if pk in wanted}
        if self.wire is None:
            return
        shares: dict[int, dict[int, Market]] = {id(one): {} for one in self.connections}
        room = {id(one): self.wire.keys_a_connection for one in self.connections}
        homeless = []
        for pk, market in wanted.items():
            home = self._home.get(pk)
            if home is None:
                homeless.append(market)
            else:
                shares[id(home)][pk] = market
                room[id(home)] -= len(home.session.keys_of(market))
        for market in homeless:
            self._house(self.wire, market, shares, room)
        self._home = {pk: one for one in self.connections for pk in shares[id(one)]}
        for one in list(self.connections):
            share = shares[id(one)]
            await one.send(one.session.want(share, clock.monotonic()))
            if not share:
                self.connections.remove(one)
                await _cancelled([one.task])
            elif one.task is None:
                one.task = asyncio.create_task(one.run())

    def _house(self, wire: Wire, market: Market, shares: dict[int, dict[int, Market]], room: dict[int, int]) -> None:
        """Find a connection with room for a market, or make one; both tokens of a market go together."""
        keys = wire.session.keys_of(market)
        if not keys:
            return
        for one in self.connections:
            if room[id(one)] >= len(keys):
                break
        else:
            one = Connection(self.venue, wire, self.pace)
            self.connections.append(one)
            shares[id(one)], room[id(one)] = {}, wire.keys_a_connection
        shares[id(one)][market.pk] = market
        room[id(one)] -= len(keys)

    async def _part(self) -> None:
        """Close every connection; the markets are another's now, or nobody's."""
        tasks = [one.task for one in self.connections]
        self.connections, self._home, self.markets, self._audited = [], {}, {}, {}
        self._due.pop("want", None)
        await _cancelled(tasks)

    # Writing

    async def _write(self) -> None:
        changed = [(one, one.session.take_changed()) for one in self.connections]
        books = {pk: book for _, found in changed for pk, book in found.items()}
        if not books:
            return
        try:
            await self._in_database(lambda: self.rows.store(books, Quote.Source.STREAMED))
        except DatabaseError as error:
            logger.warning("%s: %d quotes could not be stored yet: %s", self.venue.label, len(books), error)
            for one, found in changed:
                one.session.put_back(found)

    # Asking over HTTP

    async def _keep_polling(self) -> None:
        pause = 0.0
        while True:
            await asyncio.sleep(pause)
            began = clock.monotonic()
            if self.is_held:
                try:
                    await self._poll()
                except Exception:
                    logger.exception("%s: polling met a fault of ours", self.venue.label)
            took = clock.monotonic() - began
            pause = (
                min(LONGEST_POLL_PAUSE, max(self.pace.poll, self.pace.rest * took)) if self.markets else self.pace.write
            )

    async def _poll(self) -> None:
        """Ask for the books that no socket keeps, and for those whose audit is due."""
        began = clock.monotonic()
        kept = {pk: one.session for pk, one in self._home.items() if one.session.stands(pk)}
        audit = {
            pk: session.state_of(pk)
            for pk, session in kept.items()
            if began - self._audited.setdefault(pk, began) >= self.pace.audit
        }
        asked = [market for pk, market in self.markets.items() if pk not in kept or pk in audit]
        if not asked:
            return
        try:
            books = await asyncio.to_thread(self.fetch_books, asked)
        except VenueError as error:
            self._polled.trouble = str(error)
            return
        self._polled = Polled(at=clock.now())
        polled = {}
        for pk, told in books.items():
            session = kept.get(pk)
            if session is None or not await self._audit(session, pk, told, audit[pk]):
                polled[pk] = told
        for pk in audit:
            self._audited[pk] = began
        if polled:
            await self._safely("store", lambda: self.rows.store(polled, Quote.Source.POLLED))

    async def _audit(self, session: Session, pk: int, told: OrderBook, before: tuple[int, float]) -> bool:
        """Compare a kept book with its REST twin; returns whether the kept one goes on to be the source.

        One that changed while the other was on the way proves nothing either way.
        """
        kept = session.book(pk) if pk in session.markets else None
        if kept is None:
            return False
        if (kept.yes, kept.no) == _tops(told):
            session.confirm(pk, told.received_at)
            return True
        version, heard = before
        if session.state_of(pk) != (version, heard) or clock.monotonic() - heard < self.pace.settled:
            return True
        home = self._home.get(pk)
        if home is not None:
            await home.send(session.doubt_market(pk, "The REST book differs", clock.monotonic()))
        return False

    # How it goes

    def status(self) -> StreamStatus:
        """Say how this venue's quotes come just now."""
        state, reason, data_at = self._state()
        if self._told is None or self._told.state != state:
            self._since = clock.now()
        return StreamStatus(
            venue=self.venue,
            state=state,
            reason=reason,
            since=self._since,
            data_at=data_at,
            markets=len(self.markets),
            connections=sum(one.streams for one in self.connections),
            reasked=sum(one.session.reasked for one in self.connections),
        )

    def _state(self) -> tuple[State, str, datetime | None]:
        silent = [one for one in self.connections if not one.streams]
        if self.wire is not None and not silent:
            stamps = [one.session.data_at for one in self.connections if one.session.data_at is not None]
            loose = sum(1 for pk in self.markets if pk not in self._home or not self._home[pk].session.stands(pk))
            if not self.markets:
                reason = "Nobody asks for a quote."
            else:
                reason = (
                    f"{loose} of {len(self.markets)} markets are polled: no book of theirs is streamed."
                    if loose
                    else ""
                )
            return State.STREAMING, reason, min(stamps, default=None)
        reason = self.why_polled if self.wire is None else f"{silent[0].trouble}; polled until it streams again"
        reason = f"{reason[:1].upper()}{reason[1:].rstrip('.')}."
        if self._polled.trouble:
            return State.DOWN, f"{reason} Nor does polling work: {self._polled.trouble}", self._polled.at
        return State.POLLING, reason, self._polled.at

    def _is_news(self, status: StreamStatus) -> bool:
        """Remember what is told, and say on the log when the state changes."""
        told, self._told = self._told, status
        if told is not None and (told.state, told.reason) == (status.state, status.reason):
            return False
        if told is None or told.state != status.state:
            level = logging.INFO if told is None or status.state == State.STREAMING else logging.WARNING
            over = f" (markets: {status.markets}, connections: {status.connections})"
            logger.log(level, "%s: %s%s. %s", self.venue.label, status.state.label.lower(), over, status.reason)
        return True


def _tops(book: OrderBook) -> tuple[SideBook, SideBook]:
    """Return the best levels of both outcomes, as a session tells them."""
    return top(book.yes.best_bid, book.yes.best_ask), top(book.no.best_bid, book.no.best_ask)


async def _cancelled(tasks: Sequence["asyncio.Task[None] | None"]) -> None:
    """Cancel tasks and wait until they have ended."""
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def run_streams(streams: Sequence[VenueStream], stop: asyncio.Event) -> None:
    """Run venues' streams side by side until told to stop."""
    await asyncio.gather(*(stream.run(stop) for stream in streams))
