"""Polymarket's market channel: books of tokens by snapshot and level changes, without sequence numbers. Pure.

https://docs.polymarket.com/developers/CLOB/websocket/market-channel. What shows a loss here: a message that is older
than one before it, and best prices that differ from those which each change carries (without them, a book that
crosses itself). What neither shows (the size of a level) an audit against the REST book finds.
"""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from itomarkets.lib.venues import VenueProtocolError
from markets.models import Market
from markets.streams.books import KeptBook, Ladder
from markets.streams.session import Patience, Session, StreamBroken, listed, top
from markets.venues.base import Level, SideBook
from markets.venues.polymarket import book_instant, parse_side_book
from markets.venues.wire import ONE, ZERO, decimal_of, mapping_of, price_of, rows_of

logger = logging.getLogger(__name__)
PING_SECONDS = 10.0
# Tokens a connection; the venue's own limit is said to be 500.
KEYS_A_CONNECTION = 200


class PolymarketSession(Session):
    """One connection's tokens."""

    def __init__(self, patience: Patience | None = None) -> None:
        super().__init__(patience)
        self._pinged_seconds = 0.0

    @staticmethod
    def keys_of(market: Market) -> tuple[str, ...]:
        return tuple(token for token in (market.yes_token, market.no_token) if token)

    def _subscribe(self, keys: list[str], *, is_first: bool) -> list[str]:
        return [_frame({"assets_ids": keys, **({"type": "market"} if is_first else {"operation": "subscribe"})})]

    def _unsubscribe(self, keys: list[str]) -> list[str]:
        return [_frame({"assets_ids": keys, "operation": "unsubscribe"})]

    def _ask_again(self, keys: list[str]) -> list[str]:
        """A snapshot comes with a subscription, so there must be none before."""
        return [*self._unsubscribe(keys), *self._subscribe(keys, is_first=False)]

    def opened(self, seconds: float) -> list[str]:
        self._pinged_seconds = seconds
        return super().opened(seconds)

    def tick(self, seconds: float) -> list[str]:
        frames = super().tick(seconds)
        if seconds - self._pinged_seconds >= PING_SECONDS:
            self._pinged_seconds = seconds
            frames.append("PING")
        return frames

    def receive(self, frame: str | bytes, at: datetime, seconds: float) -> list[str]:
        if frame in ("PONG", b"PONG"):
            return []
        try:
            events = listed(orjson.loads(frame))
        except orjson.JSONDecodeError as error:
            raise StreamBroken(f"expected JSON, found {frame[:80]!r}") from error
        frames: list[str] = []
        for event in events:
            try:
                frames += self._event(mapping_of(event, "event"), at, seconds)
            except VenueProtocolError as error:
                logger.warning("A message of Polymarket's stream could not be read: %s", error)
                frames += self.doubt(self._named(event), "An unreadable message", seconds)
        return frames

    def _named(self, event: Any) -> list[str]:
        """Return which of our books an unreadable event may have been about."""
        rows = event.get("price_changes") if isinstance(event, dict) else None
        found = [row.get("asset_id") for row in [event, *(rows or [])] if isinstance(row, dict)]
        return [key for key in dict.fromkeys(map(str, found)) if key in self.books]

    def _event(self, event: Mapping[str, Any], at: datetime, seconds: float) -> list[str]:
        kind = event.get("event_type")
        if kind == "price_change":
            return self._price_change(event, at, seconds)
        key = str(event.get("asset_id"))
        book = self.books.get(key)
        if book is None:
            return []
        if kind == "book":
            self._heard(at, seconds)
            self._snapshot(book, event, at, seconds)
        elif kind == "tick_size_change":
            self._heard(at, seconds)
            why = f"Tick size {event.get('old_tick_size')} became {event.get('new_tick_size')}"
            return self.doubt([key], why, seconds)
        elif kind == "last_trade_price":
            self._heard(at, seconds)
            price = price_of(event, "price")
            if price is not None and key == self.markets[book.market_id].yes_token:
                self._last[book.market_id] = price
                self._changed.add(book.market_id)
        return []

    def _snapshot(self, book: KeptBook, event: Mapping[str, Any], at: datetime, seconds: float) -> None:
        """Take a book as it is told, unless something newer of it came before: then it is asked for again."""
        side, stamp = parse_side_book(event), book_instant(event)
        if stamp is not None and book.stamped_at is not None and stamp < book.stamped_at:
            return
        book.bids, book.asks = Ladder(side.bids, is_bid=True), Ladder(side.asks, is_bid=False)
        book.stands, book.stamped_at = True, stamp
        self._take(book, stamp, at, seconds)

    def _price_change(self, event: Mapping[str, Any], at: datetime, seconds: float) -> list[str]:
        rows: dict[str, list[Mapping[str, Any]]] = {}
        for raw in rows_of(event, "price_changes"):
            row = mapping_of(raw, "price_changes")
            key = str(row.get("asset_id"))
            if key in self.books:
                rows.setdefault(key, []).append(row)
        if not rows:
            return []
        self._heard(at, seconds)
        stamp = book_instant(event)
        frames: list[str] = []
        for key, changes in rows.items():
            book = self.books[key]
            is_late = stamp is not None and book.stamped_at is not None and stamp < book.stamped_at
            if stamp is not None and not is_late:
                book.stamped_at = stamp
            if not book.stands:
                continue
            why = "A message out of order" if is_late else self._apply(book, changes)
            if why:
                frames += self.doubt([key], why, seconds)
            else:
                self._take(book, stamp, at, seconds)
        return frames

    @staticmethod
    def _apply(book: KeptBook, changes: list[Mapping[str, Any]]) -> str:
        """Set the levels that changed; returns what shows that a message before was lost, if anything does."""
        for row in changes:
            price, size, side = decimal_of(row, "price"), decimal_of(row, "size"), row.get("side")
            if price is None or size is None or not ZERO < price < ONE or size < 0 or side not in ("BUY", "SELL"):
                raise VenueProtocolError(f"price_changes: expected price, size and side, found {dict(row)!r}.")
            (book.bids if side == "BUY" else book.asks).put(price, size)
        bid, ask = book.bids.best, book.asks.best
        told = {name: decimal_of(changes[-1], name) for name in ("best_bid", "best_ask")}
        if None in told.values():
            return "A book that crosses itself" if bid and ask and bid.price >= ask.price else ""
        ours = {"best_bid": ZERO if bid is None else bid.price, "best_ask": ONE if ask is None else ask.price}
        return "" if ours == told else "Best prices other than ours"

    def _sides(self, market_id: int) -> tuple[SideBook, SideBook]:
        yes, *rest = (top(book.bids.best, book.asks.best) for book in self._of(market_id))
        return yes, rest[0] if rest else yes.flipped()

    def levels(self, key: str) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """Return all bids and asks of a token, best first."""
        return self.books[key].bids.levels(), self.books[key].asks.levels()


def _frame(command: dict[str, Any]) -> str:
    return orjson.dumps(command).decode()
