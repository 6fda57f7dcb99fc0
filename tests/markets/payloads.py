"""Wire objects in the venues' layout, written for these tests, and venues that answer with them."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx
import orjson

from itomarkets.lib.http import HttpClient, RateLimiter
from itomarkets.lib.venues import Venue
from markets.venues.kalshi import KalshiReads
from markets.venues.polymarket import PolymarketReads


def kalshi_market(ticker: str = "KXRATE-26SEP-HOLD", **values: Any) -> dict[str, Any]:
    return {
        "ticker": ticker,
        "event_ticker": "KXRATE-26SEP",
        "market_type": "binary",
        "title": "Will the central bank hold in September?",
        "yes_sub_title": "Hold",
        "no_sub_title": "Hold",
        "created_time": "2026-06-01T14:00:00Z",
        "updated_time": "2026-07-01T14:00:00.123456Z",
        "open_time": "2026-06-01T14:00:00Z",
        "close_time": "2026-09-16T17:55:00Z",
        "status": "active",
        "result": "",
        "yes_bid_dollars": "0.6100",
        "yes_bid_size_fp": "120.00",
        "yes_ask_dollars": "0.6300",
        "yes_ask_size_fp": "80.50",
        "no_bid_dollars": "0.3700",
        "no_ask_dollars": "0.3900",
        "last_price_dollars": "0.6200",
        "volume_fp": "125000.75",
        "volume_24h_fp": "900.00",
        "open_interest_fp": "5000.00",
        "notional_value_dollars": "1.0000",
        "can_close_early": True,
        "expiration_value": "",
        "rules_primary": "If the rate is unchanged, the market resolves to Yes.",
        "rules_secondary": "",
        "price_level_structure": "linear_cent",
        "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
        "settlement_bounds_type": "default",
        **values,
    }


def kalshi_event(ticker: str = "KXRATE-26SEP", **values: Any) -> dict[str, Any]:
    return {
        "event_ticker": ticker,
        "series_ticker": "KXRATE",
        "title": "Central bank decision in September",
        "sub_title": "Sep 2026",
        "collateral_return_type": "MECNET",
        "mutually_exclusive": True,
        "settlement_sources": None,
        **values,
    }


def kalshi_series(ticker: str = "KXRATE", **values: Any) -> dict[str, Any]:
    return {
        "ticker": ticker,
        "title": "Rate decisions",
        "category": "Economics",
        "tags": ["Rates"],
        "frequency": "monthly",
        "fee_type": "quadratic",
        "fee_multiplier": 1,
        **values,
    }


def candle(end: int, **values: Any) -> dict[str, Any]:
    return {
        "end_period_ts": end,
        "yes_bid": {"close_dollars": "0.4000"},
        "yes_ask": {"close_dollars": "0.4400"},
        "price": {"close_dollars": "0.4100", "mean_dollars": "0.4050", "previous_dollars": "0.3000"},
        "volume_fp": "12.50",
        **values,
    }


def archived_candle(end: int, **values: Any) -> dict[str, Any]:
    """The same figures under the names of the historical tier."""
    return {
        "end_period_ts": end,
        "yes_bid": {"close": "0.4000"},
        "yes_ask": {"close": "0.4400"},
        "price": {"close": "0.4100", "mean": "0.4050", "previous": "0.3000"},
        "volume": "12.50",
        **values,
    }


def gamma_market(number: int = 700001, **values: Any) -> dict[str, Any]:
    return {
        "id": str(number),
        "question": f"Will harbour {number} open this year?",
        "conditionId": f"0x{number:064x}",
        "slug": f"harbour-{number}",
        "endDate": "2026-12-31T12:00:00Z",
        "startDate": "2026-05-01T10:20:30.5Z",
        "outcomes": '["Yes", "No"]',
        "outcomePrices": '["0.415", "0.585"]',
        "clobTokenIds": f'["{number}111", "{number}222"]',
        "description": "Resolves to Yes if the harbour opens.",
        "active": True,
        "closed": False,
        "archived": False,
        "acceptingOrders": True,
        "enableOrderBook": True,
        "negRisk": False,
        "orderPriceMinTickSize": 0.001,
        "orderMinSize": 5,
        "volume": "81234.56",
        "volumeNum": 81234.56,
        "volume24hr": 12.5,
        "liquidityNum": 400.25,
        "bestBid": 0.41,
        "bestAsk": 0.42,
        "lastTradePrice": 0.415,
        "feesEnabled": True,
        "feeSchedule": {"exponent": 1, "rate": 0.04, "takerOnly": True, "rebateRate": 0.25},
        **values,
    }


def gamma_event(number: int = 9001, **values: Any) -> dict[str, Any]:
    return {
        "id": str(number),
        "slug": f"harbours-{number}",
        "title": "Harbours",
        "active": True,
        "closed": False,
        "negRisk": False,
        "updatedAt": "2026-07-30T00:00:00Z",
        "tags": [{"id": "7", "label": "World", "slug": "world"}, {"id": "1", "label": "All", "slug": "all"}],
        "markets": [gamma_market()],
        **values,
    }


def http(transport: httpx.BaseTransport, venue: str, **values: Any) -> HttpClient:
    """A client that neither waits for its limiter nor between retries."""
    given: dict[str, Any] = {"requests_per_second": 1_000_000, "timeout_seconds": 5, "sleep": lambda seconds: None}
    given["limiter"] = RateLimiter(1_000_000, sleep=given["sleep"])
    return HttpClient("http://127.0.0.1:9/base", venue=venue, transport=transport, **{**given, **values})


CLOSE_BOUNDS = (("min_close_ts", "-inf"), ("max_close_ts", "inf"))


def close_second(row: dict[str, Any]) -> float:
    return datetime.fromisoformat(row["close_time"]).timestamp()


class FakeVenues:
    """Both venues' public reads, served from lists that a test changes."""

    def __init__(self) -> None:
        self.series = [kalshi_series()]
        self.events = [kalshi_event()]
        self.live = [kalshi_market()]
        self.archived: list[Any] = []
        self.gamma = [gamma_event()]
        self.cutoff = "2026-05-01T00:00:00Z"
        self.books: dict[str, Any] = {}
        self.candles: dict[str, list[Any]] = {}
        self.archived_candles: dict[str, list[Any]] = {}
        self.history: dict[str, list[Any]] = {}
        self.clob_history: dict[str, list[Any]] = {}
        # Trades of Kalshi's tiers by path, and of Polymarket.
        self.trades: dict[str, list[Any]] = {}
        # Rows a page of what comes by cursor; and what to do to every page before it is sent.
        self.trades_a_page = 1000
        self.history_a_page = 10_000
        self.page_size = 1000
        self.down: set[str] = set()
        self.repeat_cursor = False
        self.are_bounds_inclusive = False
        self.requests: list[httpx.Request] = []

    def client(self, venue: Venue | str) -> KalshiReads | PolymarketReads:
        transport = httpx.MockTransport(self._answer)
        if venue == Venue.KALSHI:
            return KalshiReads(http(transport, "kalshi"))
        gamma, clob, data = (http(transport, "polymarket") for _ in range(3))
        return PolymarketReads(gamma=gamma, clob=clob, data=data)

    def paths(self) -> list[str]:
        return [request.url.path.removeprefix("/base") for request in self.requests]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        path = request.url.path.removeprefix("/base")
        if any(path.startswith(part) for part in self.down):
            return httpx.Response(503, json={"error": "maintenance"})
        routes: dict[str, Callable[[httpx.Request], Any]] = {
            "/series": lambda _: {"series": self.series},
            "/events": self._events,
            "/markets": lambda r: self._listing(r, self.live, "markets", "ticker"),
            "/historical/markets": lambda r: self._listing(r, self.archived, "markets", "ticker"),
            "/historical/cutoff": lambda _: {"market_settled_ts": self.cutoff},
            "/markets/orderbooks": self._kalshi_books,
            "/markets/candlesticks": self._candles,
            "/events/keyset": self._gamma_events,
            "/books": self._clob_books,
            "/v2/prices-history": self._history,
            "/prices-history": self._clob_history,
            "/markets/trades": self._kalshi_trades,
            "/historical/trades": self._kalshi_trades,
            "/trades": self._trades,
        }
        body = routes[path](request) if path in routes else self._single(path, request)
        return httpx.Response(404, json={"error": "not found"}) if body is None else httpx.Response(200, json=body)

    def _listing(self, request: httpx.Request, rows: list[Any], name: str, key: str) -> dict[str, Any]:
        params = request.url.params
        if params.get("tickers"):
            rows = [row for row in rows if row[key] in params["tickers"].split(",")]
        if params.get("min_updated_ts") or params.get("status"):
            rows = [row for row in rows if row.get("_changed")]
        elif "min_close_ts" in params or "max_close_ts" in params:
            after, before = (float(params.get(name, bound)) for name, bound in CLOSE_BOUNDS)
            slack = 0 if self.are_bounds_inclusive else 1e-6
            rows = [row for row in rows if after + slack <= close_second(row) <= before - slack]
        start = int(params.get("cursor") or 0)
        after = start + self.page_size
        cursor = "0" if self.repeat_cursor else str(after) if after < len(rows) else ""
        return {name: rows[start:after], "cursor": cursor}

    def _events(self, request: httpx.Request) -> dict[str, Any]:
        return self._listing(request, self.events, "events", "event_ticker")

    def _gamma_events(self, request: httpx.Request) -> dict[str, Any]:
        closed = request.url.params["closed"] == "true"
        rows = [event for event in self.gamma if isinstance(event, dict) and bool(event.get("closed")) == closed]
        start = int(request.url.params.get("after_cursor") or 0)
        after = start + self.page_size
        return {"events": rows[start:after], "next_cursor": str(after) if after < len(rows) else None}

    def _single(self, path: str, request: httpx.Request) -> Any:
        head, _, key = path.rpartition("/")
        if head in ("/markets", "/historical/markets"):
            gamma = {row["id"]: row for event in self.gamma for row in event["markets"]}
            kalshi = {row["ticker"]: row for row in (self.live if head == "/markets" else self.archived)}
            if key.isdigit():
                return gamma.get(key)
            return {"market": kalshi[key]} if key in kalshi else None
        if head == "/events":
            return next((event for event in self.gamma if event["id"] == key), None)
        if path.startswith("/historical/markets/") and key == "candlesticks":
            ticker = path.split("/")[3]
            if ticker not in self.archived_candles:
                return None
            return {"ticker": ticker, "candlesticks": _ending(self.archived_candles[ticker], request)}
        return None

    def _kalshi_books(self, request: httpx.Request) -> dict[str, Any]:
        asked = request.url.params.get_list("tickers")
        return {
            "orderbooks": [
                {"ticker": ticker, "orderbook_fp": self.books[ticker]} for ticker in asked if ticker in self.books
            ]
        }

    def _clob_books(self, request: httpx.Request) -> list[Any]:
        asked = [entry["token_id"] for entry in orjson.loads(request.content)]
        return [self.books[token] for token in asked if token in self.books]

    def _candles(self, request: httpx.Request) -> dict[str, Any]:
        asked = request.url.params["market_tickers"].split(",")
        return {
            "markets": [
                {"market_ticker": ticker, "candlesticks": _ending(self.candles[ticker], request)}
                for ticker in asked
                if ticker in self.candles
            ]
        }

    def _history(self, request: httpx.Request) -> Any:
        params = request.url.params
        if params["token_id"] not in self.history:
            return None
        start, end = int(params["start"]), int(params["end"])
        assert end - start <= 15 * 86_400, "the venue refuses windows of more than 15 days"
        step = int(params["bucket_seconds"])
        rows = [
            row
            for row in self.history[params["token_id"]]
            if not isinstance(row["timestamp"], int)
            or (start <= row["timestamp"] < end and row.get("resolution_seconds", 0) <= step)
        ]
        first = int(params.get("cursor") or 0)
        after = first + min(int(params["limit"]), self.history_a_page)
        more = after < len(rows)
        return {
            "data": rows[first:after],
            "pagination": {"has_more": more, "next_cursor": str(after) if more else None},
        }

    def _clob_history(self, request: httpx.Request) -> Any:
        params = request.url.params
        rows = self.clob_history.get(params["market"], [])
        return {"history": [row for row in rows if int(params["startTs"]) <= row["t"] <= int(params["endTs"])]}

    def _kalshi_trades(self, request: httpx.Request) -> Any:
        params = request.url.params
        rows = [
            row for row in self.trades.get(request.url.path.removeprefix("/base"), [])
            if row["ticker"] == params["ticker"]
        ]  # fmt: skip
        first = int(params.get("cursor") or 0)
        after = first + self.trades_a_page
        return {"trades": rows[first:after], "cursor": str(after) if after < len(rows) else ""}

    def _trades(self, request: httpx.Request) -> Any:
        params = request.url.params
        return [
            row
            for row in self.trades.get(params["market"], [])
            if int(params["start"]) <= row["timestamp"] <= int(params["end"])
        ]


def _ending(candles: Any, request: httpx.Request) -> Any:
    """Candles that end within what was asked for; what has no readable end always comes."""
    if not isinstance(candles, list):
        return candles
    first, last = int(request.url.params["start_ts"]), int(request.url.params["end_ts"])
    ends = [row.get("end_period_ts") if isinstance(row, dict) else None for row in candles]
    return [
        row for row, end in zip(candles, ends, strict=True) if not isinstance(end, int) or first <= end <= last
    ]  # fmt: skip
