"""Kalshi's order writes: V2 create, batch, cancel, decrease and cancel-all; the dead V1 paths say so."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .engine import PlacedOrder, Refused, World
from .kalshi_request import Body, Gate, KalshiError, Query, endpoint, invalid, refused, reply
from .kalshi_wire import count, money
from .model import KALSHI, NET, ZERO, SandboxMarket
from .store import Account, Order

TIFS = {"good_till_canceled": "gtc", "immediate_or_cancel": "ioc", "fill_or_kill": "fok"}
SELF_TRADE = {"taker_at_cross": "taker", "maker": "maker"}
SIDES = {"bid": "buy", "ask": "sell"}
MOST_IN_BATCH = 100
V1_WRITES = (
    ("/portfolio/orders", ["POST"]),
    ("/portfolio/orders/batched", ["POST", "DELETE"]),
    ("/portfolio/orders/{order_id}", ["DELETE"]),
    ("/portfolio/orders/{order_id}/amend", ["POST"]),
    ("/portfolio/orders/{order_id}/decrease", ["POST"]),
)


class Orders:
    """The write endpoints. Each checks the signature first."""

    def __init__(self, world: World, gate: Gate) -> None:
        self.world = world
        self.gate = gate

    def routes(self) -> list[Route]:
        base = "/portfolio/events/orders"
        return [
            Route(base, endpoint(self.create, status=201), methods=["POST"]),
            Route(base, endpoint(self.cancel_all), methods=["DELETE"]),
            Route(f"{base}/batched", endpoint(self.create_batch, status=201), methods=["POST"]),
            Route(f"{base}/batched", endpoint(self.cancel_batch), methods=["DELETE"]),
            Route(f"{base}/{{order_id}}", endpoint(self.cancel), methods=["DELETE"]),
            Route(f"{base}/{{order_id}}/decrease", endpoint(self.decrease), methods=["POST"]),
            *(Route(path, self.dead, methods=methods) for path, methods in V1_WRITES),
        ]

    def create(self, request: Request) -> Any:
        account = self.gate.account(request)
        return self._created(self._place(account, Body(request.state.body)))

    def create_batch(self, request: Request) -> Any:
        account = self.gate.account(request)
        rows: list[dict[str, Any]] = []
        for number, raw in enumerate(Body(request.state.body).objects("orders", MOST_IN_BATCH)):
            try:
                rows.append(self._created(self._place(account, Body(raw, f"orders[{number}]."))))
            except (Refused, KalshiError) as error:
                problem = refused(error) if isinstance(error, Refused) else error
                client_id = raw.get("client_order_id") if isinstance(raw, dict) else None
                rows.append(
                    {
                        "order_id": "",
                        "client_order_id": client_id if isinstance(client_id, str) else None,
                        "fill_count": None,
                        "remaining_count": None,
                        "ts_ms": None,
                        "error": problem.body,
                    }
                )
        return {"orders": rows}

    def cancel(self, request: Request) -> Any:
        account = self.gate.account(request)
        query = Query(request)
        _primary(query.number("subaccount"))
        return self._cancel(
            account,
            request.path_params["order_id"],
            query.number("exchange_index"),
            query.text("market_ticker"),
        )

    def cancel_batch(self, request: Request) -> Any:
        account = self.gate.account(request)
        rows: list[dict[str, Any]] = []
        for number, raw in enumerate(Body(request.state.body).objects("orders", MOST_IN_BATCH)):
            body = Body(raw, f"orders[{number}].")
            order_id = body.text("order_id", required=True)
            try:
                _primary(body.number("subaccount"))
                shard, ticker = body.number("exchange_index"), body.text("market_ticker")
                rows.append(self._cancel(account, order_id, shard, ticker))
            except (Refused, KalshiError) as error:
                problem = refused(error) if isinstance(error, Refused) else error
                rows.append({"order_id": order_id, "reduced_by": "0.00", "ts_ms": None, "error": problem.body})
        return {"orders": rows}

    def cancel_all(self, request: Request) -> Any:
        account = self.gate.account(request)
        _primary(Query(request).number("subaccount"))
        self.world.cancel_all(account.id, KALSHI)

    def decrease(self, request: Request) -> Any:
        account = self.gate.account(request)
        body = Body(request.state.body)
        order = self._own(
            account, request.path_params["order_id"], body.number("exchange_index"), body.text("market_ticker")
        )
        if body.has("reduce_by") == body.has("reduce_to"):
            raise invalid("reduce_by", "exactly one of reduce_by and reduce_to", "both or neither")
        if body.has("reduce_by"):
            left = max(ZERO, order.remaining - body.decimal("reduce_by", 2))
        else:
            left = ZERO if body.text("reduce_to") in ("0", "0.0", "0.00") else body.decimal("reduce_to", 2)
        left = self.world.shrink(order, left)
        return {
            "order_id": order.id,
            "client_order_id": order.client_id,
            "remaining_count": count(left),
            "ts_ms": self._ts_ms(),
        }

    async def dead(self, request: Request) -> Response:
        """Answer a V1 write as the venue does: an error inside a 2xx (venues/kalshi.md section 7)."""
        message = "Please switch to the V2 endpoints"
        return reply({"error": {"code": "deprecated_v1_order_endpoint", "message": message, "details": ""}})

    def _place(self, account: Account, body: Body) -> PlacedOrder:
        ticker = body.text("ticker", required=True)
        side = body.text("side", tuple(SIDES), required=True)
        size, price = body.decimal("count", 2), body.decimal("price", 4)
        tif = body.text("time_in_force", tuple(TIFS), required=True)
        prevention = body.text("self_trade_prevention_type", tuple(SELF_TRADE), required=True)
        post_only, reduce_only = body.flag("post_only"), body.flag("reduce_only")
        expires = body.number("expiration_time", least=0)
        shard = body.number("exchange_index", least=-1)
        _primary(body.number("subaccount"))
        if expires is not None and tif != "good_till_canceled":
            raise invalid("expiration_time", "only with good_till_canceled", tif)
        if post_only and tif != "good_till_canceled":
            raise invalid("post_only", "only with good_till_canceled", tif)
        if reduce_only and tif != "immediate_or_cancel":
            raise invalid("reduce_only", "only with immediate_or_cancel", tif)
        market = self.world.feed.market(KALSHI, ticker)
        if market is None:
            raise KalshiError(404, "market_not_found", "market not found", f"no market {ticker}")
        if reduce_only:
            size = min(size, self._closable(account, market, SIDES[side]))
        return self.world.place(
            account.id,
            market,
            side=SIDES[side],
            price=price,
            size=size,
            tif="gtd" if expires else TIFS[tif],
            post_only=post_only,
            client_id=body.text("client_order_id", longest=64),
            exchange_index=shard,
            expires_at=_instant(expires) if expires else None,
            self_trade=SELF_TRADE[prevention],
            meta={
                "self_trade_prevention_type": prevention,
                "cancel_order_on_pause": body.flag("cancel_order_on_pause"),
            },
        )

    def _closable(self, account: Account, market: SandboxMarket, side: str) -> Decimal:
        position = self.world.ledger.position(account.id, KALSHI, market.key, NET)
        held = position.quantity if position else ZERO
        closable = -held if side == "buy" else held
        if closable <= 0:
            raise KalshiError(400, "invalid_order", "reduce only order would not reduce the position")
        return closable

    def _created(self, placed: PlacedOrder) -> dict[str, Any]:
        order = placed.order
        row: dict[str, Any] = {
            "order_id": order.id,
            "client_order_id": order.client_id,
            "fill_count": count(placed.filled),
            "remaining_count": count(order.live),
            "ts_ms": int(order.created_at.timestamp() * 1000),
        }
        if placed.average_price is not None:
            row["average_fill_price"] = money(placed.average_price)
            row["average_fee_paid"] = money(placed.fees / placed.filled)
        return row

    def _cancel(self, account: Account, order_id: str, shard: int | None, ticker: str) -> dict[str, Any]:
        order = self._own(account, order_id, shard, ticker)
        return {
            "order_id": order.id,
            "client_order_id": order.client_id,
            "reduced_by": count(self.world.cancel(order.id)),
            "ts_ms": self._ts_ms(),
        }

    def _own(self, account: Account, order_id: str, shard: int | None, ticker: str) -> Order:
        """Return an account's resting order on the shard that the request routes to: without a ticker that is 0."""
        order = self.world.resting_order(order_id)
        if shard in (None, -1):
            market = self.world.feed.market(KALSHI, ticker) if ticker else None
            shard = market.exchange_index if market else 0
        if order is None or order.account_id != account.id or order.venue != KALSHI or order.exchange_index != shard:
            details = f"no resting order {order_id} on exchange index {shard}"
            raise KalshiError(404, "not_found", "order not found", details)
        return order

    def _ts_ms(self) -> int:
        return int(self.world.now().timestamp() * 1000)


def _primary(subaccount: int | None) -> None:
    if subaccount not in (None, 0):
        raise invalid("subaccount", "0: the sandbox keeps primary accounts only", subaccount)


def _instant(seconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError):
        raise invalid("expiration_time", "Unix seconds", seconds) from None
