"""Search by words and filters, as function and as API."""

import base64
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.test import APIClient, APIRequestFactory

from itomarkets.lib.locks import lease
from markets.api.pages import RankedPage
from markets.filters import MarketFilter
from markets.models import Market, SearchWord
from markets.search import MOST_RANKED, count_facets, read_text, search_markets
from markets.search_index import IndexReport, refresh_index
from tests.factories import make_event, make_market, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> APIClient:
    client = APIClient()
    client.force_authenticate(make_user())
    return client


def get(api: APIClient, **params: Any) -> Any:
    return api.get(reverse("api-market-search"), params)


def found(text: str, now: datetime, **given: Any) -> list[str]:
    """Search what was written up to now."""
    refresh_index()
    return [market.title for market in search_markets(text=text, now=now, **given)]


def titles(response: Any) -> list[str]:
    assert response.status_code == 200, response.json()
    return [row["title"] for row in response.json()["results"]]


def test_every_word_must_be_there_in_title_outcome_or_event(now: datetime) -> None:
    event = make_event(title="European elections")
    make_market(title="Who wins in Lisbon?", subtitle="Silva", event=event)
    make_market(title="Who wins in Oslo?", event=event)
    assert found("lisbon ELECTION silva", now) == ["Who wins in Lisbon?"]
    assert found("lisbon absent", now) == []


@pytest.mark.parametrize(
    "text",
    [
        "São Tomé",
        "sao tome",
        "SAO  TOME",
        "“São-Tomé”",
        "tome, sao",
        "sa\u0303o tom",
        "s\u200bao\u202e tome",
        "sao\0tome",
    ],
)
def test_accents_case_punctuation_and_what_is_not_seen_do_not_matter(text: str, now: datetime) -> None:
    make_market(title="Will São Tomé vote?")
    assert found(text, now) == ["Will São Tomé vote?"]


@pytest.mark.parametrize("text", ["KXFED-26SEP", "kxfed 26sep", "kxfed26sep", "KXFED-26", "kxfed"])
def test_a_ticker_is_found_as_people_write_it(text: str, now: datetime) -> None:
    make_market(native_id="KXFED-26SEP", title="Rates in September")
    make_market(native_id="KXCPI-26SEP", title="Prices in September")
    assert found(text, now) == ["Rates in September"]


@pytest.mark.parametrize("text", ["BTC 100k", "btc $100,000", "btc 100000", "BTC 0.1m"])
def test_a_figure_is_one_word_however_it_is_written(text: str, now: datetime) -> None:
    make_market(title="Will BTC pass $100,000?")
    make_market(title="Will BTC pass $10,000?")
    assert found(text, now) == ["Will BTC pass $100,000?"]


def test_percent_is_a_word_and_underscores_are_none(now: datetime) -> None:
    make_market(title="Inflation above 3%?")
    make_market(title="Inflation above 3 points?")
    assert found("3%", now) == found("3 percent", now) == ["Inflation above 3%?"]
    for nothing in ("___", "???", "\0", "\u202e", "''"):
        assert found(nothing, now) == []


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("bitcion", "bitcoin"),
        ("infaltion", "inflation"),
        ("fde", "fed"),
        ("powel rates", "powell rates"),
        ("trmp", "trump"),
    ],
)
def test_a_mistyped_word_is_read_as_the_known_one_most_like_it(text: str, meant: str, now: datetime) -> None:
    for title in (
        "Will bitcoin crash?",
        "Inflation above 3?",
        "Will the Fed move?",
        "Powell cuts rates?",
        "Trump resigns?",
    ):
        make_market(title=title)
    refresh_index()
    reading = read_text(text)
    # `powel` begins `powell`: what is not finished is not mistyped.
    assert reading.corrected == ("" if text.startswith("powel") else meant)
    assert [market.pk for market in search_markets(text=text, now=now)] == [
        market.pk for market in search_markets(text=meant, now=now)
    ]
    assert reading.matches == 1


def test_what_is_like_nothing_finds_nothing(now: datetime) -> None:
    make_market(title="Will it rain?")
    assert found("qqqqqqq", now) == []
    assert read_text("qqqqqqq").corrected == ""


def test_best_is_the_name_then_the_phrase_then_the_words_and_open_before_closed(now: datetime) -> None:
    around = make_event(title="Rate cut")
    make_market(title="6 around", event=around, volume=Decimal(999))
    make_market(title="5 Will a rate that Powell may cut fall?", volume=Decimal(900))
    make_market(title="4 No rate cuts?", volume=Decimal(50))
    make_market(title="3 A rate cut, resolved?", volume=Decimal(800), status="resolved")
    make_market(title="2 A rate cut?", volume=Decimal(1))
    make_market(title="Rate cut in March?", volume=Decimal(2))
    make_market(title="0 called so", native_id="RATE CUT", volume=Decimal(0))
    assert [title[0] for title in found("rate CUT", now, status="all")] == ["0", "R", "2", "3", "4", "6", "5"]


def test_a_wording_that_is_too_common_to_rank_is_ordered_by_volume(now: datetime, monkeypatch: Any) -> None:
    monkeypatch.setattr("markets.search.MOST_RANKED", 2)
    for number in range(4):
        make_market(title=f"Will rain {number}", volume=Decimal(number))
    assert found("rain", now) == ["Will rain 3", "Will rain 2", "Will rain 1", "Will rain 0"]
    assert MOST_RANKED > 2


def test_the_index_follows_what_markets_and_events_say_and_a_second_run_writes_nothing(now: datetime) -> None:
    event = make_event(title="Doors")
    market = make_market(title="Open?", event=event)
    assert found("doors", now) == ["Open?"]
    assert refresh_index().written == 0
    Market.objects.filter(pk=market.pk).update(title="Shut?", last_changed_at=now)
    assert refresh_index().written == 1
    assert [found("open", now), found("shut", now)] == [[], ["Shut?"]]
    event.title, event.last_changed_at = "Gates", now + timedelta(seconds=1)
    event.save()
    assert [found("doors", now), found("gates", now)] == [[], ["Shut?"]]
    # New prices are no news to the index.
    Market.objects.filter(pk=market.pk).update(volume=Decimal(5))
    assert refresh_index().written == 0
    market.delete()
    assert found("gates", now) == []


def test_a_part_of_the_index_is_brought_up_to_date_from_where_it_ended(now: datetime) -> None:
    first, second = make_market(title="Rain in Rome"), make_market(title="Rain in Bonn")
    report = refresh_index(after=first.pk)
    assert (report.written, report.last) == (1, second.pk)
    assert refresh_index(after=report.last) == IndexReport(written=0, last=second.pk)
    assert SearchWord.objects.get(word="rain").count == 1
    with lease("markets.search_index"):
        assert refresh_index(after=5) == IndexReport(skipped=True, last=5)
    assert refresh_index().written == 1
    assert SearchWord.objects.get(word="rain").count == 2


def test_facets_count_each_choice_as_if_it_were_the_only_change(now: datetime, monkeypatch: Any) -> None:
    make_market(title="Rain in Rome", category="Climate & Weather")
    make_market(title="Rain in Bonn", category="Climate & Weather", venue="polymarket")
    make_market(title="Rain in Bern", category="Sports", status="resolved")
    refresh_index()
    filters = MarketFilter({"q": "rain", "venue": "kalshi"}, now=now)
    assert filters.is_valid()
    assert filters.facets().counts == {
        "venue": [("kalshi", 1), ("polymarket", 1)],
        "category": [("Climate & Weather", 1)],
        "status": [("open", 1), ("resolved", 1)],
    }
    monkeypatch.setattr("markets.search.MOST_COUNTED", 1)
    cut = count_facets(lambda name: Market.objects.all(), {"venue": "venue"})
    assert cut.is_cut
    assert sum(count for _, count in cut.counts["venue"]) == 1


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
    one = make_market(
        venue="polymarket",
        category="Climate & Weather",
        tags=["Côte d'Or", 7],
        volume=Decimal(10),
        liquidity=Decimal(70),
        last_price=Decimal("0.2"),
        close_at=now + timedelta(days=3),
    )
    make_market(category="Sports", volume=Decimal(1000), close_at=now + timedelta(days=30), tags=["Côte"])
    refresh_index()
    for given in (
        {"venue": "polymarket"},
        {"category": "climate & WEATHER"},
        {"tag": "cote d’or"},
        {"tag": "7"},
        {"closes_before": now + timedelta(days=4)},
        {"max_price": Decimal("0.2")},
        {"min_liquidity": Decimal(70)},
        {"text": one.title.split()[2], "category": "Climate & Weather"},
    ):
        assert list(search_markets(now=now, **given)) == [one], given  # type: ignore[arg-type]
    assert search_markets(min_price=Decimal("0.3"), now=now).count() == 1
    assert search_markets(min_volume=Decimal(11), now=now).count() == 1
    assert search_markets(closes_after=now + timedelta(days=4), now=now).count() == 1
    for given in ({"category": "climate"}, {"tag": "&"}, {"category": "'"}, {"text": "climate", "tag": "no such"}):
        assert not search_markets(now=now, **given), given  # type: ignore[arg-type]


def test_a_market_without_a_trade_is_priced_by_what_it_is_asked_for(now: datetime) -> None:
    make_market(last_price=None, yes_ask=Decimal("0.9"), yes_bid=Decimal("0.1"))
    make_market(last_price=None, yes_ask=None, yes_bid=None)
    assert search_markets(min_price=Decimal("0.9"), now=now).count() == 1
    assert search_markets(max_price=Decimal(1), now=now).count() == 1


@pytest.mark.parametrize(
    "text",
    [
        "'; drop table markets_market; --" * 400,
        '" OR rowid > 0 --',
        "rain* NEAR(a b, 2) ^title : {words} + -",
        "title:rain AND NOT",
        "rain & | ! <-> :* \\ '' $$",
        "\ud7ff\u0000\ufffe rain",
        "\ud800 rain",
        "\u202e\u2066niar\u2069" * 60,
        "%_%",
        "𝔯𝔞𝔦𝔫 ½ ² Ⅷ ＡＢ",
        "( ( ( (",
        "🌧" * 50,
        " ".join("w" * 60 for _ in range(60)),
    ],
    ids=range(13),
)
def test_a_hostile_text_is_only_words(text: str, api: APIClient, now: datetime) -> None:
    make_market(title="Rain?")
    assert len(found(text, now)) <= 1
    assert get(api, q=text[:200].encode(errors="replace")).status_code in (200, 400)
    assert Market.objects.count() == 1


def test_a_hostile_title_is_indexed_and_found(now: datetime) -> None:
    titles = ["\u202e<b>' OR 1=1; \" -- pelican", "𝔭𝔢𝔩𝔦𝔠𝔞𝔫 ½", "pelican" + "\u200b" * 3000, "x" * 9000 + " pelican"]
    for number, title in enumerate(titles):
        make_market(title=title, volume=Decimal(9 - number), tags=[title, None, {"a": 1}, [2]], category=title[:80])
    make_market(title="", native_id="---", slug="")
    assert sorted(found("pelican", now)) == sorted(titles)


def test_the_api_shows_decimals_as_strings(api: APIClient, now: datetime) -> None:
    market = make_market(title="Open?", listed_at=now, event=make_event(title="Doors"))
    refresh_index()
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


def test_ranked_pages_walk_forth_and_back(api: APIClient, now: datetime) -> None:
    for number in range(3):
        make_market(title=f"Will it rain in city {number}?", volume=Decimal(number))
        make_market(title=f"Rain in city {number}?", volume=Decimal(number))
    refresh_index()
    everything = titles(get(api, q="rain in"))
    assert everything[0] == "Rain in city 2?"
    first = get(api, q="rain in", limit=4)
    second = api.get(first.json()["next"])
    assert titles(first) + titles(second) == everything
    assert titles(api.get(second.json()["previous"])) == everything[:4]
    # A cursor into another order names itself, instead of giving rows from anywhere.
    cursor = first.json()["next"].split("cursor=")[1].split("&")[0]
    assert list(get(api, cursor=cursor).json()["errors"]) == ["cursor"]


def test_words_cost_one_query_more(api: APIClient, now: datetime, django_assert_num_queries: Any) -> None:
    for number in range(30):
        make_market(title=f"Rain {number}")
    refresh_index()
    with django_assert_num_queries(2):
        assert len(titles(get(api, q="rain"))) == 30
    # Mistyped: the word is looked for, likest ones are fetched and counted.
    with django_assert_num_queries(6):
        assert len(titles(get(api, q="rian"))) == 30


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
        ({"cursor": base64.urlsafe_b64encode(b"n||NaN|5").decode()}, "cursor"),
        ({"cursor": base64.urlsafe_b64encode(b"n||1e99|5").decode()}, "cursor"),
        ({"cursor": base64.urlsafe_b64encode(b"x||1|5").decode()}, "cursor"),
        ({"cursor": base64.urlsafe_b64encode(b"n||1|99999999999999999999").decode()}, "cursor"),
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


@pytest.mark.postgres
def test_postgresql_answers_from_its_indexes(now: datetime) -> None:
    """Read the plans with whole tables priced out: on few rows reading all of them is the better way."""
    event = make_event()
    Market.objects.bulk_create(
        Market(
            venue="kalshi",
            native_id=f"KX-{number}",
            title=f"Will birch meet cedar {number}?",
            event=event,
            volume=Decimal(number),
            created_at=now,
            last_changed_at=now,
        )
        for number in range(300)
    )
    refresh_index()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE markets_market, markets_searchdocument, markets_searchword")
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off")
    assert "Bitmap Index Scan on search_vector" in search_markets(text="cedar 77", now=now).explain()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_indexscan = on")
    # Common words: in the order of the list, each row by its key, until the page is full.
    common = search_markets(text="birch", now=now, reading=replace(read_text("birch"), matches=MOST_RANKED + 1))
    assert "Sort" not in common[:10].explain()
    deep = RankedPage(Request(APIRequestFactory().get("/", {"cursor": write_cursor("n||150|5")})))
    with CaptureQueriesContext(connection) as asked:
        deep.rows(search_markets(now=now), ["id", "volume"])
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + asked[0]["sql"])
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Index Scan using market_volume" in plan
    assert "Index Cond: (volume <= " in plan
    assert "Sort" not in plan


def write_cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
