"""`/api/v1/baskets`: shapes, scopes, what is not found, what is not understood."""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from baskets.snapshots import record_prices
from tests.baskets.helpers import compose, make_basket, make_held_basket, make_quoted, make_theme
from tests.factories import make_quote, make_user

pytestmark = pytest.mark.django_db
URL = "/api/v1/baskets"
NOBODY = "bas_" + "0" * 14


@dataclass
class Key:
    """What a key's authentication leaves on a request."""

    scopes: list[str] = field(default_factory=lambda: ["baskets:read"])
    rate_limit_per_hour: int = 1000
    pk: int = 1


def client(user=None, *scopes: str) -> APIClient:
    api = APIClient()
    api.force_authenticate(user or make_user(), token=Key(list(scopes or ["baskets:read"])))
    return api


@pytest.mark.parametrize("path", [URL, f"{URL}/{NOBODY}", f"{URL}/{NOBODY}/price"])
def test_without_a_key_nothing_is_read(path, now):
    answer = APIClient().get(path)
    assert answer.status_code in (401, 403)
    assert set(answer.json()) >= {"code", "detail"}


@pytest.mark.parametrize("path", [URL, f"{URL}/{NOBODY}", f"{URL}/{NOBODY}/price"])
def test_a_key_without_the_scope_is_refused(path, now):
    answer = client(None, "trades:read").get(path)
    assert answer.status_code == 403
    assert answer.json()["code"] == "permission_denied"


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_a_key_that_only_reads_writes_nothing(method, now):
    basket = make_held_basket(now, owner=(owner := make_user()))
    for path in (URL, f"{URL}/{basket.public_id}"):
        assert getattr(client(owner), method)(path).status_code in (403, 405)


def test_the_list_gives_decimals_as_strings_and_times_in_utc(now):
    basket = make_held_basket(now)
    body = client().get(URL).json()
    assert set(body) == {"results", "next", "previous"}
    row = body["results"][0]
    assert (row["id"], row["slug"], row["leg_count"], row["venues"]) == (basket.public_id, basket.slug, 2, ["kalshi"])
    assert (row["owner"], row["is_own"], row["created_at"]) == (basket.owner.username, False, "2026-07-01T00:00:00Z")
    assert row["price"] == {
        "at": "2026-08-01T12:00:00Z",
        "gauge": "0.500000",
        "bid": "0.490000",
        "mid": "0.500000",
        "ask": "0.510000",
        "level": "100.000000",
        "level_net": "100.000000",
        "change_day": None,
        "change_month": None,
        "quality": "complete",
        "not_official": "",
        "worst_age_seconds": 0,
    }


def test_pages_follow_a_cursor_to_the_end_without_repeats(now):
    made = [make_held_basket(now, name=name, created_at=now - timedelta(days=n)) for n, name in enumerate("dabcaab")]
    api = client()
    orders = {
        "created_at": lambda basket: (basket.created_at, basket.public_id),
        "name": lambda basket: (basket.name, basket.public_id),
    }
    for sort, key in orders.items():
        for sign in ("", "-"):
            expected = [basket.public_id for basket in sorted(made, key=key, reverse=bool(sign))]
            seen, url, back = [], f"{URL}?limit=3&sort={sign}{sort}", None
            while url:
                body = api.get(url).json()
                seen += [row["id"] for row in body["results"]]
                url, back = body["next"], body["previous"]
            assert seen == expected
            assert [row["id"] for row in api.get(back).json()["results"]] == expected[3:6]


def test_the_list_is_searched_and_narrowed_by_kind(now):
    make_held_basket(now, name="Rates stay high")
    make_held_basket(now, name="Something else")
    api = client()
    assert [row["name"] for row in api.get(URL, {"search": "rates"}).json()["results"]] == ["Rates stay high"]
    assert api.get(URL, {"kind": "system"}).json()["results"] == []
    assert len(api.get(URL, {"kind": "custom"}).json()["results"]) == 2


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"serach": "rates"}, "serach"),
        ({"kind": "hidden"}, "kind"),
        ({"limit": "0"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"search": "x" * 121}, "search"),
        ({"sort": "owner"}, "sort"),
        ({"owner": "them"}, "owner"),
        ({"theme": "No Slug"}, "theme"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"kind": ["system", "custom"]}, "kind"),
    ],
)
def test_a_parameter_that_is_not_understood_is_named(query, name, now):
    answer = client().get(URL, query)
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == [name]


def test_a_cursor_of_another_order_is_refused(now):
    for _ in range(2):
        make_held_basket(now)
    api = client()
    following = api.get(f"{URL}?limit=1&sort=name").json()["next"]
    assert api.get(following).status_code == 200
    assert api.get(following.replace("sort=name", "sort=-name")).status_code == 400


def test_own_baskets_and_those_of_a_theme_are_found(now):
    me = make_user()
    mine = make_held_basket(now, owner=me, visibility="private")
    theme = make_theme()
    system = make_held_basket(now, kind="system", theme=theme)
    api = client(me)
    assert [row["id"] for row in api.get(URL, {"owner": "me"}).json()["results"]] == [mine.public_id]
    assert [row["id"] for row in api.get(URL, {"theme": theme.slug}).json()["results"]] == [system.public_id]
    assert [row["id"] for row in api.get(URL, {"slug": mine.slug}).json()["results"]] == [mine.public_id]
    assert client().get(URL, {"slug": mine.slug}).json()["results"] == []


@pytest.mark.parametrize("tail", ["", "/price", "/history", "/composition"])
def test_a_private_basket_is_found_by_its_owner_alone(now, tail):
    owner = make_user()
    basket = make_held_basket(now, owner=owner, visibility="private")
    path = f"{URL}/{basket.public_id}{tail}"
    assert client(owner).get(path).status_code == 200
    assert client().get(path).status_code == 404
    assert client().get(f"{URL}/{NOBODY}{tail}").status_code == 404
    assert client(owner).get(f"{path}?verbose=1").status_code == 400
    listed = [row["id"] for row in client().get(URL).json()["results"]]
    assert basket.public_id not in listed


def test_a_detail_names_its_legs_and_its_version(now):
    basket = make_basket()
    market = make_quoted(now, "0.30", "0.34", venue="polymarket")
    compose(basket, now, (market, "no", "1"))
    body = client().get(f"{URL}/{basket.public_id}").json()
    assert body["composition"]["version"] == 1
    leg = body["legs"][0]
    assert (leg["venue"], leg["side"], leg["weight"]) == ("polymarket", "no", "1.00000000")
    assert leg["market_id"] == f"polymarket:{market.native_id}"
    assert (leg["bid"], leg["price"], leg["ask"], leg["reason"]) == ("0.660000", "0.680000", "0.700000", "mid")


def test_a_price_gives_now_and_the_latest_fixing_with_its_time(now, at):
    basket = make_held_basket(now, legs=1)
    record_prices(now=now)
    later = at(now + timedelta(seconds=70))
    make_quote(basket.compositions.get().constituents.get().market, "0.59", "0.61", later)
    body = client().get(f"{URL}/{basket.public_id}/price").json()
    assert body["price"]["gauge"] == "0.600000"
    assert body["latest"] == {
        "at": "2026-08-01T12:00:00Z",
        "gauge": "0.500000",
        "level": "100.000000",
        "level_net": "100.000000",
        "quality": "complete",
        "legs": 1,
        "legs_priced": 1,
    }


def test_a_basket_without_a_price_says_null_rather_than_zero(now):
    basket = make_basket()
    body = client().get(f"{URL}/{basket.public_id}/price").json()
    assert (body["price"], body["latest"]) == (None, None)
    assert client().get(f"{URL}/{basket.public_id}").json()["composition"] is None


def count_list(api) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert api.get(URL).status_code == 200
    return len(queries)


def test_the_list_takes_the_same_statements_at_any_length(now):
    api = client()
    make_held_basket(now)
    few = count_list(api)
    assert few == 4
    for _ in range(12):
        make_held_basket(now, legs=3)
    assert count_list(api) == few


def test_who_has_the_answer_gets_304_until_something_changes(now, at):
    basket = make_held_basket(now, legs=1)
    api = client()
    for path in (URL, f"{URL}/{basket.public_id}", f"{URL}/{basket.public_id}/price"):
        first = api.get(path)
        assert first["ETag"].startswith('W/"')
        assert "Authorization" in first["Vary"]
        at(now + timedelta(seconds=5))
        again = api.get(path, headers={"If-None-Match": first["ETag"]})
        assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
        make_quote(basket.compositions.get().constituents.get().market, "0.61", "0.63", now)
        changed = api.get(path, headers={"If-None-Match": first["ETag"]})
        assert changed.status_code == 200
        assert changed["ETag"] != first["ETag"]
        make_quote(basket.compositions.get().constituents.get().market, "0.49", "0.51", now)
        at(now)


def test_a_long_answer_is_sent_packed(now):
    for _ in range(3):
        make_held_basket(now)
    packed = client().get(URL, headers={"Accept-Encoding": "gzip"})
    assert packed["Content-Encoding"] == "gzip"
    again = client().get(URL, headers={"Accept-Encoding": "gzip", "If-None-Match": packed["ETag"]})
    assert again.status_code == 304
