"""`/api/v1`: quotes, trades, choices, positions and exposure, by key and by session."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from accounts.models import User
from tests.factories import make_user
from tests.trading.api_caller import Caller, buy, quote, trade
from tests.trading.test_execution import run
from tests.trading.venue import Books, FakeVenue, sandbox_account, two_leg_basket
from trading.models import Order, TicketQuote, Trade, VenueAccount

D = Decimal
NO_QUOTE = "00000000-0000-4000-8000-000000000000"


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


def test_a_quote_is_told_leg_by_leg_in_decimals(caller: Caller, basket: Any, now: datetime) -> None:
    answer = quote(caller, basket)
    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert (body["direction"], body["mode"], body["action"]) == ("yes", "paper", "buy")
    assert body["expires_at"] == "2026-08-01T12:00:15Z"
    assert body["basket"] == {"id": basket.public_id, "slug": basket.slug, "name": basket.name}
    assert {leg["market_id"].partition(":")[0] for leg in body["legs"]} == {"kalshi", "polymarket"}
    assert all(isinstance(leg[name], str) for leg in body["legs"] for name in ("count", "limit", "cost", "worst_cost"))
    assert D(body["worst_cost"]) <= 100
    assert sum(D(leg["worst_cost"]) for leg in body["legs"]) == D(body["worst_cost"])
    assert "account_id" not in body["legs"][0]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"direction": "up"}, "direction"),
        ({"direction": None}, "direction"),
        ({"amount": None}, "amount"),
        ({"amount": 100.5}, "amount"),
        ({"amount": "NaN"}, "amount"),
        ({"amount": "1e400"}, "amount"),
        ({"amount": "0"}, "amount"),
        ({"amount": "-5"}, "amount"),
        ({"amount": "1.001"}, "amount"),
        ({"amount": "1000000.01"}, "amount"),
        ({"amount": True}, "amount"),
        ({"action": "steal"}, "action"),
        ({"mode": "moon"}, "mode"),
        ({"allocation": "all"}, "allocation"),
        ({"user": 1}, "user"),
        ({"status": "complete"}, "status"),
        ({"filled_qty": "10"}, "filled_qty"),
    ],
    ids=str,
)
def test_a_quote_that_cannot_be_meant_is_refused_by_the_field(
    caller: Caller, basket: Any, change: dict[str, Any], name: str
) -> None:
    answer = quote(caller, basket, **change)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [name])
    assert not TicketQuote.objects.exists()


def test_a_quote_past_a_limit_or_without_books_is_refused_with_a_sentence(
    caller: Caller, basket: Any, books: Books
) -> None:
    answer = quote(caller, basket, amount="10000.01")
    assert (answer.status_code, answer.json()["code"]) == (422, "quote_refused")
    books.is_down = True
    answer = quote(caller, basket)
    assert (answer.status_code, answer.json()["code"]) == (422, "quote_refused")
    assert "try again" in answer.json()["detail"]


def test_a_trade_answers_at_once_with_its_legs_and_orders(caller: Caller, basket: Any) -> None:
    answer = buy(caller, basket)
    body = answer.json()
    assert (body["status"], body["leg_count"], body["filled_legs"], body["choices"]) == ("confirmed", 2, 0, [])
    assert [leg["says"] for leg in body["legs"]] == ["Waiting to be sent"] * 2
    stored = {str(pk) for pk in Order.objects.values_list("client_id", flat=True)}
    assert {order["id"] for leg in body["legs"] for order in leg["orders"]} == stored
    assert answer["Location"].endswith(f"/api/v1/trades/{body['id']}")
    assert caller.get(f"/trades/{body['id']}") == body


def test_the_same_key_and_body_give_the_stored_answer(caller: Caller, basket: Any) -> None:
    quote_id = quote(caller, basket).json()["id"]
    first = trade(caller, basket, quote_id)
    Trade.objects.update(status="complete")
    again = trade(caller, basket, quote_id)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again["Location"] == first["Location"]
    assert ("Idempotent-Replayed" in first, again["Idempotent-Replayed"]) == (False, "true")
    assert Trade.objects.count() == 1


def test_the_same_key_with_another_body_is_refused(caller: Caller, basket: Any) -> None:
    one, other = (quote(caller, basket).json()["id"] for _ in range(2))
    assert trade(caller, basket, one).status_code == 201
    for answer in (trade(caller, basket, other), trade(caller, basket, one, policy="hold_and_ask")):
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert Trade.objects.count() == 1


def test_one_key_on_two_baskets_is_refused_by_the_core(caller: Caller, basket: Any, books: Books) -> None:
    other = two_leg_basket(books)[0]
    buy(caller, basket)
    answer = trade(caller, other, quote(caller, other).json()["id"])
    assert (answer.status_code, answer.json()["code"]) == (422, "key_reused")


@pytest.mark.parametrize(
    ("key", "code"),
    [("", "idempotency_key_missing"), ("x" * 65, "idempotency_key_invalid"), ("a b", "idempotency_key_invalid")],
)
def test_a_trade_needs_a_key_and_says_what_to_do(caller: Caller, basket: Any, key: str, code: str) -> None:
    quote_id = quote(caller, basket).json()["id"]
    headers = {"Idempotency-Key": key} if key else {}
    answer = caller.ask("POST", f"/baskets/{basket.public_id}/trades", {"quote_id": quote_id}, **headers)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert not Trade.objects.exists()


def test_a_refused_trade_frees_its_key(caller: Caller, basket: Any, at: Any, now: datetime, books: Books) -> None:
    stale = quote(caller, basket).json()["id"]
    at(now + timedelta(seconds=16))
    answer = trade(caller, basket, stale)
    assert (answer.status_code, answer.json()["code"]) == (409, "quote_expired")
    books.move_to(now + timedelta(seconds=16))
    assert trade(caller, basket, quote(caller, basket).json()["id"]).status_code == 201


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({}, "quote_id"),
        ({"quote_id": "17"}, "quote_id"),
        ({"quote_id": NO_QUOTE, "policy": "hope"}, "policy"),
        ({"quote_id": NO_QUOTE, "status": "complete"}, "status"),
        ({"quote_id": NO_QUOTE, "user": 1}, "user"),
        ({"quote_id": NO_QUOTE, "mode": "live"}, "mode"),
    ],
    ids=str,
)
def test_a_trade_that_cannot_be_meant_is_refused_by_the_field(
    caller: Caller, basket: Any, body: dict[str, Any], name: str
) -> None:
    answer = caller.ask("POST", f"/baskets/{basket.public_id}/trades", body, **{"Idempotency-Key": "k"})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [name])


def test_other_peoples_quotes_trades_and_baskets_are_not_found(
    caller: Caller, basket: Any, now: datetime, books: Books
) -> None:
    theirs = buy(caller, basket).json()["id"]
    their_quote = quote(caller, basket).json()["id"]
    stranger = Caller(make_user(is_staff=True, is_superuser=True), now)
    assert stranger.ask("GET", f"/trades/{theirs}").status_code == 404
    assert stranger.ask("POST", f"/trades/{theirs}/choices", {"choice": "stop"}).status_code == 404
    assert trade(stranger, basket, their_quote).status_code == 404
    assert stranger.get("/trades")["results"] == []
    assert stranger.get("/positions")["results"] == []
    hidden = two_leg_basket(books, visibility="private")[0]
    assert quote(stranger, hidden).status_code == 404
    assert trade(caller, hidden, their_quote).status_code == 404


def test_a_trade_is_followed_to_its_positions_and_exposure(
    caller: Caller, basket: Any, books: Books, now: datetime
) -> None:
    trade_id = buy(caller, basket).json()["id"]
    account = VenueAccount.objects.get(user=caller.user)
    row = Trade.objects.get(pk=trade_id)
    run(row, lambda account: books.paper(account), now)  # type: ignore[arg-type]
    body = caller.get(f"/trades/{trade_id}")
    assert (body["status"], body["filled_legs"], body["is_final"]) == ("complete", 2, True)
    fill = body["legs"][0]["orders"][0]["fills"][0]
    assert D(fill["count"]) > 0
    positions = caller.get("/positions")["results"]
    assert {row["market_id"] for row in positions} == {leg["market_id"] for leg in body["legs"]}
    assert sum(D(row["cost"]) for row in positions) == D(body["total"])
    exposure = caller.get("/exposure")
    assert D(exposure["total"]["cost"]) == D(body["total"])
    account.refresh_from_db()
    assert D(exposure["cash"]) == account.cash
    assert [line["key"] for line in exposure["venues"]] != []
    assert all(line["key"].partition(":")[0] in ("kalshi", "polymarket") for line in exposure["events"])
    first = caller.get("/positions?limit=1")
    assert [*first["results"], *caller.get(first["next"].partition("/api/v1")[2])["results"]] == positions
    assert caller.get(f"/positions?basket={basket.public_id}&mode=sandbox")["results"] == []


def test_what_is_held_is_sold_whole_without_an_amount(
    caller: Caller, basket: Any, books: Books, at: Any, now: datetime
) -> None:
    run(Trade.objects.get(pk=buy(caller, basket).json()["id"]), books.paper, now)  # type: ignore[arg-type]
    type(basket).objects.filter(pk=basket.pk).update(is_active=False)
    later = at(now + timedelta(minutes=2))
    books.move_to(later)
    answer = quote(caller, basket, action="sell", amount=None)
    assert answer.status_code == 201, answer.content
    sale = trade(caller, basket, answer.json()["id"], "k-2")
    run(Trade.objects.get(pk=sale.json()["id"]), books.paper, later)  # type: ignore[arg-type]
    assert caller.get("/positions")["results"] == []
    assert [row["action"] for row in caller.get("/trades")["results"]] == ["sell", "buy"]
    assert quote(caller, basket, action="buy").status_code == 404


def test_trades_are_filtered_and_paged_newest_first(caller: Caller, basket: Any, now: datetime) -> None:
    buy(caller, basket)
    row = Trade.objects.values().get()
    for number in range(1, 6):
        Trade.objects.create(
            **{
                **row,
                "id": uuid4(),
                "quote_id": None,
                "idempotency_key": f"other-{number}",
                "created_at": now - timedelta(days=number // 2),
                "side": "no" if number == 5 else "yes",
            }
        )
    ordered = [str(pk) for pk in Trade.objects.order_by("-created_at", "-id").values_list("id", flat=True)]
    seen, path, back = [], "/trades?limit=2", ""
    while path:
        body = caller.get(path)
        seen += [row["id"] for row in body["results"]]
        path, back = (body["next"] or "").partition("/api/v1")[2], (body["previous"] or "").partition("/api/v1")[2]
    assert seen == ordered
    assert [row["id"] for row in caller.get(back)["results"]] == ordered[2:4]

    def found(query: str) -> int:
        return len(caller.get(f"/trades?{query}")["results"])

    assert (found("direction=no"), found("action=sell"), found("status=confirmed"), found("mode=sandbox")) == (
        1,
        0,
        6,
        0,
    )
    assert found(f"basket={basket.public_id}") == 6
    assert found("basket=bas_nothing") == 0
    assert found("created_after=2026-08-01") == 2
    assert found("created_before=2026-07-31") == 2
    for query in ("status=done", "direction=up", "mode=live", "created_after=now", "sort=amount", "user=1"):
        assert caller.ask("GET", f"/trades?{query}").status_code == 400, query


def test_lists_take_the_same_statements_at_any_length(
    caller: Caller, basket: Any, now: datetime, django_assert_max_num_queries: Any
) -> None:
    buy(caller, basket)
    row = Trade.objects.values().get()
    for number in range(30):
        Trade.objects.create(**{**row, "id": uuid4(), "quote_id": None, "idempotency_key": f"other-{number}"})
    api = APIClient()
    api.force_authenticate(caller.user)
    with django_assert_max_num_queries(1):
        assert len(api.get("/api/v1/trades").json()["results"]) == 31


def test_an_owner_chooses_once_and_sees_what_may_be_chosen(
    caller: Caller, basket: Any, books: Books, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox_account(caller.user, now, "kalshi")
    sandbox_account(caller.user, now, "polymarket")
    quote_id = quote(caller, basket, mode="sandbox").json()["id"]
    trade_id = trade(caller, basket, quote_id, policy="hold_and_ask").json()["id"]
    path = f"/trades/{trade_id}"
    assert caller.ask("POST", f"{path}/choices", {"choice": "continue"}).status_code == 409
    venue = FakeVenue(now=lambda: now, faults={1: "reject", 2: "reject"})
    run(Trade.objects.get(pk=trade_id), venue, now)
    body = caller.get(path)
    assert (body["status"], body["choices"]) == ("needs_attention", ["continue", "stop"])
    for wrong, status in (("unwind", 409), ("hope", 400), (None, 400)):
        assert caller.ask("POST", f"{path}/choices", {"choice": wrong}).status_code == status
    answer = caller.ask("POST", f"{path}/choices", {"choice": "stop"})
    assert (answer.status_code, answer.json()["trade"]["status"]) == (200, "aborted")
    assert answer.json()["trade"]["choices"] == []
    again = caller.ask("POST", f"{path}/choices", {"choice": "stop"})
    assert (again.status_code, again.json()["code"]) == (409, "choice_refused")
