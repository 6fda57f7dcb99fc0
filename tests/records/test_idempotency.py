"""Requests with an `Idempotency-Key`: one of them works, the others wait, and the answer is kept."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from accounts.models import User
from itomarkets.lib import clock
from itomarkets.records import idempotency
from itomarkets.records.idempotency import Claim, InFlight, KeyReused, StoredAnswer, begin, digest_of, finish, give_up
from itomarkets.records.models import IdempotentRequest
from tests.factories import make_user

OPERATION = "POST /api/v1/baskets/bas_1/trades"


def ask(user: User, body: Any = "body", key: str = "k", operation: str = OPERATION) -> Claim | StoredAnswer:
    return begin(user=user, operation=operation, key=key, digest=digest_of(body))


def claimed(user: User, **values: Any) -> Claim:
    claim = ask(user, **values)
    assert isinstance(claim, Claim)
    return claim


@pytest.mark.django_db
def test_the_first_works_and_who_comes_after_gets_its_answer() -> None:
    user = make_user()
    claim = claimed(user)
    with pytest.raises(InFlight):
        ask(user)
    finish(claim, status=201, body={"id": "t-1", "amount": "5.00"})
    for _ in range(2):
        assert ask(user) == StoredAnswer(201, {"id": "t-1", "amount": "5.00"})


@pytest.mark.django_db
def test_a_key_stands_for_one_body_of_one_person_and_operation() -> None:
    user = make_user()
    finish(claimed(user), status=201, body={})
    with pytest.raises(KeyReused):
        ask(user, "another body")
    assert isinstance(ask(make_user(), "another body"), Claim)
    assert isinstance(ask(user, "another body", operation="POST /api/v1/baskets/bas_1/quotes"), Claim)
    assert isinstance(ask(user, "another body", key="k-2"), Claim)


@pytest.mark.django_db
def test_another_body_is_told_so_even_in_flight() -> None:
    user = make_user()
    claimed(user)
    with pytest.raises(KeyReused):
        ask(user, "another body")


def test_the_order_of_fields_makes_no_other_body() -> None:
    assert digest_of({"a": 1, "b": "2"}) == digest_of({"b": "2", "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": "1"})


@pytest.mark.django_db
def test_what_was_given_up_may_be_tried_again() -> None:
    user = make_user()
    give_up(claimed(user))
    give_up(claimed(user))
    assert isinstance(ask(user, "another body"), Claim)


@pytest.mark.django_db
def test_a_row_whose_process_died_is_taken_over_once_it_is_stale() -> None:
    user = make_user()
    dead = claimed(user)
    IdempotentRequest.objects.update(started_at=clock.machine_now() - idempotency.STALE + timedelta(seconds=5))
    with pytest.raises(InFlight):
        ask(user)
    IdempotentRequest.objects.update(started_at=clock.machine_now() - idempotency.STALE)
    living = claimed(user)
    with pytest.raises(InFlight):
        ask(user)
    # The dead one turns out to have been slow: it may no longer say how it ended, nor free the key.
    finish(dead, status=201, body={"of": "the dead"})
    give_up(dead)
    with pytest.raises(InFlight):
        ask(user)
    finish(living, status=201, body={"of": "the living"})
    assert ask(user) == StoredAnswer(201, {"of": "the living"})


@pytest.mark.django_db
def test_an_answer_is_kept_for_a_day_and_then_forgotten() -> None:
    user = make_user()
    finish(claimed(user), status=201, body={})
    IdempotentRequest.objects.update(expires_at=clock.machine_now() + timedelta(seconds=5))
    assert isinstance(ask(user), StoredAnswer)
    IdempotentRequest.objects.update(expires_at=clock.machine_now())
    assert isinstance(ask(user, "another body"), Claim)
    assert IdempotentRequest.objects.count() == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_stale", [False, True])
def test_of_many_at_once_one_works(is_stale: bool) -> None:
    user = make_user()
    if is_stale:
        claimed(user)
        IdempotentRequest.objects.update(started_at=clock.machine_now() - idempotency.STALE)
    barrier = threading.Barrier(8)
    found: list[str] = []

    def request() -> None:
        barrier.wait()
        try:
            found.append(type(ask(user)).__name__)
        except InFlight:
            found.append("InFlight")
        finally:
            connection.close()

    threads = [threading.Thread(target=request) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["Claim"] + ["InFlight"] * 7
