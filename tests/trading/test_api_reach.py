"""What a test key, a live key and a session reach; and what stands still without Redis."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from rest_framework.test import APIClient

from accounts.door import kept_keys
from accounts.models import ApiKey, User
from tests.trading.api_caller import ALL, Caller, buy, quote, trade
from tests.trading.venue import Books, two_leg_basket
from trading.models import TicketQuote, Trade

D = Decimal


@pytest.fixture(autouse=True)
def _books_are_here(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read books from the test, and send nothing: a test says when the worker runs."""
    cache.clear()
    monkeypatch.setattr("trading.quoting.book_reader", lambda mode: books.read)
    monkeypatch.setattr("trading.tasks.run_trade.delay", lambda trade_id: None)


@pytest.fixture
def basket(books: Books) -> Any:
    return two_leg_basket(books)[0]


@pytest.fixture
def caller(user: User, now: datetime) -> Caller:
    return Caller(user, now)


def live_world(user: User, basket: Any, now: datetime) -> tuple[TicketQuote, Trade]:
    """A quote and a trade with real money, as a live key or a session has made them."""
    values: dict[str, Any] = {"user": user, "basket": basket, "composition": basket.compositions.get(), "side": "yes"}
    money: dict[str, Any] = {"amount": D(10), "worst_cost": D(10)}
    made = TicketQuote.objects.create(
        **values, **money, mode="live", allocation="units", cost=D(9), fees=D(0), best_payout=D(20),
        created_at=now, expires_at=now + timedelta(seconds=15),
    )  # fmt: skip
    row = Trade.objects.create(
        **values, **money, mode="live", idempotency_key="live", hold="ask", status="needs_attention", created_at=now
    )
    return made, row


def test_a_test_key_reaches_no_real_money_in_any_way(user: User, basket: Any, now: datetime, settings: Any) -> None:
    settings.LIVE_TRADING, settings.VENUES = True, "live"
    made, row = live_world(user, basket, now)
    key = Caller(user, now, environment="test")
    for mode in ("live", "demo"):
        answer = quote(key, basket, mode=mode)
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
        assert "test key" in answer.json()["detail"]
        for path in ("/trades", "/positions", "/exposure"):
            assert key.ask("GET", f"{path}?mode={mode}").status_code == 400
    assert trade(key, basket, str(made.pk)).status_code == 404
    assert key.ask("GET", f"/trades/{row.pk}").status_code == 404
    assert key.ask("POST", f"/trades/{row.pk}/choices", {"choice": "continue"}).status_code == 404
    assert key.get("/trades")["results"] == []
    live = Caller(user, now, environment="live")
    assert [found["id"] for found in live.get("/trades")["results"]] == [str(row.pk)]
    assert live.get(f"/trades/{row.pk}")["choices"] == ["continue", "stop"]
    assert live.get("/positions?mode=live")["results"] == []


def test_what_is_no_key_of_ours_reaches_what_a_test_key_does(user: User, basket: Any, now: datetime) -> None:
    class Token:
        scopes = ALL
        environment = "live"

    api = APIClient()
    api.force_authenticate(user, token=Token())
    _, row = live_world(user, basket, now)
    assert api.get(f"/api/v1/trades/{row.pk}").status_code == 404


def test_a_session_that_moves_real_money_must_be_fresh(user: User, basket: Any, now: datetime) -> None:
    made, row = live_world(user, basket, now)
    session = Client()
    session.force_login(user)
    headers = {"Idempotency-Key": "k-9"}
    asked = [
        (f"/api/v1/baskets/{basket.public_id}/trades", {"quote_id": str(made.pk)}),
        (f"/api/v1/trades/{row.pk}/choices", {"choice": "continue"}),
    ]
    for path, body in asked:
        answer = session.post(path, body, content_type="application/json", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "step_up_needed")
    row.refresh_from_db()
    assert row.hold == "ask"
    # To stop sends nothing, so it waits for nobody.
    answer = session.post(asked[1][0], {"choice": "stop"}, content_type="application/json")
    assert answer.status_code == 200
    row.refresh_from_db()
    assert row.hold == "decided"


def test_a_session_needs_its_csrf_token(user: User, basket: Any, now: datetime) -> None:
    session = Client(enforce_csrf_checks=True)
    session.force_login(user)
    path = f"/api/v1/baskets/{basket.public_id}/quotes"
    answer = session.post(path, {"direction": "yes", "amount": "5"}, content_type="application/json")
    assert answer.status_code == 403
    assert not TicketQuote.objects.exists()


def test_without_redis_money_stands_still_and_reads_go_on(caller: Caller, basket: Any, settings: Any) -> None:
    trade_id = buy(caller, basket).json()["id"]
    quote_id = quote(caller, basket).json()["id"]
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    for answer in (
        quote(caller, basket),
        trade(caller, basket, quote_id, "k-2"),
        caller.ask("POST", f"/trades/{trade_id}/choices", {"choice": "stop"}),
    ):
        assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, "unavailable", "5")
    assert caller.get(f"/trades/{trade_id}")["id"] == trade_id
    assert len(caller.get("/trades")["results"]) == 1
    ApiKey.objects.update(rate_limit_per_hour=1)
    kept_keys.clear()
    assert [caller.ask("GET", "/trades").status_code for _ in range(2)] == [200, 429]
    assert Trade.objects.count() == 1
