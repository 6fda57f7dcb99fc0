"""`/api/v1/baskets`: shapes, scopes, what is not found, what is not understood."""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from baskets.snapshots import record_prices
from tests.baskets.helpers import compose, make_basket, make_held_basket, make_quoted
from tests.factories import make_quote, make_user

pytestmark = pytest.mark.django_db
URL = "/api/v1/baskets"


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


@pytest.mark.parametrize("path", [URL, f"{URL}/1", f"{URL}/1/price"])
def test_without_a_key_nothing_is_read(path, now):
    answer = APIClient().get(path)
    assert answer.status_code in (401, 403)
    assert set(answer.json()) >= {"code", "detail"}


@pytest.mark.parametrize("path", [URL, f"{URL}/1", f"{URL}/1/price"])
def test_a_key_without_the_scope_is_refused(path, now):
    answer = client(None, "trades:read").get(path)
    assert answer.status_code == 403
    assert answer.json()["code"] == "permission_denied"


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nothing_can_be_written_here(method, now):
    assert getattr(client(), method)(URL).status_code in (403, 405)


def test_the_list_gives_decimals_as_strings_and_times_in_utc(now):
    basket = make_held_basket(now)
    body = client().get(URL).json()
    assert set(body) == {"results", "next", "previous"}
    row = body["results"][0]
    assert (row["id"], row["slug"], row["legs"], row["venues"]) == (basket.pk, basket.slug, 2, ["kalshi"])
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
    made = [make_held_basket(now).pk for _ in range(7)]
    api, seen, url = client(), [], f"{URL}?limit=3"
    while url:
        body = api.get(url).json()
        seen += [row["id"] for row in body["results"]]
        url = body["next"]
    assert seen == made


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
    ],
)
def test_a_parameter_that_is_not_understood_is_named(query, name, now):
    answer = client().get(URL, query)
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == [name]


def test_a_broken_cursor_is_a_client_error(now):
    assert client().get(URL, {"cursor": "nonsense"}).status_code in (400, 404)


@pytest.mark.parametrize("tail", ["", "/price"])
def test_a_private_basket_is_found_by_its_owner_alone(now, tail):
    owner = make_user()
    basket = make_held_basket(now, owner=owner, visibility="private")
    path = f"{URL}/{basket.pk}{tail}"
    assert client(owner).get(path).status_code == 200
    assert client().get(path).status_code == 404
    assert client().get(f"{URL}/999999{tail}").status_code == 404
    assert client(owner).get(f"{path}?verbose=1").status_code == 400
    listed = [row["id"] for row in client().get(URL).json()["results"]]
    assert basket.pk not in listed


def test_a_detail_names_its_legs_and_its_version(now):
    basket = make_basket()
    market = make_quoted(now, "0.30", "0.34", venue="polymarket")
    compose(basket, now, (market, "no", "1"))
    body = client().get(f"{URL}/{basket.pk}").json()
    assert body["composition"]["version"] == 1
    leg = body["legs"][0]
    assert (leg["market_id"], leg["venue"], leg["side"], leg["weight"]) == (market.pk, "polymarket", "no", "1.00000000")
    assert (leg["bid"], leg["price"], leg["ask"], leg["reason"]) == ("0.660000", "0.680000", "0.700000", "mid")


def test_a_price_gives_now_and_the_latest_fixing_with_its_time(now, at):
    basket = make_held_basket(now, legs=1)
    record_prices(now=now)
    later = at(now + timedelta(seconds=70))
    make_quote(basket.compositions.get().constituents.get().market, "0.59", "0.61", later)
    body = client().get(f"{URL}/{basket.pk}/price").json()
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
    body = client().get(f"{URL}/{basket.pk}/price").json()
    assert (body["price"], body["latest"]) == (None, None)
    assert client().get(f"{URL}/{basket.pk}").json()["composition"] is None


def count_list(api) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert api.get(URL).status_code == 200
    return len(queries)


def test_the_list_takes_the_same_statements_at_any_length(now):
    api = client()
    make_held_basket(now)
    few = count_list(api)
    for _ in range(12):
        make_held_basket(now, legs=3)
    assert count_list(api) == few
