"""Every endpoint below /api/, knocked on wrongly: a 4xx in the one error shape, and nothing changes."""

import base64
import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from accounts.models import ApiKey
from baskets.models import Basket
from itomarkets.records.models import AuditEntry
from tests.accounts.test_api_keys import make_key
from tests.baskets.helpers import make_held_basket
from tests.factories import make_user

pytestmark = pytest.mark.django_db
NOBODY = "bas_" + "0" * 14
PUBLIC = (
    "/api/v1/baskets",
    f"/api/v1/baskets/{NOBODY}",
    f"/api/v1/baskets/{NOBODY}/price",
    f"/api/v1/baskets/{NOBODY}/history",
    f"/api/v1/baskets/{NOBODY}/composition",
    "/api/v1/markets/search",
    "/api/v1/markets/facets",
    "/api/v1/markets/kalshi:NONE",
    "/api/v1/markets/kalshi:NONE/history",
    "/api/v1/markets/kalshi:NONE/classification",
    "/api/v1/themes",
    "/api/v1/factors",
)
INTERNAL = ("/api/internal/api-keys", "/api/internal/api-keys/AAAABBBB")
KEYS = INTERNAL[0]


def say(answer: Any, status: int, code: str) -> dict[str, Any]:
    """Check the one error shape; returns the body."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"].startswith("application/json")
    body: dict[str, Any] = answer.json()
    assert set(body) - {"errors"} == {"code", "detail", "request_id"}
    assert body["code"] == code
    assert body["detail"]
    assert body["request_id"] == answer["X-Request-ID"]
    assert ("errors" in body) == (status == 400 and code == "invalid")
    return body


def key_of(now: datetime, *scopes: str, **values: Any) -> str:
    return make_key(make_user(), now, scopes=scopes or ["baskets:read", "markets:read"], **values).secret


def ask(path: str, key: str, method: str = "GET") -> Any:
    return Client().generic(method, path, headers={"Authorization": f"Bearer {key}"})


@pytest.mark.parametrize("path", [*PUBLIC, *INTERNAL])
def test_a_stranger_is_told_to_name_a_key(path: str, client: Client) -> None:
    answer = client.get(path)
    say(answer, 401, "not_authenticated")
    assert answer["WWW-Authenticate"]


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer a b", "Bearer bkt_test_AAAABBBB.nonsense", "Bearer " + "x" * 500, "Bearer \u00e9"]
)
@pytest.mark.parametrize("path", PUBLIC)
def test_a_wrong_key_is_refused(path: str, header: str, client: Client) -> None:
    say(client.get(path, headers={"Authorization": header}), 401, "authentication_failed")


@pytest.mark.parametrize("path", PUBLIC)
def test_a_key_with_one_wrong_letter_a_revoked_and_an_expired_key_are_refused_alike(path: str, now: datetime) -> None:
    good = key_of(now)
    revoked, expired = key_of(now), key_of(now, expires_at=now + timedelta(seconds=1))
    ApiKey.objects.filter(prefix=revoked[9:17]).update(revoked=True)
    ApiKey.objects.filter(prefix=expired[9:17]).update(expiry_date=now)
    wrong = good[:-1] + ("x" if good[-1] != "x" else "y")
    details = {say(ask(path, key), 401, "authentication_failed")["detail"] for key in (wrong, revoked, expired)}
    assert len(details) == 1


@pytest.mark.parametrize("path", [*PUBLIC, *INTERNAL])
@pytest.mark.parametrize("name", ["key", "api_key", "token", "access_token"])
def test_a_key_in_the_query_string_opens_nothing(path: str, name: str, now: datetime, client: Client) -> None:
    key = key_of(now)
    answer = client.get(path, {name: key})
    say(answer, 401, "not_authenticated")
    assert key not in answer.content.decode()


@pytest.mark.parametrize("path", PUBLIC)
def test_a_key_without_the_scope_is_refused(path: str, now: datetime) -> None:
    say(ask(path, key_of(now, "trades:read", "trades:write", "baskets:write")), 403, "permission_denied")


@pytest.mark.parametrize("path", INTERNAL)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_key_cannot_handle_keys(path: str, method: str, now: datetime) -> None:
    key = key_of(now, "trades:read", "trades:write", "baskets:write", "baskets:read", "markets:read")
    say(ask(path, key, method), 401, "not_authenticated")
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize("method", ["PUT", "TRACE", "BREW"])
@pytest.mark.parametrize("path", PUBLIC)
def test_a_method_that_is_not_there_is_named(path: str, method: str, now: datetime) -> None:
    make_held_basket(now)
    answer = ask(path, key_of(now), method)
    assert method in say(answer, 405, "method_not_allowed")["detail"]
    assert "GET" in answer["Allow"]
    assert Basket.objects.count() == 1


@pytest.mark.parametrize(("path", "method"), [(INTERNAL[0], "DELETE"), (INTERNAL[0], "PUT"), (INTERNAL[1], "POST")])
def test_a_method_that_is_not_there_is_named_to_a_person_too(path: str, method: str, client: Client) -> None:
    client.force_login(make_user())
    say(client.generic(method, path), 405, "method_not_allowed")


@pytest.mark.parametrize(
    "path",
    [
        "/api/",
        "/api/v1",
        "/api/v1/",
        "/api/nothing",
        "/api/v1/baskets/abc",
        "/api/v1/baskets/1",
        "/api/v1/baskets/bas_0000",
        f"/api/v1/baskets/{NOBODY}/",
        f"/api/v1/baskets/{NOBODY}.json",
        f"/api/v1/baskets/{NOBODY}%00",
        "/api/v1/markets/1",
        "/api/v1/markets/nyse:A",
        "/api/v1/markets/kalshi:",
        "/api/v1/markets/kalshi:A%00",
        "/api/v1/trades/1",
        "/api/v1/backfills/1",
        "/api//v1/baskets",
        "/api/%FF",
        "/api/internal",
        "/api/internal/api-keys/%00",
        "/api/internal/api-keys/a%2Fb",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_address_that_is_not_there_answers_a_program_in_json(path: str, method: str, client: Client) -> None:
    say(client.generic(method, path), 404, "not_found")


@pytest.mark.parametrize("path", [path for path in PUBLIC if NOBODY in path or "NONE" in path])
def test_what_is_not_there_is_not_found(path: str, now: datetime) -> None:
    say(ask(path, key_of(now)), 404, "not_found")


def test_another_persons_basket_is_not_found(now: datetime) -> None:
    basket = make_held_basket(now, owner=make_user(), kind="custom", visibility="private")
    for end in ("", "/price", "/history", "/composition"):
        say(ask(f"/api/v1/baskets/{basket.public_id}{end}", key_of(now)), 404, "not_found")


def cursor(text: str) -> str:
    return quote(base64.urlsafe_b64encode(text.encode()).decode())


BAD_PARAMETERS = [
    ("baskets", "limit", "x"),
    ("baskets", "limit", "0"),
    ("baskets", "limit", "-1"),
    ("baskets", "limit", "201"),
    ("baskets", "limit", "9" * 40),
    ("baskets", "kind", "royal"),
    ("baskets", "search", "x" * 121),
    ("baskets", "search", "%00"),
    ("baskets", "cursor", "zzz"),
    ("baskets", "cursor", "%FF"),
    ("baskets", "cursor", cursor('["created_at","n","x","y"]')),
    ("baskets", "cursor", cursor('["created_at","n",1,2]')),
    ("baskets", "colour", "red"),
    ("baskets", "format", "xml"),
    ("baskets", "sort", "pk"),
    ("baskets", "owner", "1"),
    ("baskets/{pk}/history", "resolution", "year"),
    ("baskets/{pk}/history", "from", "%00"),
    ("baskets/{pk}/composition", "at", "never"),
    ("themes", "colour", "red"),
    ("factors", "theme", "%00"),
    ("markets/search", "theme", "%00"),
    ("markets/search", "theme", "no-such-theme"),
    ("baskets/{pk}", "colour", "red"),
    ("baskets/{pk}/price", "colour", "red"),
    ("markets/search", "q", "%00"),
    ("markets/search", "q", "x" * 201),
    ("markets/search", "venue", "nyse"),
    ("markets/search", "status", "asleep"),
    ("markets/search", "min_volume", "much"),
    ("markets/search", "min_volume", "NaN"),
    ("markets/search", "min_volume", "1e400"),
    ("markets/search", "min_volume", "-1"),
    ("markets/search", "max_price", "1.01"),
    ("markets/search", "tag", "x" * 81),
    ("markets/facets", "q", "x" * 201),
    ("markets/facets", "cursor", "zzz"),
    ("markets/search", "closes_before", "soon"),
    ("markets/search", "closes_before", "2026-13-45"),
    ("markets/search", "closes_before", "0001-01-01T00:00:00%2B14:00"),
    ("markets/search", "closes_after", "9999-12-31T23:59:59-14:00"),
    ("markets/search", "limit", "x"),
    ("markets/search", "limit", "0"),
    ("markets/search", "limit", "1" * 12),
    ("markets/search", "cursor", "zzz"),
    ("markets/search", "cursor", cursor("n||NaN|1")),
    ("markets/search", "cursor", cursor("n||1|0")),
    ("markets/search", "cursor", cursor("n||1|" + "9" * 30)),
    ("markets/search", "format", "xml"),
    ("markets/search", "colour", "red"),
]


@pytest.mark.parametrize(("path", "name", "value"), BAD_PARAMETERS)
def test_a_parameter_that_cannot_be_read_is_named(path: str, name: str, value: str, now: datetime) -> None:
    basket = make_held_basket(now)
    body = say(ask(f"/api/v1/{path.format(pk=basket.public_id)}?{name}={value}", key_of(now)), 400, "invalid")
    assert set(body["errors"]) == {name}


def test_a_cursor_past_every_row_is_an_empty_page(now: datetime) -> None:
    make_held_basket(now)
    text = '["created_at","n","9999-12-31T00:00:00+00:00","zzz"]'
    answer = ask(f"/api/v1/baskets?cursor={cursor(text)}", key_of(now))
    assert answer.json() == {"results": [], "next": None, "previous": None}


def test_an_answer_that_cannot_be_json_is_refused_in_json(now: datetime) -> None:
    headers = {"Authorization": f"Bearer {key_of(now)}", "Accept": "text/html"}
    say(Client().get(PUBLIC[0], headers=headers), 406, "not_acceptable")


def test_too_many_requests_are_told_when_to_come_back(now: datetime) -> None:
    key = key_of(now)
    ApiKey.objects.update(rate_limit_per_hour=1)
    assert ask(PUBLIC[0], key).status_code == 200
    answer = ask(PUBLIC[0], key)
    say(answer, 429, "throttled")
    assert int(answer["Retry-After"]) > 0


BAD_BODIES = [
    ("{", "application/json", 400, "parse_error"),
    ("", "application/json", 400, "invalid"),
    ("\xff", "application/json", 400, "parse_error"),
    ("[" * 100_000, "application/json", 400, "parse_error"),
    ('{"name": NaN}', "application/json", 400, "parse_error"),
    ("[]", "application/json", 400, "invalid"),
    ("null", "application/json", 400, "invalid"),
    ('"a name"', "application/json", 400, "invalid"),
    ("{}", "application/json", 400, "invalid"),
    ("name=bot", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
    ("<key/>", "text/xml", 415, "unsupported_media_type"),
]


@pytest.mark.parametrize(("body", "content_type", "status", "code"), BAD_BODIES)
def test_a_body_that_cannot_be_read_makes_no_key(
    body: str, content_type: str, status: int, code: str, client: Client
) -> None:
    client.force_login(make_user())
    say(client.post(KEYS, body.encode("latin-1"), content_type=content_type), status, code)
    assert not ApiKey.objects.exists()


def test_a_body_past_the_limit_is_not_read(client: Client, settings: Any) -> None:
    client.force_login(make_user())
    body = json.dumps({"name": "x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE})
    say(client.post(KEYS, body, content_type="application/json"), 413, "too_large")


BAD_KEYS: list[dict[str, Any]] = [
    {"name": ""},
    {"name": "   "},
    {"name": "x" * 51},
    {"name": "a\0b"},
    {"name": ["bot"]},
    {"name": None},
    {"scopes": []},
    {"scopes": "baskets:read"},
    {"scopes": ["everything"]},
    {"scopes": ["baskets:read"] * 21},
    {"scopes": [None]},
    {"environment": "moon"},
    {"expires_at": "soon"},
    {"expires_at": "2020-01-01T00:00:00Z"},
    {"expires_at": "0001-01-01T00:00:00+14:00"},
    {"expires_at": "9999-12-31T23:59:59-14:00"},
    {"rate_limit_per_hour": 10**9},
    {"user": 1},
]


@pytest.mark.parametrize("bad", BAD_KEYS, ids=str)
def test_a_key_that_cannot_be_is_not_made(bad: dict[str, Any], client: Client, now: datetime) -> None:
    client.force_login(make_user())
    body = {"name": "bot", "scopes": ["baskets:read"], **bad}
    assert say(client.post(KEYS, body, content_type="application/json"), 400, "invalid")["errors"]
    assert not ApiKey.objects.exists()
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_without_the_csrf_token_nothing_is_made_or_revoked(method: str, now: datetime) -> None:
    user = make_user()
    prefix = make_key(user, now).row.prefix
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(user)
    path = KEYS if method == "POST" else f"{KEYS}/{prefix}"
    body = json.dumps({"name": "bot", "scopes": ["baskets:read"]})
    say(strict.generic(method, path, body, content_type="application/json"), 403, "permission_denied")
    assert list(ApiKey.objects.values_list("revoked", flat=True)) == [False]


def test_a_key_of_nobody_and_of_somebody_else_are_not_found_alike(client: Client, now: datetime) -> None:
    other = make_key(make_user(), now).row.prefix
    client.force_login(make_user())
    for prefix in (other, "AAAABBBB", "x" * 200):
        say(client.delete(f"{KEYS}/{prefix}"), 404, "not_found")
    assert not ApiKey.objects.filter(revoked=True).exists()


def test_a_fault_of_ours_is_json_without_its_words(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("a canary that no answer may show")

    monkeypatch.setattr("baskets.api.views.facts_of", broken)
    quiet = Client(raise_request_exception=False)
    answer = quiet.get(PUBLIC[0], headers={"Authorization": f"Bearer {key_of(now)}"})
    assert "canary" not in say(answer, 500, "error")["detail"]


def test_an_unknown_host_is_refused_in_json(client: Client) -> None:
    say(client.get(PUBLIC[0], headers={"Host": "evil.example"}), 400, "bad_request")


@pytest.mark.parametrize(
    "path", ["/baskets?q=%00", "/builder?q=a%00b", "/builder/search?q=%00", "/baskets/%00", "/status?%00=%00"]
)
def test_a_zero_byte_breaks_no_page_either(path: str, client: Client) -> None:
    client.force_login(make_user())
    assert client.get(path).status_code in (200, 400, 404)
