"""Kalshi's prices: order books, public trades and candlesticks of both tiers."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.routing import Route

from .depth import SLOT_SECONDS, Top, mix, top_of
from .engine import World
from .kalshi_request import Gate, KalshiError, Query, cursor_after, endpoint, invalid
from .kalshi_wire import count, dollars, historical_cutoff, iso, money
from .model import KALSHI, ONE, PRICE_UNITS, SandboxMarket

EASTERN = ZoneInfo("America/New_York")
MINUTE, HOUR, DAY = 60, 3_600, 86_400
MOST_CANDLES = 10_000
MOST_TICKERS = 100
HOURS_BACK = 24 * 7


class Trade(NamedTuple):
    """One public trade."""

    id: str
    ticker: str
    units: int
    size: Decimal
    buys: bool
    at: datetime


class Candle(NamedTuple):
    """One period: the quotes at its start and end, trades in between (None: none), price units."""

    end_ts: int
    opened: Top
    closed: Top
    first: int
    last: int
    previous: int | None
    volume: int
    open_interest: int


class Prices:
    """The endpoints of books, trades and candles."""

    def __init__(self, world: World, gate: Gate) -> None:
        self.world = world
        self.gate = gate

    def routes(self) -> list[Route]:
        paths: dict[str, Callable[[Request], Any]] = {
            "/markets/orderbooks": self.orderbooks,
            "/markets/trades": self.trades,
            "/markets/candlesticks": self.batch_candlesticks,
            "/markets/{ticker}/orderbook": self.orderbook,
            "/series/{series_ticker}/markets/{ticker}/candlesticks": self.candlesticks,
            "/series/{series_ticker}/events/{ticker}/candlesticks": self.event_candlesticks,
            "/historical/trades": self.historical_trades,
            "/historical/markets/{ticker}/candlesticks": self.historical_candlesticks,
        }
        return [Route(path, endpoint(handler), methods=["GET"]) for path, handler in paths.items()]

    # Books

    def orderbook(self, request: Request) -> Any:
        self.gate.if_signed(request)
        depth = Query(request).number("depth", most=100) or 0
        return {"orderbook_fp": self._book(self._market(request.path_params["ticker"]), max(depth, 0))}

    def orderbooks(self, request: Request) -> Any:
        self.gate.if_signed(request)
        found = (self.world.feed.market(KALSHI, key) for key in Query(request).repeated("tickers", MOST_TICKERS))
        rows = [{"ticker": market.key, "orderbook_fp": self._book(market, 0)} for market in found if market is not None]
        return {"orderbooks": rows}

    def _book(self, market: SandboxMarket, depth: int) -> dict[str, list[list[str]]]:
        """Write bids of YES and of NO, best last: an ask of YES at p is a bid of NO at 1 - p."""
        bids, asks = self.world.book(market)
        yes = [[money(price), count(size)] for price, size in bids]
        no = [[money(ONE - price), count(size)] for price, size in asks]
        cut = depth or None
        return {"yes_dollars": yes[:cut][::-1], "no_dollars": no[:cut][::-1]}

    # Trades

    def trades(self, request: Request) -> Any:
        return self._trades(request, historical=False)

    def historical_trades(self, request: Request) -> Any:
        return self._trades(request, historical=True)

    def _trades(self, request: Request, *, historical: bool) -> Any:
        """List trades, newest first. The cursor is how many were listed before, counted from `max_ts` or now."""
        query = Query(request)
        limit = query.limit(100, 1000)
        ticker = query.text("ticker")
        now = self.world.now()
        cutoff = historical_cutoff(now)
        before = min(query.instant("max_ts") or now, cutoff if historical else now)
        after = max(query.instant("min_ts") or before - timedelta(hours=HOURS_BACK), datetime.min.replace(tzinfo=UTC))
        if not historical:
            after = max(after, cutoff)
        if query.text("is_block_trade", ("true", "false")) == "true":
            return {"trades": [], "cursor": ""}
        markets = [self._market(ticker)] if ticker else self._busy(after, before)
        skip = query.cursor() or 0
        page = list(islice(self._between(markets, after, before), skip, skip + limit + 1))
        more = len(page) > limit
        rows = [
            {
                "trade_id": trade.id,
                "ticker": trade.ticker,
                "count_fp": count(trade.size),
                "yes_price_dollars": dollars(trade.units),
                "no_price_dollars": dollars(PRICE_UNITS - trade.units),
                "taker_side": "yes" if trade.buys else "no",
                "taker_outcome_side": "yes" if trade.buys else "no",
                "taker_book_side": "bid" if trade.buys else "ask",
                "created_time": iso(trade.at),
                "is_block_trade": False,
            }
            for trade in page[:limit]
        ]
        return {"trades": rows, "cursor": cursor_after(skip + limit) if more else ""}

    def _busy(self, after: datetime, before: datetime) -> list[SandboxMarket]:
        return [
            market
            for market in self.world.feed.venue_markets(KALSHI)
            if market.open_at < before and market.close_at > after and not market.is_combo
        ]

    def _between(self, markets: list[SandboxMarket], after: datetime, before: datetime) -> Iterator[Trade]:
        """Yield trades hour by hour backwards: a few of each market, drawn from its seed, and the users' own."""
        own = [
            Trade(fill.id, fill.market_key, int(fill.price * PRICE_UNITS), fill.size, fill.side == "buy", fill.at)
            for market in markets[:1]
            if len(markets) == 1
            for fill in self.world.market_fills(market)
        ]
        hour = int(before.timestamp()) // HOUR
        while hour * HOUR + HOUR > after.timestamp():
            start, end = datetime.fromtimestamp(hour * HOUR, UTC), datetime.fromtimestamp(hour * HOUR + HOUR, UTC)
            found = [trade for market in markets for trade in self._drawn(market, hour)]
            found.extend(trade for trade in own if start <= trade.at < end)
            found.sort(key=lambda trade: (trade.at, trade.id), reverse=True)
            yield from (trade for trade in found if after <= trade.at <= before)
            hour -= 1

    def _drawn(self, market: SandboxMarket, hour: int) -> Iterator[Trade]:
        draw = mix(market.seed ^ (hour * 0x9E3779B1))
        for number in range(_trades_an_hour(market, draw)):
            bits = mix(draw + number)
            at = datetime.fromtimestamp(hour * HOUR + bits % HOUR, UTC)
            if market.open_at <= at < market.close_at:
                top = self._top(market, at.timestamp())
                buys = bool(bits >> 20 & 1) if top.bid and top.ask < PRICE_UNITS else bool(top.ask < PRICE_UNITS)
                units = top.ask if buys else top.bid
                if 0 < units < PRICE_UNITS:
                    trade_id = f"{bits:016x}-{market.seed & 0xFFFF:04x}"
                    yield Trade(trade_id, market.key, units, Decimal(1 + (bits >> 24) % 200), buys, at)

    # Candles

    def candlesticks(self, request: Request) -> Any:
        market = self._market(request.path_params["ticker"])
        event = self.world.feed.event(KALSHI, market.event_key)
        if event is None or event.series_key != request.path_params["series_ticker"]:
            raise KalshiError(404, "not_found", "market not found", f"{market.key} is not of that series")
        self._tier(market, historical=False)
        rows = self._live(market, *self._window(Query(request), (1, 60, 1440)), self._leads(request))
        return {"ticker": market.key, "candlesticks": rows}

    def batch_candlesticks(self, request: Request) -> Any:
        query = Query(request)
        tickers = query.listed("market_tickers", MOST_TICKERS)
        if not tickers:
            raise invalid("market_tickers", f"1 to {MOST_TICKERS} tickers", "")
        start, end, minutes = self._window(query, ())
        if len(tickers) * _periods(start, end, minutes) > MOST_CANDLES:
            raise invalid("end_ts", f"at most {MOST_CANDLES} candlesticks in all", f"{len(tickers)} markets")
        cutoff = historical_cutoff(self.world.now())
        rows = []
        for ticker in tickers:
            market = self.world.feed.market(KALSHI, ticker)
            if market is not None and market.settle_at >= cutoff:
                candles = self._live(market, start, end, minutes, self._leads(request))
                rows.append({"market_ticker": ticker, "candlesticks": candles})
        return {"markets": rows}

    def event_candlesticks(self, request: Request) -> Any:
        event = self.world.feed.event(KALSHI, request.path_params["ticker"])
        if event is None or event.series_key != request.path_params["series_ticker"]:
            raise KalshiError(404, "not_found", "event not found", request.path_params["ticker"])
        start, end, minutes = self._window(Query(request), (1, 60, 1440))
        candles = [self._live(self._market(key), start, end, minutes, False) for key in event.market_keys]
        return {"market_tickers": event.market_keys, "market_candlesticks": candles, "adjusted_end_ts": end}

    def historical_candlesticks(self, request: Request) -> Any:
        market = self._market(request.path_params["ticker"])
        self._tier(market, historical=True)
        start, end, minutes = self._window(Query(request), (1, 60, 1440))
        rows = [_historical(candle) for candle in self._candles(market, start, end, minutes)]
        return {"ticker": market.key, "candlesticks": rows}

    def _live(self, market: SandboxMarket, start: int, end: int, minutes: int, leads: bool) -> list[dict[str, Any]]:
        rows = [_live(candle) for candle in self._candles(market, start, end, minutes)]
        if leads and market.open_at.timestamp() < start:
            rows.insert(0, self._lead(market, start))
        return rows

    def _lead(self, market: SandboxMarket, start: int) -> dict[str, Any]:
        """Project what stood before the window to its start: quotes, and of the trades only the previous price."""
        top = self._top(market, start - 1)
        bid, ask = _ohlc(top.bid, top.bid, "_dollars"), _ohlc(top.ask, top.ask, "_dollars")
        price = {"previous_dollars": dollars(top.bid or top.ask)}
        return {
            "end_period_ts": start,
            "yes_bid": bid,
            "yes_ask": ask,
            "price": price,
            "volume_fp": "0.00",
            "open_interest_fp": count(_open_interest(market, start)),
        }

    def _candles(self, market: SandboxMarket, start: int, end: int, minutes: int) -> Iterator[Candle]:
        """Yield the periods that end in [start, end] while the market trades; days end at midnight in New York."""
        opened, closes = int(market.open_at.timestamp()), int(market.close_at.timestamp())
        last = min(end, int(self.world.now().timestamp()), closes + minutes * MINUTE - 1)
        previous: int | None = None
        before: Top | None = None
        for period_start, period_end in _bounds(max(start, opened + 1), last, minutes):
            if before is None:
                before = self._top(market, max(period_start, opened))
            after = self._top(market, min(period_end, closes - 1))
            draw = mix(market.seed ^ period_end)
            trades = _traded_in(market, draw, minutes)
            first, final = _hit(before, buys=bool(draw & 1)), _hit(after, buys=bool(draw & 2))
            if not (first and final):
                trades = 0
            yield Candle(period_end, before, after, first, final, previous, trades, _open_interest(market, period_end))
            if trades:
                previous = final
            before = after

    def _top(self, market: SandboxMarket, ts: float) -> Top:
        """Return the standing quotes at any instant: what the book showed, without users' orders."""
        slot = int(ts) // SLOT_SECONDS
        return top_of(market, self.world.feed.price_float(market, float(slot * SLOT_SECONDS)), slot)

    # Parameters

    def _market(self, ticker: str) -> SandboxMarket:
        market = self.world.feed.market(KALSHI, ticker)
        if market is None:
            raise KalshiError(404, "not_found", "market not found", f"no market {ticker}")
        return market

    def _tier(self, market: SandboxMarket, *, historical: bool) -> None:
        if (market.settle_at < historical_cutoff(self.world.now())) is not historical:
            raise KalshiError(404, "not_found", "market not found", f"{market.key} is in the other tier")

    @staticmethod
    def _leads(request: Request) -> bool:
        return Query(request).flag("include_latest_before_start")

    @staticmethod
    def _window(query: Query, choices: tuple[int, ...]) -> tuple[int, int, int]:
        start, end, minutes = (query.required(name) for name in ("start_ts", "end_ts", "period_interval"))
        if minutes < 1 or (choices and minutes not in choices):
            raise invalid("period_interval", "1, 60 or 1440 minutes", minutes)
        if not 0 <= start <= end:
            raise invalid("end_ts", "an instant not before start_ts", end)
        if _periods(start, end, minutes) > MOST_CANDLES:
            raise invalid("end_ts", f"at most {MOST_CANDLES} candlesticks", _periods(start, end, minutes))
        return start, end, minutes


def _periods(start: int, end: int, minutes: int) -> int:
    return (end - start) // (minutes * MINUTE)


def _bounds(start: int, end: int, minutes: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of the periods whose end lies in [start, end]."""
    if minutes != 1440:
        length = minutes * MINUTE
        close = -(-start // length) * length
        while close <= end:
            yield close - length, close
            close += length
        return
    day = datetime.fromtimestamp(start, EASTERN).replace(hour=0, minute=0, second=0, microsecond=0)
    close = int(day.timestamp())
    while close <= end:
        following = int((day + timedelta(days=1)).timestamp())
        if close >= start:
            yield int((day - timedelta(days=1)).timestamp()), close
        day, close = day + timedelta(days=1), following


def _hit(top: Top, *, buys: bool) -> int:
    """Return the quote that a taker hits, the other one where his side has none; 0 where neither has."""
    ask = top.ask if top.ask < PRICE_UNITS else 0
    return (ask or top.bid) if buys else (top.bid or ask)


def _trades_an_hour(market: SandboxMarket, draw: int) -> int:
    return draw % (1 + min(6, market.volume_24h // 400)) if market.volume_24h >= 400 else int(draw % 40 == 0)


def _traded_in(market: SandboxMarket, draw: int, minutes: int) -> int:
    """Return the contracts traded in a period: the market's daily volume, scaled and shaken; often none in a minute."""
    mean = market.volume_24h * minutes / 1440
    return int(mean * (0.4 + (draw >> 8 & 255) / 200)) if mean >= 1 else int(draw >> 16 & 1023) // 1000


def _open_interest(market: SandboxMarket, ts: int) -> int:
    whole = max(1.0, market.close_at.timestamp() - market.open_at.timestamp())
    part = min(1.0, max(0.0, (ts - market.open_at.timestamp()) / whole))
    return int(market.volume / 3 * part)


def _ohlc(first: int, last: int, suffix: str) -> dict[str, str]:
    return {
        f"open{suffix}": dollars(first),
        f"low{suffix}": dollars(min(first, last)),
        f"high{suffix}": dollars(max(first, last)),
        f"close{suffix}": dollars(last),
    }


def _live(candle: Candle) -> dict[str, Any]:
    price: dict[str, Any] = dict.fromkeys(
        ("open_dollars", "low_dollars", "high_dollars", "close_dollars", "mean_dollars", "previous_dollars")
    )
    if candle.volume:
        mean = dollars((candle.first + candle.last) // 2)
        price.update(_ohlc(candle.first, candle.last, "_dollars"), mean_dollars=mean)
    if candle.previous is not None:
        price["previous_dollars"] = dollars(candle.previous)
    return {
        "end_period_ts": candle.end_ts,
        "yes_bid": _ohlc(candle.opened.bid, candle.closed.bid, "_dollars"),
        "yes_ask": _ohlc(candle.opened.ask, candle.closed.ask, "_dollars"),
        "price": price,
        "volume_fp": count(candle.volume),
        "open_interest_fp": count(candle.open_interest),
    }


def _historical(candle: Candle) -> dict[str, Any]:
    price: dict[str, Any] = dict.fromkeys(("open", "low", "high", "close", "mean", "previous"))
    if candle.volume:
        price.update(_ohlc(candle.first, candle.last, ""), mean=dollars((candle.first + candle.last) // 2))
    if candle.previous is not None:
        price["previous"] = dollars(candle.previous)
    return {
        "end_period_ts": candle.end_ts,
        "yes_bid": _ohlc(candle.opened.bid, candle.closed.bid, ""),
        "yes_ask": _ohlc(candle.opened.ask, candle.closed.ask, ""),
        "price": price,
        "volume": count(candle.volume),
        "open_interest": count(candle.open_interest),
    }
