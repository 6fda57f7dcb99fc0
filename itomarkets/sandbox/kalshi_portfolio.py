"""Kalshi's portfolio reads: orders, fills, positions, settlements, balance; and transfers between shards."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.routing import Route

from .engine import World
from .kalshi_request import Body, Gate, KalshiError, Query, cursor_after, endpoint, invalid
from .kalshi_wire import (
    event_position_object,
    fill_object,
    marked_value,
    money,
    order_object,
    position_object,
    settlement_object,
)
from .model import KALSHI, ONE, SHARDS, ZERO, floor_money
from .store import Position, Transfer

ORDER_STATUSES = ("resting", "canceled", "executed")
SETTLEMENT_STATUSES = ("unsettled", "settled", "all")
COUNT_FILTERS = {"position": "quantity", "total_traded": "traded"}
CENTI_CENTS = Decimal(10_000)


class Portfolio:
    """The signed read endpoints and the transfer."""

    def __init__(self, world: World, gate: Gate) -> None:
        self.world = world
        self.gate = gate

    def routes(self) -> list[Route]:
        paths: dict[str, Callable[[Request], Any]] = {
            "/portfolio/balance": self.balance,
            "/portfolio/orders": self.orders,
            "/portfolio/orders/{order_id}": self.order,
            "/portfolio/fills": self.fills,
            "/portfolio/positions": self.positions,
            "/portfolio/settlements": self.settlements,
            "/account/limits": self.limits,
            "/api_keys": self.api_keys,
        }
        routes = [Route(path, endpoint(handler), methods=["GET"]) for path, handler in paths.items()]
        transfer = endpoint(self.transfer)
        return [*routes, Route("/portfolio/intra_exchange_instance_transfer", transfer, methods=["POST"])]

    def balance(self, request: Request) -> Any:
        account = self.gate.account(request)
        query = Query(request)
        _primary(query)
        shard = query.number("exchange_index", least=0, most=SHARDS[KALSHI] - 1)
        now = self.world.now()
        shards = self.world.balance(account.id, KALSHI)
        total = sum(shards.values(), ZERO) if shard is None else shards[shard]
        value = sum(
            (
                marked_value(self.world, position, now)
                for position in self.world.positions(account.id, KALSHI)
                if shard is None or position.exchange_index == shard
            ),
            ZERO,
        )
        return {
            "balance": int(floor_money(total * 100, ONE)),
            "balance_dollars": money(total),
            "portfolio_value": int(floor_money(value * 100, ONE)),
            "updated_ts": int(now.timestamp()),
            "balance_breakdown": [
                {"exchange_index": number, "balance": money(amount)} for number, amount in shards.items()
            ],
        }

    def orders(self, request: Request) -> Any:
        account = self.gate.account(request)
        query = Query(request)
        _primary(query)
        limit = query.limit(100, 1000, least=1)
        found = self.world.orders(
            account.id,
            KALSHI,
            market_key=query.text("ticker"),
            event_keys=query.listed("event_ticker", 10),
            status=query.text("status", ORDER_STATUSES),
            min_at=query.instant("min_ts"),
            max_at=query.instant("max_ts"),
            exchange_index=query.number("exchange_index", least=0),
            before_seq=query.cursor(),
            limit=limit + 1,
        )
        cursor = cursor_after(found[limit - 1].seq) if len(found) > limit else ""
        return {"orders": [order_object(order) for order in found[:limit]], "cursor": cursor}

    def order(self, request: Request) -> Any:
        account = self.gate.account(request)
        order = self.world.order(request.path_params["order_id"])
        if order is None or order.account_id != account.id or order.venue != KALSHI:
            raise KalshiError(404, "not_found", "order not found", request.path_params["order_id"])
        return {"order": order_object(order)}

    def fills(self, request: Request) -> Any:
        account = self.gate.account(request)
        query = Query(request)
        _primary(query)
        limit = query.limit(100, 1000, least=1)
        found = self.world.fills(
            account.id,
            KALSHI,
            market_keys=query.listed("ticker", 100),
            order_id=query.text("order_id"),
            min_at=query.instant("min_ts"),
            max_at=query.instant("max_ts"),
            exchange_index=query.number("exchange_index", least=0),
            before_seq=query.cursor(),
            limit=limit + 1,
        )
        cursor = cursor_after(found[limit - 1].seq) if len(found) > limit else ""
        return {"fills": [fill_object(fill) for fill in found[:limit]], "cursor": cursor}

    def positions(self, request: Request) -> Any:
        account = self.gate.account(request)
        query = Query(request)
        _primary(query)
        limit = query.limit(100, 1000, least=1)
        wanted = query.text("settlement_status", SETTLEMENT_STATUSES) or "unsettled"
        filters = query.listed("count_filter", 2)
        for name in filters:
            if name not in COUNT_FILTERS:
                raise invalid("count_filter", "position, total_traded", name)
        ticker, event, shard = query.text("ticker"), query.text("event_ticker"), query.number("exchange_index", least=0)

        def shown(position: Position) -> bool:
            return (
                (wanted == "all" or (position.settled_at is not None) is (wanted == "settled"))
                and (not ticker or position.market_key == ticker)
                and (not event or position.event_key == event)
                and (shard is None or position.exchange_index == shard)
                and (not filters or any(getattr(position, COUNT_FILTERS[name]) != 0 for name in filters))
            )

        found = [position for position in self.world.positions(account.id, KALSHI) if shown(position)]
        page, cursor = _slice(found, query, limit)
        events = dict.fromkeys(position.event_key for position in page)
        return {
            "market_positions": [position_object(position) for position in page],
            "event_positions": [
                event_position_object(key, [position for position in found if position.event_key == key])
                for key in events
            ],
            "cursor": cursor,
        }

    def settlements(self, request: Request) -> Any:
        account = self.gate.account(request)
        query = Query(request)
        _primary(query)
        limit = query.limit(100, 1000, least=1)
        ticker, event = query.text("ticker"), query.text("event_ticker")
        after, before = query.instant("min_ts"), query.instant("max_ts")
        found = [
            settlement
            for settlement in self.world.settlements(account.id, KALSHI)
            if (not ticker or settlement.market_key == ticker)
            and (not event or settlement.event_key == event)
            and (after is None or settlement.at >= after)
            and (before is None or settlement.at <= before)
        ]
        page, cursor = _slice(found, query, limit)
        return {"settlements": [settlement_object(settlement) for settlement in page], "cursor": cursor}

    def limits(self, request: Request) -> Any:
        self.gate.account(request)
        return {
            "usage_tier": "basic",
            "read": {"refill_rate": 200, "bucket_capacity": 400},
            "write": {"refill_rate": 100, "bucket_capacity": 100},
            "grants": [],
        }

    def api_keys(self, request: Request) -> Any:
        account = self.gate.account(request)
        return {
            "api_keys": [
                {"api_key_id": account.kalshi_key_id, "name": account.name, "scopes": ["read", "write::trade"]}
            ]
        }

    def transfer(self, request: Request) -> Any:
        account = self.gate.account(request)
        body = Body(request.state.body)
        for name in ("source", "destination"):
            if body.text(name, ("event_contract", "margined"), required=True) != "event_contract":
                raise invalid(name, "event_contract: the sandbox has no margined exchange", "margined")
        amount = Decimal(body.number("amount", least=1, required=True) or 0) / CENTI_CENTS
        source = body.number("source_exchange_shard", least=0) or 0
        destination = body.number("destination_exchange_shard", least=0) or 0
        for name, shard in (("source_exchange_shard", source), ("destination_exchange_shard", destination)):
            if shard >= SHARDS[KALSHI]:
                raise invalid(name, f"0 to {SHARDS[KALSHI] - 1}", shard)
        if source == destination:
            raise invalid("destination_exchange_shard", "another shard than the source", destination)
        client_id = body.text("client_transfer_id")
        if client_id:
            try:
                UUID(client_id)
            except ValueError:
                raise invalid("client_transfer_id", "a UUID", client_id) from None
            if self.world.store.rows(Transfer, "account_id = ? AND client_id = ?", [account.id, client_id]):
                message = "Transfer with this client_transfer_id already exists"
                raise KalshiError(409, "transfer_already_exists", message)
        if self.world.balance(account.id, KALSHI)[source] < amount:
            raise KalshiError(400, "available_balance_too_low", "insufficient balance", f"shard {source}")
        transfer = Transfer(
            str(self.world.new_id()), account.id, source, destination, amount, client_id, self.world.now()
        )
        self.world.ledger.transfer(transfer, KALSHI)
        return {"transfer_id": transfer.id}


def _primary(query: Query) -> None:
    subaccount = query.number("subaccount")
    if subaccount not in (None, 0):
        raise invalid("subaccount", "0: the sandbox keeps primary accounts only", subaccount)


def _slice(rows: list[Any], query: Query, limit: int) -> tuple[list[Any], str]:
    start = query.cursor() or 0
    return rows[start : start + limit], cursor_after(start + limit) if len(rows) > start + limit else ""
