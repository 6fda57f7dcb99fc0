from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from itomarkets.records import audit
from itomarkets.records.models import AuditEntry
from tests.factories import make_user
from tests.tampering import let_audit_be_changed
from tests.trading.test_execution import make_trade, run, statuses
from tests.trading.venue import Books, FakeVenue, sandbox_account
from trading import reconciliation
from trading.ledger import ledger_cash
from trading.models import CashEntry, Fill, Order, OrderEvent, Position, Trade, TradingSwitch, VenueAccount
from trading.positions import book_fills
from trading.reconciliation import compare_account, reconcile
from trading.venues.base import VenueFill

D = Decimal


@pytest.fixture
def venue(now: datetime) -> FakeVenue:
    return FakeVenue(now=lambda: now)


@pytest.fixture
def trade(user: User, books: Books) -> Trade:
    return make_trade(user, books)


def test_an_order_whose_answer_was_lost_is_adopted_with_one_post(trade: Trade, venue: FakeVenue, now: datetime) -> None:
    venue.faults = {1: "drop"}
    run(trade, venue, now)
    assert statuses(trade)[0] == "unknown"
    for _ in range(2):
        reconcile(now=now + timedelta(seconds=15), connect=venue)
    assert statuses(trade)[0] == "filled"
    first = trade.orders.get(leg_no=1)
    assert venue.posts.count(str(first.client_id)) == 1
    assert first.venue_order_id == f"v-{first.client_id}"
    assert Fill.objects.filter(order=first).count() == 1
    trade.refresh_from_db()
    assert trade.status == Trade.Status.COMPLETE


def test_a_send_that_was_never_answered_becomes_unknown_never_planned(
    trade: Trade, venue: FakeVenue, now: datetime
) -> None:
    Order.objects.filter(leg_no=1).update(status="submitting", submitted_at=now)
    assert reconcile(now=now + timedelta(seconds=29), connect=venue).made_unknown == 0
    assert reconcile(now=now + timedelta(seconds=31), connect=venue).made_unknown == 1
    assert statuses(trade)[0] == "unknown"


def test_at_a_workers_start_every_send_is_unknown_at_once(trade: Trade, venue: FakeVenue, now: datetime) -> None:
    Order.objects.filter(leg_no=1).update(status="submitting", submitted_at=now)
    assert reconcile(now=now, at_start=True, connect=venue).made_unknown == 1


def test_absence_proves_something_only_after_the_grace_time_and_from_a_complete_listing(
    trade: Trade, venue: FakeVenue, now: datetime
) -> None:
    venue.faults = {1: "lose"}
    run(trade, venue, now)
    assert reconcile(now=now + timedelta(seconds=60), connect=venue).not_placed == 0
    venue.complete = False
    assert reconcile(now=now + timedelta(seconds=300), connect=venue).not_placed == 0
    venue.complete, venue.is_down = True, True
    report = reconcile(now=now + timedelta(seconds=300), connect=venue)
    assert (report.not_placed, report.accounts_unreachable) == (0, 1)
    assert statuses(trade)[0] == "unknown"
    venue.is_down = False
    assert reconcile(now=now + timedelta(seconds=300), connect=venue).not_placed == 1
    assert statuses(trade)[0] == "not_placed"
    assert trade.orders.get(leg_no=1).reserved == 0
    assert len(venue.posts) == 2


def test_an_order_that_turns_up_after_it_was_proven_absent_is_canceled_and_its_fill_booked(
    trade: Trade, venue: FakeVenue, now: datetime
) -> None:
    venue.faults = {1: "lose"}
    run(trade, venue, now)
    reconcile(now=now + timedelta(seconds=90), connect=venue)
    order = trade.orders.get(leg_no=1)
    venue._take(order, "rest")
    venue.fills[str(order.client_id)] = [VenueFill("zombie", D(1), order.limit_price, D(0), now)]
    report = reconcile(now=now + timedelta(seconds=120), connect=venue)
    assert report.zombies == 1
    assert venue.orders[str(order.client_id)].ended == "canceled"
    assert Fill.objects.get(order=order).count == 1
    assert OrderEvent.objects.filter(order=order, reason__contains="after the order had ended").exists()
    assert Position.objects.get(market=order.market).count == 1


@pytest.mark.parametrize("is_late", [False, True], ids=["unknown", "proven absent before"])
def test_what_is_found_resting_is_canceled_only_after_a_step_says_so(
    trade: Trade, venue: FakeVenue, now: datetime, monkeypatch: pytest.MonkeyPatch, is_late: bool
) -> None:
    venue.faults = {1: "lose"}
    run(trade, venue, now)
    order = trade.orders.get(leg_no=1)
    if is_late:
        reconcile(now=now + timedelta(seconds=90), connect=venue)
    venue._take(order, "rest")
    said: list[str] = []

    def cancel(asked: Order) -> None:
        said.extend(OrderEvent.objects.filter(order=asked).values_list("reason", flat=True))
        FakeVenue.cancel(venue, asked)

    monkeypatch.setattr(venue, "cancel", cancel)
    reconcile(now=now + timedelta(seconds=120), connect=venue)
    assert "is being canceled" in said[-1]
    order.refresh_from_db()
    assert order.status == (Order.Status.NOT_PLACED if is_late else Order.Status.CANCELED)
    assert venue.orders[str(order.client_id)].ended == "canceled"


@pytest.mark.parametrize("finished", [None, timedelta(0)], ids=["unfinished", "finished before a late fill"])
def test_a_trade_that_a_dead_worker_left_behind_is_stored_as_it_stands(
    trade: Trade, venue: FakeVenue, now: datetime, finished: timedelta | None
) -> None:
    run(trade, venue, now)
    order = trade.orders.get(leg_no=1)
    book_fills(
        order=order, fills=[VenueFill("late", D(1), order.limit_price, D(0), now)], now=now + timedelta(minutes=1)
    )
    ended = None if finished is None else now + finished
    Trade.objects.filter(pk=trade.pk).update(status=Trade.Status.NEEDS_ATTENTION, finished_at=ended)
    for _ in range(2):
        reconcile(now=now + timedelta(minutes=2), connect=venue)
        trade.refresh_from_db()
        assert trade.status == Trade.Status.COMPLETE
        assert trade.finished_at is not None


def test_an_account_that_never_traded_is_compared_at_a_slower_pace(user: User, venue: FakeVenue, now: datetime) -> None:
    account = sandbox_account(user, now)
    venue.money = D(990)
    assert reconcile(now=now + timedelta(seconds=599), connect=venue).accounts_checked == 0
    later = now + timedelta(seconds=600)
    assert reconcile(now=later, connect=venue).accounts_checked == 1
    assert reconcile(now=later + timedelta(seconds=1), connect=venue).accounts_checked == 0
    account.refresh_from_db()
    assert account.cash == D(990)
    VenueAccount.objects.update(is_enabled=False)
    assert reconcile(now=later + timedelta(seconds=600), connect=venue).accounts_checked == 0


def test_ledger_and_venue_agree_to_the_last_digit_after_a_trade(trade: Trade, venue: FakeVenue, now: datetime) -> None:
    venue.money = D(1000)
    run(trade, venue, now)
    kalshi = VenueAccount.objects.get(kind="kalshi")
    order = trade.orders.get(account=kalshi)
    venue.money = D(1000) - order.count * order.limit_price - D("0.01")
    assert compare_account(account=kalshi, client=venue, now=now) == []
    venue.money -= D("0.000001")
    venue.counts[order.market_id] += 1
    differences = compare_account(account=kalshi, client=venue, now=now)
    assert len(differences) == 2
    kalshi.refresh_from_db()
    assert kalshi.differences == differences
    assert kalshi.cash == venue.money
    assert ledger_cash(kalshi) != kalshi.cash


def fill(count: str, *, name: str = "t1", price: str = "0.40", settlement: str = "confirmed") -> VenueFill:
    return VenueFill(
        name, D(count), D(price), D("0.05"), datetime.fromisoformat("2026-08-01T12:00:00+00:00"), settlement
    )


def test_a_fill_is_booked_once_however_often_and_in_whatever_order_it_is_told(trade: Trade, now: datetime) -> None:
    order = trade.orders.get(leg_no=1)
    one, two = fill("10"), fill("5", name="t2", price="0.41")
    for reports in ([two], [one, two], [two, one], [one]):
        book_fills(order=order, fills=reports, now=now)
    assert Fill.objects.count() == 2
    assert CashEntry.objects.filter(kind="fill").count() == 2
    position = Position.objects.get()
    assert (position.count, position.cost, position.fees) == (D(15), D("6.15"), D("0.10"))
    account = order.account
    account.refresh_from_db()
    assert account.cash == ledger_cash(account) == D(1000) - D("6.15")


def test_a_known_fill_told_differently_keeps_its_first_report_and_is_flagged(trade: Trade, now: datetime) -> None:
    order = trade.orders.get(leg_no=1)
    book_fills(order=order, fills=[fill("10")], now=now)
    book_fills(order=order, fills=[fill("11")], now=now)
    assert Fill.objects.get().count == 10
    assert OrderEvent.objects.filter(order=order, reason__contains="differently").count() == 1


def test_more_than_was_asked_for_is_booked_as_real_and_flagged(trade: Trade, now: datetime) -> None:
    order = trade.orders.get(leg_no=1)
    book_fills(order=order, fills=[fill(str(order.count + 1))], now=now)
    assert Position.objects.get().count == order.count + 1
    assert OrderEvent.objects.filter(order=order, reason__contains="more than was asked").exists()


def test_a_fill_that_fails_on_chain_gives_its_cash_back_once(trade: Trade, now: datetime) -> None:
    order = trade.orders.get(leg_no=1)
    reserved = order.reserved
    book_fills(order=order, fills=[fill("10", settlement="matched")], now=now)
    order.refresh_from_db()
    assert order.reserved == reserved - D("4.05")
    for _ in range(2):
        book_fills(order=order, fills=[fill("10", settlement="failed")], now=now)
    account = VenueAccount.objects.get(pk=order.account_id)
    assert account.cash == ledger_cash(account) == D(1000)
    assert Position.objects.get().count == 0
    assert CashEntry.objects.filter(kind="reversal").count() == 1
    order.refresh_from_db()
    assert order.reserved == reserved


def test_a_matched_fill_becomes_confirmed_and_a_confirmed_one_stays(trade: Trade, now: datetime) -> None:
    order = trade.orders.get(leg_no=1)
    for settlement in ("matched", "confirmed", "failed", "matched"):
        book_fills(order=order, fills=[fill("10", settlement=settlement)], now=now)
    assert Fill.objects.get().settlement == "confirmed"


def test_lost_messages_are_taken_up_again(trade: Trade, venue: FakeVenue, now: datetime) -> None:
    assert reconcile(now=now + timedelta(seconds=4), connect=venue).to_run == []
    assert reconcile(now=now + timedelta(seconds=6), connect=venue).to_run == [trade.pk]
    run(trade, venue, now + timedelta(seconds=6))
    assert reconcile(now=now + timedelta(seconds=12), connect=venue).to_run == []


def test_the_command_says_what_it_found_and_fails_when_a_venue_is_out_of_reach(
    trade: Trade, venue: FakeVenue, now: datetime, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(trade, venue, now)
    monkeypatch.setattr(reconciliation, "order_client", lambda account, now: venue)
    call_command("reconcile")
    assert "0 still unknown" in capsys.readouterr().out
    Order.objects.filter(leg_no=1).update(status="open")
    venue.is_down = True
    with pytest.raises(CommandError, match="could not be reached"):
        call_command("reconcile", "--no-send")


def test_the_switch_command_halts_lets_go_and_leaves_a_line(db: None, capsys: pytest.CaptureFixture[str]) -> None:
    someone = make_user(username="anna")
    call_command("halt_trading", "on", "--user", "anna", "--reason", "asked")
    call_command("halt_trading", "on")
    call_command("halt_trading", "off")
    assert set(TradingSwitch.objects.values_list("user_id", "state")) == {(someone.pk, "halted"), (None, "active")}
    assert AuditEntry.objects.filter(action="trading.switch").count() == 3
    with pytest.raises(CommandError, match="no user 'nobody'"):
        call_command("halt_trading", "on", "--user", "nobody")
    call_command("verify_audit")
    assert "3 audit entries, unbroken" in capsys.readouterr().out


def test_a_changed_audit_line_is_named(db: None) -> None:
    audit.record(action="a", subject="s")
    audit.record(action="b", subject="s")
    let_audit_be_changed()
    AuditEntry.objects.filter(seq=1).update(action="z")
    with pytest.raises(CommandError, match="broken at entry 1"):
        call_command("verify_audit")
