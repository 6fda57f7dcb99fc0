"""Kalshi's `orderbook_delta` and `ticker` channels: one YES book a market, numbered messages. Pure.

https://docs.kalshi.com/websockets. Bids of both sides are told; a bid of NO at q is an ask of YES at 1 − q, and NO
prices are asked for by name because the venue has announced another default. Numbers count over all markets of a
subscription, so that one gap puts all of them in doubt.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson

from itomarkets.lib.venues import VenueProtocolError
from markets.models import Market
from markets.streams.books import BookError, KeptBook, Ladder
from markets.streams.session import Patience, Session, StreamBroken, top
from markets.venues.base import Level, SideBook
from markets.venues.kalshi import parse_levels
from markets.venues.wire import ONE, ZERO, decimal_of, mapping_of, price_of

logger = logging.getLogger(__name__)
BOOK, TICKER = "orderbook_delta", "ticker"
# A session may hold 500,000; one process of ours does not.
KEYS_A_CONNECTION = 50_000
TICKERS_A_COMMAND = 500
# Error codes after which a subscription is dead (25: we read too slowly).
TERMINAL = (10, 17, 25)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class KalshiSession(Session):
    """One connection's markets."""

    def __init__(self, patience: Patience | None = None) -> None:
        super().__init__(patience)
        self._commands = 0
        self._sids: dict[str, int] = {}
        self._next_seq: int | None = None
        self._replies_repeat = False
        self._to_drop: set[str] = set()

    @staticmethod
    def keys_of(market: Market) -> tuple[str, ...]:
        return (market.native_id,)

    def _subscribe(self, keys: list[str], *, is_first: bool) -> list[str]:
        """A subscription that stands is extended by the same command."""
        self._to_drop.difference_update(keys)
        params = {"channels": [BOOK, TICKER], "send_initial_snapshot": True, "use_yes_price": False}
        return [self._command("subscribe", {**params, "market_tickers": part}) for part in _parts(keys)]

    def _unsubscribe(self, keys: list[str]) -> list[str]:
        """Take markets out once the venue has told the subscription's number."""
        self._to_drop.update(keys)
        if len(self._sids) < 2:
            return []
        dropped, self._to_drop = sorted(self._to_drop), set()
        return [frame for sid in self._sids.values() for frame in self._update(sid, "delete_markets", dropped)]

    def _ask_again(self, keys: list[str]) -> list[str]:
        sid = self._sids.get(BOOK)
        return self._subscribe(keys, is_first=False) if sid is None else self._update(sid, "get_snapshot", keys)

    def _update(self, sid: int, action: str, keys: list[str]) -> list[str]:
        return [
            self._command("update_subscription", {"sids": [sid], "action": action, "market_tickers": part})
            for part in _parts(keys)
        ]

    def _command(self, name: str, params: dict[str, Any]) -> str:
        self._commands += 1
        return orjson.dumps({"id": self._commands, "cmd": name, "params": params}).decode()

    def closed(self) -> None:
        super().closed()
        self._sids, self._next_seq, self._to_drop = {}, None, set()

    def tick(self, seconds: float) -> list[str]:
        return super().tick(seconds) + (self._unsubscribe([]) if self._to_drop else [])

    def receive(self, frame: str | bytes, at: datetime, seconds: float) -> list[str]:
        try:
            message = mapping_of(orjson.loads(frame), "message")
        except (orjson.JSONDecodeError, VenueProtocolError) as error:
            raise StreamBroken(f"expected a JSON object, found {frame[:80]!r}") from error
        kind = message.get("type")
        body = message.get("msg")
        if kind == "error":
            self._complain(body)
            return []
        if kind == "subscribed":
            told = mapping_of(body, "subscribed")
            self._sids[str(told.get("channel"))] = _whole(told, "sid")
            return []
        is_book = kind in ("orderbook_snapshot", BOOK)
        if is_book and self._sids.setdefault(BOOK, _whole(message, "sid")) != message["sid"]:
            raise StreamBroken(f"a second subscription to books, {message['sid']}, beside {self._sids[BOOK]}")
        frames: list[str] = []
        if message.get("sid") == self._sids.get(BOOK) and (is_book or message.get("seq") is not None):
            was_here, frames = self._in_order(_whole(message, "seq"), seconds, is_reply=not is_book)
            if was_here:
                return frames
        try:
            if kind in ("orderbook_snapshot", BOOK, TICKER):
                frames += self._event(str(kind), message, mapping_of(body, "msg"), at, seconds)
        except VenueProtocolError as error:
            logger.warning("A message of Kalshi's stream could not be read: %s", error)
            key = body.get("market_ticker") if isinstance(body, dict) else None
            frames += self.doubt([key] if key in self.books else [], "An unreadable message", seconds)
        return frames

    @staticmethod
    def _complain(body: Any) -> None:
        told = body if isinstance(body, dict) else {}
        sentence = f"Kalshi's stream refused: {told.get('code')} {told.get('msg')}"
        if told.get("code") in TERMINAL:
            raise StreamBroken(sentence)
        logger.warning("%s", sentence)

    def _in_order(self, seq: int, seconds: float, *, is_reply: bool) -> tuple[bool, list[str]]:
        """Follow the numbers of the books' subscription; returns whether a message was here before.

        A reply carries a number too, its own or the last one used: the documents do not say. One that repeats a
        number shows which; until then a reply with the next number counts as a message.
        """
        due = self._next_seq
        if due is not None and seq < due:
            self._replies_repeat = self._replies_repeat or is_reply
            return True, []
        self._next_seq = seq + 1
        if due is None or (seq == due and not (is_reply and self._replies_repeat)):
            return False, []
        standing = [key for key, book in self.books.items() if book.stands]
        return False, self.doubt(standing, f"Message {due} of Kalshi's stream is missing", seconds)

    def _event(
        self, kind: str, message: Mapping[str, Any], body: Mapping[str, Any], at: datetime, seconds: float
    ) -> list[str]:
        self._heard(at, seconds)
        key = str(body.get("market_ticker"))
        book = self.books.get(key)
        if book is None:
            return []
        stamp = _instant(message) or _instant(body, "ts_ms")
        if kind == TICKER:
            price = price_of(body, "price_dollars")
            if price is not None and price != self._last.get(book.market_id):
                self._last[book.market_id] = price
                self._changed.add(book.market_id)
        elif kind == BOOK:
            return self._delta(key, book, body, stamp, at, seconds)
        else:
            book.bids = Ladder(parse_levels(body, "yes_dollars_fp"), is_bid=True)
            book.asks = Ladder(parse_levels(body, "no_dollars_fp"), is_bid=True)
            book.stands = True
            self._take(book, stamp, at, seconds)
        return []

    def _delta(
        self,
        key: str,
        book: KeptBook,
        body: Mapping[str, Any],
        stamp: datetime | None,
        at: datetime,
        seconds: float,
    ) -> list[str]:
        if not book.stands:
            return []
        price, change, side = decimal_of(body, "price_dollars"), decimal_of(body, "delta_fp"), body.get("side")
        if price is None or change is None or not ZERO < price < ONE or side not in ("yes", "no"):
            raise VenueProtocolError(f"delta: expected price, change and side, found {dict(body)!r}.")
        try:
            (book.bids if side == "yes" else book.asks).shift(price, change)
        except BookError as error:
            return self.doubt([key], f"A change that does not fit ({error})", seconds)
        self._take(book, stamp, at, seconds)
        return []

    def _sides(self, market_id: int) -> tuple[SideBook, SideBook]:
        (book,) = self._of(market_id)
        no_bid = book.asks.best
        yes = top(book.bids.best, None if no_bid is None else Level(ONE - no_bid.price, no_bid.size))
        return yes, yes.flipped()

    def levels(self, key: str) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """Return all bids of YES and all bids of NO, best first."""
        return self.books[key].bids.levels(), self.books[key].asks.levels()


def _parts(keys: list[str]) -> list[list[str]]:
    return [keys[start : start + TICKERS_A_COMMAND] for start in range(0, len(keys), TICKERS_A_COMMAND)]


def _whole(row: Mapping[str, Any], name: str) -> int:
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise StreamBroken(f"{name}: expected a whole number, found {value!r}")
    return value


def _instant(row: Mapping[str, Any], name: str = "sending_ts_ms") -> datetime | None:
    stamp: Decimal | None = decimal_of(row, name)
    return None if stamp is None else EPOCH + timedelta(milliseconds=int(stamp))
