"""Orders go out: claimed once, stored before they are sent, sent once, and never sent again.

1. Sign. 2. Claim, in one transaction: switch, market and money gates, then PLANNED to SUBMITTING with
the payload and its hash, by a conditional update whose count must be 1. 3. Commit. 4. One call.
5. Store what it said: accepted, rejected with proof, or unknown. No transaction is open during 1 and 4.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from itomarkets.lib import clock
from itomarkets.lib.compiled import compiled, read_ahead
from itomarkets.lib.venues import VenueError
from trading.attempts import next_attempts
from trading.fanout import Answers, Calls, Ready, letters_of, look_up_all
from trading.holding import all_orders, deny, hold_if_short, next_orders, orders_of, waits_for_choice
from trading.limits import send_deadline
from trading.models import Fill, Order, OrderEvent, Trade, TradeAction, VenueAccount
from trading.positions import book_fills
from trading.progress import update_trade
from trading.schedule import send_times
from trading.sending import Claims, claim_all, heed, store_accepted
from trading.states import ForbiddenTransition
from trading.unwinding import BookReader, unwind_if_short
from trading.venue_state import ask_status, remember, remember_accepted
from trading.venues.base import OrderClient, Placement, Sighting, SignedOrder, SubmitResult
from trading.venues.clients import Connect, book_reader
from trading.venues.kept import kept_lines

logger = logging.getLogger(__name__)

Status = Order.Status
Letters = Sequence[Sequence[Ready]]
Signed = Mapping[int, SignedOrder | VenueError]
# Reads may lag writes by about a second: look again this often before leaving it to reconciliation.
LOOKS = 4
LOOK_PAUSE_SECONDS = 0.5
TOO_LATE = "Not sent: the account may not send it before the trade's deadline."
# A connection that was refused is refused again at once: wait a moment before another attempt.
AGAIN_PAUSE_SECONDS = 1.0
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
    now_fn: Callable[[], datetime] | None = None,
    connect: Connect | None = None,
    sleep: Callable[[float], None] = clock.sleep,
    read_books: BookReader | None = None,
) -> RunReport:
    """Send the planned orders of a trade as its policy says, and follow those that stand open.

    Any number of runs, one after another or at once, send each order once. `read_books` prices the
    way back of a trade that promised one. Deadlines inside the run go by the stopwatch.
    """
    told, now_fn = now_fn or clock.now, now_fn or clock.steady()
    run = _Run(trade_id, connect=connect or partial(kept_lines.connect, now=told), now_fn=now_fn, sleep=sleep)
    still_open = 0
    try:
        while True:
            with read_ahead(_trades.asked(trade_id=run.trade_id), all_orders.asked(trade_id=run.trade_id)):
                trade = _trade(trade_id)
                orders = orders_of(trade)
            moved = run.send(trade, orders)
            still_open = run.follow(trade)
            if moved:
                continue
            if next_attempts(trade=trade, now=now_fn()):
                sleep(AGAIN_PAUSE_SECONDS)
                continue
            hold_if_short(trade=trade, now=now_fn())
            if not unwind_if_short(trade=trade, read_books=read_books or book_reader(trade.mode), now=now_fn()):
                break
    finally:
        run.close()
        update_trade(trade_id=run.trade_id, now=now_fn())
    return RunReport(sent=run.sent, denied=run.denied, waiting=run.waiting, open=still_open)


def _trade(trade_id: UUID | str) -> Trade:
    found = _trades(trade_id=UUID(str(trade_id)))
    if not found:
        raise Trade.DoesNotExist(f"There is no trade {trade_id}.")
    return found[0]


@compiled
def _trades(*, trade_id: UUID) -> QuerySet[Trade]:
    return Trade.objects.filter(pk=trade_id)


class _Run:
    """One worker's run over a trade: its clients, one an account, and what it has done so far."""

    def __init__(
        self,
        trade_id: UUID | str,
        *,
        connect: Connect,
        now_fn: Callable[[], datetime],
        sleep: Callable[[float], None],
    ) -> None:
        self.trade_id = UUID(str(trade_id))
        self.sent = self.denied = self.waiting = 0
        self._connect = connect
        self._now = now_fn
        self._sleep = sleep
        self._clients: dict[int, OrderClient] = {}

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def send(self, trade: Trade, orders: list[Order]) -> int:
        """Send what may go now side by side, each in its time; returns how many are no longer planned through us.

        1. When each planned order would go out is known, and who would go too late is denied, before
        the first one goes. 2. Signed side by side. 3. As many as may go out now: checked, claimed and
        committed together, then handed to threads for one request each. What an account or a policy
        makes wait stays planned; what another worker's sends put off goes later, or is denied.
        """
        before = self.sent + self.denied
        self.waiting = 0
        going_now = next_orders(trade, orders)
        if not going_now:
            return 0
        rest = [order for order in orders if order.status == Status.PLANNED and order not in going_now]
        times = self._schedule([*going_now, *rest])
        # A single order goes from this very thread: handing it over would only cost time.
        with Calls(threads=min(settings.SEND_THREADS, len(going_now)), store=self._store) as calls:
            ready = self._ready([order for order in going_now if order.pk in times])
            signed = calls.sign(ready)
            while ready:
                ready.sort(key=lambda pair: times[pair[0].pk])
                calls.make_room()
                self._until(times[ready[0][0].pk])
                calls.land(leave=len(going_now))
                moment = max(self._now(), times[ready[0][0].pk])
                due = [pair for pair in ready if times[pair[0].pk] <= moment]
                letters = letters_of(due, room=calls.room)
                going = {order.pk for letter in letters for order, _ in letter}
                ready = [pair for pair in ready if pair[0].pk not in going]
                if waits_for_choice(trade):
                    letters = [letter for letter in letters if letter[0][0].action != trade.action]
                claims = claim_all([(order, signed[order.pk]) for letter in letters for order, _ in letter], now=moment)
                self.sent += len(claims.ours)
                self.denied += len(claims.denied)
                self.waiting += claims.waiting
                ready += self._put_off(letters, claims, times)
                self._launch(calls, letters, claims, signed)
        return self.sent + self.denied - before

    def follow(self, trade: Trade) -> int:
        return _follow(trade, self._clients, now_fn=self._now, sleep=self._sleep)

    def _schedule(self, orders: list[Order]) -> dict[int, datetime]:
        """Return when each order goes out; of all that is still planned, what would be late is denied now."""
        now = self._now()
        times = send_times(orders, now=now)
        for order in orders:
            if times[order.pk] > send_deadline(order):
                del times[order.pk]
                self.denied += deny(order, TOO_LATE, now)
        return times

    def _client(self, order: Order) -> OrderClient | None:
        """Return the account's one client; None, with the order denied, where it cannot be had.

        Behind a write of unknown outcome it waits instead: nothing is decided before that is known.
        """
        if order.account_id not in self._clients:
            try:
                self._clients[order.account_id] = client = self._connect(order.account)
                ask_status(account=order.account, client=client, now=self._now())
            except VenueError as error:
                if Order.objects.filter(account=order.account_id, status=Status.UNKNOWN).exists():
                    self.waiting += 1
                else:
                    self.denied += deny(order, f"Not sent: {error}", self._now())
                return None
        return self._clients[order.account_id]

    def _until(self, moment: datetime) -> None:
        pause = (moment - self._now()).total_seconds()
        if pause > 0:
            self._sleep(pause)

    def _ready(self, orders: list[Order]) -> list[Ready]:
        """Return the orders that may be signed, each with its client."""
        return [(order, client) for order in orders if (client := self._client(order)) is not None]

    def _put_off(self, letters: Letters, claims: Claims, times: dict[int, datetime]) -> list[Ready]:
        """Return the orders that another worker's sends put off, with their new times; too late is denied."""
        again = []
        for order, client in (ready for letter in letters for ready in letter if ready[0].pk in claims.later):
            times[order.pk] = claims.later[order.pk]
            if times[order.pk] > send_deadline(order):
                self.denied += deny(order, TOO_LATE, self._now())
            else:
                again.append((order, client))
        return again

    def _launch(self, calls: Calls, letters: Letters, claims: Claims, signed: Signed) -> None:
        """Hand what is ours to threads, one request a letter."""
        ours = {order.pk: payload for order in claims.ours if isinstance(payload := signed[order.pk], SignedOrder)}
        for letter in letters:
            going = [(order, ours[order.pk]) for order, _ in letter if order.pk in ours]
            if going:
                calls.launch(letter[0][1], going)

    def _store(self, answers: Answers) -> None:
        """Store what was answered: an order whose storing fails keeps none of the others from being stored."""
        now, errors = self._now(), []
        heed(answers, now=now)
        for order, result in store_accepted(answers, now=now):
            try:
                store_result(order, result, now=now)
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]


def claim(order: Order, signed: SignedOrder, *, now: datetime) -> str | None:
    """Claim one planned order for sending: "" when it is ours, the reason when it was denied, else None.

    None means that another worker took it, or that it waits.
    """
    claims = claim_all([(order, signed)], now=now)
    return claims.denied.get(order.pk, None if not claims.ours else "")


def store_result(order: Order, result: SubmitResult, *, now: datetime) -> None:
    """Write what one submit said. A look-up may have been quicker: then its evidence stands.

    What our own database decides is decided and stored under the account's lock, so that two workers
    share what a paper book offers.
    """
    if result.decide is None:
        _store_answer(order, result, now=now)
        return
    with transaction.atomic():
        VenueAccount.objects.select_for_update().only("pk").get(pk=order.account_id)
        _store_answer(order, result, now=now)
        apply_sighting(order, result.decide(), now=now)


def _store_answer(order: Order, result: SubmitResult, *, now: datetime) -> None:
    evidence = {"placement": result.placement.value, **result.evidence}
    if result.placement is Placement.ACCEPTED:
        Order.objects.filter(pk=order.pk, venue_order_id="").update(venue_order_id=result.venue_order_id)
        order.venue_order_id = result.venue_order_id
        remember_accepted(order=order, now=now)
    if result.notice is not None:
        remember(account=order.account, notice=result.notice, now=now)
    try:
        if result.placement is Placement.REJECTED:
            order.transition_to(Status.REJECTED, reason=_why_rejected(order, result), at=now, evidence=evidence)
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


def follow(order: Order, *, client: OrderClient, now: datetime, sighting: Sighting | None = None) -> bool:
    """Look an accepted order up; cancel what still rests, since none of ours is meant to. True when it has ended.

    `sighting` is the look-up where it was just made.
    """
    sighting = sighting or client.look_up(order)
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
        looking = [(order, clients[order.account_id]) for order in waiting]
        sightings = look_up_all(looking, threads=settings.SEND_THREADS)
        for order, client in looking:
            try:
                sighting = sightings[order.pk]
                if isinstance(sighting, VenueError):
                    raise sighting
                follow(order, client=client, now=now_fn(), sighting=sighting)
            except VenueError as error:
                logger.warning("order %s: the venue could not be read: %s", order.pk, error)
    return trade.orders.filter(status__in=(Status.OPEN, Status.PENDING_CANCEL)).count()


def _why_rejected(order: Order, result: SubmitResult) -> str:
    """Return a refusal's words; of a sale for want of contracts, say that they are not settled yet where that is so."""
    if order.action == TradeAction.SELL and "balance" in result.reason.lower():
        unsettled = Fill.objects.filter(
            account_id=order.account_id,
            order__market_id=order.market_id,
            order__side=order.side,
            order__action=TradeAction.BUY,
            settlement=Fill.Settlement.MATCHED,
        )
        if unsettled.exists():
            return f"What was bought is not settled on chain yet, so it cannot be sold. {result.reason}"
    return result.reason
