"""Resolved markets pay out: payout times contracts, once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Max

from itomarkets.lib.rounding import ONE, ZERO
from itomarkets.lib.venues import Side
from itomarkets.records import audit
from markets.models import Market
from markets.quotes import demand_quotes
from trading.models import CashEntry, Fill, Order, Position, VenueAccount
from trading.positions import money_of, recompute_position, settlement_reference
from trading.states import LIVE

DEMAND_SOURCE = "trading:positions"
# Each pass asks for the quotes of what is held until well after the next one.
DEMAND_LIFE = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class SettleReport:
    """What one pass paid. `waiting` positions are resolved but have an order that has not ended."""

    settled: int
    paid: Decimal
    waiting: int
    demanded: int


def settle_positions(*, now: datetime) -> SettleReport:
    """Pay out every position in a resolved market, and keep asking for the quotes of the others."""
    settled = waiting = 0
    paid = ZERO
    resolved = Position.objects.filter(
        count__gt=0,
        market__payout__isnull=False,
        market__status__in=(Market.Status.RESOLVED, Market.Status.VOID),
    ).order_by("pk")
    for position_id in list(resolved.values_list("pk", flat=True)):
        amount = settle(position_id=position_id, now=now)
        if amount is None:
            waiting += 1
        else:
            settled += 1
            paid += amount
    held = sorted(set(Position.objects.filter(count__gt=0).values_list("market_id", flat=True)))
    if held:
        demand_quotes(market_ids=held, source=DEMAND_SOURCE, until=now + DEMAND_LIFE)
    return SettleReport(settled=settled, paid=paid, waiting=waiting, demanded=len(held))


def settle(*, position_id: int, now: datetime) -> Decimal | None:
    """Pay out one position; returns None while an order on it has not ended.

    Its ledger entry is named by the last fill that it settles, so a second run finds it there.
    """
    with transaction.atomic():
        seen = Position.objects.select_related("market").get(pk=position_id)
        account = VenueAccount.objects.select_for_update().get(pk=seen.account_id)
        position = Position.objects.select_for_update().get(pk=position_id)
        market = seen.market
        if not position.count or market.payout is None:
            return ZERO
        orders = Order.objects.filter(
            account=account, trade__basket=position.basket_id, market=market, side=position.side
        )
        if orders.filter(status__in=LIVE).exists():
            return None
        payout = market.payout if position.side == Side.YES else ONE - market.payout
        amount = money_of(position.count, payout)
        last_fill = Fill.objects.filter(order__in=orders).aggregate(last=Max("pk"))["last"]
        _, made = CashEntry.objects.get_or_create(
            account=account,
            reference=settlement_reference(
                basket_id=position.basket_id, market=market, side=position.side, last_fill=last_fill
            ),
            defaults={
                "kind": CashEntry.Kind.SETTLEMENT,
                "amount": amount,
                "market": market,
                "payout": payout,
                "at": now,
            },
        )
        if not made:
            return ZERO
        account.cash += amount
        account.save(update_fields=["cash"])
        recompute_position(account=account, basket_id=position.basket_id, market=market, side=position.side, now=now)
        audit.record(
            action="position.settled",
            subject=f"position:{position.pk}",
            after={"market": str(market), "side": position.side, "count": str(position.count), "paid": str(amount)},
            at=now,
        )
    return amount
