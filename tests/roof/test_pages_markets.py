"""The market search page: its choices, its addresses, and what it says where nothing is found."""

import re
from datetime import datetime, timedelta
from decimal import Decimal
from html import unescape

import pytest
from django.test import Client

from categorization.models import Classification, RiskFactor, Theme
from markets.search_index import refresh_index
from tests.factories import make_market

pytestmark = pytest.mark.django_db


@pytest.fixture
def _markets(now: datetime) -> None:
    theme = Theme.objects.create(slug="weather", name="Weather now", position=1)
    factor = RiskFactor.objects.create(slug="rain", theme=theme, name="Rain", sign=1, position=1)
    for number in range(3):
        market = make_market(
            title=f"Will it rain in city {number}?",
            category="Climate & Weather",
            volume=Decimal(number),
            close_at=now + timedelta(days=number + 1),
        )
        Classification.objects.create(
            market=market, factor=factor, direction=1, status="assigned", trail=[], changed_at=now
        )
    make_market(title="Will the Fed cut?", venue="polymarket", category="Economics")
    make_market(title="Did it rain in Rome?", status="resolved", result="yes", category="Climate & Weather")
    refresh_index()


def page(client: Client, address: str, status: int = 200) -> str:
    answer = client.get(address)
    assert answer.status_code == status
    return unescape(answer.content.decode())


def questions(text: str) -> list[str]:
    return re.findall(r'<a class="q" href="/markets/\d+">([^<]+)', text)


def choices(text: str) -> dict[str, tuple[str, str]]:
    found = re.findall(r'class="chip[^"]*" href="([^"]*)"[^>]*>([^<]+) <span class="v">([^<]+)<', text)
    return {label: (count, link) for link, label, count in found}


@pytest.mark.usefixtures("_markets")
def test_the_page_is_open_to_all_and_lists_the_busiest_open_markets(client: Client) -> None:
    text = page(client, "/markets")
    assert questions(text)[0] == "Will the Fed cut?"
    assert len(questions(text)) == 4
    assert choices(text) == {
        "Kalshi": ("3", "?venue=kalshi"),
        "Polymarket": ("1", "?venue=polymarket"),
        "Climate & Weather": ("3", "?category=Climate+%26+Weather"),
        "Economics": ("1", "?category=Economics"),
        "Weather now": ("3", "?theme=weather"),
        "open": ("4", "?status=open") if "?status=open" in text else ("4", "?"),
        "resolved": ("1", "?status=resolved"),
    }


@pytest.mark.usefixtures("_markets")
def test_choices_narrow_keep_the_others_and_are_let_go(client: Client) -> None:
    text = page(client, "/markets?q=rain&venue=&status=")
    count, link = choices(text)["Weather now"]
    assert (count, link) == ("3", "?q=rain&theme=weather")
    narrowed = page(client, f"/markets{link}")
    assert len(questions(narrowed)) == 3
    assert 'value="weather" selected' in narrowed
    assert choices(narrowed)["Weather now"][1] == "?q=rain"
    assert choices(narrowed)["Climate & Weather"][1] == "?q=rain&theme=weather&category=Climate+%26+Weather"
    resolved = page(client, "/markets" + choices(text)["resolved"][1])
    assert questions(resolved) == ["Did it rain in Rome?"]
    assert "resolved: YES" in resolved


@pytest.mark.usefixtures("_markets")
def test_a_mistyped_word_is_searched_for_as_meant_and_said(client: Client) -> None:
    text = page(client, "/markets?q=rian")
    assert len(questions(text)) == 3
    assert "No market holds “rian”. These are for <strong>rain</strong>." in text


@pytest.mark.usefixtures("_markets")
def test_where_nothing_is_found_it_says_what_would_be(client: Client) -> None:
    text = page(client, "/markets?q=rain+fed&venue=kalshi")
    assert "No market matches “rain fed”" in text
    assert "Did you mean" in text
    assert '<a href="?q=fed&venue=kalshi">fed</a>' in text
    filtered = page(client, "/markets?q=rain&venue=polymarket")
    assert "The filters leave none of the markets that match." in filtered
    assert 'href="?q=rain&status=all"' in filtered
    assert "Try one word of the question" in page(client, "/markets?q=qqqqqq")


def test_before_the_first_sync_it_says_so(client: Client, now: datetime) -> None:
    assert "No markets yet" in page(client, "/markets")


@pytest.mark.usefixtures("_markets")
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("venue=nyse", "venue: Select a valid choice"),
        ("min_price=much", "min_price: Enter a number"),
        ("closes_before=soon", "closes_before: "),
        ("theme=none", "theme: Select a valid choice"),
        ("q=" + "x" * 201, "q: Ensure this value has at most 200 characters"),
        ("q=%00", "q: Null characters are not allowed"),
        ("cursor=zzz", "cursor: Expected the cursor of a"),
        ("limit=0", "limit: Expected a whole number"),
    ],
)
def test_what_cannot_be_read_is_named(query: str, said: str, client: Client) -> None:
    text = page(client, f"/markets?{query}", 400)
    assert "That cannot be searched for" in text
    assert said in text


@pytest.mark.usefixtures("_markets")
def test_pages_go_forth_and_back_and_dates_are_days(client: Client) -> None:
    first = page(client, "/markets?q=rain&limit=2&venue=")
    link = re.search(r'rel="next" href="([^"]+)"', first)
    assert link
    second = page(client, link[1])
    assert [*questions(first), *questions(second)] == [f"Will it rain in city {number}?" for number in (2, 1, 0)]
    back = re.search(r'rel="prev" href="([^"]+)"', second)
    assert back
    assert questions(page(client, back[1])) == questions(first)
    soon = page(client, "/markets?closes_before=2026-08-03&closes_after=2026-08-01")
    assert questions(soon) == ["Will it rain in city 0?"]
    assert 'value="2026-08-03"' in soon
