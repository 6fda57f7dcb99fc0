"""Trades as the API writes them, in the shapes of `shapes`: decimals as strings, times in UTC, no row numbers."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import ceil
from typing import Any

from baskets.models import Basket
from markets.api.ids import ids_of
from trading.models import Order, TicketQuote, Trade, VenueAccount
from trading.portfolio import BasketGroup, PositionLine
from trading.progress import LegProgress, trade_progress
from trading.schedule import time_to_send

# Columns of the list; no model object is built.
FIELDS = (
    "id", "basket__public_id", "basket__slug", "basket__name", "action", "side", "mode", "policy", "amount",
    "worst_cost", "status", "created_at", "finished_at",
)  # fmt: skip

WAY_BACK = ("paid", "brings", "loss", "cap", "missing", "notes")


def show_basket(basket: Basket) -> dict[str, Any]:
    return {"id": basket.public_id, "slug": basket.slug, "name": basket.name}


def show_quote(quote: TicketQuote) -> dict[str, Any]:
    ids = ids_of(leg["market_id"] for leg in quote.legs)
    return {
        "id": str(quote.pk),
        "basket": show_basket(quote.basket),
        "action": quote.action,
        "direction": quote.side,
        "mode": quote.mode,
        "allocation": quote.allocation,
        "amount": quote.amount,
        "cost": quote.cost,
        "fees": quote.fees,
        "total": quote.total,
        "worst_cost": quote.worst_cost,
        "best_payout": quote.best_payout,
        "worst_payout": quote.worst_payout,
        "left_over": quote.left_over,
        "left_over_reason": quote.left_over_reason,
        "warnings": list(quote.warnings),
        "send_seconds": ceil(time_to_send(_account_kinds(quote)).total_seconds()),
        "created_at": quote.created_at,
        "expires_at": quote.expires_at,
        "legs": [_quote_leg(leg, ids) for leg in quote.legs],
    }


def _account_kinds(quote: TicketQuote) -> list[str]:
    """Return the kind of account that sends each leg: a paper account sends to no venue."""
    is_paper = quote.mode == VenueAccount.Mode.PAPER
    return [VenueAccount.Kind.PAPER.value if is_paper else leg["venue"] for leg in quote.legs]


def _quote_leg(leg: Mapping[str, Any], ids: Mapping[int, str]) -> dict[str, Any]:
    shown = {
        name: leg[name]
        for name in (
            "leg_no", "venue", "title", "side", "account", "weight", "count", "best", "average", "worst", "limit",
            "cost", "fee", "worst_cost", "book_age_seconds",
        )
    }  # fmt: skip
    return shown | {
        "market_id": ids.get(leg["market_id"], ""),
        "book_at": datetime.fromisoformat(leg["book_at"]),
        "notes": list(leg["notes"]),
    }


def show_trade_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return one row of FIELDS as the list shows it."""
    return {
        "id": str(row["id"]),
        "basket": {"id": row["basket__public_id"], "slug": row["basket__slug"], "name": row["basket__name"]},
        "action": row["action"],
        "direction": row["side"],
        "mode": row["mode"],
        "policy": row["policy"],
        "amount": row["amount"],
        "worst_cost": row["worst_cost"],
        "status": row["status"],
        "created_at": row["created_at"],
        "finished_at": row["finished_at"],
    }


def show_trade(trade: Trade, choices: Sequence[str]) -> dict[str, Any]:
    """Return a trade with its legs and their orders, in five statements whatever their number."""
    progress = trade_progress(trade)
    ids = ids_of({leg.market_id for leg in progress.legs})
    orders: dict[int, list[Order]] = {}
    for order in trade.orders.select_related("account").prefetch_related("fills").order_by("leg_no", "attempt_no"):
        orders.setdefault(order.leg_no, []).append(order)
    return {
        "id": str(trade.pk),
        "basket": show_basket(trade.basket),
        "action": trade.action,
        "direction": trade.side,
        "mode": trade.mode,
        "policy": trade.policy,
        "amount": trade.amount,
        "worst_cost": trade.worst_cost,
        "status": progress.status,
        "created_at": trade.created_at,
        "finished_at": trade.finished_at,
        "sentence": progress.sentence,
        "is_final": progress.is_final,
        "leg_count": len(progress.legs),
        "filled_legs": progress.filled_legs,
        "cost": progress.cost,
        "fees": progress.fees,
        "total": progress.total,
        "reserved": progress.reserved,
        "choices": list(choices),
        "way_back": _way_back(trade.way_back) if trade.way_back else None,
        "legs": [_trade_leg(leg, ids, orders.get(leg.leg_no, [])) for leg in progress.legs],
    }


def _way_back(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {"at": datetime.fromisoformat(stored["at"])} | {name: stored[name] for name in WAY_BACK}


def _trade_leg(leg: LegProgress, ids: Mapping[int, str], orders: Sequence[Order]) -> dict[str, Any]:
    return {
        "leg_no": leg.leg_no,
        "market_id": ids.get(leg.market_id, ""),
        "venue": leg.venue,
        "title": leg.title,
        "side": leg.side,
        "status": leg.status,
        "says": leg.words,
        "reason": leg.reason,
        "count": leg.count,
        "filled": leg.filled,
        "limit_price": leg.limit_price,
        "price": leg.price,
        "cost": leg.cost,
        "fee": leg.fee,
        "is_final": leg.is_final,
        "is_settling": leg.is_settling,
        "is_way_back": leg.is_way_back,
        "orders": [_order(order) for order in orders],
    }


def _order(order: Order) -> dict[str, Any]:
    return {
        "id": str(order.client_id),
        "attempt_no": order.attempt_no,
        "account": str(order.account),
        "action": order.action,
        "status": order.status,
        "reason": order.reason,
        "count": order.count,
        "limit_price": order.limit_price,
        "reserved": order.reserved,
        "venue_order_id": order.venue_order_id,
        "created_at": order.created_at,
        "submitted_at": order.submitted_at,
        "finished_at": order.finished_at,
        "fills": [
            {
                "venue_trade_id": fill.venue_trade_id,
                "count": fill.count,
                "price": fill.price,
                "fee": fill.fee,
                "settlement": fill.settlement,
                "at": fill.at,
            }
            for fill in order.fills.all()
        ],
    }


def show_position(line: PositionLine, group: BasketGroup, basket_id: str, market_id: str) -> dict[str, Any]:
    return {
        "basket": {"id": basket_id, "slug": group.slug, "name": group.name},
        "market_id": market_id,
        "question": line.question,
        "venue": line.venue,
        "side": line.side,
        "count": line.count,
        "cost": line.cost,
        "fees": line.fees,
        "realised": line.realised,
        "bid": line.bid,
        "value": line.value,
        "profit": line.profit,
        "is_resolved": line.is_resolved,
        "note": line.note,
        "close_at": line.close_at,
    }
