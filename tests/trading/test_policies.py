"""What the policies promise when legs fill, fail, or are unknown."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Notification, User
from itomarkets.records.models import AuditEntry
from markets.models import Market
from tests.factories import make_market
from tests.trading.venue import Books, FakeVenue, make_basket, sandbox_account
from trading import tasks, ticket_views
from trading.deciding import ChoiceRefused, choose
from trading.execution import RunReport, run_trade
from trading.forms import Ticket
from trading.models import Order, Position, Trade, VenueAccount
from trading.placing import TradeRefused, confirm_trade
from trading.progress import trade_progress
from trading.quoting import quote_basket
from trading.reconciliation import reconcile
from trading.schedule import WriteBudget, send_times, time_to_send
from trading.unwinding import plan_way_back, price_way_back
from trading.venues.base import Placement, SignedOrder, SubmitResult

D = Decimal
LEGS = 4


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.run_trade, "delay", lambda trade_id: None)


@pytest.fixture(autouse=True)
def _wide_cap(settings: Any) -> None:
    settings.UNWIND_LIMITS = {"loss_dollars": D("25"), "loss_share": D("0.5")}


@pytest.fixture
def venue(now: datetime) -> FakeVenue:
    return FakeVenue(now=lambda: now, fee="0.00")


def many_legs(books: Books, legs: int = LEGS) -> tuple[Any, list[Market]]:
    """A basket of Kalshi markets at .40/.41; the last one offers least."""
    markets = [make_market() for _ in range(legs)]
    for number, market in enumerate(markets):
        asks = "60" if number == legs - 1 else "5000"
        books.put(market, bids=[("0.40", "5000")], asks=[("0.41", asks)])
    return make_basket([(market, "yes", str(D(1) / legs), "10") for market in markets]), markets


def make_trade(user: User, books: Books, policy: str, *, legs: int = LEGS, mode: str = "sandbox") -> Trade:
    basket, _ = many_legs(books, legs)
    if mode == "sandbox":
        sandbox_account(user, books.now)
    quote = quote_basket(
        user=user, basket=basket, side="yes", amount=D("80"), mode=mode, now=books.now, read_books=books.read
    )
    return confirm_trade(user=user, quote_id=quote.pk, idempotency_key="k", policy=policy, now=books.now)


def run(trade: Trade, venue: Callable[..., Any], books: Books, **values: Any) -> RunReport:
    now = values.pop("now", books.now)
    return run_trade(
        trade.pk, now_fn=lambda: now, connect=venue, sleep=lambda seconds: None, read_books=books.read, **values
    )


def statuses(trade: Trade) -> list[str]:
    return list(trade.orders.order_by("leg_no", "attempt_no").values_list("status", flat=True))


def state(trade: Trade) -> str:
    trade.refresh_from_db()
    return trade.status


def decide(trade: Trade, choice: str, books: Books, now: datetime | None = None) -> str:
    return choose(user=trade.user, trade_id=trade.pk, choice=choice, now=now or books.now, read_books=books.read)


class Together(FakeVenue):
    """Answers only once all calls are under way at the same time; asks no database in its threads."""

    barrier = threading.Barrier(LEGS, timeout=10)

    def submit(self, order: Order, signed: SignedOrder) -> SubmitResult:
        self.barrier.wait()
        if order.leg_no == 2:
            raise RuntimeError("a call that breaks")
        return SubmitResult(Placement.REJECTED, reason="no")


def test_best_effort_calls_side_by_side_and_stores_every_answer_though_one_breaks(
    user: User, books: Books, now: datetime, settings: Any
) -> None:
    settings.SEND_THREADS = LEGS
    trade = make_trade(user, books, "best_effort")
    with pytest.raises(RuntimeError):
        run(trade, Together(now=lambda: now), books)
    # What broke is left as sent: only the venue's word ends it.
    assert statuses(trade) == ["rejected", "submitting", "rejected", "rejected"]


@pytest.mark.parametrize("policy", ["best_effort", "hold_and_ask", "all_or_unwind"])
def test_paper_fills_side_by_side_and_asks_no_database_in_its_threads(
    user: User, books: Books, settings: Any, policy: str
) -> None:
    trade = make_trade(user, books, policy, mode="paper")
    settings.SEND_THREADS = LEGS
    assert run(trade, books.paper, books).sent == LEGS
    assert state(trade) == Trade.Status.COMPLETE


@pytest.mark.parametrize("policy", ["best_effort", "hold_and_ask", "all_or_unwind"])
def test_every_policy_completes_when_every_leg_fills(user: User, books: Books, venue: FakeVenue, policy: str) -> None:
    trade = make_trade(user, books, policy)
    assert run(trade, venue, books).sent == LEGS
    assert statuses(trade) == ["filled"] * LEGS
    assert state(trade) == Trade.Status.COMPLETE
    assert run(trade, venue, books).sent == 0
    assert len(venue.posts) == len(set(venue.posts)) == LEGS


@pytest.mark.parametrize("policy", ["hold_and_ask", "all_or_unwind"])
def test_the_thinnest_leg_goes_first_and_alone(user: User, books: Books, venue: FakeVenue, policy: str) -> None:
    trade = make_trade(user, books, policy)
    seen: list[tuple[int, int]] = []
    venue.during_submit = lambda order: seen.append(
        (order.leg_no, trade.orders.filter(status=Order.Status.PLANNED).count())
    )
    run(trade, venue, books)
    thinnest = trade.orders.order_by("-depth_share").first()
    assert thinnest is not None
    assert seen[0] == (thinnest.leg_no, LEGS - 1)


@pytest.mark.parametrize("fault", ["reject", "partial", "rest", "unsent"])
def test_hold_and_ask_waits_with_the_rest_when_the_probe_falls_short(
    user: User, books: Books, venue: FakeVenue, fault: str
) -> None:
    trade = make_trade(user, books, "hold_and_ask")
    venue.faults = {LEGS: fault}
    for _ in range(2):
        run(trade, venue, books)
    assert statuses(trade)[:3] == ["planned"] * 3
    assert state(trade) == Trade.Status.NEEDS_ATTENTION
    progress = trade_progress(trade)
    assert (progress.choice, progress.is_final) == ("ask", False)
    assert "3 wait unsent" in progress.sentence
    assert AuditEntry.objects.filter(action="trade.held").count() == 1


def test_hold_and_ask_waits_when_a_middle_leg_is_rejected(user: User, books: Books, venue: FakeVenue) -> None:
    trade = make_trade(user, books, "hold_and_ask")
    venue.faults = {2: "reject"}
    run(trade, venue, books)
    assert sorted(statuses(trade)) == ["filled", "filled", "planned", "rejected"]
    assert state(trade) == Trade.Status.NEEDS_ATTENTION


def held(user: User, books: Books, venue: FakeVenue) -> Trade:
    trade = make_trade(user, books, "hold_and_ask")
    venue.faults = {LEGS: "reject"}
    run(trade, venue, books)
    trade.refresh_from_db()
    return trade


def test_continuing_sends_the_rest_at_the_old_limits_even_after_the_first_deadline(
    user: User, books: Books, venue: FakeVenue, now: datetime
) -> None:
    trade = held(user, books, venue)
    limits = dict(trade.orders.values_list("leg_no", "limit_price"))
    later = now + timedelta(minutes=5)
    books.move_to(later)
    assert "3 of 3" in decide(trade, "continue", books)
    assert run(trade, venue, books).sent == 3
    assert statuses(trade) == ["filled"] * 3 + ["rejected"]
    assert dict(trade.orders.values_list("leg_no", "limit_price")) == limits
    assert state(trade) == Trade.Status.PARTIAL
    assert AuditEntry.objects.get(action="trade.continued").actor == user


def test_continuing_twice_is_taken_once(user: User, books: Books, venue: FakeVenue) -> None:
    trade = held(user, books, venue)
    decide(trade, "continue", books)
    for choice in ("continue", "stop"):
        with pytest.raises(ChoiceRefused):
            decide(trade, choice, books)
    run(trade, venue, books)
    assert len(venue.posts) == len(set(venue.posts)) == LEGS
    assert AuditEntry.objects.filter(action="trade.continued").count() == 1


def test_continuing_denies_what_is_no_longer_offered_or_open(user: User, books: Books, venue: FakeVenue) -> None:
    trade = held(user, books, venue)
    dear, closed, _ = (order.market for order in trade.orders.order_by("leg_no")[:3])
    books.put(dear, bids=[("0.60", "50")], asks=[("0.70", "50")])
    Market.objects.filter(pk=closed.pk).update(status="closed")
    assert "2 could not be had" in decide(trade, "continue", books)
    run(trade, venue, books)
    assert statuses(trade) == ["denied", "denied", "filled", "rejected"]


def test_continuing_without_books_changes_nothing(user: User, books: Books, venue: FakeVenue) -> None:
    trade = held(user, books, venue)
    books.is_down = True
    with pytest.raises(ChoiceRefused, match="cannot be read"):
        decide(trade, "continue", books)
    trade.refresh_from_db()
    assert trade.hold == Trade.Hold.ASK


def test_the_owner_of_a_held_trade_is_told_once(user: User, books: Books, venue: FakeVenue) -> None:
    trade = held(user, books, venue)
    run(trade, venue, books)
    told = Notification.objects.get(user=user)
    assert (told.kind, told.url) == ("trade", f"/trades/{trade.pk}")
    assert "choose below" in told.text
    decide(trade, "stop", books)
    run(trade, venue, books)
    assert Notification.objects.count() == 1


def test_stopping_denies_the_rest_and_frees_its_money(user: User, books: Books, venue: FakeVenue) -> None:
    trade = held(user, books, venue)
    decide(trade, "stop", books)
    # No worker runs for what was stopped: the trade has ended with the click.
    assert state(trade) == Trade.Status.ABORTED
    run(trade, venue, books)
    assert statuses(trade) == ["denied"] * 3 + ["rejected"]
    assert state(trade) == Trade.Status.ABORTED
    assert VenueAccount.objects.get().cash_reserved() == 0
    assert AuditEntry.objects.get(action="trade.stopped").actor == user


def test_a_hold_that_nobody_answers_stops_by_itself(user: User, books: Books, venue: FakeVenue, now: datetime) -> None:
    trade = held(user, books, venue)
    run(trade, venue, books, now=now + timedelta(seconds=901))
    assert statuses(trade) == ["denied"] * 3 + ["rejected"]


def test_an_unknown_probe_lets_nothing_follow_until_it_is_found(
    user: User, books: Books, venue: FakeVenue, now: datetime
) -> None:
    trade = make_trade(user, books, "hold_and_ask")
    venue.faults = {LEGS: "drop"}
    run(trade, venue, books)
    assert statuses(trade) == ["planned"] * 3 + ["unknown"]
    reconcile(now=now + timedelta(seconds=6), connect=venue)
    assert run(trade, venue, books).sent == 3
    assert statuses(trade) == ["filled"] * LEGS


def test_all_or_unwind_sells_again_what_filled_within_the_cap(user: User, books: Books, venue: FakeVenue) -> None:
    trade = make_trade(user, books, "all_or_unwind")
    venue.faults = {2: "reject"}
    venue.price = "0.41"
    run(trade, venue, books)
    back = trade.orders.filter(action="sell")
    assert {order.status for order in back} == {"filled"}
    assert {order.limit_price <= D("0.40") for order in back} == {True}
    assert len(venue.posts) == len(set(venue.posts))
    assert not Position.objects.filter(count__gt=0).exists()
    assert state(trade) == Trade.Status.UNWOUND
    assert trade_progress(trade).is_final
    assert AuditEntry.objects.filter(action="trade.unwinding").count() == 1
    sent = len(venue.posts)
    run(trade, venue, books)
    assert len(venue.posts) == sent


def test_all_or_unwind_has_nothing_to_sell_when_the_probe_is_rejected(
    user: User, books: Books, venue: FakeVenue
) -> None:
    trade = make_trade(user, books, "all_or_unwind")
    venue.faults = {LEGS: "reject"}
    run(trade, venue, books)
    assert statuses(trade) == ["denied"] * 3 + ["rejected"]
    assert state(trade) == Trade.Status.ABORTED


def test_nothing_is_unwound_while_a_leg_is_unknown(user: User, books: Books, venue: FakeVenue, now: datetime) -> None:
    trade = make_trade(user, books, "all_or_unwind")
    venue.faults = {1: "reject"}

    calls: list[int] = []

    def fail_together(order: Order) -> None:
        # The other call went out before this one was answered, as threads do.
        calls.append(order.leg_no)
        if order.leg_no == 1:
            Order.objects.filter(trade=trade, leg_no=2).update(status="unknown", submitted_at=now)

    venue.during_submit = fail_together
    for _ in range(3):
        run(trade, venue, books)
    assert calls == [LEGS, 1]
    assert statuses(trade) == ["rejected", "unknown", "denied", "filled"]
    assert state(trade) == Trade.Status.NEEDS_ATTENTION
    # Once the venue's complete listing proves that it was never placed, the way back goes.
    Order.objects.filter(trade=trade, leg_no=2).update(status="not_placed")
    later = now + timedelta(seconds=30)
    books.move_to(later)
    run(trade, venue, books)
    assert trade.orders.filter(action="sell", status="filled").count() == 1
    assert state(trade) == Trade.Status.UNWOUND


def pricey(user: User, books: Books, venue: FakeVenue, settings: Any) -> Trade:
    """A trade whose way back loses more than may be lost without asking."""
    settings.UNWIND_LIMITS = {"loss_dollars": D("0.10"), "loss_share": D("0.05")}
    trade = make_trade(user, books, "all_or_unwind")
    venue.faults = {2: "reject"}
    run(trade, venue, books)
    trade.refresh_from_db()
    return trade


def test_a_way_back_beyond_the_cap_waits_for_its_owner_with_a_price(
    user: User, books: Books, venue: FakeVenue, settings: Any
) -> None:
    trade = pricey(user, books, venue, settings)
    assert (trade.status, trade.hold) == (Trade.Status.NEEDS_ATTENTION, Trade.Hold.UNWIND)
    assert D(trade.way_back["loss"]) > D("0.10")
    assert not trade.orders.filter(action="sell").exists()
    decide(trade, "unwind", books)
    with pytest.raises(ChoiceRefused):
        decide(trade, "unwind", books)
    run(trade, venue, books)
    assert state(trade) == Trade.Status.UNWOUND


def test_a_worse_price_than_was_shown_asks_again(user: User, books: Books, venue: FakeVenue, settings: Any) -> None:
    trade = pricey(user, books, venue, settings)
    for order in trade.orders.select_related("market"):
        books.put(order.market, bids=[("0.30", "5000")], asks=[("0.41", "100")])
    with pytest.raises(ChoiceRefused, match="Prices moved"):
        decide(trade, "unwind", books)
    decide(trade, "unwind", books)
    assert trade.orders.filter(action="sell").exists()


def test_keeping_ends_the_trade_with_what_was_bought(user: User, books: Books, venue: FakeVenue, settings: Any) -> None:
    trade = pricey(user, books, venue, settings)
    decide(trade, "keep", books)
    assert state(trade) == Trade.Status.PARTIAL
    run(trade, venue, books)
    assert state(trade) == Trade.Status.PARTIAL
    assert AuditEntry.objects.get(action="trade.kept").actor == user


def test_books_that_cannot_be_read_leave_the_way_back_to_its_owner(user: User, books: Books, venue: FakeVenue) -> None:
    trade = make_trade(user, books, "all_or_unwind")
    venue.faults = {2: "reject"}
    books.is_down = True
    run(trade, venue, books)
    assert state(trade) == Trade.Status.NEEDS_ATTENTION
    books.is_down = False
    with pytest.raises(ChoiceRefused, match="Choose again"):
        decide(trade, "unwind", books)
    decide(trade, "unwind", books)
    run(trade, venue, books)
    assert state(trade) == Trade.Status.UNWOUND


@pytest.mark.parametrize("fault", ["partial", "reject", "lose"])
def test_a_way_back_that_fails_is_shown_and_has_none_of_its_own(
    user: User, books: Books, venue: FakeVenue, fault: str
) -> None:
    trade = make_trade(user, books, "all_or_unwind")
    venue.faults = {2: "reject"} | {LEGS + number: fault for number in range(1, LEGS + 1)}
    for _ in range(3):
        run(trade, venue, books)
    back = trade.orders.filter(action="sell").count()
    assert back == trade.orders.filter(action="buy", status="filled").count()
    assert state(trade) == Trade.Status.NEEDS_ATTENTION
    assert len(venue.posts) == len(set(venue.posts))


def test_a_way_back_is_planned_once(user: User, books: Books, venue: FakeVenue, settings: Any) -> None:
    trade = pricey(user, books, venue, settings)
    way = price_way_back(trade=trade, read_books=books.read, now=books.now)
    planned = [plan_way_back(trade=trade, way=way, expected="unwind", actor=user, now=books.now) for _ in range(2)]
    assert planned == [True, False]


def test_a_sale_is_not_all_or_unwind(user: User, books: Books, venue: FakeVenue) -> None:
    trade = make_trade(user, books, "best_effort")
    run(trade, venue, books)
    quote = quote_basket(
        user=user, basket=trade.basket, side="yes", amount=None, mode="sandbox", action="sell", now=books.now,
        read_books=books.read,
    )  # fmt: skip
    with pytest.raises(TradeRefused, match="not unwound"):
        confirm_trade(user=user, quote_id=quote.pk, idempotency_key="s", policy="all_or_unwind", now=books.now)


def test_a_budget_lets_its_burst_out_at_once_and_the_rest_at_its_pace() -> None:
    budget = WriteBudget(per_second=10, burst=3)
    seconds = [budget.offset(number).total_seconds() for number in range(5)]
    assert seconds == [0, 0, 0, 0.1, 0.2]


def test_a_bucket_that_was_used_gives_back_one_order_at_a_time(now: datetime) -> None:
    budget = WriteBudget(per_second=10, burst=3)
    whole_at: datetime | None = None
    for _ in range(3):
        assert budget.next_at(whole_at, now) == now
        whole_at = budget.spent(whole_at, now)
    assert budget.next_at(whole_at, now) == now + timedelta(milliseconds=100)
    assert budget.next_at(whole_at, now + timedelta(seconds=1)) == now + timedelta(seconds=1)


def test_accounts_send_side_by_side_and_paper_waits_for_nobody(settings: Any) -> None:
    settings.WRITE_BUDGETS = {"kalshi": (10, 10), "polymarket": (40, 40)}
    assert time_to_send(["kalshi"] * 10 + ["polymarket"] * 40) == timedelta(0)
    assert time_to_send(["kalshi"] * 30 + ["polymarket"] * 48) == timedelta(seconds=2)
    assert time_to_send(["paper"] * 500) == timedelta(0)


def test_what_an_account_has_just_sent_delays_its_next_orders(
    user: User, books: Books, settings: Any, now: datetime
) -> None:
    settings.WRITE_BUDGETS = {"kalshi": (2, 2)}
    trade = make_trade(user, books, "best_effort")
    # One order went out half a second ago: the bucket of two is whole again at once.
    VenueAccount.objects.update(budget_whole_at=now)
    orders = list(trade.orders.select_related("account"))
    times = send_times(orders, now=now)
    assert [(at - now).total_seconds() for at in times.values()] == [0, 0, 0.5, 1]
    VenueAccount.objects.update(budget_whole_at=now + timedelta(milliseconds=500))
    times = send_times(list(trade.orders.select_related("account")), now=now)
    assert [(at - now).total_seconds() for at in times.values()] == [0, 0.5, 1, 1.5]


def test_legs_beyond_the_deadline_are_denied_before_the_first_goes_out(
    user: User, books: Books, venue: FakeVenue, settings: Any
) -> None:
    settings.WRITE_BUDGETS = {"kalshi": (1, 1)}
    settings.TRADE_LIMITS = {**settings.TRADE_LIMITS, "send_within_seconds": 1}
    trade = make_trade(user, books, "best_effort")
    seen: list[int] = []
    venue.during_submit = lambda order: seen.append(trade.orders.filter(status="denied").count())
    report = run(trade, venue, books)
    assert (report.sent, report.denied, seen) == (2, 2, [2, 2])
    assert statuses(trade) == ["filled", "filled", "denied", "denied"]


@pytest.mark.parametrize(("choice", "ended"), [("continue", "partial"), ("stop", "aborted")])
def test_the_owner_chooses_on_the_page_on_paper(
    client: Client, user: User, books: Books, now: datetime, at: Any, monkeypatch: pytest.MonkeyPatch,
    choice: str, ended: str,
) -> None:  # fmt: skip
    at(now)
    monkeypatch.setattr(ticket_views, "choose", partial(choose, read_books=books.read))
    trade = make_trade(user, books, "hold_and_ask", mode="paper")
    thinnest = trade.orders.order_by("-depth_share").select_related("market").first()
    assert thinnest is not None
    books.put(thinnest.market, bids=[("0.40", "50")], asks=[("0.90", "50")])
    run(trade, books.paper, books)
    client.force_login(user)
    page = client.get(reverse("trade-detail", args=[trade.pk])).content.decode()
    assert "Continue with the rest" in page
    assert "Stop here" in page
    for _ in range(2):
        answer = client.post(reverse("trade-decide", args=[trade.pk]), {"choice": choice})
        assert answer.status_code == 302
    run(trade, books.paper, books)
    assert state(trade) == ended
    page = client.get(reverse("trade-detail", args=[trade.pk])).content.decode()
    assert "Continue with the rest" not in page


def test_nobody_decides_on_another_persons_trade(client: Client, user: User, books: Books, venue: FakeVenue) -> None:
    trade = held(user, books, venue)
    client.force_login(User.objects.create_user("stranger", "stranger@example.com"))
    assert client.post(reverse("trade-decide", args=[trade.pk]), {"choice": "stop"}).status_code == 404
    assert client.get(reverse("trade-decide", args=[trade.pk])).status_code == 405
    trade.refresh_from_db()
    assert trade.hold == Trade.Hold.ASK


def test_the_page_prices_the_way_back_and_takes_the_click_once(
    client: Client, user: User, books: Books, venue: FakeVenue, settings: Any, at: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(books.now)
    monkeypatch.setattr(ticket_views, "choose", partial(choose, read_books=books.read))
    trade = pricey(user, books, venue, settings)
    client.force_login(user)
    page = client.get(reverse("trade-detail", args=[trade.pk])).content.decode()
    assert "loses at most" in page
    assert "Keep what was bought" in page
    assert "hx-get" not in page
    for _ in range(2):
        client.post(reverse("trade-decide", args=[trade.pk]), {"choice": "unwind"})
    run(trade, venue, books)
    page = client.get(reverse("trade-detail", args=[trade.pk])).content.decode()
    assert "what was bought was sold again" in page
    assert page.count("Sold again:") == trade.orders.filter(action="sell").count() == 2


def test_a_quote_says_when_its_last_order_can_go_out(user: User, books: Books, settings: Any) -> None:
    settings.WRITE_BUDGETS = {"kalshi": (1, 1)}
    basket, _ = many_legs(books)
    sandbox_account(user, books.now)
    for mode, seconds in (("sandbox", LEGS - 1), ("paper", 0)):
        quote = quote_basket(
            user=user, basket=basket, side="yes", amount=D("80"), mode=mode, now=books.now, read_books=books.read
        )
        context = ticket_views.quote_context(quote, Ticket(), books.now)
        assert context["send_seconds"] == seconds
