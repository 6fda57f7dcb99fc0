"""The endpoints behind the developer page: a session and CSRF, nothing else."""

from datetime import datetime

import pytest
from django.test import Client

from accounts.api import views
from accounts.api_keys import note_uses
from accounts.keys import prefix_of
from accounts.models import ApiKey
from tests.accounts.test_api_keys import make_key
from tests.factories import make_user

pytestmark = pytest.mark.django_db
LIST = "/api/internal/api-keys"


def post(client: Client, **values: object) -> object:
    body = {"name": "bot", "scopes": ["baskets:read"], **values}
    return client.post(LIST, body, content_type="application/json")


def test_strangers_and_keys_may_not_mint_keys(client: Client, now: datetime) -> None:
    assert client.get(LIST).status_code == 401
    created = make_key(make_user(), now)
    assert client.get(LIST, headers={"Authorization": f"Bearer {created.secret}"}).status_code == 401


def test_a_post_without_the_csrf_token_is_refused(now: datetime) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user())
    assert post(client).status_code == 403  # type: ignore[attr-defined]
    assert not ApiKey.objects.exists()


def test_the_secret_is_in_the_answer_that_made_it_and_never_after(client: Client, now: datetime) -> None:
    client.force_login(make_user())
    answer = post(client)
    assert answer.status_code == 201  # type: ignore[attr-defined]
    secret = answer.json()["key"]  # type: ignore[attr-defined]
    again = client.get(LIST)
    assert again.json()["results"][0]["name"] == "bot"
    assert secret not in again.content.decode()
    assert "hash" not in again.content.decode()


@pytest.mark.parametrize(
    "bad", [{"scopes": []}, {"scopes": ["all"]}, {"name": ""}, {"user": 1}, {"rate_limit_per_hour": 10**6}]
)
def test_what_does_not_fit_is_400_and_changes_nothing(client: Client, bad: dict[str, object]) -> None:
    client.force_login(make_user())
    answer = post(client, **bad)
    assert answer.status_code == 400  # type: ignore[attr-defined]
    assert answer.json()["errors"]  # type: ignore[attr-defined]
    assert not ApiKey.objects.exists()


def test_a_key_that_may_trade_needs_a_fresh_confirmation(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.force_login(make_user())
    answer = post(client, scopes=["trades:write"])
    assert (answer.status_code, answer.json()["code"]) == (403, "step_up_needed")  # type: ignore[attr-defined]
    monkeypatch.setattr(views, "needs_step_up", lambda request, scopes: False)
    assert post(client, scopes=["trades:write"]).status_code == 201  # type: ignore[attr-defined]


def test_only_the_owner_revokes_and_twice_is_quiet(client: Client, now: datetime) -> None:
    owner = make_user()
    created = make_key(owner, now)
    client.force_login(make_user())
    assert client.delete(f"{LIST}/{created.row.prefix}").status_code == 404
    client.force_login(owner)
    assert client.delete(f"{LIST}/{created.row.prefix}").status_code == 204
    assert client.delete(f"{LIST}/{created.row.prefix}").status_code == 204
    assert ApiKey.objects.get().revoked


def test_a_key_is_rotated_by_its_owner_and_its_use_is_shown(client: Client, now: datetime) -> None:
    owner = make_user()
    old = make_key(owner, now, allowed_networks=["203.0.113.0/24"])
    note_uses(old.row.prefix, day=now.date(), count=3, now=now)
    client.force_login(make_user())
    for end, method in (("rotate", client.post), ("usage", client.get)):
        assert method(f"{LIST}/{old.row.prefix}/{end}").status_code == 404
    client.force_login(owner)
    answer = client.post(f"{LIST}/{old.row.prefix}/rotate", {"overlap_hours": 1}, content_type="application/json")
    assert answer.status_code == 201
    new = answer.json()
    assert (new["replaces"], new["allowed_networks"]) == (old.row.prefix, ["203.0.113.0/24"])
    assert prefix_of(new["key"]) == new["prefix"]
    again = client.post(f"{LIST}/{old.row.prefix}/rotate", {}, content_type="application/json")
    assert (again.status_code, again.json()["code"]) == (409, "key_refused")
    assert client.get(f"{LIST}/{old.row.prefix}/usage").json() == {
        "prefix": old.row.prefix,
        "total": 3,
        "last_used_at": "2026-08-01T12:00:00Z",
        "days": [{"day": "2026-08-01", "count": 3}],
    }


def test_a_key_that_may_trade_is_rotated_after_a_fresh_confirmation_only(client: Client, now: datetime) -> None:
    owner = make_user()
    old = make_key(owner, now, scopes=["trades:write"], environment="live")
    client.force_login(owner)
    answer = client.post(f"{LIST}/{old.row.prefix}/rotate", {}, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "step_up_needed")
    assert ApiKey.objects.count() == 1
