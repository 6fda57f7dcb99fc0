"""Second attempts: when one goes by itself, when its owner is asked, and when never. F1, F4, F9 and F28."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from itomarkets.records.models import AuditEntry
from markets.models import Market
from tests.trading.test_execution import make_trade, run, statuses
from tests.trading.venue import Books, FakeVenue
from trading import tasks
from trading.attempts import offered
from trading.deciding import ChoiceRefused, choose
from trading.execution import run_trade
from trading.legs import legs_of_trade
from trading.models import Fill, Order, OrderEvent, Trade, TradingSwitch, VenueAccount
from trading.planning import client_id
from trading.progress import trade_progress, update_trade
from trading.reconciliation import reconcile
from trading.switch import set_switch
from trading.venues.base import Placement, SignedOrder, SubmitResult, VenueFill

D = Decimal
ABSENT = timedelta(seconds=61)


class Refusing(FakeVenue):
    """A venue that nobody can connect to so many times, and then answers."""

    refusals = 1

    def submit(self, order: Order, signed: SignedOrder) -> SubmitResult:
        if order.leg_no == 1 and self.refusals > 0:
            self.refusals -= 1
            return SubmitResult(Placement.UNSENT, reason="connection refused", evidence={})
        return super().submit(order, signed)


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.run_trade, "delay", lambda trade_id: None)


@pytest.fixture
def venue(now: datetime) -> FakeVenue:
    return FakeVenue(now=lambda: now)


@pytest.fixture
def trade(user: User, books: Books) -> Trade:
    return make_trade(user, books)


def resend(trade: Trade, books: Books, now: datetime) -> str:
    books.move_to(now)
    return choose(user=trade.user, trade_id=trade.pk, choice="resend", now=now, read_books=books.read)


def lost(trade: Trade, venue: FakeVenue, now: datetime) -> datetime:
    """Lose leg 1 and prove it absent; returns when."""
    venue.faults = {1: "lose"}
    run(trade, venue, now)
    venue.faults = {}
    later = now + ABSENT
    assert reconcile(now=later, connect=venue).not_placed == 1
    trade.refresh_from_db()
    return later


@pytest.mark.parametrize("policy", ["best_effort", "hold_and_ask", "all_or_unwind"])
def test_f01_a_refused_connection_is_tried_once_more_with_an_id_of_its_own(
    user: User, books: Books, now: datetime, policy: str
) -> None:
    trade = make_trade(user, books, policy=policy)
    venue = Refusing(now=lambda: now)
    run(trade, venue, now)
    run(trade, venue, now)
    first, second = trade.orders.filter(leg_no=1)
    assert (first.status, second.status, second.attempt_no) == ("not_placed", "filled", 2)
    assert second.client_id == client_id(trade_id=trade.pk, leg_no=1, attempt_no=2) != first.client_id
    assert (second.count, second.limit_price) == (first.count, first.limit_price)
    assert sorted(venue.posts) == sorted([str(second.client_id), str(trade.orders.get(leg_no=2).client_id)])
    trade.refresh_from_db()
    assert trade.status == Trade.Status.COMPLETE
    progress = trade_progress(trade)
    assert [(leg.leg_no, leg.attempts, leg.filled) for leg in progress.legs] == [
        (1, 2, first.count),
        (2, 1, trade.orders.get(leg_no=2).count),
    ]
    assert AuditEntry.objects.filter(action="trade.attempted_again").count() == 1
    assert all(account.cash_reserved() == 0 for account in VenueAccount.objects.all())


def test_f01_the_second_attempt_holds_what_the_first_held(user: User, books: Books, now: datetime) -> None:
    trade = make_trade(user, books)
    reserved = trade.orders.get(leg_no=1).reserved
    held: list[Decimal] = []
    venue = Refusing(now=lambda: now)
    venue.during_submit = lambda order: held.append(Order.objects.get(pk=order.pk).reserved)
    run(trade, venue, now)
    assert reserved in held
    assert len(held) == 2


def test_f01_no_third_attempt_goes_by_itself_and_the_owner_is_offered_one(
    trade: Trade, books: Books, venue: FakeVenue, now: datetime
) -> None:
    venue.faults = {1: "unsent"}
    for _ in range(3):
        run(trade, venue, now)
    assert statuses(trade) == ["not_placed", "not_placed", "filled"]
    assert [leg.leg_no for leg in offered(trade, now=now)] == [1]
    venue.faults = {}
    assert "Sending 1 leg again" in resend(trade, books, now)
    run(trade, venue, now)
    assert statuses(trade) == ["not_placed", "not_placed", "filled", "filled"]


@pytest.mark.parametrize("what", ["switch", "account", "market", "deadline", "unknown", "cash"])
def test_no_attempt_goes_by_itself_where_it_could_not_have_gone_the_first_time(
    user: User, books: Books, now: datetime, what: str
) -> None:
    trade = make_trade(user, books)
    first = trade.orders.get(leg_no=1)
    moment = [now]

    class Worsening(Refusing):
        def submit(self, order: Order, signed: SignedOrder) -> SubmitResult:
            if order.leg_no == 1:
                worsen[what]()
            return super().submit(order, signed)

    def late() -> None:
        moment[0] = now + timedelta(seconds=61)

    worsen: dict[str, Any] = {
        "switch": lambda: set_switch(user=None, state=TradingSwitch.State.HALTED, reason="", changed_by=None, now=now),
        "account": lambda: VenueAccount.objects.update(is_enabled=False),
        "market": lambda: Market.objects.update(status="closed"),
        "deadline": late,
        "unknown": lambda: Order.objects.filter(leg_no=2).update(status="unknown", account=first.account),
        "cash": lambda: VenueAccount.objects.update(cash=D("0.01")),
    }
    venue = Worsening(now=lambda: now)
    for _ in range(2):
        run_trade(trade.pk, now_fn=lambda: moment[0], connect=venue, sleep=lambda seconds: None)
    assert trade.orders.filter(leg_no=1).count() == 1
    assert str(first.client_id) not in venue.posts


def test_f04_after_an_unknown_was_proven_absent_only_the_owner_sends_again(
    trade: Trade, books: Books, venue: FakeVenue, now: datetime
) -> None:
    later = lost(trade, venue, now)
    assert reconcile(now=later, connect=venue).to_run == []
    run(trade, venue, later)
    assert statuses(trade) == ["not_placed", "filled"]
    assert resend(trade, books, later)
    trade.refresh_from_db()
    assert (trade.status, trade.finished_at) == (Trade.Status.EXECUTING, None)
    with pytest.raises(ChoiceRefused, match="No leg of this trade waits"):
        resend(trade, books, later)
    for _ in range(2):
        run(trade, venue, later)
    assert statuses(trade) == ["not_placed", "filled", "filled"]
    assert len(venue.posts) == len(set(venue.posts)) == 3
    trade.refresh_from_db()
    assert trade.status == Trade.Status.COMPLETE


def test_f09_what_was_planned_goes_at_once_and_what_was_being_sent_after_the_proof_of_its_absence(
    trade: Trade, venue: FakeVenue, now: datetime, settings: Any
) -> None:
    settings.RECONCILIATION = {**settings.RECONCILIATION, "grace_seconds": 20}
    # As a killed worker leaves it: one leg claimed and never sent, the other never claimed.
    Order.objects.filter(leg_no=1).update(status="submitting", submitted_at=now)
    OrderEvent.objects.create(
        order=trade.orders.get(leg_no=1),
        at=now,
        old_status="planned",
        new_status="submitting",
        reason="Signed; sending.",
    )
    soon = now + timedelta(seconds=6)
    report = reconcile(now=soon, at_start=True, connect=venue)
    assert (report.made_unknown, report.to_run) == (1, [trade.pk])
    run(trade, venue, soon)
    proven = now + timedelta(seconds=21)
    report = reconcile(now=proven, connect=venue)
    assert report.to_run == [trade.pk]
    for _ in range(2):
        run(trade, venue, proven)
        reconcile(now=proven, connect=venue)
    assert statuses(trade) == ["not_placed", "filled", "filled"]
    assert len(venue.posts) == len(set(venue.posts)) == 2


def test_an_absent_attempt_that_turns_up_after_the_second_is_booked_and_asks_for_attention(
    trade: Trade, books: Books, venue: FakeVenue, now: datetime
) -> None:
    later = lost(trade, venue, now)
    resend(trade, books, later)
    run(trade, venue, later)
    first = trade.orders.get(leg_no=1, attempt_no=1)
    venue._take(first, "accept")
    for _ in range(2):
        reconcile(now=later + timedelta(seconds=60), connect=venue)
    assert Fill.objects.filter(order=first).count() == 1
    assert OrderEvent.objects.filter(order=first, reason__contains="although the leg was sent again").count() == 1
    trade.refresh_from_db()
    assert trade.status == Trade.Status.NEEDS_ATTENTION
    progress = trade_progress(trade)
    assert progress.is_final
    assert f"{first.count.normalize():f} contracts more than you asked for" in progress.sentence
    assert offered(trade, now=later) == []


def test_an_absent_attempt_that_turns_up_before_the_second_is_sent_stops_it(
    trade: Trade, books: Books, venue: FakeVenue, now: datetime
) -> None:
    later = lost(trade, venue, now)
    resend(trade, books, later)
    venue._take(trade.orders.get(leg_no=1, attempt_no=1), "accept")
    reconcile(now=later, connect=venue)
    run(trade, venue, later)
    second = trade.orders.get(leg_no=1, attempt_no=2)
    assert second.status == Order.Status.DENIED
    assert "turned up" in second.reason
    trade.refresh_from_db()
    assert trade.status == Trade.Status.COMPLETE
    assert len(venue.posts) == 2


def test_a_fill_that_comes_between_plan_and_claim_stops_the_second_attempt_too(
    trade: Trade, books: Books, venue: FakeVenue, now: datetime
) -> None:
    later = lost(trade, venue, now)
    resend(trade, books, later)
    Order.objects.filter(leg_no=1, attempt_no=1).update(venue_order_id="v-late")
    run(trade, venue, later)
    assert trade.orders.get(leg_no=1, attempt_no=2).status == Order.Status.DENIED


@pytest.mark.parametrize("what", ["switch", "market", "books", "unknown", "cash", "price"])
def test_sending_again_is_refused_with_a_sentence_and_changes_nothing(
    trade: Trade, books: Books, venue: FakeVenue, now: datetime, what: str
) -> None:
    later = lost(trade, venue, now)
    first = trade.orders.get(leg_no=1)
    if what == "switch":
        set_switch(user=trade.user, state=TradingSwitch.State.HALTED, reason="", changed_by=None, now=now)
    elif what == "market":
        Market.objects.filter(pk=first.market_id).update(close_at=later + timedelta(minutes=1))
        assert offered(trade, now=later) == []
    elif what == "books":
        books.is_down = True
    elif what == "unknown":
        Order.objects.filter(leg_no=2).update(status="unknown")
    elif what == "cash":
        VenueAccount.objects.filter(pk=first.account_id).update(cash=D("0.01"))
    else:
        books.put(first.market, bids=[("0.70", "500")], asks=[("0.80", "500")])
    with pytest.raises(ChoiceRefused):
        resend(trade, books, later)
    assert trade.orders.filter(leg_no=1).count() == 1
    assert not AuditEntry.objects.filter(action="trade.attempted_again").exists()


def test_a_rejected_or_unfilled_leg_is_not_offered_again(
    trade: Trade, books: Books, venue: FakeVenue, now: datetime
) -> None:
    venue.faults = {1: "reject", 2: "partial"}
    run(trade, venue, now)
    assert offered(trade, now=now) == []
    with pytest.raises(ChoiceRefused):
        resend(trade, books, now)


def test_a_promise_of_all_or_nothing_sends_no_single_leg_again(user: User, books: Books, now: datetime) -> None:
    trade = make_trade(user, books, policy="all_or_unwind")
    venue = FakeVenue(now=lambda: now)
    probe = trade.orders.order_by("-depth_share", "-reserved", "leg_no")[0]
    venue.faults = {probe.leg_no: "lose"}
    run(trade, venue, now)
    later = now + ABSENT
    reconcile(now=later, connect=venue)
    run(trade, venue, later)
    trade.refresh_from_db()
    assert trade.status == Trade.Status.ABORTED
    assert offered(trade, now=later) == []


def test_f28_a_leg_that_failed_on_chain_is_offered_again_for_what_is_missing(
    trade: Trade, books: Books, venue: FakeVenue, now: datetime
) -> None:
    run(trade, venue, now)
    order = trade.orders.get(leg_no=2)
    Fill.objects.filter(order=order).update(settlement="matched")
    key = str(order.client_id)
    told = venue.fills[key][0]
    venue.fills[key] = [VenueFill(told.venue_trade_id, told.count, told.price, told.fee, told.at, "failed")]
    for _ in range(2):
        reconcile(now=now + timedelta(seconds=30), connect=venue)
    trade.refresh_from_db()
    progress = trade_progress(trade)
    assert (progress.filled_legs, trade.status) == (1, Trade.Status.PARTIAL)
    assert progress.legs[1].words == "Failed on chain, its money is back"
    later = now + timedelta(seconds=31)
    run(trade, venue, later)
    assert trade.orders.count() == 2
    assert [leg.missing for leg in offered(trade, now=later)] == [order.count]
    resend(trade, books, later)
    run(trade, venue, later)
    update_trade(trade_id=trade.pk, now=later)
    assert legs_of_trade(trade)[1].filled == order.count
    assert trade_progress(trade).filled_legs == 2


def test_the_trade_page_offers_to_send_again_and_takes_the_choice_once(
    trade: Trade,
    books: Books,
    venue: FakeVenue,
    now: datetime,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    at: Any,
) -> None:
    later = at(lost(trade, venue, now))
    books.move_to(later)
    monkeypatch.setattr("trading.deciding.book_reader", lambda mode: books.read)
    client.force_login(trade.user)
    page = reverse("trade-detail", args=[trade.pk])
    assert "Send again what is missing" in client.get(page).content.decode()
    decide = reverse("trade-decide", args=[trade.pk])
    told = [client.post(decide, {"choice": "resend"}, follow=True).content.decode() for _ in range(2)]
    assert "Sending 1 leg again" in told[0]
    assert "No leg of this trade waits" in told[1]
    assert "Send again what is missing" not in told[0]
    run(trade, venue, later)
    assert "attempt 2" in client.get(page).content.decode()
