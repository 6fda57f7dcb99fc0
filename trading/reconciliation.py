"""What the venues know against what we know: unknown orders found, fills booked once, differences named."""

import logging
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db.models import Exists, OuterRef, Q

from itomarkets.lib.rounding import ZERO
from itomarkets.lib.venues import VenueError, VenueNotFound
from markets.models import Market
from trading import attempts
from trading.execution import apply_sighting, follow
from trading.external import list_external
from trading.holding import deny
from trading.ledger import ledger_cash
from trading.models import Fill, Order, OrderEvent, Position, Trade, VenueAccount
from trading.progress import update_trade
from trading.settlement import book_redemptions, claims_of
from trading.states import AT_VENUE, ForbiddenTransition
from trading.unexplained import cash_sentence
from trading.venue_state import ask_status
from trading.venues.base import ListsOrders, OrderClient
from trading.venues.clients import Connect, order_client
from trading.venues.kalshi import KalshiOrders

logger = logging.getLogger(__name__)

Status = Order.Status
# A trade whose message was lost is taken up again after this long.
LOST_AFTER = timedelta(seconds=5)
# How often an account that has not traded here is compared.
IDLE = timedelta(minutes=10)
# How long a finished trade whose orders moved once more is looked at again, should a worker have died meanwhile.
MOVED_LATELY = timedelta(hours=1)
# A venue's status is asked on each pass, whatever a trade has asked shortly before.
BEAT = timedelta(seconds=5)
CANCELED_LATE = "It rests at the venue although it had ended here; it is being canceled."
TURNED_UP = "It turned up at the venue although the leg was sent again: both are booked."


@dataclass(slots=True)
class ReconcileReport:
    """What one pass found. `to_run` are trades with orders that still wait to be sent."""

    made_unknown: int = 0
    looked_up: int = 0
    resolved: int = 0
    still_unknown: int = 0
    not_placed: int = 0
    zombies: int = 0
    accounts_checked: int = 0
    accounts_unreachable: int = 0
    differences: list[str] = field(default_factory=list)
    to_run: list[UUID] = field(default_factory=list)


def reconcile(*, now: datetime, at_start: bool = False, connect: Connect | None = None) -> ReconcileReport:
    """Bring every order that has not ended to what its venue says, and compare money and contracts.

    1. What has been sending for too long is unknown; at a worker's start nothing can still be sending.
    2. Unknown and open orders are looked up by client id or hash, in orders and in fills. Absence
       counts only from a complete listing, after the grace time.
    3. Orders that were proven absent are asked for a while longer.
    4. Balances and positions are compared, at accounts that never traded here at a slower pace.
    5. Trades that a dead worker left behind are stored as they stand.

    An attempt that was held for absent and turns up is booked, canceled where it rests, and flagged where its
    leg was sent again. Sends no order; cancels what rests. Safe to run twice, and beside a run of a trade.
    """
    connect = connect or partial(order_client, now=lambda: now)
    report = ReconcileReport()
    report.made_unknown = _stale_sends_are_unknown(now=now, at_start=at_start)
    touched: set[UUID] = set()
    for account in _to_ask(now):
        orders = list(_to_look_up(account, now))
        if account.is_paper and not orders:
            continue
        touched |= {order.trade_id for order in orders}
        try:
            with closing(connect(account)) as client:
                ask_status(account=account, client=client, now=now, lasts=BEAT)
                for order in orders:
                    _look_up(order, client, now=now, report=report)
                if not account.is_paper:
                    report.differences += compare_account(account=account, client=client, now=now)
                    report.accounts_checked += 1
        except VenueError as error:
            report.accounts_unreachable += 1
            logger.warning("%s: could not be reconciled: %s", account, error)
    for trade_id in touched | set(_left_behind(now)):
        update_trade(trade_id=trade_id, now=now)
    report.still_unknown = Order.objects.filter(status=Status.UNKNOWN).count()
    report.to_run = list(
        Trade.objects.filter(orders__status=Status.PLANNED, created_at__lt=now - LOST_AFTER)
        .distinct()
        .order_by("created_at")
        .values_list("pk", flat=True)
    )
    report.to_run += [trade_id for trade_id in attempts.trades_to_try_again(now) if trade_id not in report.to_run]
    return report


def _to_ask(now: datetime) -> Iterable[VenueAccount]:
    """Return the accounts that have traded, and less often the others: what is placed elsewhere counts there too.

    One that was disconnected has no key to ask with.
    """
    connected = Q(sealed_credentials__isnull=False)
    has_traded = Exists(Order.objects.filter(account=OuterRef("pk")))
    rested = Q(checked_at=None) | Q(checked_at__lte=now - IDLE)
    asked = Q(has_traded, connected | Q(kind=VenueAccount.Kind.PAPER)) | Q(connected & rested, is_enabled=True)
    return VenueAccount.objects.filter(asked).order_by("pk")


def _left_behind(now: datetime) -> Iterable[UUID]:
    """Return the trades that may stand otherwise than is stored: a worker died before it wrote how they stand."""
    moved = OrderEvent.objects.filter(order__trade=OuterRef("pk"), at__gt=now - MOVED_LATELY)
    moved_after_its_end = Exists(moved.filter(at__gt=OuterRef("finished_at")))
    return Trade.objects.filter(Q(finished_at=None) | moved_after_its_end).values_list("pk", flat=True)


def _stale_sends_are_unknown(*, now: datetime, at_start: bool) -> int:
    """Turn sends without an answer into unknowns, never back into planned: they may have arrived."""
    stale = Order.objects.filter(status=Status.SUBMITTING)
    if not at_start:
        stale = stale.filter(submitted_at__lt=now - _seconds("submitting_seconds"))
    made = 0
    for order in stale:
        try:
            made += order.transition_to(
                Status.UNKNOWN, reason="The send was never answered; the venue is being asked.", at=now
            )
        except ForbiddenTransition:
            # Its worker stored the answer in this very moment.
            continue
    return made


def _to_look_up(account: VenueAccount, now: datetime) -> Iterable[Order]:
    unended = Q(status__in=(Status.UNKNOWN, Status.OPEN, Status.PENDING_CANCEL))
    unsettled = Q(fills__settlement=Fill.Settlement.MATCHED)
    zombies = Q(status=Status.NOT_PLACED, finished_at__gt=now - _seconds("zombie_seconds"))
    if account.is_paper:
        zombies = Q(pk__in=[])
    return (
        account.orders.filter(unended | unsettled | zombies)
        .distinct()
        .select_related("market", "account", "trade")
        .order_by("pk")
    )


def _look_up(order: Order, client: OrderClient, *, now: datetime, report: ReconcileReport) -> None:
    """Look one order up and follow the evidence; an id that the venue does not know leaves it as it is."""
    report.looked_up += 1
    try:
        if order.status in (Status.OPEN, Status.PENDING_CANCEL):
            report.resolved += follow(order, client=client, now=now)
            return
        sighting = client.look_up(order)
        if sighting.order is not None or sighting.fills:
            was_final = order.is_final
            if order.status == Status.NOT_PLACED:
                report.zombies += 1
                _settle_with_later_attempts(order, now)
            if was_final:
                ended = apply_sighting(order, sighting, now=now)
                if sighting.order is not None and sighting.order.is_open:
                    _note(order, CANCELED_LATE, {"venue_order_id": sighting.order.venue_order_id}, now)
                    client.cancel(order)
                    ended = apply_sighting(order, client.look_up(order), now=now)
            else:
                ended = follow(order, client=client, now=now, sighting=sighting)
            report.resolved += ended and not was_final
        elif order.status == Status.UNKNOWN and sighting.complete and _grace_is_over(order, now):
            order.transition_to(
                Status.NOT_PLACED,
                reason="The venue's complete listing does not have it.",
                at=now,
                evidence={"listing": "complete", "since": str(order.submitted_at)},
            )
            report.not_placed += 1
            report.resolved += 1
    except VenueNotFound as error:
        logger.warning("order %s: %s", order.pk, error)
    except ForbiddenTransition as error:
        logger.error("order %s: %s", order.pk, error)


def _settle_with_later_attempts(order: Order, now: datetime) -> None:
    """An attempt that was held for absent is there: none after it goes out, and one that has is flagged."""
    for later in order.trade.orders.filter(leg_no=order.leg_no, attempt_no__gt=order.attempt_no):
        if later.status == Status.PLANNED and deny(later, attempts.TURNED_UP, now):
            continue
        if later.status == Status.DENIED or order.events.filter(reason=TURNED_UP).exists():
            continue
        logger.error("order %s: %s", order.pk, TURNED_UP)
        _note(order, TURNED_UP, {"later_attempt": str(later.client_id), "status": later.status}, now)


def _note(order: Order, reason: str, evidence: dict[str, str], now: datetime) -> None:
    """Append to an order's steps what is no step of its status."""
    OrderEvent.objects.create(
        order=order, at=now, old_status=order.status, new_status=order.status, reason=reason, evidence=evidence
    )


def _grace_is_over(order: Order, now: datetime) -> bool:
    if order.account.is_paper:
        return True
    return now - (order.submitted_at or order.created_at) > _seconds("grace_seconds")


def compare_account(*, account: VenueAccount, client: OrderClient, now: datetime) -> list[str]:
    """Compare cash and contracts with the venue; stores and returns the differences as sentences.

    While an order of the account stands at the venue nothing is compared: the venue moves.
    """
    if account.orders.filter(status__in=AT_VENUE).exists():
        return []
    positions = list(account.positions.filter(count__gt=0).select_related("market"))
    markets = {position.market_id: position.market for position in positions}
    claims = claims_of([account])
    claimed = Market.objects.filter(pk__in=[market_id for _, market_id in claims])
    told_cash, told = client.cash(), client.net_counts([*markets.values(), *claimed])
    if claims:
        book_redemptions(account=account, told_cash=told_cash, told=told, now=now)
    differences = []
    expected = ledger_cash(account)
    if told_cash != expected:
        differences.append(cash_sentence(account, told=told_cash, expected=expected))
    for market_id, market in markets.items():
        there, here = told.get(market_id, ZERO), net_count(positions, market_id)
        if there != here:
            differences.append(
                f"{account}: of “{market.title}” ({market.native_id}) the venue holds {_held(there)}, "
                f"the ledger {_held(here)}."
            )
    # The venue's word is what a new order is checked against; the ledger keeps its own sum.
    told_shards = client.cash_by_shard() if isinstance(client, KalshiOrders) else {}
    VenueAccount.objects.filter(pk=account.pk).update(
        cash=told_cash,
        cash_by_shard={str(shard): str(free) for shard, free in sorted(told_shards.items())},
        checked_at=now,
        differences=differences,
    )
    if isinstance(client, ListsOrders):
        list_external(account=account, client=client, now=now)
    return differences


def net_count(positions: Iterable[Position], market_id: int) -> Decimal:
    """Return YES minus NO contracts of one market."""
    return sum((p.count if p.side == "yes" else -p.count for p in positions if p.market_id == market_id), ZERO)


def _held(net: Decimal) -> str:
    """Say how many contracts a net count is, and of which side."""
    return "none" if net == 0 else f"{abs(net).normalize():f} {'YES' if net > 0 else 'NO'}"


def _seconds(name: str) -> timedelta:
    return timedelta(seconds=settings.RECONCILIATION[name])
