"""A program with a key, and what it asks of trades; tests of the API share it."""

import json
from datetime import datetime
from typing import Any

from django.test import Client

from accounts.models import User
from tests.accounts.test_api_keys import make_key

ALL = ["baskets:read", "trades:read", "trades:write"]


class Caller:
    """A program with a key."""

    def __init__(
        self, user: User, now: datetime, *, environment: str = "test", scopes: list[str] | None = None
    ) -> None:
        self.user = user
        self.key = make_key(user, now, scopes=scopes or ALL, environment=environment).secret

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        return Client().generic(
            method,
            f"/api/v1{path}",
            b"" if body is None else json.dumps(body),
            content_type="application/json",
            headers={"Authorization": f"Bearer {self.key}", **headers},
        )

    def get(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.content
        return answer.json()


def quote(caller: Caller, basket: Any, **values: Any) -> Any:
    body = {"direction": "yes", "amount": "100.00", **values}
    return caller.ask("POST", f"/baskets/{basket.public_id}/quotes", body)


def trade(caller: Caller, basket: Any, quote_id: str, key: str = "k-1", **values: Any) -> Any:
    body = {"quote_id": quote_id, **values}
    return caller.ask("POST", f"/baskets/{basket.public_id}/trades", body, **{"Idempotency-Key": key})


def buy(caller: Caller, basket: Any, key: str = "k-1", **values: Any) -> Any:
    answer = trade(caller, basket, quote(caller, basket, **values).json()["id"], key)
    assert answer.status_code == 201, answer.content
    return answer
