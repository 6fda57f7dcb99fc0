"""Kalshi's objects as they go over the wire (OpenAPI 3.34.0): series, events, markets, orders, fills, positions."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from .depth import Top
from .engine import World
from .model import KALSHI, ONE, PRICE_UNITS, ZERO, SandboxEvent, SandboxMarket, SandboxSeries, ceil_money, floor_money
from .store import Fill, Order, Position, Settlement

STATUS = {"unopened": "initialized", "open": "active", "paused": "inactive", "closed": "closed", "settled": "finalized"}
CREATED_BEFORE = timedelta(days=60)
DAY_SECONDS = 86_400.0
# Kept out of what a recorded object adds: they are the recording's, not the venue's, or are gone from the API.
DROPPED = frozenset({"yes_bid", "yes_ask", "no_bid", "no_ask", "last_price", "liquidity", "tick_size", "category"})


def iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def dollars(units: int) -> str:
    """Write price units as a dollar string."""
    return f"{units / PRICE_UNITS:.4f}"


def money(value: Decimal) -> str:
    """Write dollars with four to six places."""
    text = f"{value:.6f}"
    return text[:-2] if text.endswith("00") else text


def count(value: Decimal | int) -> str:
    return f"{value:.2f}"


def created_at(market: SandboxMarket) -> datetime:
    return market.open_at - CREATED_BEFORE


def updated_at(market: SandboxMarket, now: datetime) -> datetime:
    """Return when a market's description last changed: at its creation, opening, close or settlement."""
    moments = (market.settle_at, market.close_at, market.open_at)
    return next((moment for moment in moments if moment <= now), created_at(market))


def market_object(world: World, market: SandboxMarket, now: datetime) -> dict[str, Any]:
    """Write a market as it is at an instant."""
    status = world.status_of(market, now)
    top = world.top(market, now)
    settled = status == "settled"
    outcome = world.feed.outcome(market) if settled else None
    now_ts = now.timestamp()
    last = before = 0
    volume = open_interest = volume_24h = 0
    if status != "unopened":
        close_ts = market.close_at.timestamp()
        last = _traded(market, world.feed.price_float(market, min(now_ts, close_ts - 1.0)))
        before = _traded(market, world.feed.price_float(market, min(now_ts - DAY_SECONDS, close_ts - 1.0)))
        volume = market.traded_until(now)
        open_interest = volume // 3 + market.seed % 50
        volume_24h = market.traded_today(now) if status in ("open", "paused") else 0
    spread = max(1, (top.ask - top.bid) // 2) if top.bid and top.ask < PRICE_UNITS else 100
    row: dict[str, Any] = {
        "ticker": market.key,
        "event_ticker": market.event_key,
        "market_type": "binary",
        "title": market.title,
        "subtitle": market.subtitle,
        "yes_sub_title": market.yes_label,
        "no_sub_title": market.no_label,
        "created_time": iso(created_at(market)),
        "updated_time": iso(updated_at(market, now)),
        "open_time": iso(market.open_at),
        "close_time": iso(market.close_at),
        "expected_expiration_time": iso(market.settle_at),
        "expiration_time": iso(market.settle_at + timedelta(days=7)),
        "latest_expiration_time": iso(market.settle_at + timedelta(days=7)),
        "settlement_timer_seconds": 1800,
        "status": STATUS[status],
        "notional_value_dollars": "1.0000",
        "yes_bid_dollars": dollars(top.bid),
        "yes_bid_size_fp": count(top.bid_size),
        "yes_ask_dollars": dollars(top.ask),
        "yes_ask_size_fp": count(top.ask_size),
        "no_bid_dollars": dollars(PRICE_UNITS - top.ask),
        "no_ask_dollars": dollars(PRICE_UNITS - top.bid),
        "last_price_dollars": dollars(last),
        "previous_price_dollars": dollars(before),
        "previous_yes_bid_dollars": dollars(max(0, market.snap(max(0, before - spread), up=False))),
        "previous_yes_ask_dollars": dollars(min(PRICE_UNITS, market.snap(min(PRICE_UNITS, before + spread), up=True))),
        "volume_fp": count(volume),
        "volume_24h_fp": count(volume_24h),
        "open_interest_fp": count(open_interest),
        "result": "" if outcome is None else result_of(outcome),
        "can_close_early": True,
        "expiration_value": "" if outcome is None else result_of(outcome),
        "rules_primary": market.rules,
        "rules_secondary": "",
        "price_level_structure": market.tick_label,
        "price_ranges": [
            {"start": f"{start:.4f}", "end": f"{end:.4f}", "step": f"{step:.4f}"} for start, end, step in market.ticks
        ],
        "exchange_index": market.exchange_index,
        "settlement_bounds_type": "default",
    }
    if outcome is not None:
        row["settlement_value_dollars"] = money(outcome)
        row["settlement_ts"] = iso(market.settle_at)
    if market.floor_strike is not None:
        row["floor_strike"] = market.floor_strike
    if market.strike_type:
        row["strike_type"] = market.strike_type
    if market.legs:
        row["mve_collection_ticker"] = market.event_key.split("-")[0] + "-R"
        row["mve_selected_legs"] = [
            {"event_ticker": event, "market_ticker": ticker, "side": side} for event, ticker, side in market.legs
        ]
    if market.raw is not None:
        return {**{name: value for name, value in market.raw.items() if name not in DROPPED}, **row}
    return row


def _traded(market: SandboxMarket, price: float) -> int:
    """Return the price of the last trade near a fair price: on the grid, inside (0, 1)."""
    units = max(1, min(PRICE_UNITS - 1, int(price * PRICE_UNITS)))
    snapped = market.snap(units, up=False)
    return snapped if snapped > 0 else market.step_at(0)


def result_of(outcome: Decimal) -> str:
    return "yes" if outcome == ONE else "no" if outcome == ZERO else "scalar"


def event_object(world: World, event: SandboxEvent, now: datetime, *, nested: bool) -> dict[str, Any]:
    """Write an event; with its markets of the live tier where they are asked for."""
    row: dict[str, Any] = {
        "event_ticker": event.key,
        "series_ticker": event.series_key,
        "sub_title": event.subtitle,
        "title": event.title,
        "collateral_return_type": "MECNET" if event.mutually_exclusive else "",
        "mutually_exclusive": event.mutually_exclusive,
        "category": event.category,
        "strike_period": "",
        "settlement_sources": [],
        "exchange_index": event.exchange_index,
        "product_metadata": {},
    }
    if event.raw is not None:
        row = {**event.raw, **row}
    if nested:
        row["markets"] = [market_object(world, market, now) for market in live_markets(world, event, now)]
    return row


def live_markets(world: World, event: SandboxEvent, now: datetime) -> list[SandboxMarket]:
    """Return an event's markets that were not settled before the historical cutoff."""
    cutoff = historical_cutoff(now)
    found = (world.feed.market(KALSHI, key) for key in event.market_keys)
    return [market for market in found if market is not None and market.settle_at >= cutoff]


def historical_cutoff(now: datetime) -> datetime:
    """Return the settlement time before which a market lives in the historical tier: three months ago, at midnight."""
    return (now - timedelta(days=92)).replace(hour=0, minute=0, second=0, microsecond=0)


def series_object(series: SandboxSeries) -> dict[str, Any]:
    return {
        "settlement_sources": [],
        "contract_url": "",
        "contract_terms_url": "",
        "additional_prohibitions": [],
        "product_metadata": {},
        **(series.raw or {}),
        "ticker": series.key,
        "frequency": series.frequency,
        "title": series.title,
        "category": series.category,
        "categories": [series.category] if series.category else [],
        "tags": list(series.tags),
        "fee_type": series.fee.kind,
        "fee_multiplier": float(series.fee.multiplier),
        "exchange_index": series.exchange_index,
    }


def _direction(side: str) -> dict[str, str]:
    buys = side == "buy"
    return {
        "side": "yes" if buys else "no",
        "action": "buy",
        "outcome_side": "yes" if buys else "no",
        "book_side": "bid" if buys else "ask",
    }


def order_object(order: Order) -> dict[str, Any]:
    return {
        "order_id": order.id,
        "user_id": order.account_id,
        "client_order_id": order.client_id,
        "ticker": order.market_key,
        **_direction(order.side),
        "type": "limit",
        "status": order.status,
        "yes_price_dollars": money(order.price),
        "no_price_dollars": money(ONE - order.price),
        "fill_count_fp": count(order.filled),
        "remaining_count_fp": count(order.live),
        "initial_count_fp": count(order.size),
        "taker_fill_cost_dollars": money(order.taker_cost),
        "maker_fill_cost_dollars": money(order.maker_cost),
        "taker_fees_dollars": money(order.taker_fees),
        "maker_fees_dollars": money(order.maker_fees),
        "expiration_time": iso(order.expires_at) if order.expires_at else None,
        "created_time": iso(order.created_at),
        "last_update_time": iso(order.updated_at),
        "self_trade_prevention_type": order.meta.get("self_trade_prevention_type"),
        "order_group_id": None,
        "cancel_order_on_pause": bool(order.meta.get("cancel_order_on_pause")),
        "subaccount_number": 0,
        "exchange_index": order.exchange_index,
    }


def fill_object(fill: Fill) -> dict[str, Any]:
    return {
        "fill_id": fill.id,
        "trade_id": fill.id,
        "order_id": fill.order_id,
        "exchange_index": fill.exchange_index,
        "ticker": fill.market_key,
        "market_ticker": fill.market_key,
        **_direction(fill.side),
        "count_fp": count(fill.size),
        "yes_price_dollars": money(fill.price),
        "no_price_dollars": money(ONE - fill.price),
        "is_taker": fill.is_taker,
        "created_time": iso(fill.at),
        "fee_cost": money(fill.fee),
        "subaccount_number": 0,
        "ts": int(fill.at.timestamp()),
    }


def position_object(position: Position) -> dict[str, Any]:
    return {
        "ticker": position.market_key,
        "exchange_index": position.exchange_index,
        "total_traded_dollars": money(position.traded),
        "position_fp": count(position.quantity),
        "market_exposure_dollars": money(position.cost),
        "realized_pnl_dollars": money(position.realized),
        "fees_paid_dollars": money(position.fees),
        "last_updated_ts": iso(position.updated_at),
    }


def event_position_object(event_key: str, positions: list[Position]) -> dict[str, Any]:
    def total(name: str) -> Decimal:
        return sum((getattr(position, name) for position in positions), ZERO)

    return {
        "event_ticker": event_key,
        "total_cost_dollars": money(total("traded")),
        "total_cost_shares_fp": count(sum((abs(position.quantity) for position in positions), ZERO)),
        "event_exposure_dollars": money(total("cost")),
        "realized_pnl_dollars": money(total("realized")),
        "fees_paid_dollars": money(total("fees")),
    }


def settlement_object(settlement: Settlement) -> dict[str, Any]:
    held = settlement.quantity
    return {
        "ticker": settlement.market_key,
        "exchange_index": settlement.exchange_index,
        "event_ticker": settlement.event_key,
        "market_result": result_of(settlement.value),
        "yes_count_fp": count(max(held, ZERO)),
        "yes_total_cost_dollars": money(settlement.cost if held > 0 else ZERO),
        "no_count_fp": count(max(-held, ZERO)),
        "no_total_cost_dollars": money(settlement.cost if held < 0 else ZERO),
        "revenue": int(floor_money(settlement.payout * 100, ONE)),
        "settled_time": iso(settlement.at),
        "fee_cost": money(settlement.fees),
        "value": int(settlement.value * 100),
    }


def marked_value(world: World, position: Position, now: datetime) -> Decimal:
    """Return what a position is worth at the middle of the book, rounded up to a cent as a member sees it."""
    market = world.feed.market(KALSHI, position.market_key)
    if market is None or position.quantity == 0:
        return ZERO
    top: Top = world.top(market, now)
    yes = Decimal(top.bid + top.ask) / (2 * PRICE_UNITS)
    each = yes if position.quantity > 0 else ONE - yes
    return ceil_money(abs(position.quantity) * each, Decimal("0.01"))
