"""The policies with two workers, two clicks and real threads, on PostgreSQL: SQLite hides lost updates."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import connection

from itomarkets.records.models import AuditEntry
from tests.factories import make_user
from tests.trading.test_policies import LEGS, decide, make_trade, run, state
from tests.trading.test_races import at_once
from tests.trading.venue import Books, FakeVenue
from trading import tasks
from trading.deciding import ChoiceRefused
from trading.models import Fill, Position, Trade
from trading.unwinding import plan_way_back, price_way_back

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL (DATABASE_URL)"),
]


@pytest.fixture(autouse=True)
def _threads(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    monkeypatch.setattr(tasks.run_trade, "delay", lambda trade_id: None)
    settings.SEND_THREADS = 4
    settings.UNWIND_LIMITS = {name: 25 * limit for name, limit in settings.UNWIND_LIMITS.items()}


@pytest.mark.parametrize("policy", ["best_effort", "hold_and_ask", "all_or_unwind"])
def test_two_workers_send_each_leg_once_whatever_the_policy(books: Books, now: datetime, policy: str) -> None:
    trade = make_trade(make_user(), books, policy)
    venue = FakeVenue(now=lambda: now)
    results = at_once([lambda: run(trade, venue, books)] * 3)
    assert not [result for result in results if isinstance(result, Exception)]
    # Whoever lost the probe leaves the rest to its winner.
    assert sum(result.sent for result in results) == LEGS
    assert len(venue.posts) == len(set(venue.posts)) == LEGS
    assert Fill.objects.count() == LEGS
    assert state(trade) == Trade.Status.COMPLETE


def test_clicks_on_continue_and_stop_at_once_take_one_of_them(books: Books, now: datetime) -> None:
    trade = make_trade(make_user(), books, "hold_and_ask")
    venue = FakeVenue(now=lambda: now, faults={LEGS: "reject"})
    run(trade, venue, books)

    def click(choice: str) -> Callable[[], str]:
        return lambda: decide(Trade.objects.select_related("user").get(pk=trade.pk), choice, books)

    results = at_once([click("continue"), click("stop"), click("continue"), click("stop")])
    assert sum(isinstance(result, str) for result in results) == 1
    assert sum(isinstance(result, ChoiceRefused) for result in results) == 3
    assert AuditEntry.objects.filter(action__in=["trade.continued", "trade.stopped"]).count() == 1


def test_two_workers_sell_what_filled_again_once(books: Books, now: datetime) -> None:
    trade = make_trade(make_user(), books, "all_or_unwind")
    venue = FakeVenue(now=lambda: now, faults={2: "reject"})
    results = at_once([lambda: run(trade, venue, books)] * 3)
    assert not [result for result in results if isinstance(result, Exception)]
    run(trade, venue, books)
    assert len(venue.posts) == len(set(venue.posts))
    assert not Position.objects.filter(count__gt=0).exists()
    assert state(trade) == Trade.Status.UNWOUND
    assert AuditEntry.objects.filter(action="trade.unwinding").count() == 1


def test_two_at_once_plan_one_way_back(books: Books, now: datetime, settings: Any) -> None:
    settings.UNWIND_LIMITS = {name: 0 * limit for name, limit in settings.UNWIND_LIMITS.items()}
    user = make_user()
    trade = make_trade(user, books, "all_or_unwind")
    run(trade, FakeVenue(now=lambda: now, faults={2: "reject"}), books)
    trade.refresh_from_db()
    way = price_way_back(trade=trade, read_books=books.read, now=now)
    results = at_once([lambda: plan_way_back(trade=trade, way=way, expected="unwind", actor=user, now=now)] * 4)
    assert sorted(results) == [False, False, False, True]
