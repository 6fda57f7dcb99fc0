"""Search by words and filters, as function and as API."""

import base64
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from markets.filters import MarketFilter
from markets.models import Market
from markets.search import search_markets
from tests.factories import make_event, make_market, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> APIClient:
    client = APIClient()
    client.force_authenticate(make_user())
    return client


def get(api: APIClient, **params: Any) -> Any:
    return api.get(reverse("api-market-search"), params)


def titles(response: Any) -> list[str]:
    assert response.status_code == 200, response.json()
    return [row["title"] for row in response.json()["results"]]


def test_every_word_must_be_there_in_title_outcome_or_event(now: datetime) -> None:
    event = make_event(title="European elections")
    found = make_market(title="Who wins in Lisbon?", subtitle="Silva", event=event)
    make_market(title="Who wins in Oslo?", event=event)
    names = [market.pk for market in search_markets(text="lisbon ELECTIONS silva", now=now)]
    assert names == [found.pk]
    assert not search_markets(text="lisbon absent", now=now)


def test_percent_and_underscore_are_letters(now: datetime) -> None:
    make_market(title="Inflation above 3%?")
    make_market(title="Inflation above 3 points?")
    assert [market.title for market in search_markets(text="3%", now=now)] == ["Inflation above 3%?"]
    assert not search_markets(text="___", now=now)


def test_busiest_first_and_ties_by_age(now: datetime) -> None:
    volumes = [Decimal(5), Decimal(900), Decimal(5), Decimal(0)]
    made = [make_market(volume=volume) for volume in volumes]
    assert [market.pk for market in search_markets(now=now)] == [made[i].pk for i in (1, 0, 2, 3)]


def test_open_means_open_now(now: datetime) -> None:
    here = make_market()
    make_market(close_at=now - timedelta(seconds=1))
    make_market(vanished_at=now)
    paused, resolved = make_market(status="paused"), make_market(status="resolved")
    for status, expected in (("open", [here]), ("closed", [paused]), ("resolved", [resolved])):
        assert list(search_markets(status=status, now=now)) == expected
    assert search_markets(status="all", now=now).count() == 5
    with pytest.raises(ValueError, match="expected one of open, closed, resolved, all"):
        search_markets(status="opened", now=now)


def test_each_filter_narrows(now: datetime) -> None:
    one = make_market(venue="polymarket", category="Economy", volume=Decimal(10), close_at=now + timedelta(days=3))
    make_market(category="Sports", volume=Decimal(1000), close_at=now + timedelta(days=30))
    for given in (
        {"venue": "polymarket"},
        {"category": "economy"},
        {"closes_before": now + timedelta(days=4)},
        {"text": one.title.split()[2]},
    ):
        assert list(search_markets(now=now, **given)) == [one]  # type: ignore[arg-type]
    assert search_markets(min_volume=Decimal(11), now=now).count() == 1
    assert search_markets(closes_after=now + timedelta(days=4), now=now).count() == 1


def test_a_hostile_text_is_only_words(now: datetime) -> None:
    make_market()
    assert not search_markets(text="'; drop table markets_market; --" * 100, now=now)
    assert Market.objects.count() == 1


def test_the_api_shows_decimals_as_strings(api: APIClient, now: datetime) -> None:
    market = make_market(title="Open?", listed_at=now, event=make_event(title="Doors"))
    body = get(api, q="open").json()
    assert body == {
        "results": [
            {
                "id": f"kalshi:{market.native_id}",
                "venue": "kalshi",
                "native_id": market.native_id,
                "ticker": market.native_id,
                "title": "Open?",
                "subtitle": "",
                "event": "Doors",
                "category": "",
                "status": "open",
                "result": "",
                "payout": None,
                "close_at": "2026-12-28T00:00:00Z",
                "yes_label": "Yes",
                "no_label": "No",
                "yes_bid": "0.490000",
                "yes_ask": "0.510000",
                "last_price": "0.500000",
                "volume": "10000.000000",
                "volume_24h": "500.000000",
                "listed_at": "2026-08-01T12:00:00Z",
                "theme": None,
                "factor": None,
                "direction": None,
            }
        ],
        "next": None,
        "previous": None,
    }


def test_the_api_is_closed_without_an_account(now: datetime) -> None:
    make_market()
    assert APIClient().get(reverse("api-market-search")).status_code in (401, 403)


def test_pages_walk_forth_and_back_through_ties(api: APIClient, now: datetime) -> None:
    for number in range(7):
        make_market(title=f"T{number}", volume=Decimal(0 if number > 1 else 9))
    expected = [f"T{number}" for number in range(7)]
    seen, response, links = [], get(api, limit=3), []
    while True:
        seen += titles(response)
        links.append(response.json()["previous"])
        if response.json()["next"] is None:
            break
        response = api.get(response.json()["next"])
    assert seen == expected
    assert links[0] is None
    back = titles(api.get(links[2]))
    assert back == ["T3", "T4", "T5"] or back == expected[3:6]
    first = api.get(api.get(links[2]).json()["previous"])
    assert titles(first) == ["T0", "T1", "T2"]
    assert first.json()["previous"] is None


def test_a_list_costs_one_query_however_long(api: APIClient, now: datetime, django_assert_num_queries: Any) -> None:
    for _ in range(30):
        make_market()
    with django_assert_num_queries(1):
        assert len(titles(get(api))) == 30


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"veneu": "kalshi"}, "veneu"),
        ({"venue": "nasdaq"}, "venue"),
        ({"status": "opened"}, "status"),
        ({"closes_before": "soon"}, "closes_before"),
        ({"min_volume": "-1"}, "min_volume"),
        ({"min_volume": "NaN"}, "min_volume"),
        ({"min_volume": "1e30"}, "min_volume"),
        ({"q": "x" * 201}, "q"),
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"limit": "²"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": base64.urlsafe_b64encode(b"n|NaN|5").decode()}, "cursor"),
        ({"cursor": base64.urlsafe_b64encode(b"n|1e99|5").decode()}, "cursor"),
        ({"cursor": base64.urlsafe_b64encode(b"x|1|5").decode()}, "cursor"),
        ({"cursor": base64.urlsafe_b64encode(b"n|1|99999999999999999999").decode()}, "cursor"),
    ],
)
def test_bad_parameters_are_named(api: APIClient, now: datetime, params: dict[str, str], field: str) -> None:
    response = get(api, **params)
    assert response.status_code == 400
    assert response.json()["code"] == "invalid"
    assert list(response.json()["errors"]) == [field]


def test_other_methods_are_refused(api: APIClient) -> None:
    assert api.post(reverse("api-market-search")).status_code == 405


def test_an_upper_apps_filter_narrows_the_search(now: datetime) -> None:
    import django_filters

    class Wider(MarketFilter):
        neg_risk = django_filters.BooleanFilter()

    make_market()
    found = make_market(neg_risk=True)
    filters = Wider({"neg_risk": "true"}, queryset=Market.objects.none(), now=now)
    assert filters.is_valid()
    assert list(filters.qs) == [found]
    assert Wider({"negrisk": "1"}, now=now).unknown_parameters() == ["negrisk"]
