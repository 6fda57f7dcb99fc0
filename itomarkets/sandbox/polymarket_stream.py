"""Polymarket's market socket, /ws/market: snapshots, level changes, trades and tick sizes of tokens."""

import hashlib
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson
from starlette.websockets import WebSocket

from .engine import BookSide, World
from .faults import FaultyConnections
from .model import NO, ONE, YES, SandboxMarket
from .polymarket_auth import BUY, SELL
from .polymarket_clob import token_of, token_side
from .polymarket_wire import milliseconds, plain
from .streams import Followed, Hub, Outgoing, changes, converse

# A connection with more tokens than this is not served: clients spread them over several.
MOST_TOKENS = 500


@dataclass(slots=True)
class Sent:
    """What a listener was last told of a market, seen from YES."""

    version: int = 0
    bids: BookSide = field(default_factory=list)
    asks: BookSide = field(default_factory=list)
    tick: Decimal = ONE


class PolymarketStream:
    """The door: anybody may listen."""

    def __init__(self, world: World, faults: FaultyConnections, hub: Hub) -> None:
        self.world = world
        self.faults = faults
        self.hub = hub

    async def serve(self, socket: WebSocket) -> None:
        await socket.accept()
        listener = Listener(self, Outgoing(socket, self.faults))
        await converse(socket, self.faults, hear=listener.hear, look=listener.look, look_seconds=self.hub.look_seconds)


class Listener:
    """One connection: its tokens, and what each of their markets was last told."""

    def __init__(self, stream: PolymarketStream, out: Outgoing) -> None:
        self._world = stream.world
        self._hub = stream.hub
        self._out = out
        self._tokens: dict[str, tuple[SandboxMarket, str]] = {}
        self._sent: dict[str, Sent] = {}

    async def hear(self, text: str) -> None:
        if text == "PING":
            await self._out.text("PONG")
            return
        try:
            command = orjson.loads(text)
        except orjson.JSONDecodeError:
            command = None
        tokens = command.get("assets_ids") if isinstance(command, dict) else None
        if not isinstance(tokens, list):
            await self._out.text("INVALID OPERATION")
            return
        if command.get("operation") == "unsubscribe":
            for token in tokens:
                self._tokens.pop(str(token), None)
            self._forget()
        elif command.get("operation") == "subscribe" or command.get("type") == "market":
            await self._subscribe([str(token) for token in tokens], dump=command.get("initial_dump", True))
        else:
            await self._out.text("INVALID OPERATION")

    async def _subscribe(self, tokens: list[str], *, dump: bool) -> None:
        """Add tokens; those that have no book are passed over in silence, as at the venue."""
        new = []
        for token in tokens:
            found = self._world.feed.by_token(token) if token.isdigit() else None
            if found is not None and token not in self._tokens and len(self._tokens) < MOST_TOKENS:
                self._tokens[token] = found
                new.append(token)
        books = []
        for token in new:
            market, outcome = self._tokens[token]
            seen = self._hub.look(market)
            if market.key not in self._sent:
                self._sent[market.key] = Sent(seen.version, seen.bids, seen.asks, seen.tick)
            elif self._sent[market.key].version != seen.version:
                await self._tell(market, seen)
            books.append(self._book(market, outcome, seen))
        if books and dump:
            await self._out.data(books)

    def _forget(self) -> None:
        kept = {market.key for market, _ in self._tokens.values()}
        self._sent = {key: sent for key, sent in self._sent.items() if key in kept}

    async def look(self) -> None:
        for market in list({market.key: market for market, _ in self._tokens.values()}.values()):
            seen = self._hub.look(market)
            if self._sent[market.key].version != seen.version:
                await self._tell(market, seen)

    async def _tell(self, market: SandboxMarket, seen: Followed) -> None:
        """Tell a listener what changed in a market since it was last told: ticks, levels, then trades."""
        sent = self._sent[market.key]
        self._sent[market.key] = Sent(seen.version, seen.bids, seen.asks, seen.tick)
        outcomes = [outcome for outcome in (YES, NO) if token_of(market, outcome) in self._tokens]
        stamp = milliseconds(self._world.now())
        if seen.tick != sent.tick:
            for outcome in outcomes:
                old, new = plain(sent.tick), plain(seen.tick)
                body = {"old_tick_size": old, "new_tick_size": new}
                await self._out.data(self._event("tick_size_change", market, outcome, stamp, body))
        # Both tokens' changes come in one message, whichever of them is listened to.
        rows = [row for outcome in (YES, NO) for row in self._changes(market, outcome, sent, seen)]
        if rows:
            event = {"event_type": "price_change", "market": market.condition_id}
            await self._out.data({**event, "price_changes": rows, "timestamp": stamp})
        for fill in reversed(seen.fills):
            for outcome in outcomes:
                bought = (fill.side == "buy") == (outcome == YES)
                body = {
                    "price": plain(fill.price if outcome == YES else ONE - fill.price),
                    "size": plain(fill.size),
                    "fee_rate_bps": "0",
                    "side": BUY if bought else SELL,
                }
                await self._out.data(self._event("last_trade_price", market, outcome, stamp, body))

    @staticmethod
    def _event(kind: str, market: SandboxMarket, outcome: str, stamp: str, body: dict[str, Any]) -> dict[str, Any]:
        names = {"event_type": kind, "asset_id": token_of(market, outcome), "market": market.condition_id}
        return {**names, **body, "timestamp": stamp}

    @staticmethod
    def _changes(market: SandboxMarket, outcome: str, sent: Sent, seen: Followed) -> list[dict[str, Any]]:
        before = token_side(sent.bids, sent.asks, outcome)
        after = token_side(seen.bids, seen.asks, outcome)
        bids, asks = after
        best = {"best_bid": plain(bids[0][0]) if bids else "0", "best_ask": plain(asks[0][0]) if asks else "1"}
        token = token_of(market, outcome)
        return [
            {
                "asset_id": token,
                "price": plain(price),
                "size": plain(size),
                "side": side,
                "hash": hashlib.sha1(f"{token}{price}{size}".encode(), usedforsecurity=False).hexdigest(),
                **best,
            }
            for side, old, new in ((BUY, before[0], after[0]), (SELL, before[1], after[1]))
            for price, size, _ in changes(old, new)
        ]

    def _book(self, market: SandboxMarket, outcome: str, seen: Followed) -> dict[str, Any]:
        bids, asks = token_side(seen.bids, seen.asks, outcome)
        sides = {
            name: [{"price": plain(price), "size": plain(size)} for price, size in reversed(side)]
            for name, side in (("bids", bids), ("asks", asks))
        }
        digest = hashlib.sha1(f"{token_of(market, outcome)}{sides}".encode(), usedforsecurity=False).hexdigest()
        return self._event("book", market, outcome, milliseconds(self._world.now()), {**sides, "hash": digest})
