"""The two transactions around a send, for one order or for many: the claim before it, the acceptance after it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from itomarkets.lib.compiled import compiled, insert_all, read_ahead, update_each
from itomarkets.lib.venues import VenueError
from trading.attempts import turned_up_reason
from trading.holding import deny
from trading.limits import asked_by_desk, desk_of, send_refusal
from trading.models import Order, OrderEvent, Trade, VenueAccount
from trading.schedule import WriteBudget, budget_of, put_off
from trading.switch import blocked_each, locked_switches
from trading.venue_state import all_closed, closed_reason, closed_states, remember_accepted
from trading.venues.base import Placement, SignedOrder, SubmitResult

Status = Order.Status
Answer = tuple[Order, SubmitResult]
# Between two machines' clocks, or after one that was set back, a plan may lie this far ahead and no further.
AHEAD = timedelta(seconds=30)
SET_BACK = "Not sent: this server's clock was set back since the order was planned. Quote the basket again."
# Where a venue that says "too many" names no time: at least this long, and up to as much again by the order's id.
PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Claims:
    """What became of the orders of one claim; one that is named nowhere was taken by another worker, or waits."""

    ours: tuple[Order, ...] = ()
    # Why each was denied, by its id.
    denied: Mapping[int, str] = field(default_factory=dict)
    # When the account's write budget lets each go, by its id: another worker has used it meanwhile.
    later: Mapping[int, datetime] = field(default_factory=dict)
    # How many wait for a write of unknown outcome on their account.
    waiting: int = 0


def claim_all(signed: Sequence[tuple[Order, SignedOrder | VenueError]], *, now: datetime) -> Claims:
    """Claim planned orders of one trade for sending, in one transaction: either all that may go, or none.

    Switch, venues, unknown writes, limits and the accounts' write budgets are read in it, under the
    locks of switch and accounts, in this order. The claim itself is a conditional update whose count
    must be right. The number of queries does not grow with the orders.
    """
    if not signed:
        return Claims()
    orders = [order for order, _ in signed]
    denied: dict[int, str] = {}
    later: dict[int, datetime] = {}
    ours: list[tuple[Order, SignedOrder]] = []
    waiting = 0
    with transaction.atomic():
        # The trade before all else, as everybody locks who takes more than one.
        trade = orders[0].trade
        _is_executing(trade)
        venues = sorted({order.market.venue for order in orders})
        account_ids, order_ids = sorted({order.account_id for order in orders}), [order.pk for order in orders]
        with read_ahead(
            locked_switches.asked(user_id=trade.user_id, venues=venues),
            _locked_accounts.asked(account_ids=account_ids),
            _locked_orders.asked(order_ids=order_ids),
            all_closed.asked(),
            *asked_by_desk(orders),
        ):
            blocked = blocked_each(user_id=trade.user_id, action=orders[0].action, venues=venues)
            accounts = {account.pk: account for account in _locked_accounts(account_ids=account_ids)}
            budgets = _Budgets(accounts)
            # Each with whether its account has an unknown write.
            planned = dict(_locked_orders(order_ids=order_ids))
            states = closed_states()
            desk = desk_of(orders, accounts=accounts, now=now)
        for order, payload in signed:
            if order.pk not in planned:
                continue
            if planned[order.pk]:
                # Nothing new goes to an account before the fate of its last write is known.
                waiting += 1
                continue
            closed = closed_reason(states, account=accounts[order.account_id], market=order.market, now=now)
            refusal = (
                blocked.get(order.market.venue, "")
                or (f"Not sent: {payload}" if isinstance(payload, VenueError) else "")
                or send_refusal(order=order, now=now, desk=desk)
                or (SET_BACK if order.created_at > now + AHEAD else "")
            )
            if closed and not refusal and _asks(order):
                continue
            refusal = refusal or turned_up_reason(order) or (f"Not sent: {closed}" if closed else "")
            if refusal:
                denied[order.pk] = refusal
                deny(order, refusal, now)
            elif (at := budgets.next_at(order, now)) > now:
                later[order.pk] = at
            elif not isinstance(payload, VenueError):
                budgets.spend(order, now)
                ours.append((order, payload))
        _claim(ours, now)
        budgets.save()
    for order, payload in ours:
        order.status, order.submitted_at = Status.SUBMITTING, now
        order.signed_payload, order.order_hash = payload.payload, payload.order_hash
    return Claims(tuple(order for order, _ in ours), denied, later, waiting)


def store_accepted(answers: Sequence[Answer], *, now: datetime) -> list[Answer]:
    """Store in one transaction which orders were accepted; returns the answers that must be stored one by one.

    Those are every other kind of answer, and orders that a look-up was quicker to judge.
    """
    accepted = {
        order.pk: (order, result)
        for order, result in answers
        if result.placement is Placement.ACCEPTED and result.decide is None
    }
    if not accepted:
        return list(answers)
    reason = "Accepted by the venue."
    with transaction.atomic():
        stored = update_each(
            Order,
            {pk: {"venue_order_id": result.venue_order_id} for pk, (_, result) in accepted.items()},
            same={"status": Status.OPEN, "reason": reason},
            where={"status": Status.SUBMITTING, "venue_order_id": ""},
        )
        if stored != len(accepted):
            # A look-up was quicker with one of them: none is stored here.
            transaction.set_rollback(True)
            return list(answers)
        insert_all(
            [
                OrderEvent(
                    order_id=pk,
                    at=now,
                    old_status=Status.SUBMITTING,
                    new_status=Status.OPEN,
                    reason=reason,
                    evidence={"placement": Placement.ACCEPTED.value, **result.evidence},
                )
                for pk, (_, result) in accepted.items()
            ]
        )
    for order, result in accepted.values():
        order.status, order.reason, order.venue_order_id = Status.OPEN, reason, result.venue_order_id
    if closed_states():
        for order in {order.account_id: order for order, _ in accepted.values()}.values():
            remember_accepted(order=order, now=now)
    return [(order, result) for order, result in answers if order.pk not in accepted]


def heed(answers: Sequence[Answer], *, now: datetime) -> None:
    """Put off what an account sends next where its venue has said that we send too much."""
    asked: dict[int, float] = {}
    for order, result in answers:
        if result.retry_after is not None:
            # Two workers that were told so in the same moment must not come back in the same moment.
            pause = result.retry_after or PAUSE_SECONDS
            asked[order.account_id] = max(asked.get(order.account_id, 0), pause + order.client_id.int % 1000 / 1000)
    for account_id, seconds in asked.items():
        put_off(account_id=account_id, seconds=seconds, now=now)


class _Budgets:
    """The write budgets of locked accounts while orders are being claimed."""

    def __init__(self, accounts: Mapping[int, VenueAccount]) -> None:
        self._accounts = accounts
        self._budgets: dict[int, WriteBudget] = {}
        for account in accounts.values():
            budget = budget_of(account.kind)
            if budget is not None:
                self._budgets[account.pk] = budget
        self._spent: set[int] = set()

    def next_at(self, order: Order, now: datetime) -> datetime:
        budget = self._budgets.get(order.account_id)
        return now if budget is None else budget.next_at(self._accounts[order.account_id].budget_whole_at, now)

    def spend(self, order: Order, now: datetime) -> None:
        account, budget = self._accounts[order.account_id], self._budgets.get(order.account_id)
        if budget is not None:
            account.budget_whole_at = budget.spent(account.budget_whole_at, now)
            self._spent.add(account.pk)

    def save(self) -> None:
        whole_at = {pk: {"budget_whole_at": self._accounts[pk].budget_whole_at} for pk in sorted(self._spent)}
        update_each(VenueAccount, whole_at)


def _is_executing(trade: Trade) -> None:
    if trade.status == Trade.Status.CONFIRMED:
        was, becomes = {"status": Trade.Status.CONFIRMED}, {"status": Trade.Status.EXECUTING}
        update_each(Trade, {trade.pk: {}}, same=becomes, where=was)


@compiled
def _locked_accounts(*, account_ids: Sequence[int]) -> QuerySet[VenueAccount]:
    own = VenueAccount.objects.select_for_update().filter(pk__in=account_ids)
    return own.only("kind", "mode", "is_enabled", "live_enabled", "budget_whole_at").order_by("pk")


@compiled
def _locked_orders(*, order_ids: Sequence[int]) -> QuerySet[Order, tuple[int, bool]]:
    unknown = Order.objects.filter(account=OuterRef("account"), status=Status.UNKNOWN)
    planned = Order.objects.select_for_update(of=("self",)).filter(pk__in=order_ids, status=Status.PLANNED)
    return planned.order_by("pk").values_list("pk", Exists(unknown))


def _claim(ours: Sequence[tuple[Order, SignedOrder]], now: datetime) -> None:
    if not ours:
        return
    claimed = update_each(
        Order,
        {order.pk: {"signed_payload": signed.payload, "order_hash": signed.order_hash} for order, signed in ours},
        same={"status": Status.SUBMITTING, "submitted_at": now},
        where={"status": Status.PLANNED},
    )
    if claimed != len(ours):
        raise RuntimeError(f"{claimed} of {len(ours)} locked orders were still planned; nothing was claimed or sent.")
    insert_all(
        [
            OrderEvent(
                order=order,
                at=now,
                old_status=Status.PLANNED,
                new_status=Status.SUBMITTING,
                reason="Signed; sending.",
                evidence={"client_id": str(order.client_id), "order_hash": signed.order_hash},
            )
            for order, signed in ours
        ]
    )


def _asks(order: Order) -> bool:
    """Tell whether an order that its venue does not take waits for its owner's word instead of being denied."""
    trade = order.trade
    return trade.policy == Trade.Policy.HOLD_AND_ASK and trade.continued_at is None and order.action == trade.action
