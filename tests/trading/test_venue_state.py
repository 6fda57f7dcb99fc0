"""F22: what a venue takes now is learned from its own word, kept in a row, and ended by evidence."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from itomarkets.lib.venues import VenueProtocolError
from itomarkets.records.models import AuditEntry
from itomarkets.simulation.invariants import assert_invariants
from markets.models import Market
from tests.trading.sandbox_world import TICKER, Exchange
from tests.trading.test_execution import make_trade
from tests.trading.test_execution import run as run_fake
from tests.trading.test_sandbox_trading import PATHS, buy, held_basket, look, run
from tests.trading.venue import Books, FakeVenue
from trading import tasks
from trading.deciding import ChoiceRefused, choose
from trading.models import Order, Trade, VenueAccount, VenueState
from trading.progress import trade_progress
from trading.quoting import QuoteRefused, quote_basket
from trading.reconciliation import reconcile
from trading.venue_state import closed_for, mode_now, remember, remember_accepted
from trading.venues.base import ModeNotice, Placement, SignedOrder, SubmitResult
from trading.venues.kalshi import parse_status

D = Decimal
At = Callable[[datetime], datetime]
Mode = VenueState.Mode
STATUS = "/trade-api/v2/exchange/status"
NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.run_trade, "delay", lambda trade_id: None)


def leg(trade: Trade, venue: str) -> Order:
    return trade.orders.get(account__kind=venue)


def close(kind: str, mode: str, now: datetime, **values: Any) -> None:
    remember(account=VenueAccount.objects.get(kind=kind, mode="sandbox"), notice=ModeNotice(mode, **values), now=now)


@pytest.mark.parametrize(
    ("fault", "mode", "lasts"),
    [
        ("425", Mode.RESTARTING, 90),
        ("503_disabled", Mode.DISABLED, 120),
        ("503_cancel_only", Mode.CANCEL_ONLY, 120),
        ("503_post_only", Mode.POST_ONLY, 120),
    ],
)
def test_f22_a_mode_of_polymarket_is_a_refusal_with_proof_and_is_remembered(
    exchange: Exchange, user: User, now: datetime, at: At, fault: str, mode: str, lasts: int
) -> None:
    trade = buy(user, held_basket(), now)
    exchange.fault(PATHS["polymarket"], fault, nth=0)
    for _ in range(2):
        run(trade, now)
        look(now)
    order = leg(trade, "polymarket")
    assert (order.status, leg(trade, "kalshi").status) == ("rejected", "filled")
    assert order.events.get(new_status="rejected").evidence["status"] in (425, 503)
    assert len(exchange.requests("POST", PATHS["polymarket"])) == 1
    state = VenueState.objects.get(venue="polymarket")
    assert (state.mode, state.environment, state.until) == (mode, "sandbox", now + timedelta(seconds=lasts))
    assert AuditEntry.objects.filter(action="venue.mode", subject="venue:polymarket:sandbox").count() == 1
    assert_invariants(exchange.world, f"user-{user.pk}")
    # Nothing is offered there meanwhile, and all is once its time is over.
    later = at(now + timedelta(seconds=61))
    basket = held_basket()
    quote = quote_basket(user=user, basket=basket, side="yes", amount=D(60), mode="sandbox", now=later)
    assert [row["venue"] for row in quote.legs] == ["kalshi"]
    assert any("Left out" in warning and "Polymarket" in warning for warning in quote.warnings)
    exchange.plan()
    again = run(buy(user, basket, at(now + timedelta(seconds=211))), now + timedelta(seconds=211))
    assert leg(again, "polymarket").status == Order.Status.FILLED


def test_f22_a_bare_503_proves_nothing_and_closes_nothing(exchange: Exchange, user: User, now: datetime) -> None:
    trade = buy(user, held_basket(), now)
    exchange.fault(PATHS["polymarket"], "503")
    run(trade, now)
    assert leg(trade, "polymarket").status == Order.Status.UNKNOWN
    assert not VenueState.objects.exclude(mode=Mode.OPEN).exists()


@pytest.mark.parametrize("fault", ["status_paused", "status_down"])
def test_f22_a_kalshi_that_pauses_is_sent_nothing_until_its_status_says_so(
    exchange: Exchange, user: User, now: datetime, at: At, fault: str
) -> None:
    basket = held_basket()
    trade = buy(user, basket, now)
    exchange.fault(STATUS, fault, method="GET", nth=0)
    run(trade, now)
    order = leg(trade, "kalshi")
    assert order.status == Order.Status.DENIED
    assert order.reason.startswith("Not sent: Kalshi takes")
    assert leg(trade, "polymarket").status == Order.Status.FILLED
    assert exchange.requests("POST", PATHS["kalshi"]) == []
    later = at(now + timedelta(minutes=5))
    look(later)
    assert VenueState.objects.get(venue="kalshi").mode != Mode.OPEN
    exchange.plan()
    look(at(later + timedelta(seconds=15)))
    assert VenueState.objects.get(venue="kalshi").mode == Mode.OPEN
    again = run(buy(user, basket, later), later)
    assert leg(again, "kalshi").status == Order.Status.FILLED
    assert_invariants(exchange.world, f"user-{user.pk}")


def test_f22_kalshi_is_asked_once_a_while_and_before_the_first_leg(
    exchange: Exchange, user: User, now: datetime, at: At
) -> None:
    run(buy(user, held_basket(), now), now)
    run(buy(user, held_basket(), at(now + timedelta(seconds=20))), now + timedelta(seconds=20))
    assert len(exchange.requests("GET", STATUS)) == 1
    later = at(now + timedelta(seconds=90))
    run(buy(user, held_basket(), later), later)
    assert len(exchange.requests("GET", STATUS)) == 2


class Closing(FakeVenue):
    """Fills leg 1, and answers the next one that Polymarket restarts."""

    def submit(self, order: Order, signed: SignedOrder) -> SubmitResult:
        if order.account.kind == "polymarket" and self.faults.get(order.leg_no) == "restart":
            self.posts.append(str(order.client_id))
            notice = ModeNotice(Mode.RESTARTING, evidence={"status": 425})
            return SubmitResult(Placement.REJECTED, reason="the engine restarts", notice=notice)
        return super().submit(order, signed)


@pytest.fixture
def venue(now: datetime) -> Closing:
    return Closing(now=lambda: now)


def test_f22_best_effort_denies_what_its_venue_does_not_take_with_a_clear_sentence(
    user: User, books: Books, venue: Closing, now: datetime
) -> None:
    trade = make_trade(user, books)
    close("polymarket", Mode.POST_ONLY, now)
    for _ in range(2):
        run_fake(trade, venue, now)
    order = leg(trade, "polymarket")
    assert order.status == Order.Status.DENIED
    assert order.reason == (
        "Not sent: Polymarket takes only orders that rest, and ours never do now, probably until 12:02 UTC."
    )
    assert len(venue.posts) == 1
    trade.refresh_from_db()
    assert trade.status == Trade.Status.PARTIAL


def test_f22_hold_and_ask_waits_for_its_owner_while_a_venue_is_closed_and_goes_on_when_it_opens(
    user: User, books: Books, venue: Closing, now: datetime, client: Client, at: At
) -> None:
    trade = make_trade(user, books, policy="hold_and_ask")
    close("polymarket", Mode.POST_ONLY, now)
    for _ in range(2):
        run_fake(trade, venue, now)
    trade.refresh_from_db()
    assert trade.hold == Trade.Hold.ASK
    assert leg(trade, "polymarket").status == Order.Status.PLANNED
    assert "their venue takes no orders now" in trade_progress(trade).sentence
    client.force_login(user)
    page = client.get(reverse("trade-detail", args=[trade.pk])).content.decode()
    assert "Polymarket takes only orders that rest" in page
    values: dict[str, Any] = {"user": user, "trade_id": trade.pk, "choice": "continue", "read_books": books.read}
    with pytest.raises(ChoiceRefused, match="choose again when it takes orders"):
        choose(now=now, **values)
    later = at(now + timedelta(minutes=2))
    books.move_to(later)
    assert "Going on" in choose(now=later, **values)
    run_fake(trade, venue, later)
    assert set(trade.orders.values_list("status", flat=True)) == {"filled"}


def test_f22_nothing_is_sold_again_at_a_venue_that_takes_nothing_and_the_owner_is_asked(
    user: User, books: Books, venue: Closing, now: datetime
) -> None:
    trade = make_trade(user, books, policy="all_or_unwind")
    probe = trade.orders.order_by("-depth_share", "-reserved", "leg_no").first()
    assert probe is not None
    other = trade.orders.exclude(pk=probe.pk).get()
    venue.faults = {other.leg_no: "reject"}
    venue.during_submit = lambda order: (
        close(probe.account.kind, Mode.CANCEL_ONLY, now) if order.pk == other.pk else None
    )
    for _ in range(2):
        run_fake(trade, venue, now)
    trade.refresh_from_db()
    assert (trade.hold, trade.status) == (Trade.Hold.UNWIND, Trade.Status.NEEDS_ATTENTION)
    assert trade.orders.count() == 2
    with pytest.raises(ChoiceRefused, match="takes cancels but no new orders"):
        choose(user=user, trade_id=trade.pk, choice="unwind", now=now, read_books=books.read)


def test_f22_what_rests_is_canceled_while_only_cancels_are_taken(
    user: User, books: Books, venue: Closing, now: datetime
) -> None:
    trade = make_trade(user, books)
    venue.faults = {1: "rest"}
    venue.during_submit = lambda order: close("kalshi", Mode.CANCEL_ONLY, now)
    run_fake(trade, venue, now)
    assert leg(trade, "kalshi").status == Order.Status.CANCELED


@pytest.mark.parametrize(
    ("mode", "after", "expected"),
    [
        (Mode.RESTARTING, 89, Mode.RESTARTING),
        (Mode.RESTARTING, 90, Mode.POST_ONLY),
        (Mode.RESTARTING, 209, Mode.POST_ONLY),
        (Mode.RESTARTING, 210, Mode.OPEN),
        (Mode.POST_ONLY, 119, Mode.POST_ONLY),
        (Mode.POST_ONLY, 120, Mode.OPEN),
        (Mode.DISABLED, 119, Mode.DISABLED),
        (Mode.DISABLED, 120, Mode.OPEN),
    ],
)
def test_a_mode_of_polymarket_lasts_its_time(
    user: User, books: Books, now: datetime, mode: str, after: int, expected: str
) -> None:
    make_trade(user, books)
    close("polymarket", mode, now)
    assert mode_now(VenueState.objects.get(), now + timedelta(seconds=after)) == expected


def test_kalshis_pause_ends_by_its_word_alone_and_an_expected_end_is_shown(
    user: User, books: Books, now: datetime
) -> None:
    trade = make_trade(user, books)
    close("kalshi", Mode.CANCEL_ONLY, now, until=now + timedelta(hours=1))
    orders = [leg(trade, "kalshi")]
    assert closed_for(orders, now=now) == ["Kalshi takes cancels but no new orders now, probably until 13:00 UTC."]
    assert closed_for(orders, now=now + timedelta(hours=2)) == ["Kalshi takes cancels but no new orders now."]
    close("kalshi", Mode.OPEN, now + timedelta(hours=2))
    assert closed_for(orders, now=now + timedelta(hours=2)) == []


def test_a_pause_of_one_shard_or_of_another_exchange_stops_nothing_else(
    user: User, books: Books, now: datetime
) -> None:
    trade = make_trade(user, books)
    order = leg(trade, "kalshi")
    close("kalshi", Mode.CANCEL_ONLY, now, shards=(3,))
    assert closed_for([order], now=now) == []
    Market.objects.filter(pk=order.market_id).update(exchange_index=3)
    assert closed_for([leg(trade, "kalshi")], now=now)
    VenueState.objects.update(environment="demo")
    assert closed_for([leg(trade, "kalshi")], now=now) == []


def test_only_an_order_that_was_sent_after_the_refusal_proves_that_a_venue_takes_orders(
    user: User, books: Books, now: datetime
) -> None:
    trade = make_trade(user, books)
    order = leg(trade, "polymarket")
    close("polymarket", Mode.DISABLED, now)
    order.submitted_at = now
    remember_accepted(order=order, now=now)
    assert VenueState.objects.get().mode == Mode.DISABLED
    order.submitted_at = now + timedelta(seconds=1)
    for _ in range(2):
        remember_accepted(order=order, now=now + timedelta(seconds=2))
    assert VenueState.objects.get().mode == Mode.OPEN
    assert AuditEntry.objects.filter(action="venue.mode").count() == 2


UP = {"exchange_active": True, "trading_active": True}
PAUSED = {"exchange_active": True, "trading_active": False}
DOWN = {"exchange_active": False, "trading_active": False}


@pytest.mark.parametrize(
    ("answer", "mode", "shards", "until"),
    [
        (UP, Mode.OPEN, (), None),
        (PAUSED, Mode.CANCEL_ONLY, (), None),
        (DOWN, Mode.DISABLED, (), None),
        ({**DOWN, "exchange_estimated_resume_time": "2026-08-01T12:00:00Z"}, Mode.DISABLED, (), NOON),
        ({**PAUSED, "exchange_estimated_resume_time": "soon"}, Mode.CANCEL_ONLY, (), None),
        (
            {**UP, "exchange_index_statuses": [{"exchange_index": 0, **UP}, {"exchange_index": 2, **PAUSED}]},
            Mode.CANCEL_ONLY,
            (2,),
            None,
        ),
        (
            {**PAUSED, "exchange_index_statuses": [{"exchange_index": 0, **PAUSED}, {"exchange_index": 2, **PAUSED}]},
            Mode.CANCEL_ONLY,
            (),
            None,
        ),
    ],
)
def test_kalshis_status_is_read_whole(answer: Any, mode: str, shards: tuple[int, ...], until: datetime | None) -> None:
    found = parse_status(answer)
    assert (found.mode, found.shards, found.until) == (mode, shards, until)


@pytest.mark.parametrize("answer", [None, [], {}, {"trading_active": "yes"}])
def test_a_status_that_says_nothing_opens_and_closes_nothing(answer: Any) -> None:
    with pytest.raises(VenueProtocolError, match="trading_active"):
        parse_status(answer)


def test_a_status_that_cannot_be_read_leaves_a_closed_venue_closed(
    exchange: Exchange, user: User, now: datetime, at: At
) -> None:
    run(buy(user, held_basket(), now), now)
    close("kalshi", Mode.CANCEL_ONLY, now)
    exchange.fault(STATUS, "html", method="GET", nth=0)
    later = at(now + timedelta(minutes=2))
    reconcile(now=later)
    assert VenueState.objects.get(venue="kalshi").mode == Mode.CANCEL_ONLY
    only = held_basket()
    only.compositions.get().constituents.exclude(market__native_id=TICKER).delete()
    with pytest.raises(QuoteRefused, match="Kalshi takes cancels"):
        quote_basket(user=user, basket=only, side="yes", amount=D(60), mode="sandbox", now=later)
