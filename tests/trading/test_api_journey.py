"""A program's first day, by HTTP alone: key, search, basket, quote, trade, positions, sale; on paper, on real books."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from markets.sync import sync_markets
from tests.roof.api_shapes import misfits
from tests.trading.sandbox_world import TICKER, Exchange, point_settings_at
from trading.api import shapes

pytestmark = pytest.mark.django_db
D = Decimal
V1 = "/api/v1"


def make_a_key_by_hand(client: Client) -> str:
    """Register, and mint a key on the session that this begins."""
    person = {"username": "newcomer", "email": "newcomer@example.com"}
    password = {"password1": "correct-horse-battery", "password2": "correct-horse-battery"}
    assert client.post("/register", person | password).status_code == 302
    # A key that may trade needs a person who has just said who they are.
    assert client.post("/account/reauthenticate", {"password": "correct-horse-battery"}).status_code == 302
    scopes = ["baskets:read", "baskets:write", "markets:read", "trades:read", "trades:write"]
    body = {"name": "bot", "scopes": scopes, "environment": "test"}
    answer = client.post("/api/internal/api-keys", body, content_type="application/json")
    assert answer.status_code == 201, answer.content
    return str(answer.json()["key"])


def test_from_a_key_to_a_closed_position(
    running: Exchange,
    settings: Any,
    client: Client,
    now: datetime,
    at: Callable[[datetime], datetime],
    django_capture_on_commit_callbacks: Any,
) -> None:
    point_settings_at(settings, running.url)
    sync_markets(venue=None, full=True, now=now)
    program, key = Client(), make_a_key_by_hand(client)

    def ask(method: str, path: str, body: Any = None, *, status: int = 200, **headers: str) -> Any:
        # What a request leaves to be done after its commit is done: the worker sends the orders.
        with django_capture_on_commit_callbacks(execute=True):
            answer = program.generic(
                method,
                path if path.startswith("http") else f"{V1}{path}",
                b"" if body is None else json.dumps(body),
                content_type="application/json",
                headers={"Authorization": f"Bearer {key}", **headers},
            )
        assert answer.status_code == status, answer.content
        return answer

    found = ask("GET", "/markets/search?q=fed&limit=10").json()["results"]
    assert f"kalshi:{TICKER}" in {row["id"] for row in found}
    wanted = [
        {"market_id": f"kalshi:{TICKER}", "side": "yes", "weight": "1"},
        {"market_id": "polymarket:11", "side": "no", "weight": "1"},
    ]
    made = ask("POST", "/baskets", {"name": "Cuts", "legs": wanted}, status=201).json()
    assert [leg["weight"] for leg in made["legs"]] == ["0.50000000", "0.50000000"]
    basket = f"/baskets/{made['id']}"
    assert D(ask("GET", f"{basket}/price").json()["price"]["level"]) == 100

    def trade(key: str, **values: Any) -> Any:
        quote = ask("POST", f"{basket}/quotes", {"direction": "yes", **values}, status=201).json()
        assert not list(misfits(shapes.QuoteShape(), quote))
        body, header = {"quote_id": quote["id"]}, {"Idempotency-Key": key}
        first = ask("POST", f"{basket}/trades", body, status=201, **header)
        again = ask("POST", f"{basket}/trades", body, status=201, **header)
        assert first.json() == again.json()
        assert again["Idempotent-Replayed"] == "true"
        assert not list(misfits(shapes.TradeDetailShape(), first.json()))
        progress = ask("GET", first["Location"]).json()
        assert not list(misfits(shapes.TradeDetailShape(), progress))
        assert progress["status"] == "complete", progress["sentence"]
        return quote, progress

    quote, bought = trade("first-buy", amount="60.00")
    assert D(bought["total"]) <= D(quote["worst_cost"]) <= 60
    positions = ask("GET", "/positions").json()["results"]
    assert {(row["market_id"], row["side"]) for row in positions} == {
        (f"kalshi:{TICKER}", "yes"),
        ("polymarket:11", "no"),
    }
    exposure = ask("GET", "/exposure").json()
    assert D(exposure["cash"]) == D(10000) - D(bought["total"])
    assert D(exposure["total"]["cost"]) == D(bought["total"])

    at(now + timedelta(seconds=20))
    _, sold = trade("first-sale", action="sell")
    assert ask("GET", "/positions").json()["results"] == []
    trades = ask("GET", "/trades").json()["results"]
    assert [(row["action"], row["status"]) for row in trades] == [("sell", "complete"), ("buy", "complete")]
    exposure = ask("GET", "/exposure").json()
    assert D(exposure["cash"]) == D(10000) - D(bought["total"]) + D(sold["cost"]) - D(sold["fees"])
    ask("DELETE", basket, status=204)
    ask("GET", basket, status=404)
    assert len(ask("GET", "/trades").json()["results"]) == 2
