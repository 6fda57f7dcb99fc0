"""The order book's public half: books, prices, market parameters and past prices of tokens.

A market is one book; its two tokens see it from two sides: who bids for NO offers YES.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from .engine import BookSide, World
from .model import ONE, POLYMARKET, YES, ZERO, SandboxMarket
from .polymarket_auth import BUY, SELL
from .polymarket_history import points
from .polymarket_wire import Query, Service, WireError, clob_page, iso, milliseconds, plain, read_json, route, unix

BOOKS_A_CALL = 500
HISTORIES_A_CALL = 20
MARKETS_A_PAGE = 1000


def routes(world: World) -> list[Route]:
    clob = Clob(world)
    return [
        route("/", clob.ok),
        route("/ok", clob.ok),
        route("/time", clob.time),
        route("/version", clob.version),
        route("/book", clob.book),
        route("/books", clob.books, method="POST"),
        route("/price", clob.price),
        route("/prices", clob.prices),
        route("/prices", clob.prices_of, method="POST"),
        route("/midpoint", clob.midpoint),
        route("/midpoints", clob.midpoints),
        route("/midpoints", clob.midpoints_of, method="POST"),
        route("/spread", clob.spread),
        route("/spreads", clob.spreads_of, method="POST"),
        route("/last-trade-price", clob.last_trade_price),
        route("/last-trades-prices", clob.last_trades_prices),
        route("/last-trades-prices", clob.last_trades_prices_of, method="POST"),
        route("/tick-size", clob.tick_size),
        route("/tick-size/{token_id}", clob.tick_size),
        route("/neg-risk", clob.neg_risk),
        route("/fee-rate", clob.fee_rate),
        route("/fee-rate/{token_id}", clob.fee_rate),
        route("/clob-markets/{condition_id}", clob.parameters),
        route("/markets-by-token/{token_id}", clob.market_of_token),
        route("/markets", clob.markets),
        route("/simplified-markets", clob.simplified_markets),
        route("/markets/{condition_id}", clob.market),
        route("/prices-history", clob.history),
        route("/batch-prices-history", clob.histories, method="POST"),
    ]


def token_side(bids: BookSide, asks: BookSide, token: str) -> tuple[BookSide, BookSide]:
    """Return the book of YES as the token's holder sees it, best first."""
    if token == YES:
        return bids, asks
    return [(ONE - price, size) for price, size in asks], [(ONE - price, size) for price, size in bids]


def token_of(market: SandboxMarket, outcome: str) -> str:
    return market.yes_token if outcome == YES else market.no_token


def label_of(market: SandboxMarket, outcome: str) -> str:
    return market.yes_label if outcome == YES else market.no_label


def tick_of(market: SandboxMarket) -> Decimal:
    return market.ticks[0].step


class Clob(Service):
    """The handlers that ask for no key."""

    def find(self, token_id: str) -> tuple[SandboxMarket, str]:
        """Return a token's market and outcome; 400 for what is no token id, 404 for one without a book."""
        if not token_id.isdigit():
            raise WireError(400, "Invalid token id")
        found = self.feed.by_token(token_id)
        if found is None or self.world.status_of(found[0]) == "settled":
            raise WireError(404, "No orderbook exists for the requested token id")
        return found

    def sides(self, token_id: str) -> tuple[BookSide, BookSide]:
        market, token = self.find(token_id)
        return token_side(*self.world.book(market), token)

    async def ok(self, request: Request) -> Any:
        return "OK"

    async def time(self, request: Request) -> Any:
        return unix(self.world.now())

    async def version(self, request: Request) -> Any:
        return {"version": 2}

    # Books and what follows from them

    async def book(self, request: Request) -> Any:
        return self._book(Query(request).text("token_id"), self.world.now())

    async def books(self, request: Request) -> Any:
        now = self.world.now()
        found = []
        for token_id in await self._tokens(request):
            try:
                found.append(self._book(token_id, now))
            except WireError:
                continue  # a token without a book is left out, as at the venue
        return found

    def _book(self, token_id: str, now: datetime) -> dict[str, Any]:
        market, token = self.find(token_id)
        bids, asks = token_side(*self.world.book(market, now), token)
        # Worst first: the best level of each side is the last.
        sides = {
            name: [{"price": plain(price), "size": plain(size)} for price, size in reversed(side)]
            for name, side in (("bids", bids), ("asks", asks))
        }
        return {
            "market": market.condition_id,
            "asset_id": token_id,
            "timestamp": milliseconds(now),
            "hash": hashlib.sha1(f"{token_id}{sides}".encode(), usedforsecurity=False).hexdigest(),
            **sides,
            "min_order_size": plain(market.min_size),
            "tick_size": plain(tick_of(market)),
            "neg_risk": market.neg_risk,
            "last_trade_price": self._last(market, token, now)[0],
        }

    def _last(self, market: SandboxMarket, token: str, now: datetime) -> tuple[str, str]:
        """Return the last trade's price and taker side: a user's trade of this time slot, or the feed's price."""
        fill = next(iter(self.world.market_fills(market)), None)
        if fill is not None and self.world.slot(fill.at) == self.world.slot(now):
            yes, bought = fill.price, fill.side == "buy"
        else:
            top = self.world.top(market, now)
            yes = Decimal(top.bid or top.ask).scaleb(-4)
            bought = False
        return plain(yes if token == YES else ONE - yes), BUY if bought == (token == YES) else SELL

    async def price(self, request: Request) -> Any:
        query = Query(request)
        return {"price": self._price(query.text("token_id"), query.text("side"))}

    async def prices(self, request: Request) -> Any:
        query = Query(request)
        tokens, sides = query.many("token_ids"), query.many("sides")
        if len(tokens) != len(sides):
            raise WireError(400, "Invalid payload")
        return self._prices(list(zip(tokens, sides, strict=True)))

    async def prices_of(self, request: Request) -> Any:
        rows = await read_json(request, "Invalid payload")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise WireError(400, "Invalid payload")
        return self._prices([(str(row.get("token_id", "")), str(row.get("side", ""))) for row in rows])

    def _prices(self, asked: list[tuple[str, str]]) -> dict[str, dict[str, str]]:
        if len(asked) > BOOKS_A_CALL:
            raise WireError(400, "Payload exceeds the limit")
        found: dict[str, dict[str, str]] = {}
        for token_id, side in asked:
            found.setdefault(token_id, {})[side] = self._price(token_id, side)
        return found

    def _price(self, token_id: str, side: str) -> str:
        """Return the best price on the named side of the book: BUY is the best bid, not what a buyer pays."""
        if side not in (BUY, SELL):
            raise WireError(400, "Invalid side")
        levels = self.sides(token_id)[0 if side == BUY else 1]
        return plain(levels[0][0]) if levels else "0"

    async def midpoint(self, request: Request) -> Any:
        middle = self._midpoint(Query(request).text("token_id"))
        # The exchange says `mid`; its OpenAPI file says `mid_price`.
        return {"mid": middle, "mid_price": middle}

    async def midpoints(self, request: Request) -> Any:
        return self._of_each(Query(request).many("token_ids"), self._midpoint)

    async def midpoints_of(self, request: Request) -> Any:
        return self._of_each(await self._tokens(request), self._midpoint)

    def _midpoint(self, token_id: str) -> str:
        bids, asks = self.sides(token_id)
        bid, ask = (bids[0][0] if bids else ZERO), (asks[0][0] if asks else ONE)
        return plain((bid + ask) / 2)

    async def spread(self, request: Request) -> Any:
        return {"spread": self._spread(Query(request).text("token_id"))}

    async def spreads_of(self, request: Request) -> Any:
        return self._of_each(await self._tokens(request), self._spread)

    def _spread(self, token_id: str) -> str:
        bids, asks = self.sides(token_id)
        return plain((asks[0][0] if asks else ONE) - (bids[0][0] if bids else ZERO))

    async def last_trade_price(self, request: Request) -> Any:
        market, token = self.find(Query(request).text("token_id"))
        price, side = self._last(market, token, self.world.now())
        return {"price": price, "side": side}

    async def last_trades_prices(self, request: Request) -> Any:
        return self._last_of(Query(request).many("token_ids"))

    async def last_trades_prices_of(self, request: Request) -> Any:
        return self._last_of(await self._tokens(request))

    def _last_of(self, tokens: list[str]) -> list[dict[str, str]]:
        now = self.world.now()
        found = []
        for token_id in tokens:
            price, side = self._last(*self.find(token_id), now)
            found.append({"token_id": token_id, "price": price, "side": side})
        return found

    @staticmethod
    def _of_each(tokens: list[str], read: Callable[[str], str]) -> dict[str, str]:
        if len(tokens) > BOOKS_A_CALL:
            raise WireError(400, "Payload exceeds the limit")
        return {token_id: read(token_id) for token_id in tokens}

    async def _tokens(self, request: Request) -> list[str]:
        rows = await read_json(request, "Invalid payload")
        if not isinstance(rows, list) or not all(isinstance(row, dict) and "token_id" in row for row in rows):
            raise WireError(400, "Invalid payload")
        if len(rows) > BOOKS_A_CALL:
            raise WireError(400, "Payload exceeds the limit")
        return [str(row["token_id"]) for row in rows]

    # Parameters of markets

    def _token(self, request: Request) -> tuple[SandboxMarket, str]:
        return self.find(request.path_params.get("token_id") or Query(request).text("token_id"))

    def _condition(self, request: Request) -> SandboxMarket:
        market = self.feed.by_condition(request.path_params["condition_id"])
        if market is None:
            raise WireError(404, "market not found")
        return market

    async def tick_size(self, request: Request) -> Any:
        return {"minimum_tick_size": float(tick_of(self._token(request)[0]))}

    async def neg_risk(self, request: Request) -> Any:
        return {"neg_risk": self._token(request)[0].neg_risk}

    async def fee_rate(self, request: Request) -> Any:
        return {"base_fee": 1000 if self._token(request)[0].fee.rate > 0 else 0}

    async def market_of_token(self, request: Request) -> Any:
        token_id = request.path_params["token_id"]
        found = self.feed.by_token(token_id)
        if found is None:
            raise WireError(404, "market not found")
        market = found[0]
        return {
            "condition_id": market.condition_id,
            "primary_token_id": market.yes_token,
            "secondary_token_id": market.no_token,
        }

    async def parameters(self, request: Request) -> Any:
        market = self._condition(request)
        fee = market.fee.rate > 0
        found: dict[str, Any] = {
            "gst": None,
            "r": {},
            "t": [{"t": market.yes_token, "o": market.yes_label}, {"t": market.no_token, "o": market.no_label}],
            "mos": float(market.min_size),
            "mts": float(tick_of(market)),
            "mbf": 1000 if fee else 0,
            "tbf": 1000 if fee else 0,
            "rfqe": False,
            "ibce": False,
            "nr": market.neg_risk,
            "oas": 0,
        }
        return found | ({"fd": {"r": float(market.fee.rate), "e": 1, "to": True}} if fee else {})

    async def markets(self, request: Request) -> Any:
        now = self.world.now()
        return clob_page(
            self.feed.venue_markets(POLYMARKET),
            Query(request).text("next_cursor"),
            MARKETS_A_PAGE,
            lambda market: self._market(market, now),
        )

    async def simplified_markets(self, request: Request) -> Any:
        now = self.world.now()
        names = ("condition_id", "rewards", "tokens", "active", "closed", "archived", "accepting_orders")
        return clob_page(
            self.feed.venue_markets(POLYMARKET),
            Query(request).text("next_cursor"),
            MARKETS_A_PAGE,
            lambda market: {name: value for name, value in self._market(market, now).items() if name in names},
        )

    async def market(self, request: Request) -> Any:
        return self._market(self._condition(request), self.world.now())

    def _market(self, market: SandboxMarket, now: datetime) -> dict[str, Any]:
        status = self.world.status_of(market, now)
        outcome = self.feed.outcome(market) if status == "settled" else None
        yes = float(outcome) if outcome is not None else round(self.world.fair(market, now), 4)
        return {
            "enable_order_book": outcome is None,
            "active": status != "unopened",
            "closed": outcome is not None,
            "archived": False,
            "accepting_orders": status == "open",
            "accepting_order_timestamp": iso(market.open_at),
            "minimum_order_size": float(market.min_size),
            "minimum_tick_size": float(tick_of(market)),
            "condition_id": market.condition_id,
            "question_id": market.question_id,
            "question": market.title,
            "description": market.rules,
            "market_slug": market.slug,
            "end_date_iso": iso(market.close_at),
            "seconds_delay": 0,
            "fpmm": "",
            "maker_base_fee": 0,
            "taker_base_fee": 0,
            "notifications_enabled": False,
            "neg_risk": market.neg_risk,
            "neg_risk_market_id": "",
            "neg_risk_request_id": "",
            "icon": "",
            "image": "",
            "rewards": {"rates": [], "min_size": 0, "max_spread": 0},
            "is_50_50_outcome": outcome is not None and outcome == ONE / 2,
            "tokens": [
                {"token_id": market.yes_token, "outcome": market.yes_label, "price": yes, "winner": outcome == ONE},
                {
                    "token_id": market.no_token,
                    "outcome": market.no_label,
                    "price": round(1 - yes, 4),
                    "winner": outcome == ZERO,
                },
            ],
            "tags": [],
        }

    # Past prices

    async def history(self, request: Request) -> Any:
        query = Query(request, lambda error: WireError(400, error))
        return {
            "history": points(
                self.world,
                query.text("market"),
                query.seconds("startTs"),
                query.seconds("endTs"),
                query.text("interval"),
                query.whole("fidelity", 0) or None,
            )
        }

    async def histories(self, request: Request) -> Any:
        body = await read_json(request, "Invalid payload")
        tokens = body.get("markets") if isinstance(body, dict) else None
        if not isinstance(tokens, list) or not tokens:
            raise WireError(400, "Invalid payload")
        if len(tokens) > HISTORIES_A_CALL:
            raise WireError(400, "Payload exceeds the limit")
        numbers = {name: body.get(name) for name in ("start_ts", "end_ts", "fidelity")}
        if any(not (value is None or isinstance(value, int | float)) for value in numbers.values()):
            raise WireError(400, "Invalid payload")
        start, end, fidelity = (None if value is None else int(value) for value in numbers.values())
        interval = str(body.get("interval") or "")
        return {
            "history": {str(token): points(self.world, str(token), start, end, interval, fidelity) for token in tokens}
        }
