"""The kill switch: read in the transaction that claims an order, flipped with an audit line."""

from datetime import datetime

from django.db import transaction
from django.db.models import Q

from accounts.models import User
from itomarkets.records import audit
from trading.models import TradeAction, TradingSwitch

State = TradingSwitch.State


def blocked_reason(*, user_id: int, action: str, lock: bool = False) -> str:
    """Say why a new order may not go out; empty when it may.

    With `lock`, inside a transaction, a flip waits for the claim and the next claim sees the flip.
    """
    switches = TradingSwitch.objects.filter(Q(user=None) | Q(user_id=user_id)).order_by("id")
    if lock:
        switches = switches.select_for_update(of=("self",))
    for switch in switches:
        whose = "Trading is" if switch.user_id is None else "Your trading is"
        why = f": {switch.reason}" if switch.reason else ""
        if switch.state == State.HALTED:
            return f"{whose} halted{why}."
        if switch.state == State.REDUCING and action == TradeAction.BUY:
            return f"{whose} reducing only, so nothing new is bought{why}."
    return ""


def set_switch(*, user: User | None, state: str, reason: str, changed_by: User | None, now: datetime) -> TradingSwitch:
    """Set everybody's switch (user None) or one person's, and record who did it."""
    with transaction.atomic():
        switch, _ = TradingSwitch.objects.select_for_update(of=("self",)).get_or_create(
            user=user, defaults={"state": State.ACTIVE, "changed_at": now}
        )
        before = {"state": switch.state, "reason": switch.reason}
        switch.state, switch.reason, switch.changed_by, switch.changed_at = State(state), reason[:200], changed_by, now
        switch.save()
        audit.record(
            action="trading.switch",
            subject=f"user:{user.pk}" if user else "everybody",
            actor=changed_by,
            before=before,
            after={"state": switch.state, "reason": switch.reason},
            at=now,
        )
    return switch
