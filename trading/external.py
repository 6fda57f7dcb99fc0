"""What was placed on an account elsewhere: listed for its owner and counted as at risk, never adopted into a trade."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from itomarkets.lib.rounding import ZERO, quantize
from itomarkets.lib.venues import Side
from markets.models import Market
from trading.models import Order, VenueAccount
from trading.settlement import claims_of
from trading.venues.base import ListedHolding, ListedOrder, ListsOrders

# Resting orders are listed whatever their age; fills as far back as this, or as the account is connected.
FILLS_LISTED = timedelta(days=7)
# A venue dates its fills by its own clock, which may be so far behind ours.
CLOCKS_APART = timedelta(minutes=5)
MOST_LISTED = 100
PRICE_PLACES = 6
# Held contracts come first, then what may still buy more; what has filled is a part of what is held.
STATUSES = ("held", "resting", "filled")


def list_external(*, account: VenueAccount, client: ListsOrders, now: datetime) -> list[dict[str, Any]]:
    """List the contracts and orders at the venue that are none of ours; stores and returns them, the held ones first.

    Call it when none of our orders is on its way: one whose answer is still out would look like another's.
    """
    since = max(account.created_at - CLOCKS_APART, now - FILLS_LISTED)
    others = _others(account, client.listed_since(since))
    holdings = client.holdings()
    markets = _markets(account, {each.market_key for each in others} | {each.market_key for each in holdings})
    held_there = {(each.market_key, each.side): each.count for each in holdings}
    rows: dict[tuple[str, bool], dict[str, Any]] = {}
    for order in others:
        row = rows.setdefault(
            (order.venue_order_id, order.is_open),
            {
                "order": order.venue_order_id,
                **_named(order.market_key, markets),
                "side": order.side,
                "price": str(order.price),
                "status": "resting" if order.is_open else "filled",
                "count": ZERO,
            },
        )
        row["count"] += order.count
        if closes := _closes(account, order, held_there):
            row["closes"] = str(closes)
    held = _others_holdings(account, holdings, markets)
    listed = [{**row, "count": str(row["count"])} for row in (*held, *rows.values())]
    listed = sorted(listed, key=lambda row: STATUSES.index(row["status"]))[:MOST_LISTED]
    VenueAccount.objects.filter(pk=account.pk).update(external=listed)
    return listed


def _closes(account: VenueAccount, order: ListedOrder, held: dict[tuple[str, str], Decimal]) -> Decimal:
    """Return how many contracts of a resting order only give up what is held, and take them from `held`."""
    if not order.is_open:
        return ZERO
    if order.is_sale:
        # Polymarket takes no sale of tokens that the wallet does not hold, and holds back those it offers.
        return order.count
    if account.kind != VenueAccount.Kind.KALSHI:
        return ZERO
    key = (order.market_key, Side(order.side).opposite.value)
    closes = min(order.count, held.get(key, ZERO))
    if closes > 0:
        held[key] -= closes
    return closes


def _others_holdings(
    account: VenueAccount, holdings: Sequence[ListedHolding], markets: dict[str, Market]
) -> list[dict[str, Any]]:
    """Return what is held beyond our own positions, each at its share of what the venue says it cost.

    Contracts that have won and wait to be redeemed are ours, although no position counts them any more.
    Where a venue nets YES against NO, ours are netted first. Less than ours is no row: the comparison says it.
    """
    if not holdings:
        return []
    ours: dict[tuple[int, str], Decimal] = {}
    for market_id, side, count in account.positions.filter(count__gt=0).values_list("market_id", "side", "count"):
        ours[market_id, side] = ours.get((market_id, side), ZERO) + count
    won = {market_id for _, market_id in claims_of([account])}
    rows = []
    for holding in holdings:
        market = markets.get(holding.market_key)
        if market is not None and market.pk in won:
            continue
        own = ZERO if market is None else ours.get((market.pk, holding.side), ZERO)
        if market is not None and account.kind == VenueAccount.Kind.KALSHI:
            own -= ours.get((market.pk, Side(holding.side).opposite.value), ZERO)
        extra = holding.count - max(own, ZERO)
        if extra > 0:
            rows.append(
                {
                    "order": "",
                    **_named(holding.market_key, markets),
                    "side": holding.side,
                    "price": str(quantize(holding.cost / holding.count, PRICE_PLACES)),
                    "status": "held",
                    "count": extra,
                }
            )
    return rows


def _named(key: str, markets: dict[str, Market]) -> dict[str, Any]:
    market = markets.get(key)
    return {"market": market.question if market else key, "market_id": market.pk if market else None}


def _others(account: VenueAccount, listed: Sequence[ListedOrder]) -> list[ListedOrder]:
    if not listed:
        return []
    ours: set[str] = set()
    for ids in Order.objects.filter(account=account).values_list("venue_order_id", "order_hash", "client_id"):
        ours |= {str(known).lower() for known in ids if known}
    return [order for order in listed if not {order.venue_order_id.lower(), order.client_id.lower()} & ours]


def _markets(account: VenueAccount, keys: set[str]) -> dict[str, Market]:
    name = "native_id" if account.kind == VenueAccount.Kind.KALSHI else "condition_id"
    markets = Market.objects.filter(venue=account.kind, **{f"{name}__in": keys})
    return {getattr(market, name): market for market in markets}
