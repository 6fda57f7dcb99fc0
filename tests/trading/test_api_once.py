"""One click by program, once: under threads, after a crash, and on both databases."""

import json
import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from accounts.models import User
from itomarkets.lib import clock
from itomarkets.records import idempotency
from itomarkets.records.models import IdempotentRequest
from tests.factories import make_user
from tests.trading.api_caller import Caller, quote, trade
from tests.trading.venue import Books, two_leg_basket
from trading.models import Order, Trade
from trading.placing import confirm_trade


@pytest.fixture(autouse=True)
def _books_are_here(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trading.quoting.book_reader", lambda mode: books.read)
    monkeypatch.setattr("trading.tasks.run_trade.delay", lambda trade_id: None)


@pytest.fixture
def basket(books: Books, db: None) -> Any:
    return two_leg_basket(books)[0]


def die_at(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let the process end at a step: nothing after it runs, nothing is tidied up."""

    def killed(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(name, killed)


@pytest.mark.django_db
@pytest.mark.parametrize("step", ["trading.api.views.confirm_trade", "itomarkets.records.idempotency.finish"])
def test_after_a_crash_in_flight_the_same_request_finds_its_trade_or_makes_it(
    step: str,
    user: User,
    now: datetime,
    basket: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caller = Caller(user, now)
    quote_id = quote(caller, basket).json()["id"]
    with monkeypatch.context() as patch:
        die_at(patch, step)
        with pytest.raises(KeyboardInterrupt):
            trade(caller, basket, quote_id)
    had = list(Trade.objects.values_list("pk", flat=True))
    assert len(had) == (1 if step.endswith("finish") else 0)
    answer = trade(caller, basket, quote_id)
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (409, "idempotency_in_flight", "1")
    IdempotentRequest.objects.update(started_at=clock.machine_now() - idempotency.STALE)
    answer = trade(caller, basket, quote_id)
    assert answer.status_code == 201
    assert "Idempotent-Replayed" not in answer
    (row,) = Trade.objects.all()
    assert answer.json()["id"] == str(row.pk)
    assert had in ([], [row.pk])
    assert trade(caller, basket, quote_id)["Idempotent-Replayed"] == "true"


@pytest.mark.django_db
def test_a_fault_of_ours_frees_the_key_and_the_repeat_finds_the_trade(
    user: User,
    now: datetime,
    basket: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caller = Caller(user, now)
    quote_id = quote(caller, basket).json()["id"]

    def broken(*args: Any, **kwargs: Any) -> Any:
        confirm_trade(*args, **kwargs)
        raise RuntimeError("after the commit")

    with monkeypatch.context() as patch:
        patch.setattr("trading.api.views.confirm_trade", broken)
        with pytest.raises(RuntimeError):
            trade(caller, basket, quote_id)
    assert trade(caller, basket, quote_id).json()["id"] == str(Trade.objects.get().pk)


@pytest.mark.django_db
def test_a_quote_may_carry_a_key_too(user: User, now: datetime, basket: Any) -> None:
    caller = Caller(user, now)
    path, body = f"/baskets/{basket.public_id}/quotes", {"direction": "yes", "amount": "100"}
    first, again = (caller.ask("POST", path, body, **{"Idempotency-Key": "q"}) for _ in range(2))
    assert first.json() == again.json()
    assert trade(caller, basket, first.json()["id"], "q").status_code == 201


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_trades_and_all_hear_of_the_same_trade(now: datetime, books: Books) -> None:
    caller = Caller(make_user(), now)
    held = two_leg_basket(books)[0]
    quote_id = quote(caller, held).json()["id"]
    barrier = threading.Barrier(6)
    answers: list[Any] = []

    def request() -> None:
        barrier.wait()
        try:
            answers.append(trade(caller, held, quote_id))
        finally:
            connection.close()

    threads = [threading.Thread(target=request) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert all(answer["Retry-After"] == "1" for answer in answers if answer.status_code == 409)
    made = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert made == {str(Trade.objects.get().pk)}
    assert Order.objects.count() == 2
    assert trade(caller, held, quote_id).json()["id"] in made


@pytest.mark.django_db
def test_a_row_of_a_request_holds_no_key_of_a_person(user: User, now: datetime, basket: Any) -> None:
    caller = Caller(user, now)
    trade(caller, basket, quote(caller, basket).json()["id"])
    stored = json.dumps(list(IdempotentRequest.objects.values()), default=str)
    assert caller.key not in stored
    assert caller.key.partition(".")[2] not in stored
    later = clock.machine_now() + idempotency.KEPT + timedelta(seconds=1)
    assert IdempotentRequest.objects.get().expires_at < later
    assert Client().get("/api/v1/trades").status_code == 401
