"""Kalshi's socket, /trade-api/ws/v2: signed handshake, commands, `ticker` and `orderbook_delta` (AsyncAPI 2.0.0)."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson
from starlette.websockets import WebSocket

from .engine import BookSide, World
from .faults import FaultyConnections
from .kalshi_request import Gate, KalshiError, reply
from .kalshi_wire import count, market_object, money
from .model import KALSHI, SandboxMarket
from .streams import Hub, Outgoing, changes, converse, mirrored

TICKER, BOOK = "ticker", "orderbook_delta"
MOST_SUBSCRIPTIONS = 500_000
# The codes of Kalshi's error messages that this socket gives.
WORDS = {
    1: "Unable to process message",
    2: "Params required",
    3: "Channels required",
    5: "Unknown command",
    7: "Unknown subscription ID",
    8: "Unknown channel name",
    11: "Invalid parameter",
    12: "Exactly one subscription ID is required",
    13: "Unsupported action",
    14: "Market ticker required",
    16: "Market not found",
}


class Unheard(Exception):
    """A command that cannot be done, by the code of its error message."""

    def __init__(self, code: int) -> None:
        super().__init__(WORDS[code])
        self.code = code


@dataclass(slots=True)
class Sent:
    """What a listener was last told of a market."""

    version: int = 0
    bids: BookSide = field(default_factory=list)
    asks: BookSide = field(default_factory=list)


@dataclass(slots=True)
class Subscription:
    sid: int
    channel: str
    markets: dict[str, Sent] = field(default_factory=dict)
    seq: int = 0
    # All markets, of a ticker without a list.
    is_open: bool = False
    use_yes_price: bool = False


class KalshiStream:
    """The door: who may listen."""

    def __init__(self, world: World, faults: FaultyConnections, hub: Hub) -> None:
        self.world = world
        self.faults = faults
        self.hub = hub
        self._gate = Gate(world.accounts)

    async def serve(self, socket: WebSocket) -> None:
        try:
            self._gate.account(socket)
        except KalshiError as error:
            await socket.send_denial_response(reply(error.body, error.status))
            return
        await socket.accept()
        listener = Listener(self, Outgoing(socket, self.faults))
        await converse(socket, self.faults, hear=listener.hear, look=listener.look, look_seconds=self.hub.look_seconds)


class Listener:
    """One connection: its subscriptions, and what each market was last told."""

    def __init__(self, stream: KalshiStream, out: Outgoing) -> None:
        self._world = stream.world
        self._hub = stream.hub
        self._out = out
        self._by_channel: dict[str, Subscription] = {}

    async def hear(self, text: str) -> None:
        command: dict[str, Any] = {}
        try:
            try:
                raw = orjson.loads(text)
            except orjson.JSONDecodeError:
                raise Unheard(1) from None
            if not isinstance(raw, dict):
                raise Unheard(1)
            command = raw
            params = command.get("params")
            name = command.get("cmd")
            if name == "list_subscriptions":
                rows = [{"channel": one.channel, "sid": one.sid} for one in self._by_channel.values()]
                await self._say(command, "ok", msg=rows)
            elif name not in ("subscribe", "unsubscribe", "update_subscription"):
                raise Unheard(5)
            elif not isinstance(params, dict):
                raise Unheard(2)
            elif name == "subscribe":
                await self._subscribe(command, params)
            elif name == "unsubscribe":
                await self._unsubscribe(command, params)
            else:
                await self._update(command, params)
        except Unheard as error:
            await self._say(command, "error", msg={"code": error.code, "msg": str(error)})

    async def _say(self, command: dict[str, Any], kind: str, **more: Any) -> None:
        await self._out.reply({"id": command.get("id", 0), "type": kind, **more})

    async def _subscribe(self, command: dict[str, Any], params: dict[str, Any]) -> None:
        channels = params.get("channels")
        if not isinstance(channels, list) or not channels:
            raise Unheard(3)
        if not set(channels) <= {TICKER, BOOK}:
            raise Unheard(8)
        keys = self._tickers(params)
        if BOOK in channels and not keys:
            raise Unheard(14)
        for channel in channels:
            standing = self._by_channel.get(channel)
            one = standing or Subscription(sid=len(self._by_channel) + 1, channel=channel)
            self._by_channel[channel] = one
            one.use_yes_price = bool(params.get("use_yes_price"))
            one.is_open = one.is_open or not keys
            if standing is None or not params.get("skip_ticker_ack"):
                await self._say(command, "subscribed", msg={"channel": channel, "sid": one.sid})
            await self._add(one, keys, snapshot=channel == BOOK or bool(params.get("send_initial_snapshot")))

    async def _unsubscribe(self, command: dict[str, Any], params: dict[str, Any]) -> None:
        for one in self._chosen(params.get("sids")):
            del self._by_channel[one.channel]
            await self._say(command, "unsubscribed", sid=one.sid, seq=one.seq)

    async def _update(self, command: dict[str, Any], params: dict[str, Any]) -> None:
        given = params.get("sids", [params["sid"]] if "sid" in params else [])
        if not isinstance(given, list) or len(given) != 1:
            raise Unheard(12)
        (one,) = self._chosen(given)
        keys, action = self._tickers(params), params.get("action")
        if not keys:
            raise Unheard(14)
        if action == "delete_markets":
            for key in keys:
                one.markets.pop(key, None)
        elif action not in ("add_markets", "get_snapshot"):
            raise Unheard(13)
        await self._say(command, "ok", sid=one.sid, seq=one.seq, msg={"market_tickers": list(one.markets)})
        if action == "add_markets":
            await self._add(one, keys, snapshot=one.channel == BOOK)
        elif action == "get_snapshot":
            for key in keys:
                if key in one.markets:
                    await self._tell(one, key, snapshot=True)

    def _chosen(self, sids: Any) -> list[Subscription]:
        by_sid = {one.sid: one for one in self._by_channel.values()}
        if not isinstance(sids, list) or not sids or not set(sids) <= set(by_sid):
            raise Unheard(7)
        return [by_sid[sid] for sid in sids]

    def _tickers(self, params: dict[str, Any]) -> list[str]:
        found = params.get("market_tickers", [params["market_ticker"]] if "market_ticker" in params else [])
        if not isinstance(found, list) or not all(isinstance(key, str) for key in found):
            raise Unheard(11)
        if any(self._world.feed.market(KALSHI, key) is None for key in found):
            raise Unheard(16)
        if sum(len(one.markets) for one in self._by_channel.values()) + len(found) > MOST_SUBSCRIPTIONS:
            raise Unheard(11)
        return found

    async def _add(self, one: Subscription, keys: list[str], *, snapshot: bool) -> None:
        for key in keys:
            if key not in one.markets:
                one.markets[key] = Sent()
                await self._tell(one, key, snapshot=snapshot)

    async def look(self) -> None:
        for one in list(self._by_channel.values()):
            keys = [market.key for market in self._world.feed.venue_markets(KALSHI)] if one.is_open else one.markets
            for key in list(keys):
                await self._tell(one, key)

    async def _tell(self, one: Subscription, key: str, *, snapshot: bool = False) -> None:
        """Tell a listener what changed in a market since it was last told; with `snapshot` all of it."""
        market = self._world.feed.market(KALSHI, key)
        if market is None:
            return
        seen = self._hub.look(market)
        sent = one.markets.setdefault(key, Sent())
        if one.channel == TICKER:
            if snapshot or sent.version not in (0, seen.version):
                await self._out.data({"type": TICKER, "sid": one.sid, **self._stamped(self._ticker(market))})
        elif snapshot:
            await self._numbered(one, "orderbook_snapshot", self._snapshot(one, market, seen.bids, seen.asks))
        elif sent.version != seen.version:
            rows = [("yes", *row) for row in changes(sent.bids, seen.bids)]
            rows += [("no", *row) for row in changes(self._no_side(one, sent.asks), self._no_side(one, seen.asks))]
            # What goes, goes first: a book never crosses itself on the way.
            for side, price, _, change in sorted(rows, key=lambda row: row[3] > 0):
                level = {"price_dollars": money(price), "delta_fp": count(change), "side": side}
                await self._numbered(one, BOOK, {"market_ticker": key, **level})
        sent.version, sent.bids, sent.asks = seen.version, seen.bids, seen.asks

    @staticmethod
    def _no_side(one: Subscription, asks: BookSide) -> BookSide:
        """Return the bids of NO: an ask of YES at p is a bid of NO at 1 − p, unless YES prices were asked for."""
        return asks if one.use_yes_price else mirrored(asks)

    def _snapshot(self, one: Subscription, market: SandboxMarket, bids: BookSide, asks: BookSide) -> dict[str, Any]:
        def rows(side: BookSide) -> list[list[str]]:
            return [[money(price), count(size)] for price, size in reversed(side)]

        return {
            "market_ticker": market.key,
            "market_id": market.key,
            "yes_dollars_fp": rows(bids),
            "no_dollars_fp": rows(self._no_side(one, asks)),
        }

    async def _numbered(self, one: Subscription, kind: str, body: dict[str, Any]) -> None:
        one.seq += 1
        await self._out.data({"type": kind, "sid": one.sid, "seq": one.seq, **self._stamped(body)})

    def _stamped(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"msg": body, "sending_ts_ms": self._milliseconds()}

    def _milliseconds(self) -> int:
        return int(Decimal(str(self._world.now().timestamp())) * 1000)

    def _ticker(self, market: SandboxMarket) -> dict[str, Any]:
        row = market_object(self._world, market, self._world.now())
        seen = self._hub.look(market)
        return {
            "market_ticker": market.key,
            "price_dollars": money(seen.last) if seen.last else row["last_price_dollars"],
            "yes_bid_dollars": row["yes_bid_dollars"],
            "yes_ask_dollars": row["yes_ask_dollars"],
            "yes_bid_size_fp": row["yes_bid_size_fp"],
            "yes_ask_size_fp": row["yes_ask_size_fp"],
            "volume_fp": row["volume_fp"],
            "open_interest_fp": row["open_interest_fp"],
            "ts_ms": self._milliseconds(),
        }
