"""Orders go out: claimed once, stored before they are sent, sent once, and never sent again.

1. Sign. 2. Claim, in one transaction: switch, market and money gates, then PLANNED to SUBMITTING with
the payload and its hash, by a conditional update whose count must be 1. 3. Commit. 4. One call.
5. Store what it said: accepted, rejected with proof, or unknown. No transaction is open during 1 and 4.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import transaction

from itomarkets.lib import clock
from itomarkets.lib.venues import VenueError
from trading.limits import send_refusal
from trading.models import Order, OrderEvent, Trade
from trading.positions import book_fills
from trading.progress import update_trade
from trading.states import ForbiddenTransition
from trading.switch import blocked_reason
from trading.venues.base import OrderClient, Placement, Sighting, SignedOrder, SubmitResult
from trading.venues.clients import Connect, order_client

logger = logging.getLogger(__name__)

Status = Order.Status
# Reads may lag writes by about a second: look again this often before leaving it to reconciliation.
LOOKS = 4
LOOK_PAUSE_SECONDS = 0.5
NOTHING_OFFERED = "Nothing was offered inside the price cap."


@dataclass(frozen=True, slots=True)
class RunReport:
    """What one run over a trade's orders did."""

    sent: int = 0
    denied: int = 0
    waiting: int = 0
    open: int = 0


def run_trade(
    trade_id: UUID | str,
    *,
    now_fn: Callable[[], datetime] = clock.now,
    connect: Connect | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> RunReport:
    """Send every planned order of a trade, and follow those that stand open.

    Any number of runs, one after another or at once, send each order once.
    """
    connect = connect or partial(order_client, now=now_fn)
    trade = Trade.objects.get(pk=trade_id)
    Trade.objects.filter(pk=trade.pk, status=Trade.Status.CONFIRMED).update(status=Trade.Status.EXECUTING)
    clients: dict[int, OrderClient] = {}
    sent = denied = waiting = 0
    try:
        for order_id in _planned(trade):
            order = _order(order_id)
            if trade.policy == Trade.Policy.HOLD_AND_ASK and _is_held(trade):
                denied += _deny(order, "Held: an order before this one was not filled whole.", now_fn())
                continue
            if _must_wait(order):
                waiting += 1
                continue
            client = clients.get(order.account_id)
            if client is None:
                try:
                    client = clients[order.account_id] = connect(order.account)
                except VenueError as error:
                    denied += _deny(order, f"Not sent: {error}", now_fn())
                    continue
            outcome = send(order, client=client, now_fn=now_fn)
            sent += outcome == "sent"
            denied += outcome == "denied"
            if outcome == "sent" and trade.policy == Trade.Policy.HOLD_AND_ASK:
                _follow(trade, clients, now_fn=now_fn, sleep=sleep)
        still_open = _follow(trade, clients, now_fn=now_fn, sleep=sleep)
    finally:
        for client in clients.values():
            client.close()
        update_trade(trade_id=trade.pk, now=now_fn())
    return RunReport(sent=sent, denied=denied, waiting=waiting, open=still_open)


def send(order: Order, *, client: OrderClient, now_fn: Callable[[], datetime]) -> str:
    """Take one planned order to its venue; returns "sent", "denied" or "taken" (another worker had it)."""
    try:
        signed = client.sign(order)
    except VenueError as error:
        return "denied" if _deny(order, f"Not sent: {error}", now_fn()) else "taken"
    refusal = claim(order, signed, now=now_fn())
    if refusal is None:
        return "taken"
    if refusal:
        return "denied"
    result = client.submit(order, signed)
    store_result(order, result, now=now_fn())
    return "sent"


def claim(order: Order, signed: SignedOrder, *, now: datetime) -> str | None:
    """Claim a planned order for sending: "" when it is ours, the reason when it was denied, None when it was taken."""
    with transaction.atomic():
        refusal = blocked_reason(user_id=order.trade.user_id, action=order.action, lock=True) or send_refusal(
            order=order, now=now
        )
        if refusal:
            return refusal if _deny(order, refusal, now) else None
        claimed = Order.objects.filter(pk=order.pk, status=Status.PLANNED).update(
            status=Status.SUBMITTING,
            submitted_at=now,
            signed_payload=signed.payload,
            order_hash=signed.order_hash,
        )
        if claimed != 1:
            return None
        OrderEvent.objects.create(
            order=order,
            at=now,
            old_status=Status.PLANNED,
            new_status=Status.SUBMITTING,
            reason="Signed; sending.",
            evidence={"client_id": str(order.client_id), "order_hash": signed.order_hash},
        )
    order.refresh_from_db()
    return ""


def store_result(order: Order, result: SubmitResult, *, now: datetime) -> None:
    """Write what one submit said. A look-up may have been quicker: then its evidence stands."""
    evidence = {"placement": result.placement.value, **result.evidence}
    if result.placement is Placement.ACCEPTED:
        Order.objects.filter(pk=order.pk, venue_order_id="").update(venue_order_id=result.venue_order_id)
        order.venue_order_id = result.venue_order_id
    try:
        if result.placement is Placement.REJECTED:
            order.transition_to(Status.REJECTED, reason=result.reason, at=now, evidence=evidence)
        elif result.placement is Placement.UNKNOWN:
            order.transition_to(Status.UNKNOWN, reason=result.reason, at=now, evidence=evidence)
        elif result.placement is Placement.UNSENT:
            order.transition_to(Status.UNKNOWN, reason=result.reason, at=now, evidence=evidence)
            order.transition_to(
                Status.NOT_PLACED, reason=f"Nothing left this machine. {result.reason}", at=now, evidence=evidence
            )
        else:
            order.transition_to(Status.OPEN, reason="Accepted by the venue.", at=now, evidence=evidence)
    except ForbiddenTransition:
        # Reconciliation was quicker and decided on the venue's own listing; a fill still gets booked below.
        OrderEvent.objects.create(
            order=order,
            at=now,
            old_status=order.status,
            new_status=order.status,
            reason="The answer came after the order had ended.",
            evidence=evidence,
        )
        logger.warning("order %s: the answer (%s) came after it had ended", order.pk, result.placement)
    if result.sighting is not None:
        apply_sighting(order, result.sighting, now=now)


def apply_sighting(order: Order, sighting: Sighting, *, now: datetime) -> bool:
    """Book what a look-up saw and follow the venue's word; returns True when the order has ended.

    An order ends here only when every contract that the venue calls filled is booked: the fills'
    listing may lag behind the order's.
    """
    if sighting.fills:
        book_fills(order=order, fills=sighting.fills, now=now)
    seen = sighting.order
    if seen is None:
        return False
    if not order.venue_order_id:
        Order.objects.filter(pk=order.pk).update(venue_order_id=seen.venue_order_id)
        order.venue_order_id = seen.venue_order_id
    order.refresh_from_db()
    if order.is_final:
        return True
    evidence = {"venue_order_id": seen.venue_order_id, "filled": str(seen.filled), "ended": seen.ended}
    failed = sum(fill.count for fill in sighting.fills if fill.settlement == "failed")
    if seen.is_open or sighting.filled + failed < seen.filled:
        if order.status == Status.UNKNOWN:
            order.transition_to(Status.OPEN, reason="Found at the venue.", at=now, evidence=evidence)
        return False
    if seen.filled >= order.count:
        return order.transition_to(Status.FILLED, reason="Filled.", at=now, evidence=evidence)
    part = f"{seen.filled.normalize():f} of {order.count.normalize():f}"
    reason = f"{part} filled inside the price cap; the rest was canceled." if seen.filled else NOTHING_OFFERED
    status = Status.EXPIRED if seen.ended == "expired" else Status.CANCELED
    return order.transition_to(status, reason=reason, at=now, evidence=evidence)


def follow(order: Order, *, client: OrderClient, now: datetime) -> bool:
    """Look an accepted order up; cancel what still rests, since none of ours is meant to. True when it has ended."""
    sighting = client.look_up(order)
    if apply_sighting(order, sighting, now=now):
        return True
    if sighting.order is None or not sighting.order.is_open:
        return False
    order.refresh_from_db()
    order.transition_to(Status.PENDING_CANCEL, reason="The rest is being canceled.", at=now)
    client.cancel(order)
    return apply_sighting(order, client.look_up(order), now=now)


def _follow(
    trade: Trade, clients: dict[int, OrderClient], *, now_fn: Callable[[], datetime], sleep: Callable[[float], None]
) -> int:
    """Follow a trade's accepted orders for a short while; returns how many are left to reconciliation."""
    for look in range(LOOKS):
        waiting = [
            order
            for order in trade.orders.filter(status__in=(Status.OPEN, Status.PENDING_CANCEL)).select_related(
                "market", "account", "trade"
            )
            if order.account_id in clients
        ]
        if not waiting:
            return 0
        if look:
            sleep(LOOK_PAUSE_SECONDS)
        for order in waiting:
            try:
                follow(order, client=clients[order.account_id], now=now_fn())
            except VenueError as error:
                logger.warning("order %s: the venue could not be read: %s", order.pk, error)
    return trade.orders.filter(status__in=(Status.OPEN, Status.PENDING_CANCEL)).count()


def _planned(trade: Trade) -> list[int]:
    """Return the orders to send: the costliest leg is the least likely to fill whole, so holding probes it first."""
    orders = trade.orders.filter(status=Status.PLANNED)
    first = "-reserved" if trade.policy == Trade.Policy.HOLD_AND_ASK else "leg_no"
    return list(orders.order_by(first, "leg_no").values_list("pk", flat=True))


def _order(order_id: int) -> Order:
    return Order.objects.select_related("market", "account", "trade", "trade__user").get(pk=order_id)


def _deny(order: Order, reason: str, now: datetime) -> bool:
    try:
        return order.transition_to(Status.DENIED, reason=reason, at=now, evidence={"sent": False})
    except ForbiddenTransition:
        return False


def _must_wait(order: Order) -> bool:
    """Tell whether the account has a write whose outcome nobody knows: nothing new goes out before it is known."""
    return Order.objects.filter(account_id=order.account_id, status=Status.UNKNOWN).exists()


def _is_held(trade: Trade) -> bool:
    return trade.orders.exclude(status__in=(Status.PLANNED, Status.FILLED)).exists()
