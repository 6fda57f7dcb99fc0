"""Two venues in memory that tell of their books as the real ones do, over a line that loses, doubles and swaps."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson

from markets.models import Market

Sizes = dict[Decimal, Decimal]
FAULTS = ("none", "lost", "twice", "late")


def kalshi_market(pk: int) -> Market:
    return Market(pk=pk, venue="kalshi", native_id=f"KX-{pk}")


def polymarket_market(pk: int) -> Market:
    return Market(pk=pk, venue="polymarket", native_id=str(pk), yes_token=f"{pk}1", no_token=f"{pk}2")


@dataclass
class Line:
    """What is on its way to the client. A late message comes after the next one."""

    waiting: list[bytes] = field(default_factory=list)
    held: list[bytes] = field(default_factory=list)

    def send(self, message: Any, fault: str = "none") -> None:
        frame = orjson.dumps(message)
        if fault == "late":
            self.held.append(frame)
            return
        if fault != "lost":
            self.waiting += [frame] * (2 if fault == "twice" else 1)
        self.waiting += self.held
        self.held = []

    def arrived(self) -> list[bytes]:
        frames, self.waiting = self.waiting, []
        return frames


class KalshiVenue:
    """Bids of YES and NO by ticker; every message has the next number, and the books of then are remembered."""

    def __init__(self, tickers: Sequence[str]) -> None:
        self.books: dict[str, dict[str, Sizes]] = {ticker: {"yes": {}, "no": {}} for ticker in tickers}
        self.line = Line()
        self.seq = 0
        self.at_seq: dict[int, dict[str, dict[str, Sizes]]] = {}

    def _send(self, kind: str, body: dict[str, Any], fault: str) -> None:
        self.seq += 1
        self.at_seq[self.seq] = {key: {side: dict(sizes) for side, sizes in b.items()} for key, b in self.books.items()}
        self.line.send({"type": kind, "sid": 1, "seq": self.seq, "msg": body, "sending_ts_ms": self.seq}, fault)

    def change(self, ticker: str, side: str, cents: int, size: int, fault: str = "none") -> None:
        """Set a level; one that would cross the book is left out, as no exchange would have it."""
        price, other = Decimal(cents) / 100, self.books[ticker]["no" if side == "yes" else "yes"]
        sizes = self.books[ticker][side]
        before = sizes.get(price, Decimal(0))
        if size == before or (size and other and price + max(other) >= 1):
            return
        if size:
            sizes[price] = Decimal(size)
        else:
            del sizes[price]
        body = {"price_dollars": f"{price:.4f}", "delta_fp": f"{size - before:.2f}", "side": side}
        self._send("orderbook_delta", {"market_ticker": ticker, **body}, fault)

    def snapshot(self, ticker: str, fault: str = "none") -> None:
        rows = {
            f"{side}_dollars_fp": [[f"{price:.4f}", f"{size:.2f}"] for price, size in sorted(sizes.items())]
            for side, sizes in self.books[ticker].items()
        }
        self._send("orderbook_snapshot", {"market_ticker": ticker, **rows}, fault)

    def hear(self, frames: Sequence[str], fault: str = "none") -> None:
        """Answer commands."""
        for frame in frames:
            command = orjson.loads(frame)
            params = command["params"]
            if command["cmd"] == "subscribe":
                for sid, channel in enumerate(params["channels"], 1):
                    told = {"channel": channel, "sid": sid}
                    self.line.send({"id": command["id"], "type": "subscribed", "msg": told})
            if command["cmd"] == "subscribe" or params["action"] == "get_snapshot":
                for ticker in params["market_tickers"]:
                    self.snapshot(ticker, fault)


class PolymarketVenue:
    """Bids and asks by token; every message has the next millisecond, and the best prices of then are remembered."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self.books: dict[str, dict[str, Sizes]] = {token: {"BUY": {}, "SELL": {}} for token in tokens}
        self.line = Line()
        self.stamp = 0
        self.best_at: dict[int, dict[str, tuple[Decimal | None, Decimal | None]]] = {}

    def _send(self, event: Any, fault: str) -> None:
        self.best_at[self.stamp] = {token: self.best(token) for token in self.books}
        self.line.send(event, fault)

    def best(self, token: str) -> tuple[Decimal | None, Decimal | None]:
        book = self.books[token]
        return max(book["BUY"], default=None), min(book["SELL"], default=None)

    def change(self, token: str, side: str, cents: int, size: int, fault: str = "none") -> None:
        price, book = Decimal(cents) / 100, self.books[token]
        bid, ask = self.best(token)
        crosses = (ask is not None and price >= ask) if side == "BUY" else (bid is not None and price <= bid)
        if size == book[side].get(price, 0) or (size and crosses):
            return
        if size:
            book[side][price] = Decimal(size)
        else:
            del book[side][price]
        self.stamp += 1
        bid, ask = self.best(token)
        row = {
            "asset_id": token, "price": str(price), "size": str(size), "side": side, "hash": "0x",
            "best_bid": str(bid or 0), "best_ask": str(1 if ask is None else ask),
        }  # fmt: skip
        stamp = str(self.stamp)
        self._send({"event_type": "price_change", "market": "0x1", "price_changes": [row], "timestamp": stamp}, fault)

    def snapshot(self, token: str, fault: str = "none") -> None:
        self.stamp += 1
        sides = {
            name: [{"price": str(price), "size": str(size)} for price, size in sorted(self.books[token][side].items())]
            for name, side in (("bids", "BUY"), ("asks", "SELL"))
        }
        book = {"event_type": "book", "asset_id": token, "market": "0x1", "timestamp": str(self.stamp), **sides}
        self._send([book], fault)

    def hear(self, frames: Sequence[str], fault: str = "none") -> None:
        for frame in frames:
            command = orjson.loads(frame) if frame != "PING" else {}
            if command.get("type") == "market" or command.get("operation") == "subscribe":
                for token in command["assets_ids"]:
                    self.snapshot(token, fault)
