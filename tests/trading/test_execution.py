from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from accounts.models import User
from itomarkets.lib.venues import VenueAuthError
from markets.models import Market
from tests.trading.venue import Books, FakeVenue, sandbox_account, two_leg_basket
from trading import placing
from trading.execution import claim, run_trade
from trading.models import Fill, Order, OrderEvent, Trade, TradingSwitch, VenueAccount
from trading.placing import confirm_trade
from trading.progress import trade_progress
from trading.quoting import quote_basket
from trading.reconciliation import reconcile
from trading.switch import set_switch
from trading.venues.base import SignedOrder

D = Decimal


@pytest.fixture
def venue(now: datetime) -> FakeVenue:
    return FakeVenue(now=lambda: now)


def make_trade(user: User, books: Books, *, policy: str = "best_effort", key: str = "k") -> Trade:
    basket, _, _ = two_leg_basket(books)
    for kind in ("kalshi", "polymarket"):
        sandbox_account(user, books.now, kind)
    quote = quote_basket(
        user=user, basket=basket, side="yes", amount=D("100"), mode="sandbox", now=books.now, read_books=books.read
    )
    return confirm_trade(user=user, quote_id=quote.pk, idempotency_key=key, policy=policy, now=books.now)


@pytest.fixture
def trade(user: User, books: Books) -> Trade:
    return make_trade(user, books)


def run(trade: Trade, venue: FakeVenue, now: datetime) -> Any:
    return run_trade(trade.pk, now_fn=lambda: now, connect=venue, sleep=lambda seconds: None)


def statuses(trade: Trade) -> list[str]:
    return list(trade.orders.order_by("leg_no", "attempt_no").values_list("status", flat=True))


def test_every_leg_is_sent_once_and_ends_filled_with_nothing_reserved(
    trade: Trade, venue: FakeVenue, now: datetime
) -> None:
    report = run(trade, venue, now)
    assert (report.sent, report.denied, report.open) == (2, 0, 0)
    assert statuses(trade) == ["filled", "filled"]
    assert len(venue.posts) == len(set(venue.posts)) == 2
    trade.refresh_from_db()
    assert trade.status == Trade.Status.COMPLETE
    assert trade.finished_at == now
    assert all(account.cash_reserved() == 0 for account in VenueAccount.objects.all())
    assert run(trade, venue, now).sent == 0
    assert len(venue.posts) == 2


def test_the_intention_is_stored_with_its_payload_before_the_send(
    trade: Trade, venue: FakeVenue, now: datetime
) -> None:
    seen: list[tuple[str, str]] = []

    def look(order: Order) -> None:
        stored = Order.objects.get(pk=order.pk)
        seen.append((stored.status, stored.order_hash))

    venue.during_submit = look
    run(trade, venue, now)
    assert [status for status, _ in seen] == ["submitting", "submitting"]
    assert all(found.startswith("0x") for _, found in seen)
    steps = list(OrderEvent.objects.filter(order__leg_no=1).values_list("old_status", "new_status"))
    assert steps == [("planned", "submitting"), ("submitting", "open"), ("open", "filled")]


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_an_order_is_sent(
    user: User, books: Books, venue: FakeVenue, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a transaction holds is gone with the process that dies in the call: the intention must be committed."""
    monkeypatch.setattr(placing.run_trade, "delay", lambda trade_id: None)
    trade, are_open = make_trade(user, books), []
    venue.during_submit = lambda order: are_open.append(connection.in_atomic_block)
    run(trade, venue, now)
    assert are_open == [False, False]


def test_a_rejected_leg_keeps_its_proof_and_best_effort_goes_on(trade: Trade, venue: FakeVenue, now: datetime) -> None:
    venue.faults = {1: "reject"}
    run(trade, venue, now)
    assert statuses(trade) == ["rejected", "filled"]
    trade.refresh_from_db()
    assert trade.status == Trade.Status.PARTIAL
    progress = trade_progress(trade)
    assert progress.is_final
    assert progress.reserved == 0
    assert "insufficient balance" in progress.legs[0].reason
    assert "1 of 2 legs were bought whole" in progress.sentence


def test_a_partial_fill_is_a_quantity_and_its_rest_is_free_again(trade: Trade, venue: FakeVenue, now: datetime) -> None:
    venue.faults = {1: "partial"}
    run(trade, venue, now)
    order = trade.orders.get(leg_no=1)
    assert order.status == Order.Status.CANCELED
    assert order.filled_count() == order.count / 2
    assert order.reserved == 0
    assert trade_progress(trade).legs[0].words == "Partly filled"


def test_nothing_of_ours_is_left_resting(trade: Trade, venue: FakeVenue, now: datetime) -> None:
    venue.faults = {1: "rest", 2: "rest"}
    run(trade, venue, now)
    assert statuses(trade) == ["canceled", "canceled"]
    assert all(order.ended == "canceled" for order in venue.orders.values())
    trade.refresh_from_db()
    assert trade.status == Trade.Status.ABORTED


def test_an_order_ends_only_when_the_fills_that_the_venue_counts_are_booked(
    trade: Trade, venue: FakeVenue, now: datetime
) -> None:
    venue.faults = {1: "slow_fills"}
    assert run(trade, venue, now).open == 1
    assert statuses(trade) == ["open", "filled"]
    assert trade.orders.get(leg_no=1).reserved > 0
    venue.show_fills()
    reconcile(now=now + timedelta(seconds=15), connect=venue)
    assert statuses(trade) == ["filled", "filled"]
    assert Fill.objects.count() == 2


def test_an_unknown_submit_is_not_resent(trade: Trade, venue: FakeVenue, now: datetime) -> None:
    venue.faults = {1: "lose", 2: "lose"}
    for _ in range(3):
        run(trade, venue, now)
        reconcile(now=now + timedelta(seconds=10), connect=venue)
    assert statuses(trade) == ["unknown", "unknown"]
    assert len(venue.posts) == 2
    trade.refresh_from_db()
    assert trade.status == Trade.Status.NEEDS_ATTENTION
    progress = trade_progress(trade)
    assert progress.needs_attention
    assert "2 of 2 legs are unknown" in progress.sentence
    assert progress.reserved > 0


def test_what_provably_never_left_is_tried_once_more_and_no_more(trade: Trade, venue: FakeVenue, now: datetime) -> None:
    venue.faults = {1: "unsent"}
    run(trade, venue, now)
    run(trade, venue, now)
    assert statuses(trade) == ["not_placed", "not_placed", "filled"]
    assert len(venue.posts) == 1


@pytest.mark.parametrize("state", [TradingSwitch.State.HALTED, TradingSwitch.State.REDUCING])
@pytest.mark.parametrize("whose", ["everybody", "mine"])
def test_the_kill_switch_denies_what_has_not_gone_out(
    trade: Trade, venue: FakeVenue, now: datetime, whose: str, state: str
) -> None:
    set_switch(user=None if whose == "everybody" else trade.user, state=state, reason="", changed_by=None, now=now)
    assert run(trade, venue, now).denied == 2
    assert statuses(trade) == ["denied", "denied"]
    assert venue.posts == []
    trade.refresh_from_db()
    assert trade.status == Trade.Status.ABORTED


def test_the_kill_switch_flipped_between_two_legs_stops_the_second(
    trade: Trade, venue: FakeVenue, now: datetime
) -> None:
    def flip(order: Order) -> None:
        set_switch(user=None, state=TradingSwitch.State.HALTED, reason="now", changed_by=None, now=now)

    venue.during_submit = flip
    run(trade, venue, now)
    assert statuses(trade) == ["filled", "denied"]
    assert len(venue.posts) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda: Market.objects.update(status="closed"), "closed"),
        (lambda: VenueAccount.objects.update(is_enabled=False), "switched off"),
    ],
)
def test_an_order_is_checked_again_in_the_moment_of_sending(
    trade: Trade, venue: FakeVenue, now: datetime, change: Any, said: str
) -> None:
    change()
    run(trade, venue, now)
    assert statuses(trade) == ["denied", "denied"]
    assert said in trade.orders.earliest("pk").reason
    assert venue.posts == []


def test_an_order_that_waited_too_long_is_denied_not_sent_late(trade: Trade, venue: FakeVenue, now: datetime) -> None:
    run(trade, venue, now + timedelta(seconds=61))
    assert statuses(trade) == ["denied", "denied"]
    assert venue.posts == []


def test_credentials_that_do_not_open_deny_the_orders(trade: Trade, now: datetime) -> None:
    def refuse(account: VenueAccount) -> FakeVenue:
        raise VenueAuthError("the key does not open")

    run_trade(trade.pk, now_fn=lambda: now, connect=refuse)
    assert statuses(trade) == ["denied", "denied"]


def test_new_orders_wait_while_their_account_has_an_unknown_write(
    user: User, books: Books, venue: FakeVenue, now: datetime
) -> None:
    first = make_trade(user, books)
    venue.faults = {1: "lose", 2: "lose"}
    run(first, venue, now)
    later = now + timedelta(seconds=61)
    basket, _, _ = two_leg_basket(books)
    books.move_to(later)
    quote = quote_basket(
        user=user, basket=basket, side="yes", amount=D("50"), mode="sandbox", now=later, read_books=books.read
    )
    second = confirm_trade(user=user, quote_id=quote.pk, idempotency_key="k2", policy="best_effort", now=later)
    venue.faults = {}
    assert run(second, venue, later).waiting == 2
    assert statuses(second) == ["planned", "planned"]
    # Once the venue's complete listing proves the absence, the waiting orders go.
    report = reconcile(now=later + timedelta(seconds=10), connect=venue)
    assert report.not_placed == 2
    assert report.to_run == [second.pk]
    assert run(second, venue, later + timedelta(seconds=11)).sent == 2


def test_an_order_is_claimed_once(trade: Trade, now: datetime) -> None:
    order = trade.orders.select_related("trade").earliest("leg_no")
    signed = SignedOrder(payload="{}", order_hash="0x1")
    assert claim(order, signed, now=now) == ""
    again = Order.objects.select_related("trade").get(pk=order.pk)
    assert claim(again, signed, now=now) is None
    assert OrderEvent.objects.filter(order=order).count() == 1
