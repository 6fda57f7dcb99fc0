"""What each venue takes now: learned from its refusals and its status, ended by its own word or its documented time.

Kalshi tells by /exchange/status. Polymarket has no such page: its engine restarts for about 90 seconds
and then takes resting orders only for two minutes (docs.polymarket.com, August 2026); of its other modes
no length is documented, so after a while one order may ask again, and a new refusal renews the mode.
"""

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from itomarkets.lib.compiled import compiled
from itomarkets.lib.venues import Venue, VenueError
from itomarkets.records import audit
from markets.models import Market
from trading.models import Order, VenueAccount, VenueState
from trading.venues.base import ModeNotice, OrderClient, TellsStatus

logger = logging.getLogger(__name__)

Mode = VenueState.Mode
# A status that was read this short a time ago is not asked for again.
STATUS_LASTS = timedelta(seconds=30)
RESTART_LASTS = timedelta(seconds=90)
POST_ONLY_LASTS = timedelta(minutes=2)
# Where the venue names no end: how long nothing is sent before an order may ask again.
UNTOLD_LASTS = timedelta(minutes=2)
WORDS = {
    Mode.POST_ONLY: "takes only orders that rest, and ours never do",
    Mode.CANCEL_ONLY: "takes cancels but no new orders",
    Mode.RESTARTING: "restarts its matching engine",
    Mode.DISABLED: "takes nothing at all",
}
States = Mapping[tuple[str, str], VenueState]


def mode_now(state: VenueState, now: datetime) -> str:
    """Return the mode that a remembered one has come to by now."""
    if state.venue == Venue.KALSHI or state.until is None or now < state.until:
        return state.mode
    if state.mode == Mode.RESTARTING and now < state.until + POST_ONLY_LASTS:
        return Mode.POST_ONLY
    return Mode.OPEN


def closed_states() -> dict[tuple[str, str], VenueState]:
    """Read the venues that take no orders, or did not when last heard of, by (venue, environment)."""
    return {(state.venue, state.environment): state for state in all_closed()}


@compiled
def all_closed() -> QuerySet[VenueState]:
    """Return the venues that take no orders, or did not when last heard of."""
    return VenueState.objects.exclude(mode=Mode.OPEN)


def closed_reason(states: States, *, account: VenueAccount, market: Market, now: datetime) -> str:
    """Say why an account's venue takes no order on a market now; empty when it does."""
    state = states.get((account.kind, account.mode))
    if state is None or (state.shards and market.exchange_index not in state.shards):
        return ""
    mode = mode_now(state, now)
    if mode == Mode.OPEN:
        return ""
    until = state.until
    if until is not None and mode == Mode.POST_ONLY and state.mode == Mode.RESTARTING:
        until += POST_ONLY_LASTS
    end = f", probably until {until:%H:%M} UTC" if until is not None and until > now else ""
    return f"{state.get_venue_display()} {WORDS[Mode(mode)]} now{end}."


def closed_for(orders: Iterable[Order], *, now: datetime) -> list[str]:
    """Say once a venue why it takes none of some orders now."""
    states = closed_states()
    if not states:
        return []
    reasons = (closed_reason(states, account=order.account, market=order.market, now=now) for order in orders)
    return list(dict.fromkeys(reason for reason in reasons if reason))


def remember(*, account: VenueAccount, notice: ModeNotice, now: datetime) -> None:
    """Store what a venue said of itself; a change of its mode is an audit line."""
    until = notice.until or _end_of(account.kind, notice, now)
    with transaction.atomic():
        state, is_new = VenueState.objects.select_for_update().get_or_create(
            venue=account.kind, environment=account.mode, defaults={"since": now, "seen_at": now}
        )
        before = state.mode
        if before != notice.mode:
            state.since = now
        state.mode, state.shards, state.until = notice.mode, list(notice.shards), until
        state.seen_at, state.evidence = now, notice.evidence
        state.save()
        if before != notice.mode:
            audit.record(
                action="venue.mode",
                subject=f"venue:{state.venue}:{state.environment}",
                before={"mode": before},
                after={"mode": state.mode, "shards": state.shards, "evidence": state.evidence},
                at=now,
            )
    if before != notice.mode and not (is_new and notice.mode == Mode.OPEN):
        logger.warning("%s", state)


def remember_accepted(*, order: Order, now: datetime) -> None:
    """An order that was sent after the last refusal and accepted proves that its venue takes orders again."""
    states = VenueState.objects.exclude(mode=Mode.OPEN).filter(
        venue=order.account.kind, environment=order.account.mode, seen_at__lt=order.submitted_at
    )
    if states.exists():
        notice = ModeNotice(Mode.OPEN, evidence={"accepted": str(order.client_id)})
        remember(account=order.account, notice=notice, now=now)


def ask_status(*, account: VenueAccount, client: OrderClient, now: datetime, lasts: timedelta = STATUS_LASTS) -> None:
    """Ask a venue that tells its status how it stands, unless that is known since a moment ago."""
    if account.is_paper or not isinstance(client, TellsStatus):
        return
    if _heard(venue=account.kind, environment=account.mode, since=now - lasts):
        return
    try:
        notice = client.status()
    except VenueError as error:
        # What was known stands: silence neither opens a venue nor closes one.
        logger.warning("%s: its status could not be read: %s", account, error)
        return
    remember(account=account, notice=notice, now=now)


@compiled
def _heard(*, venue: str, environment: str, since: datetime) -> QuerySet[VenueState, int]:
    states = VenueState.objects.filter(venue=venue, environment=environment, seen_at__gt=since)
    return states.values_list("pk", flat=True)


def _end_of(kind: str, notice: ModeNotice, now: datetime) -> datetime | None:
    if notice.mode == Mode.OPEN or kind == Venue.KALSHI:
        return None
    if notice.seconds is not None:
        return now + timedelta(seconds=notice.seconds)
    return now + {Mode.RESTARTING: RESTART_LASTS, Mode.POST_ONLY: POST_ONLY_LASTS}.get(Mode(notice.mode), UNTOLD_LASTS)
