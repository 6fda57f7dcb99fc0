"""The kill switch: read in the transaction that claims an order, flipped with an audit line.

It has one row for everybody, one a venue and one a person. Cancels never ask it.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts.models import User
from itomarkets.lib.compiled import compiled
from itomarkets.lib.venues import Venue
from itomarkets.records import audit
from trading.models import TradeAction, TradingSwitch

State = TradingSwitch.State


class SwitchRefused(Exception):
    """The switch cannot be set so; the text says why."""


def blocked_reason(*, user_id: int, action: str, venues: Collection[str] = (), lock: bool = False) -> str:
    """Say why a new order of a person, at one of the venues, may not go out; empty when it may.

    With `lock`, inside a transaction, a flip waits for the claim and the next claim sees the flip.
    """
    read = locked_switches if lock else _switches
    return _first_reason(read(user_id=user_id, venues=list(venues)), action)


def blocked_each(*, user_id: int, action: str, venues: Collection[str]) -> dict[str, str]:
    """Lock and read the switches that a person's new orders are under; gives why not, by venue that takes none."""
    switches = locked_switches(user_id=user_id, venues=list(venues))
    reasons = {
        venue: _first_reason([switch for switch in switches if switch.venue in ("", venue)], action) for venue in venues
    }
    return {venue: reason for venue, reason in reasons.items() if reason}


@compiled
def _switches(*, user_id: int, venues: Sequence[str]) -> QuerySet[TradingSwitch]:
    scope = Q(user=None, venue="") | Q(user_id=user_id) | Q(venue__in=venues)
    return TradingSwitch.objects.filter(scope).order_by("id")


@compiled
def locked_switches(*, user_id: int, venues: Sequence[str]) -> QuerySet[TradingSwitch]:
    """Lock the switches that a person's orders at venues are under."""
    scope = Q(user=None, venue="") | Q(user_id=user_id) | Q(venue__in=venues)
    return TradingSwitch.objects.filter(scope).order_by("id").select_for_update(of=("self",))


def _first_reason(switches: Iterable[TradingSwitch], action: str) -> str:
    return next((reason for switch in switches if (reason := _reason(switch, action))), "")


def blocked_venues(*, action: str) -> dict[str, str]:
    """Return why nothing new goes to a venue, by venue; those that take orders are left out."""
    switches = TradingSwitch.objects.exclude(venue="").order_by("id")
    return {switch.venue: reason for switch in switches if (reason := _reason(switch, action))}


def _reason(switch: TradingSwitch, action: str) -> str:
    whose = "Trading is" if switch.user_id is None else "Your trading is"
    if switch.venue:
        whose = f"Trading on {switch.get_venue_display()} is"
    why = f": {switch.reason}" if switch.reason else ""
    if switch.state == State.HALTED:
        return f"{whose} halted{why}."
    if switch.state == State.REDUCING and action == TradeAction.BUY:
        return f"{whose} reducing only, so nothing new is bought{why}."
    return ""


def set_switch(
    *,
    user: User | None,
    state: str,
    reason: str,
    changed_by: User | None,
    now: datetime,
    venue: str = "",
    request_id: str = "",
) -> TradingSwitch:
    """Set one person's switch, one venue's, or everybody's (neither), and record who did it.

    Raises SwitchRefused for a person and a venue at once, and for a venue that there is not.
    """
    if venue and user is not None:
        raise SwitchRefused("Expected a person or an exchange, found both. Set one switch after the other.")
    if venue and venue not in Venue.values:
        raise SwitchRefused(f"Expected the exchange {' or '.join(Venue.values)}; found {venue!r}.")
    with transaction.atomic():
        switch, _ = TradingSwitch.objects.select_for_update(of=("self",)).get_or_create(
            user=user, venue=venue, defaults={"state": State.ACTIVE, "changed_at": now}
        )
        before = {"state": switch.state, "reason": switch.reason}
        switch.state, switch.reason, switch.changed_by, switch.changed_at = State(state), reason[:200], changed_by, now
        switch.save()
        audit.record(
            action="trading.switch",
            subject=f"user:{user.pk}" if user else f"venue:{venue}" if venue else "everybody",
            actor=changed_by,
            before=before,
            after={"state": switch.state, "reason": switch.reason},
            request_id=request_id,
            at=now,
        )
    return switch


def set_own_switch(*, user: User, state: str, now: datetime, request_id: str = "") -> TradingSwitch:
    """Let a person stop their own trading, and let it go on again. Raises SwitchRefused where staff stopped it."""
    if state not in State.values:
        raise SwitchRefused(f"Expected the state {', '.join(State.values)}; found {state!r}.")
    with transaction.atomic():
        standing = TradingSwitch.objects.select_for_update(of=("self",)).filter(user=user).first()
        if standing is not None and standing.state != State.ACTIVE and standing.changed_by_id != user.pk:
            # Not even more strictly: who sets it last could also lift it.
            raise SwitchRefused("Our staff has stopped your trading; only they let it go on. Write to them.")
        reason = "" if state == State.ACTIVE else "you stopped it in your profile"
        return set_switch(user=user, state=state, reason=reason, changed_by=user, now=now, request_id=request_id)
