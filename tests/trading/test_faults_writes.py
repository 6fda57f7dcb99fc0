"""F1 to F8: what a submit can meet. Real clients, the sandbox's own log and ledger as the judges."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from itomarkets.simulation.invariants import assert_invariants
from tests.trading.sandbox_world import Exchange
from tests.trading.test_sandbox_trading import PATHS, buy, held_basket, look, run
from trading import tasks
from trading.deciding import ChoiceRefused, choose
from trading.models import Fill, Order, Position, Trade

At = Callable[[datetime], datetime]
both_venues = pytest.mark.parametrize("venue", sorted(PATHS))
# Past the grace time, in which "not found" proves nothing.
GRACE_OVER = timedelta(seconds=61)


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.run_trade, "delay", lambda trade_id: None)


def leg(trade: Trade, venue: str) -> Order:
    return trade.orders.get(account__kind=venue)


def posts(exchange: Exchange, venue: str) -> int:
    return len(exchange.requests("POST", PATHS[venue]))


def assert_adopted(exchange: Exchange, user: User, trade: Trade, venue: str, now: datetime) -> None:
    """The order was taken: unknown, found by its id, booked once, sent once."""
    assert leg(trade, venue).status == Order.Status.UNKNOWN, leg(trade, venue).reason
    assert_invariants(exchange.world, f"user-{user.pk}", at_rest=False)
    run(trade, now)
    report = look(now)
    assert leg(trade, venue).status == Order.Status.FILLED, leg(trade, venue).reason
    assert report.differences == []
    assert posts(exchange, venue) == 1
    trade.refresh_from_db()
    assert trade.status == Trade.Status.COMPLETE
    booked = Fill.objects.count()
    look(now)
    assert Fill.objects.count() == booked
    assert_invariants(exchange.world, f"user-{user.pk}")


def assert_proven_absent(exchange: Exchange, user: User, trade: Trade, venue: str, now: datetime, at: At) -> None:
    """The order was not taken: unknown until the grace time is over, then proven absent, and sent once."""
    assert leg(trade, venue).status == Order.Status.UNKNOWN, leg(trade, venue).reason
    look(at(now + timedelta(seconds=30)))
    assert leg(trade, venue).status == Order.Status.UNKNOWN
    report = look(at(now + GRACE_OVER))
    assert leg(trade, venue).status == Order.Status.NOT_PLACED
    assert (report.not_placed, report.differences) == (1, [])
    assert posts(exchange, venue) == 1
    assert_invariants(exchange.world, f"user-{user.pk}")


def test_f01_a_refused_connection_sent_nothing_is_tried_once_more_and_then_offered(
    exchange: Exchange, user: User, now: datetime, settings: Any
) -> None:
    trade = buy(user, held_basket(), now)
    settings.SANDBOX_URL = "http://127.0.0.1:9"
    for _ in range(2):
        run(trade, now)
    settings.SANDBOX_URL = exchange.url
    attempts = trade.orders.filter(account__kind="kalshi")
    assert [(order.attempt_no, order.status) for order in attempts] == [(1, "not_placed"), (2, "not_placed")]
    assert all("Nothing left this machine" in order.reason for order in attempts)
    assert leg(trade, "polymarket").status == Order.Status.DENIED
    assert posts(exchange, "kalshi") == posts(exchange, "polymarket") == 0
    assert look(now).differences == []
    choose(user=user, trade_id=trade.pk, choice="resend", now=now)
    for _ in range(2):
        run(trade, now)
    assert (attempts.last().status, posts(exchange, "kalshi")) == ("filled", 1)  # type: ignore[union-attr]
    assert look(now).differences == []
    assert_invariants(exchange.world, f"user-{user.pk}")


@both_venues
def test_f02_an_order_whose_reply_was_lost_is_found_and_adopted(
    exchange: Exchange, user: User, now: datetime, venue: str
) -> None:
    trade = buy(user, held_basket(), now)
    exchange.fault(PATHS[venue], "drop_before_reply")
    assert_adopted(exchange, user, run(trade, now), venue, now)


@both_venues
@pytest.mark.parametrize("fault", ["drop_before_reply", "500_after_accept"])
def test_f02_a_sale_whose_reply_was_lost_is_sold_once(
    exchange: Exchange, user: User, now: datetime, at: At, venue: str, fault: str
) -> None:
    basket = held_basket()
    run(buy(user, basket, now), now)
    later = at(now + timedelta(minutes=2))
    # Settled on chain by now, and booked as such: before that nothing of it is offered.
    look(later)
    sale = buy(user, basket, later, amount=None, action="sell")
    exchange.fault(PATHS[venue], fault)
    run(sale, later)
    assert leg(sale, venue).status == Order.Status.UNKNOWN, leg(sale, venue).reason
    report = look(at(later + timedelta(seconds=5)))
    assert leg(sale, venue).status == Order.Status.FILLED
    assert report.differences == []
    assert not Position.objects.filter(count__gt=0).exists()
    assert posts(exchange, venue) == 2
    assert_invariants(exchange.world, f"user-{user.pk}")


def test_f03_a_reply_later_than_the_timeout_changes_nothing(
    exchange: Exchange, user: User, now: datetime, settings: Any
) -> None:
    settings.VENUE_TIMEOUT_SECONDS = 0.5
    trade = buy(user, held_basket(), now)
    exchange.fault(PATHS["kalshi"], "delay", seconds=1)
    assert_adopted(exchange, user, run(trade, now), "kalshi", now)


@both_venues
@pytest.mark.parametrize("fault", ["500_before_accept", "502_before_accept", "504_before_accept"])
def test_f04_a_server_error_is_unknown_until_absence_is_proven_and_then_sent_once_by_its_owner(
    exchange: Exchange, user: User, now: datetime, at: At, venue: str, fault: str
) -> None:
    trade = buy(user, held_basket(), now)
    exchange.fault(PATHS[venue], fault)
    assert_proven_absent(exchange, user, run(trade, now), venue, now, at)
    later = now + GRACE_OVER
    assert look(later).to_run == []
    run(trade, later)
    assert posts(exchange, venue) == 1
    choose(user=user, trade_id=trade.pk, choice="resend", now=later)
    with pytest.raises(ChoiceRefused):
        choose(user=user, trade_id=trade.pk, choice="resend", now=later)
    for _ in range(2):
        run(trade, later)
    assert [order.status for order in trade.orders.filter(account__kind=venue)] == ["not_placed", "filled"]
    assert posts(exchange, venue) == 2
    assert trade.status == Trade.Status.COMPLETE
    assert look(at(later + timedelta(seconds=5))).differences == []
    assert_invariants(exchange.world, f"user-{user.pk}")


@both_venues
@pytest.mark.parametrize("fault", ["500_after_accept", "502_after_accept"])
def test_f05_a_server_error_for_an_order_that_filled_is_booked_once(
    exchange: Exchange, user: User, now: datetime, venue: str, fault: str
) -> None:
    trade = buy(user, held_basket(), now)
    exchange.fault(PATHS[venue], fault)
    assert_adopted(exchange, user, run(trade, now), venue, now)


@both_venues
@pytest.mark.parametrize("fault", ["truncated", "html", "not_json"])
def test_f06_an_answer_that_cannot_be_read_is_unknown(
    exchange: Exchange, user: User, now: datetime, venue: str, fault: str
) -> None:
    trade = buy(user, held_basket(), now)
    exchange.fault(PATHS[venue], fault)
    assert_adopted(exchange, user, run(trade, now), venue, now)


@both_venues
@pytest.mark.parametrize("fault", ["no_order", "error_in_success"])
def test_f07_a_success_without_an_order_is_neither_accepted_nor_refused(
    exchange: Exchange, user: User, now: datetime, venue: str, fault: str
) -> None:
    trade = buy(user, held_basket(), now)
    exchange.fault(PATHS[venue], fault)
    assert_adopted(exchange, user, run(trade, now), venue, now)


@both_venues
def test_f08_an_order_that_turns_up_late_is_found_within_the_grace_time(
    exchange: Exchange, user: User, now: datetime, at: At, venue: str
) -> None:
    trade = buy(user, held_basket(), now)
    exchange.fault(PATHS[venue], "zombie", seconds=40)
    run(trade, now)
    look(at(now + timedelta(seconds=30)))
    assert_adopted(exchange, user, trade, venue, at(now + GRACE_OVER))


@both_venues
def test_f08_an_order_that_turns_up_after_its_absence_was_proven_is_still_booked(
    exchange: Exchange, user: User, now: datetime, at: At, venue: str
) -> None:
    trade = buy(user, held_basket(), now)
    exchange.fault(PATHS[venue], "zombie", seconds=90)
    run(trade, now)
    look(at(now + GRACE_OVER))
    assert leg(trade, venue).status == Order.Status.NOT_PLACED
    report = look(at(now + timedelta(seconds=120)))
    order = leg(trade, venue)
    assert report.zombies == 1
    assert order.filled_count() == order.count
    assert order.events.filter(reason__contains="after the order had ended").exists()
    assert look(at(now + timedelta(seconds=130))).differences == []
    assert posts(exchange, venue) == 1
    assert_invariants(exchange.world, f"user-{user.pk}")
