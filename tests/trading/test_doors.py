"""The doors that are not pages: admin, tasks, a worker's start."""

from datetime import datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from itomarkets.records.models import AuditEntry, JobRun
from tests.factories import make_user
from tests.trading.test_execution import make_trade, run
from tests.trading.venue import Books, FakeVenue
from trading import tasks
from trading.models import Trade, TradingSwitch

LEDGERS = ("trade", "order", "fill", "position", "cashentry", "ticketquote", "venueaccount")
D = Decimal


@pytest.fixture
def admin_client_(db: None, client: Client) -> Client:
    client.force_login(make_user(username="root", is_staff=True, is_superuser=True))
    return client


@pytest.mark.parametrize("ledger", LEDGERS)
def test_ledgers_are_read_and_never_written_in_the_admin(
    admin_client_: Client, user: User, books: Books, now: datetime, ledger: str
) -> None:
    trade = make_trade(user, books)
    run(trade, FakeVenue(now=lambda: now), now)
    listing = admin_client_.get(reverse(f"admin:trading_{ledger}_changelist"))
    assert listing.status_code == 200
    assert admin_client_.get(reverse(f"admin:trading_{ledger}_add")).status_code == 403
    row = listing.context["cl"].queryset.first()
    page = admin_client_.get(reverse(f"admin:trading_{ledger}_change", args=[row.pk]))
    assert page.status_code == 200
    assert b"signed_payload" not in page.content
    assert b"sealed" not in page.content
    assert admin_client_.post(reverse(f"admin:trading_{ledger}_change", args=[row.pk]), {}).status_code == 403
    assert (
        admin_client_.post(reverse(f"admin:trading_{ledger}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
    )


def test_the_kill_switch_is_flipped_in_the_admin_with_a_line_of_who_did_it(
    admin_client_: Client, now: datetime
) -> None:
    posted = {"user": "", "state": "halted", "reason": "drill"}
    assert admin_client_.post(reverse("admin:trading_tradingswitch_add"), posted).status_code == 302
    switch = TradingSwitch.objects.get()
    assert (switch.user, switch.state) == (None, "halted")
    change = reverse("admin:trading_tradingswitch_change", args=[switch.pk])
    assert admin_client_.post(change, {"state": "active", "reason": "over"}).status_code == 302
    switch.refresh_from_db()
    assert (switch.state, switch.changed_by and switch.changed_by.username) == ("active", "root")
    first, second = AuditEntry.objects.filter(action="trading.switch").order_by("seq")
    assert (first.after["state"], second.before["state"], second.after["state"]) == ("halted", "halted", "active")
    assert second.actor is not None


@pytest.mark.parametrize("name", ["reconcile", "settle"])
def test_each_task_may_run_twice_and_keeps_its_report(db: None, name: str) -> None:
    for _ in range(2):
        getattr(tasks, name)()
    assert list(JobRun.objects.values_list("name", "status")) == [(f"trading.{name}", "done")] * 2


def test_reconciliation_hands_waiting_trades_to_the_worker(
    user: User, books: Books, at: Any, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    trade = make_trade(user, books)
    venue = FakeVenue(now=lambda: now, money=D(1000))
    monkeypatch.setattr("trading.reconciliation.order_client", lambda account, now: venue)
    told: list[str] = []
    monkeypatch.setattr(tasks.run_trade, "delay", told.append)
    at(now.replace(minute=1))
    tasks.reconcile()
    assert told == [str(trade.pk)]
    assert Trade.objects.get().status == Trade.Status.CONFIRMED


@pytest.mark.parametrize(("queues", "asked"), [(["trading"], 1), (["default", "celery"], 0)])
def test_only_a_trading_workers_start_calls_its_sends_unknown(
    monkeypatch: pytest.MonkeyPatch, queues: list[str], asked: int
) -> None:
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(tasks.reconcile, "delay", lambda **values: calls.append(values))
    consumer = SimpleNamespace(
        app=SimpleNamespace(amqp=SimpleNamespace(queues=SimpleNamespace(consume_from=dict.fromkeys(queues))))
    )
    tasks.reconcile_at_start(sender=consumer)
    assert calls == [{"at_start": True}] * asked
