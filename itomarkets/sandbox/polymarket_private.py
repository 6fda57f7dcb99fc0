"""The order book's private half: API keys, orders, trades and balances of the caller."""

import hashlib
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from .engine import Refused, World
from .model import ONE, POLYMARKET, YES, ZERO, SandboxMarket
from .polymarket_auth import BUY, NEG_RISK_EXCHANGE, SELL, STANDARD_EXCHANGE, from_units, to_units
from .polymarket_clob import label_of, token_of
from .polymarket_keys import Caller, Keys
from .polymarket_orders import BAD_PAYLOAD, IMMEDIATE, failure, parse_posted, place
from .polymarket_wire import Query, Service, WireError, clob_page, plain, read_json, route, unix
from .store import Fill, Order

ORDERS_A_POST, CANCELS_A_CALL, ROWS_A_PAGE = 15, 1000, 100
NEG_RISK_ADAPTER = "0xd91E80cF2E7be2e162c6513ceD06f1dD0dA35296"
UNLIMITED = str((1 << 256) - 1)
# Who stands behind the book's own quotes.
HOUSE_ADDRESS = "0x00000000000000000000000000000000000A11CE"
HOUSE_KEY = "00000000-0000-4000-8000-000000000000"


def routes(world: World) -> list[Route]:
    private = Private(world)
    return [
        route("/auth/api-key", private.create_key, method="POST"),
        route("/auth/api-key", private.signed(private.delete_key), method="DELETE"),
        route("/auth/derive-api-key", private.derive_key),
        route("/auth/api-keys", private.signed(private.keys)),
        route("/auth/ban-status/closed-only", private.signed(private.closed_only)),
        route("/order", private.signed(private.post_order), method="POST"),
        route("/order", private.signed(private.cancel_order), method="DELETE"),
        route("/orders", private.signed(private.post_orders), method="POST"),
        route("/orders", private.signed(private.cancel_orders), method="DELETE"),
        route("/cancel-all", private.signed(private.cancel_all), method="DELETE"),
        route("/cancel-market-orders", private.signed(private.cancel_market_orders), method="DELETE"),
        route("/data/order/{order_id}", private.signed(private.order)),
        route("/data/orders", private.signed(private.orders)),
        route("/data/trades", private.signed(private.trades)),
        route("/balance-allowance", private.signed(private.balance)),
        route("/balance-allowance/update", private.signed(private.update_balance)),
    ]


class Private(Service):
    """The handlers that ask for a key."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.book_keys = Keys(world)

    def signed(self, handler: Callable[[Request, Caller], Any]) -> Callable[[Request], Any]:
        """Let a handler run for a request whose key signed it; the path is signed without mount and query."""

        async def checked(request: Request) -> Any:
            root = request.scope.get("root_path", "")
            caller = self.book_keys.key_caller(
                request.headers,
                method=request.method,
                path=request.scope["path"].removeprefix(root),
                body=await request.body(),
            )
            return await handler(request, caller)

        return checked

    # Keys

    async def create_key(self, request: Request) -> Any:
        account, nonce = self.book_keys.wallet_caller(request.headers)
        if self.book_keys.has_key(account, nonce):
            raise WireError(400, "Could not create api key")
        return self.book_keys.open_key(account, nonce).to_wire()

    async def derive_key(self, request: Request) -> Any:
        account, nonce = self.book_keys.wallet_caller(request.headers)
        if not self.book_keys.has_key(account, nonce):
            raise WireError(400, "Could not derive api key!")
        return self.book_keys.open_key(account, nonce).to_wire()

    async def keys(self, request: Request, caller: Caller) -> Any:
        return {"apiKeys": [key.key for key in self.book_keys.of(caller.account)]}

    async def delete_key(self, request: Request, caller: Caller) -> Any:
        self.book_keys.drop_key(caller)
        return "OK"

    async def closed_only(self, request: Request, caller: Caller) -> Any:
        return {"closed_only": bool(caller.account.polymarket.get("closed_only"))}

    # Placing and cancelling

    async def post_order(self, request: Request, caller: Caller) -> Any:
        return place(self.world, caller, parse_posted(await read_json(request, BAD_PAYLOAD)))

    async def post_orders(self, request: Request, caller: Caller) -> Any:
        """Place each order for itself: one that is refused stops none of the others."""
        bodies = await read_json(request, BAD_PAYLOAD)
        if not isinstance(bodies, list) or not bodies:
            raise WireError(400, BAD_PAYLOAD)
        if len(bodies) > ORDERS_A_POST:
            raise WireError(400, f"Too many orders in payload: {len(bodies)}, max allowed: {ORDERS_A_POST}")
        posted = [parse_posted(body) for body in bodies]
        results = []
        for each in posted:
            try:
                results.append(place(self.world, caller, each))
            except WireError as error:
                results.append(failure(error))
        return results

    async def cancel_order(self, request: Request, caller: Caller) -> Any:
        body = await read_json(request, BAD_PAYLOAD)
        order_id = body.get("orderID") if isinstance(body, dict) else None
        if not isinstance(order_id, str) or not order_id:
            raise WireError(400, "Invalid orderID")
        return self._cancel(caller, [order_id])

    async def cancel_orders(self, request: Request, caller: Caller) -> Any:
        ids = await read_json(request, BAD_PAYLOAD)
        if not isinstance(ids, list) or not all(isinstance(order_id, str) for order_id in ids):
            raise WireError(400, BAD_PAYLOAD)
        if len(ids) > CANCELS_A_CALL:
            raise WireError(400, f"Too many orders in payload, max allowed: {CANCELS_A_CALL}")
        return self._cancel(caller, list(dict.fromkeys(ids)))

    async def cancel_all(self, request: Request, caller: Caller) -> Any:
        return self._cancel(caller, [order.id for order in self._resting(caller)])

    async def cancel_market_orders(self, request: Request, caller: Caller) -> Any:
        body = await read_json(request, BAD_PAYLOAD)
        if not isinstance(body, dict) or not (body.get("market") or body.get("asset_id")):
            raise WireError(400, BAD_PAYLOAD)
        rows = self._filtered(
            self._resting(caller), market=body.get("market") or "", asset_id=body.get("asset_id") or ""
        )
        return self._cancel(caller, [order.id for order in rows])

    def _cancel(self, caller: Caller, ids: list[str]) -> dict[str, Any]:
        canceled, kept = [], {}
        for order_id in ids:
            order = self.world.order(order_id)
            if order is None or order.account_id != caller.account.id:
                kept[order_id] = "Order not found or already canceled"
                continue
            try:
                self.world.cancel(order_id)
                canceled.append(order_id)
            except Refused:
                matched = order.status == "executed"
                kept[order_id] = "Order already matched" if matched else "Order not found or already canceled"
        return {"canceled": canceled, "not_canceled": kept}

    # Orders and trades

    async def order(self, request: Request, caller: Caller) -> Any:
        order_id = request.path_params["order_id"]
        if not (order_id.startswith("0x") and len(order_id) == 66):
            raise WireError(400, "Invalid orderID")
        order = self.world.order(order_id)
        if order is None or order.account_id != caller.account.id:
            raise WireError(404, "Order not found")
        return self._order(order)

    async def orders(self, request: Request, caller: Caller) -> Any:
        query = Query(request)
        rows = self._filtered(
            self._resting(caller), market=query.text("market"), asset_id=query.text("asset_id"), id=query.text("id")
        )
        return clob_page(rows, query.text("next_cursor"), ROWS_A_PAGE, self._order)

    async def trades(self, request: Request, caller: Caller) -> Any:
        query = Query(request, lambda error: WireError(400, "Invalid trade params payload"))
        wallet = query.text("maker_address").lower()
        trade_id, before, after = query.text("id"), query.seconds("before"), query.seconds("after")
        rows = [
            fill
            for fill in self.world.fills(caller.account.id, POLYMARKET)
            if (not trade_id or fill.trade_id == trade_id)
            and (before is None or unix(fill.at) < before)
            and (after is None or unix(fill.at) > after)
        ]
        if wallet and self.book_keys.owner(wallet) is None:
            rows = []
        rows = self._filtered(rows, market=query.text("market"), asset_id=query.text("asset_id"))
        return clob_page(rows, query.text("next_cursor"), ROWS_A_PAGE, lambda fill: self._trade(fill, caller))

    def _resting(self, caller: Caller) -> list[Order]:
        return self.world.orders(caller.account.id, POLYMARKET, status="resting")

    def _filtered(self, rows: list[Any], *, market: str = "", asset_id: str = "", id: str = "") -> list[Any]:
        """Keep the orders or fills of a condition, of a token, of an id."""
        kept = [row for row in rows if not id or row.id == id]
        if market:
            found = self.feed.by_condition(market)
            kept = [row for row in kept if found is not None and row.market_key == found.key]
        if asset_id:
            named = self.feed.by_token(asset_id)
            kept = [row for row in kept if named and (row.market_key, row.token) == (named[0].key, named[1])]
        return kept

    def _market(self, key: str) -> SandboxMarket:
        market = self.feed.market(POLYMARKET, key)
        if market is None:
            raise WireError(500, "could not read the market")
        return market

    def _order(self, order: Order) -> dict[str, Any]:
        market, wire = self._market(order.market_key), order.meta["wire"]
        price = order.price if order.token == YES else ONE - order.price
        shares = wire["takerAmount"] if wire["side"] == BUY else wire["makerAmount"]
        fills = self.world.fills(order.account_id, POLYMARKET, order_id=order.id)
        return {
            "id": order.id,
            "status": _order_status(order),
            "owner": order.meta["owner"],
            "maker_address": wire["maker"],
            "market": market.condition_id,
            "asset_id": token_of(market, order.token),
            "side": wire["side"],
            "original_size": plain(from_units(int(shares))),
            "size_matched": plain(order.filled),
            "price": plain(price),
            "outcome": label_of(market, order.token),
            "expiration": wire["expiration"],
            "order_type": order.meta["type"],
            "associate_trades": [fill.trade_id for fill in reversed(fills)],
            "created_at": unix(order.created_at),
        }

    def _trade(self, fill: Fill, caller: Caller) -> dict[str, Any]:
        """Return a fill as a trade. The other side is another member's order, or the house's standing quote."""
        market = self._market(fill.market_key)
        own, other = self._own_and_other(fill, market)
        taker, maker = (own, other) if fill.is_taker else (other, own)
        state, since = self.world.chain.state(fill, self.world.now())
        return {
            "id": fill.trade_id,
            "taker_order_id": taker["order_id"],
            "market": market.condition_id,
            "asset_id": taker["asset_id"],
            "side": taker["side"],
            "size": plain(fill.size),
            "fee_rate_bps": "0",
            "price": taker["price"],
            "status": f"TRADE_STATUS_{state}",
            "match_time": str(unix(fill.at)),
            "last_update": str(unix(since)),
            "outcome": taker["outcome"],
            "bucket_index": 0,
            "owner": caller.key.key,
            "maker_address": own["maker_address"],
            "transaction_hash": transaction_hash(fill.trade_id),
            "err_msg": None,
            "maker_orders": [maker],
            "trader_side": "TAKER" if fill.is_taker else "MAKER",
        }

    def _side(
        self, fill: Fill, market: SandboxMarket, order: Order | None, order_id: str, token: str, side: str
    ) -> dict[str, Any]:
        """Return one side of a fill, in the layout of `maker_orders`; without an order it is the house's."""
        return {
            "order_id": order_id,
            "owner": order.meta["owner"] if order else HOUSE_KEY,
            "maker_address": order.meta["wire"]["maker"] if order else HOUSE_ADDRESS,
            "matched_amount": plain(fill.size),
            "price": plain(fill.price if token == YES else ONE - fill.price),
            "fee_rate_bps": "0",
            "asset_id": token_of(market, token),
            "outcome": label_of(market, token),
            "outcome_index": 0 if token == YES else 1,
            "side": side,
        }

    def _own_and_other(self, fill: Fill, market: SandboxMarket) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return both sides of a fill. The house's quotes hold the caller's token and stand opposite."""
        side = BUY if (fill.side == "buy") == (fill.token == YES) else SELL
        own = self._side(fill, market, self.world.order(fill.order_id), fill.order_id, fill.token, side)
        counter = self.world.order(fill.counter_order_id) if fill.counter_order_id else None
        if counter is not None:
            return own, self._side(fill, market, counter, counter.id, counter.token, counter.meta["wire"]["side"])
        order_id = "0x" + hashlib.sha256(f"house {fill.trade_id}".encode()).hexdigest()
        return own, self._side(fill, market, None, order_id, fill.token, SELL if side == BUY else BUY)

    # Balances

    async def balance(self, request: Request, caller: Caller) -> Any:
        query = Query(request, lambda error: WireError(400, error))
        kind, token_id = query.text("asset_type"), query.text("token_id")
        if kind == "COLLATERAL":
            amount = sum(self.world.ledger.shards(caller.account.id, POLYMARKET).values(), ZERO)
        elif kind in ("CONDITIONAL", "CONDITIONAL-V2"):
            found = self.feed.by_token(token_id)
            if found is None:
                raise WireError(400, "Invalid token id")
            position = self.world.ledger.position(caller.account.id, POLYMARKET, found[0].key, found[1])
            amount = position.quantity if position else ZERO
        else:
            raise WireError(400, "Invalid asset type")
        spenders = (STANDARD_EXCHANGE, NEG_RISK_EXCHANGE, NEG_RISK_ADAPTER)
        return {"balance": str(to_units(amount)), "allowances": dict.fromkeys(spenders, UNLIMITED)}

    async def update_balance(self, request: Request, caller: Caller) -> Any:
        """Answer as the venue does when it reads the chain again; the sandbox has nothing to read."""
        return ""


def transaction_hash(trade_id: str) -> str:
    return "0x" + hashlib.sha256(f"itomarkets sandbox transaction {trade_id}".encode()).hexdigest()


def _order_status(order: Order) -> str:
    if order.status == "resting":
        return "ORDER_STATUS_LIVE"
    if order.status == "executed" or (order.meta["type"] in IMMEDIATE and order.filled > 0):
        return "ORDER_STATUS_MATCHED"
    return "ORDER_STATUS_CANCELED_MARKET_RESOLVED" if order.reason == "market_closed" else "ORDER_STATUS_CANCELED"
