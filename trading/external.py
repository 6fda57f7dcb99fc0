"""What was placed on an account elsewhere: listed for its owner, never adopted into a trade of ours."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from itomarkets.lib.rounding import ZERO
from markets.models import Market
from trading.models import Order, VenueAccount
from trading.venues.base import ListedOrder, ListsOrders

# Resting orders are listed whatever their age; fills as far back as this, or as the account is connected.
FILLS_LISTED = timedelta(days=7)
MOST_LISTED = 100


def list_external(*, account: VenueAccount, client: ListsOrders, now: datetime) -> list[dict[str, Any]]:
    """List the orders at the venue that are none of ours; stores and returns them, resting ones first.

    Call it when none of our orders is on its way: one whose answer is still out would look like another's.
    """
    since = max(account.created_at, now - FILLS_LISTED)
    others = _others(account, client.listed_since(since))
    titles = _titles(account, {order.market_key for order in others})
    rows: dict[tuple[str, bool], dict[str, Any]] = {}
    for order in others:
        row = rows.setdefault(
            (order.venue_order_id, order.is_open),
            {
                "order": order.venue_order_id,
                "market": titles.get(order.market_key, order.market_key),
                "side": order.side,
                "price": str(order.price),
                "status": "resting" if order.is_open else "filled",
                "count": ZERO,
            },
        )
        row["count"] += order.count
    listed = [{**row, "count": str(row["count"])} for row in rows.values()]
    listed = sorted(listed, key=lambda row: row["status"] != "resting")[:MOST_LISTED]
    VenueAccount.objects.filter(pk=account.pk).update(external=listed)
    return listed


def _others(account: VenueAccount, listed: Iterable[ListedOrder]) -> list[ListedOrder]:
    ours: set[str] = set()
    for ids in Order.objects.filter(account=account).values_list("venue_order_id", "order_hash", "client_id"):
        ours |= {str(known).lower() for known in ids if known}
    return [order for order in listed if not {order.venue_order_id.lower(), order.client_id.lower()} & ours]


def _titles(account: VenueAccount, keys: set[str]) -> dict[str, str]:
    name = "native_id" if account.kind == VenueAccount.Kind.KALSHI else "condition_id"
    markets = Market.objects.filter(venue=account.kind, **{f"{name}__in": keys})
    return {getattr(market, name): market.question for market in markets}
