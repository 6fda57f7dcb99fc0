"""What both exchanges' sockets share: books that are followed for listeners, and the plan's faults on what is sent."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect

from .engine import BookSide, World
from .faults import FaultyConnections
from .model import ONE, ZERO, SandboxMarket, from_units
from .store import Fill

# How often books are compared with what was last sent.
LOOK_SECONDS = 0.25


@dataclass(slots=True)
class Followed:
    """A market's book as last looked at; `version` grows with each change."""

    market: SandboxMarket
    bids: BookSide = field(default_factory=list)
    asks: BookSide = field(default_factory=list)
    tick: Decimal = ZERO
    last: Decimal = ZERO
    fills: tuple[Fill, ...] = ()
    version: int = 0
    seen_seq: int = 0
    looked_at: float = -1.0
    marker: Any = None


class Hub:
    """Looks at each followed market once a turn, however many listen to it."""

    def __init__(self, world: World, *, look_seconds: float) -> None:
        self.world = world
        self.look_seconds = look_seconds
        self._followed: dict[tuple[str, str], Followed] = {}

    def look(self, market: SandboxMarket) -> Followed:
        """Return a market's book; drawn anew only when something may have changed since the last turn."""
        key = (market.venue, market.key)
        followed = self._followed.get(key)
        if followed is None:
            followed = self._followed[key] = Followed(market, seen_seq=self.world.last_seq)
        turn = asyncio.get_running_loop().time() // self.look_seconds
        if followed.looked_at != turn:
            followed.looked_at = turn
            self._refresh(followed)
        return followed

    def _refresh(self, followed: Followed) -> None:
        world, market, now = self.world, followed.market, self.world.now()
        recorded = world.feed.recorded_book(market)
        marker = (world.status_of(market, now), world.slot(now), recorded, market.ticks)
        touched = world.is_touched(market)
        if marker == followed.marker and not touched:
            return
        # Where users trade, the marker alone does not tell: the next turn looks again.
        followed.marker = None if touched else marker
        bids, asks = world.book(market, now)
        tick = market.ticks[0].step
        fills = self._fills(followed) if touched else ()
        if (bids, asks, tick) != (followed.bids, followed.asks, followed.tick) or fills or not followed.version:
            followed.bids, followed.asks, followed.tick, followed.fills = bids, asks, tick, fills
            top = world.top(market, now)
            followed.last = fills[0].price if fills else followed.last or from_units(top.bid or top.ask)
            followed.version += 1

    def _fills(self, followed: Followed) -> tuple[Fill, ...]:
        """Return the takers' fills since the last look, newest first."""
        if self.world.last_seq == followed.seen_seq:
            return ()
        before, followed.seen_seq = followed.seen_seq, self.world.last_seq
        return tuple(fill for fill in self.world.market_fills(followed.market) if fill.seq > before)


def changes(before: BookSide, after: BookSide) -> list[tuple[Decimal, Decimal, Decimal]]:
    """Return (price, size, change of size) of each level that differs."""
    old, new = dict(before), dict(after)
    return [
        (price, new.get(price, ZERO), new.get(price, ZERO) - old.get(price, ZERO))
        for price in sorted(old.keys() | new.keys())
        if old.get(price, ZERO) != new.get(price, ZERO)
    ]


def mirrored(side: BookSide) -> BookSide:
    """Return a side as the other outcome's holder sees it."""
    return [(ONE - price, size) for price, size in side]


class Dropped(Exception):
    """The fault plan broke this connection."""


class Outgoing:
    """What goes out over one connection. Data passes the fault plan, replies only its freeze."""

    def __init__(self, socket: WebSocket, faults: FaultyConnections) -> None:
        self._socket = socket
        self._faults = faults
        self._path = socket.scope["path"]
        self._held: list[Any] = []

    async def reply(self, message: Any) -> None:
        if not self._faults.is_frozen(self._path):
            await self.text(orjson.dumps(message).decode())

    async def text(self, text: str) -> None:
        """Send what no fault touches: the answer to a ping."""
        await self._socket.send_text(text)

    async def data(self, message: Any) -> None:
        """Send a message of market data, unless the plan says otherwise."""
        if self._faults.is_frozen(self._path):
            return
        fault = self._faults.on_stream(self._path)
        if fault == "stream_drop":
            raise Dropped
        if fault == "stream_reorder":
            self._held.append(message)
            return
        if fault != "stream_gap":
            for _ in range(2 if fault == "stream_duplicate" else 1):
                await self.text(orjson.dumps(message).decode())
        while self._held:
            await self.text(orjson.dumps(self._held.pop(0)).decode())


async def converse(
    socket: WebSocket,
    faults: FaultyConnections,
    *,
    hear: Callable[[str], Awaitable[None]],
    look: Callable[[], Awaitable[None]],
    look_seconds: float,
) -> None:
    """Hear a client's commands and look at its markets in turn, one at a time, until either side hangs up."""
    lock = asyncio.Lock()

    async def listen() -> None:
        while True:
            text = await socket.receive_text()
            faults.log_stream(socket.scope["path"], text)
            async with lock:
                await hear(text)

    async def follow() -> None:
        while True:
            await asyncio.sleep(look_seconds)
            async with lock:
                await look()

    tasks = [asyncio.create_task(listen()), asyncio.create_task(follow())]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    except Dropped:
        await socket.scope["hang_up"]()
    except (WebSocketDisconnect, RuntimeError):
        pass  # it has hung up; what was being sent is lost, as on a real line
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError, Dropped):
            await asyncio.gather(*tasks)
