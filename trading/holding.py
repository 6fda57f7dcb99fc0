"""Which orders of a trade may go now, and when the rest waits for its owner: what the policies mean."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet, prefetch_related_objects

from accounts.models import User
from itomarkets.lib.compiled import compiled
from itomarkets.records import audit
from trading.legs import asked_of, grouped
from trading.models import Order, Trade
from trading.states import AT_VENUE, ForbiddenTransition
from trading.venue_state import closed_for

Status, Hold, Policy = Order.Status, Trade.Hold, Trade.Policy
HELD = "Not sent: an order before this one was not filled whole."


def is_short(trade: Trade) -> bool:
    """Tell whether a leg that was asked for has ended, after all its attempts, without its full count."""
    asked = trade.orders.filter(action=trade.action).prefetch_related("fills")
    return any(leg.is_short for leg in grouped(asked))


def waits_for_choice(trade: Trade) -> bool:
    """Tell whether the unsent legs wait because one before them fell short, and nobody has said to go on."""
    if trade.policy == Policy.BEST_EFFORT or trade.continued_at is not None:
        return False
    return trade.hold == Hold.ASK or is_short(trade)


def orders_of(trade: Trade) -> list[Order]:
    """Read a trade's orders, the thinnest first, with market and account; fills only once something was sent."""
    orders = all_orders(trade_id=trade.pk)
    for order in orders:
        order.trade = trade
    if any(order.status != Status.PLANNED for order in orders):
        prefetch_related_objects(orders, "fills")
    return orders


@compiled
def all_orders(*, trade_id: UUID) -> QuerySet[Order]:
    """Return a trade's orders, the thinnest first."""
    thinnest_first = Order.objects.filter(trade=trade_id).order_by("-depth_share", "-reserved", "leg_no")
    return thinnest_first.select_related("market", "account")


def next_orders(trade: Trade, orders: Sequence[Order]) -> list[Order]:
    """Return which of a trade's orders may go now, in the order of sending; `orders` as `orders_of` reads them.

    The way back goes as soon as it is planned. Best effort sends every leg; the other policies send
    the thinnest leg alone, and the rest once a leg has filled whole and none has fallen short.
    """
    planned = [order for order in orders if order.status == Status.PLANNED]
    back = [order for order in planned if order.action != trade.action]
    if back or not planned:
        return back
    if trade.policy == Policy.BEST_EFFORT:
        return sorted(planned, key=lambda order: order.leg_no)
    if trade.continued_at is not None:
        return planned
    if waits_for_choice(trade):
        return []
    asked = asked_of(grouped(orders), trade)
    if all(leg.status == Status.PLANNED for leg in asked):
        return planned[:1]
    return planned if any(leg.is_whole for leg in asked) else []


def hold_if_short(*, trade: Trade, now: datetime) -> bool:
    """Hold a trade whose policy asks, once others wait for a leg that fell short or a venue that takes no orders.

    One that waited too long is stopped.
    """
    if trade.policy != Policy.HOLD_AND_ASK:
        return False
    if trade.hold == Hold.ASK and trade.held_at is not None:
        longest = settings.TRADE_LIMITS["hold_seconds"]
        if now - trade.held_at > timedelta(seconds=longest):
            reason = f"Not sent: nobody chose within {longest // 60} minutes."
            stop(trade=trade, reason=reason, actor=None, now=now)
        return False
    if trade.hold != Hold.NONE:
        return False
    waiting = list(trade.orders.filter(status=Status.PLANNED).select_related("account", "market"))
    if not waiting or not (waits_for_choice(trade) or closed_for(waiting, now=now)):
        return False
    return take_hold(trade=trade, hold=Hold.ASK, now=now)


def take_hold(*, trade: Trade, hold: str, now: datetime, **values: Any) -> bool:
    """Put a trade on hold, once."""
    held = Trade.objects.filter(pk=trade.pk, hold=Hold.NONE).update(hold=hold, held_at=now, **values)
    if held:
        audit.record(
            action="trade.held",
            subject=f"trade:{trade.pk}",
            after={"hold": hold, "unsent": trade.orders.filter(status=Status.PLANNED).count()},
            request_id=trade.request_id,
            at=now,
        )
    return bool(held)


def stop(*, trade: Trade, reason: str, actor: User | None, now: datetime, request_id: str = "") -> bool:
    """End a held trade's wait and deny what was not sent; False when somebody has decided before."""
    if not Trade.objects.filter(pk=trade.pk, hold=Hold.ASK).update(hold=Hold.DECIDED):
        return False
    denied = deny_planned(trade=trade, reason=reason, now=now)
    audit.record(
        action="trade.stopped",
        subject=f"trade:{trade.pk}",
        actor=actor,
        before={"hold": Hold.ASK},
        after={"hold": Hold.DECIDED, "denied": denied, "reason": reason},
        request_id=request_id or trade.request_id,
        at=now,
    )
    return True


def deny_planned(*, trade: Trade, reason: str, now: datetime) -> int:
    """Deny every order of a trade that has not gone out; returns how many."""
    return sum(deny(order, reason, now) for order in trade.orders.filter(status=Status.PLANNED))


def deny(order: Order, reason: str, now: datetime) -> bool:
    """Deny an order here, which provably sends nothing; False where another worker took it."""
    try:
        return order.transition_to(Status.DENIED, reason=reason, at=now, evidence={"sent": False})
    except ForbiddenTransition:
        return False


def has_live(trade: Trade) -> bool:
    """Tell whether the venues may still change this trade: something stands there, or is unknown."""
    return trade.orders.filter(status__in=AT_VENUE).exists()


def unpriced_trades() -> list[UUID]:
    """Return the trades that promised a way back, have ended short, and were not yet priced for it."""
    owed = Trade.objects.filter(policy=Policy.ALL_OR_UNWIND, hold=Hold.NONE, finished_at=None)
    return list(owed.exclude(status=Trade.Status.CONFIRMED).order_by("created_at").values_list("pk", flat=True))
