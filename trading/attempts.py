"""A leg's next attempt: only after the one before it provably placed nothing, with an id of its own.

Nothing left this machine, or the venue's complete listing does not have it: within the trade's deadline
the second attempt goes by itself. Later, or for what failed on chain, only its owner says so.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from accounts.models import User
from itomarkets.lib.rounding import ZERO, quantize
from itomarkets.records import audit
from markets.fees import worst_fee
from trading.holding import has_live
from trading.legs import Leg, asked_of, grouped, legs_of_trade
from trading.limits import market_denial, send_deadline, send_refusal
from trading.models import Order, Position, Trade, TradeAction, VenueAccount
from trading.planning import MONEY_PLACES, client_id
from trading.quoting import FEE_RESERVES
from trading.sides import free_to_sell
from trading.states import FINAL
from trading.switch import blocked_reason
from trading.venue_state import closed_for
from trading.venues.base import Placement

Hold, Policy, Status = Trade.Hold, Trade.Policy, Order.Status
# So many attempts a leg has without its owner's word.
AUTOMATIC_ATTEMPTS = 2
TURNED_UP = "Not sent: an attempt before it turned up at the venue."


def can_try_again(leg: Leg) -> bool:
    """Tell whether a leg lacks contracts that provably nobody sold us: not placed, or failed on chain."""
    if not leg.has_ended or leg.missing <= 0 or leg.has_turned_up():
        return False
    return leg.last.status == Status.NOT_PLACED or leg.failed > 0


def next_attempts(*, trade: Trade, now: datetime) -> int:
    """Plan the second attempt of each leg whose first placed nothing, where nobody has to be asked.

    Not after the deadline of the trade, not while it is held or after it was stopped, not while the account
    has an unknown write, not when switch, limits or venue refuse. Returns how many were planned.
    """
    if trade.is_held or not trade.orders.filter(status=Status.NOT_PLACED).exists():
        return 0
    legs = legs_of_trade(trade)
    way_back = len(asked_of(legs, trade)) < len(legs)
    stopped = trade.hold == Hold.DECIDED and trade.continued_at is None
    planned = 0
    for leg in legs:
        if len(leg.attempts) >= AUTOMATIC_ATTEMPTS or leg.last.status != Status.NOT_PLACED or not can_try_again(leg):
            continue
        if leg.action == trade.action:
            allowed = not (way_back or stopped)
        else:
            # A way back is tried again only where nothing can have arrived, and nothing is open or unknown.
            allowed = _never_left(leg.last) and not has_live(trade)
        if allowed and not _refusal(again(leg, at=leg.first.created_at), trade, now):
            # Planned as of the first attempt: the deadline stays the trade's.
            planned += plan_attempts(trade=trade, legs=[leg], at=leg.first.created_at, actor=None, now=now)
    return planned


def trades_to_try_again(now: datetime) -> list[UUID]:
    """Return the trades within their deadline with an attempt that placed nothing and was the first."""
    since = now - timedelta(seconds=settings.TRADE_LIMITS["send_within_seconds"])
    lost = Order.objects.filter(status=Status.NOT_PLACED, attempt_no__lt=AUTOMATIC_ATTEMPTS)
    lost = lost.filter(Q(created_at__gt=since) | Q(trade__continued_at__gt=since))
    return [trade.pk for trade in Trade.objects.filter(orders__in=lost).distinct() if _has_candidate(trade)]


def offered(trade: Trade, *, now: datetime) -> list[Leg]:
    """Return the legs that the owner may have sent again: nothing of the trade is under way or waits for a choice.

    A trade that was sold again, or stopped by its owner, is over. One that promised all or nothing
    has no single leg sent again unless its owner has kept the others.
    """
    if trade.is_held or trade.orders.exclude(status__in=FINAL).exists():
        return []
    legs = legs_of_trade(trade)
    asked = asked_of(legs, trade)
    if len(asked) < len(legs):
        return [leg for leg in legs if leg.action != trade.action and _is_offered(leg, now)]
    kept = trade.hold == Hold.DECIDED
    if trade.policy == Policy.ALL_OR_UNWIND and not kept:
        return []
    if trade.policy == Policy.HOLD_AND_ASK and kept and trade.continued_at is None:
        return []
    return [leg for leg in asked if _is_offered(leg, now)]


def again(leg: Leg, *, at: datetime) -> Order:
    """Return a leg's next attempt, unsaved: what is missing of it, at the same limit."""
    last, count = leg.last, leg.missing
    attempt_no = last.attempt_no + 1
    return Order(
        trade_id=last.trade_id,
        leg_no=leg.leg_no,
        attempt_no=attempt_no,
        account=last.account,
        market=last.market,
        side=last.side,
        action=last.action,
        count=count,
        limit_price=last.limit_price,
        reserved=_reserve(last, count),
        depth_share=last.depth_share,
        client_id=client_id(trade_id=last.trade_id, leg_no=leg.leg_no, attempt_no=attempt_no),
        created_at=at,
    )


def plan_attempts(
    *, trade: Trade, legs: Iterable[Leg], at: datetime, actor: User | None, now: datetime, request_id: str = ""
) -> int:
    """Store the next attempt of legs, each once, with its cash or contracts held under the account's lock.

    What has changed meanwhile, or is no longer affordable, is left as it is. Returns how many were stored.
    """
    with transaction.atomic():
        row = Trade.objects.select_for_update().get(pk=trade.pk)
        list(
            VenueAccount.objects.select_for_update().filter(pk__in={leg.last.account_id for leg in legs}).order_by("pk")
        )
        planned = []
        for leg in legs:
            attempts = row.orders.filter(leg_no=leg.leg_no).select_related("account", "market")
            fresh = grouped(attempts.prefetch_related("fills"))[0]
            if len(fresh.attempts) != len(leg.attempts) or not can_try_again(fresh):
                continue
            order = again(fresh, at=at)
            if not _is_covered(order, row):
                continue
            order.save(force_insert=True)
            planned.append(order)
        if planned:
            audit.record(
                action="trade.attempted_again",
                subject=f"trade:{row.pk}",
                actor=actor,
                after={
                    "orders": {str(order.client_id): f"{order.count} at {order.limit_price}" for order in planned},
                    "attempts": {str(order.leg_no): order.attempt_no for order in planned},
                },
                request_id=request_id or row.request_id,
                at=now,
            )
    return len(planned)


def turned_up_reason(order: Order) -> str:
    """Say why a further attempt may not go after all, in the transaction that claims it: one before it is there."""
    if order.attempt_no == 1:
        return ""
    attempts = Order.objects.filter(trade_id=order.trade_id, leg_no=order.leg_no).exclude(pk=order.pk)
    earlier = grouped(attempts.prefetch_related("fills"))[0]
    return TURNED_UP if earlier.has_turned_up() else ""


def _has_candidate(trade: Trade) -> bool:
    return any(
        len(leg.attempts) < AUTOMATIC_ATTEMPTS and can_try_again(leg)
        for leg in legs_of_trade(trade)
        if leg.last.status == Status.NOT_PLACED
    )


def _is_offered(leg: Leg, now: datetime) -> bool:
    return can_try_again(leg) and market_denial(leg.last.market, now=now) is None


def _refusal(order: Order, trade: Trade, now: datetime) -> str:
    """Say why no attempt goes by itself now; empty when one may."""
    order.trade = trade
    if now > send_deadline(order):
        return "past the deadline"
    if Order.objects.filter(account_id=order.account_id, status=Status.UNKNOWN).exists():
        return "the account has an unknown write"
    blocked = blocked_reason(user_id=trade.user_id, action=order.action, venues=[order.market.venue])
    return blocked or send_refusal(order=order, now=now) or " ".join(closed_for([order], now=now))


def _never_left(order: Order) -> bool:
    """Tell whether an attempt ended because nothing left this machine, and not for want of a trace at the venue."""
    ended = order.events.filter(new_status=Status.NOT_PLACED).last()
    return ended is not None and ended.evidence.get("placement") == Placement.UNSENT


def _reserve(order: Order, count: Decimal) -> Decimal:
    """Return what a count may take at the order's limit, with fees, as its quote reckoned it."""
    if order.action != TradeAction.BUY:
        return ZERO
    limit = order.limit_price
    fee = worst_fee(order.market, price=limit, count=count) + FEE_RESERVES[order.market.venue]
    return quantize(count * limit + fee, MONEY_PLACES, ROUND_CEILING)


def _is_covered(order: Order, trade: Trade) -> bool:
    """Tell whether the account has the cash, or the contracts, for an attempt. Call under its lock."""
    if order.action == TradeAction.BUY:
        account = VenueAccount.objects.get(pk=order.account_id)
        return order.reserved <= account.cash_available()
    position = Position.objects.filter(
        account_id=order.account_id, basket_id=trade.basket_id, market_id=order.market_id, side=order.side
    ).first()
    return position is not None and order.count <= free_to_sell(position)
