"""`/api/v1/markets`, `/themes`, `/factors`: the mirror, with what each market bears on."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from categorization.models import Classification, ModelVersion, RiskFactor, Theme
from tests.baskets.helpers import day_price, make_labelled, make_theme
from tests.factories import make_event, make_market, make_quote, make_user

pytestmark = pytest.mark.django_db
URL = "/api/v1/markets"


@pytest.fixture
def api() -> APIClient:
    client = APIClient()
    client.force_authenticate(make_user())
    return client


@pytest.fixture
def factor() -> RiskFactor:
    return make_theme("monetary-policy", factors=[("fed-path", 1), ("ecb-path", -1)]).factors.get(slug="fed-path")


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


def test_a_search_shows_what_is_decided_and_narrows_by_it(api: APIClient, factor: RiskFactor, now: datetime) -> None:
    held = make_labelled(factor, now, direction=-1)
    waiting = make_labelled(factor, now, label_status="waiting")
    make_market()
    rows = {row["id"]: row for row in api.get(f"{URL}/search").json()["results"]}
    row = rows[f"kalshi:{held.native_id}"]
    assert (row["theme"], row["factor"], row["direction"]) == ("monetary-policy", "fed-path", -1)
    row = rows[f"kalshi:{waiting.native_id}"]
    assert (row["theme"], row["factor"], row["direction"]) == (None, None, None)
    for query in ({"theme": "monetary-policy"}, {"factor": "fed-path"}):
        assert ids(api.get(f"{URL}/search", query)) == [f"kalshi:{held.native_id}"]
    assert ids(api.get(f"{URL}/search", {"factor": "ecb-path"})) == []


def test_a_labelled_list_still_costs_one_statement(
    api: APIClient, factor: RiskFactor, now: datetime, django_assert_num_queries: Any
) -> None:
    for _ in range(8):
        make_labelled(factor, now)
    with django_assert_num_queries(1):
        assert len(ids(api.get(f"{URL}/search"))) == 8


def test_polymarkets_ticker_is_its_slug(api: APIClient, now: datetime) -> None:
    market = make_market(venue="polymarket", slug="fed-cut")
    row = api.get(f"{URL}/polymarket:{market.native_id}").json()
    assert (row["id"], row["ticker"]) == (f"polymarket:{market.native_id}", "fed-cut")


def test_a_market_shows_its_rules_label_and_book(api: APIClient, factor: RiskFactor, now: datetime) -> None:
    event = make_event(title="Fed in September?", mutually_exclusive=True)
    market = make_labelled(factor, now, event=event, title="Cut?", rules="If the Fed cuts.", bid="0.40", ask="0.42")
    body = api.get(f"{URL}/kalshi:{market.native_id}").json()
    assert (body["rules"], body["event"], body["exclusive_event"]) == ("If the Fed cuts.", "Fed in September?", True)
    assert (body["theme"], body["factor"], body["direction"]) == ("monetary-policy", "fed-path", 1)
    assert (body["quote"]["yes_bid"], body["quote"]["no_bid"]) == ("0.400000", "0.580000")
    assert body["quote"]["received_at"] == "2026-08-01T12:00:00Z"
    bare = make_market()
    assert api.get(f"{URL}/kalshi:{bare.native_id}").json()["quote"] is None


def test_a_quote_that_changes_changes_the_tag(api: APIClient, now: datetime) -> None:
    market = make_market()
    make_quote(market, "0.40", "0.42", now)
    path = f"{URL}/kalshi:{market.native_id}"
    tag = api.get(path)["ETag"]
    assert api.get(path, headers={"If-None-Match": f'"other", {tag}'}).status_code == 304
    make_quote(market, "0.41", "0.42", now)
    assert api.get(path, headers={"If-None-Match": tag}).status_code == 200


def test_daily_prices_come_with_their_gaps(api: APIClient, now: datetime) -> None:
    market = make_market()
    midnight = now.replace(hour=0)
    for days in (5, 4, 1):
        day_price(market, midnight - timedelta(days=days), "0.40", bid="0.39", ask="0.41")
    body = api.get(f"{URL}/kalshi:{market.native_id}/history").json()
    assert [row["at"] for row in body["results"]] == [
        "2026-07-27T00:00:00Z",
        "2026-07-28T00:00:00Z",
        "2026-07-31T00:00:00Z",
    ]
    gap = {"start": "2026-07-29T00:00:00Z", "end": "2026-07-30T00:00:00Z", "missing": 2}
    assert body["gaps"] == [{**gap, "reason": "unasked", "detail": ""}]
    assert body["conflicts"] == []
    assert body["results"][0] == {
        "at": "2026-07-27T00:00:00Z",
        "price": "0.400000",
        "average": None,
        "bid": "0.390000",
        "ask": "0.410000",
        "volume": None,
        "source": "candles",
        "observed_at": None,
        "received_at": None,
    }
    assert api.get(f"{URL}/kalshi:{market.native_id}/history", {"resolution": "hour"}).json()["results"] == []


def test_a_reading_is_told_stage_by_stage(api: APIClient, factor: RiskFactor, now: datetime) -> None:
    market = make_labelled(factor, now)
    version = ModelVersion.objects.create(digest="a" * 64, created_at=now)
    Classification.objects.update(model_version=version, trail=[{"stage": "normalize", "says": "Plain text."}])
    path = f"{URL}/kalshi:{market.native_id}/classification"
    body = api.get(path).json()
    assert (body["theme"], body["factor"], body["runner_up"]) == ("monetary-policy", "fed-path", None)
    assert (body["direction"], body["confidence"], body["model_version"]) == (1, "0.9000", "a" * 12)
    assert len(body["stages"]) == 10
    assert (body["is_disputed"], len(body["would_change"])) == (False, 1)
    card = {"saw": "", "says": "Plain text.", "factor": None, "confidence": None, "runner_up": None, "skipped": False}
    assert {"name": "normalize", **card} in body["stages"]
    unread = make_market()
    answer = api.get(f"{URL}/kalshi:{unread.native_id}/classification")
    assert answer.status_code == 404
    assert "next sync" in answer.json()["detail"]


def test_the_taxonomy_is_listed_in_its_order(api: APIClient, factor: RiskFactor) -> None:
    other = make_theme("energy")
    themes = api.get("/api/v1/themes").json()
    assert [row["slug"] for row in themes["results"]] == list(Theme.objects.values_list("slug", flat=True))
    assert {row["slug"]: row["factor_count"] for row in themes["results"]}["monetary-policy"] == 2
    assert (themes["next"], themes["previous"]) == (None, None)
    factors = api.get("/api/v1/factors", {"theme": "monetary-policy"}).json()["results"]
    assert [(row["slug"], row["sign"]) for row in factors] == [("fed-path", 1), ("ecb-path", -1)]
    assert len(api.get("/api/v1/factors").json()["results"]) == RiskFactor.objects.count()
    assert other.slug in {row["theme"] for row in api.get("/api/v1/factors").json()["results"]}
