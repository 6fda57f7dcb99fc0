"""`/api/v1/baskets/{id}/history` and `/composition`: what was, with what is missing named."""

from datetime import UTC, datetime, timedelta

import pytest

from baskets.models import PriceHistory
from baskets.snapshots import record_prices
from tests.baskets.helpers import compose, make_basket, make_held_basket, make_quoted
from tests.baskets.test_api import URL, client

pytestmark = pytest.mark.django_db
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def fix_at(basket, *moments: datetime, interval: int = 60, source: str = "live") -> None:
    composition = basket.compositions.first()
    PriceHistory.objects.bulk_create(
        PriceHistory(
            basket=basket, composition=composition, interval=interval, at=moment, value=100, gauge_sum="0.5",
            divisor=1, divisor_net=1, legs=2, legs_priced=2, quality="complete", source=source,
        )
        for moment in moments
    )  # fmt: skip


def ask(basket, **query: str):
    answer = client().get(f"{URL}/{basket.public_id}/history", query)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_minutes_come_oldest_first_and_the_missing_ones_are_named(now):
    basket = make_held_basket(now)
    fix_at(basket, *[now - n * MINUTE for n in (9, 8, 5, 4)])
    body = ask(basket, resolution="minute", **{"from": "2026-08-01T11:50:00Z"})
    assert [row["at"] for row in body["results"]] == [
        "2026-08-01T11:51:00Z",
        "2026-08-01T11:52:00Z",
        "2026-08-01T11:55:00Z",
        "2026-08-01T11:56:00Z",
    ]
    # Before the first fixing there was nothing; the minute of now may still come.
    assert body["gaps"] == [
        {"start": "2026-08-01T11:53:00Z", "end": "2026-08-01T11:54:00Z", "missing": 2},
        {"start": "2026-08-01T11:57:00Z", "end": "2026-08-01T11:59:00Z", "missing": 3},
    ]
    row = body["results"][0]
    assert (row["gauge"], row["level"], row["bid"], row["source"]) == ("0.500000", "100.000000", None, "live")


def test_a_window_that_begins_inside_a_gap_says_so(now):
    basket = make_held_basket(now)
    fix_at(basket, now - 60 * MINUTE, now - 2 * MINUTE, now - MINUTE)
    body = ask(basket, resolution="minute", **{"from": "2026-08-01T11:49:30Z"})
    assert body["gaps"] == [{"start": "2026-08-01T11:50:00Z", "end": "2026-08-01T11:57:00Z", "missing": 8}]
    body = ask(basket, resolution="minute", **{"from": "2026-08-01T11:10:00Z", "to": "2026-08-01T11:12:00Z"})
    assert body["results"] == []
    assert body["gaps"] == [{"start": "2026-08-01T11:10:00Z", "end": "2026-08-01T11:12:00Z", "missing": 3}]


def test_days_stand_for_their_ends(now):
    basket = make_held_basket(now)
    fix_at(basket, datetime(2026, 7, 30, tzinfo=UTC), datetime(2026, 7, 31, tzinfo=UTC), interval=86400)
    body = ask(basket)
    assert body["resolution"] == "day"
    assert [row["at"] for row in body["results"]] == ["2026-07-31T00:00:00Z", "2026-08-01T00:00:00Z"]
    assert body["gaps"] == []


def test_an_hour_is_its_first_minute(now):
    basket = make_held_basket(now)
    fix_at(basket, now - HOUR, now - 59 * MINUTE, now - 3 * HOUR)
    body = ask(basket, resolution="hour")
    assert [row["at"] for row in body["results"]] == ["2026-08-01T09:00:00Z", "2026-08-01T11:00:00Z"]
    assert body["gaps"] == [{"start": "2026-08-01T10:00:00Z", "end": "2026-08-01T10:00:00Z", "missing": 1}]


def test_pages_of_a_series_join_and_each_gap_is_told_once(now):
    basket = make_held_basket(now)
    moments = [now - n * MINUTE for n in (19, 18, 15, 14, 13, 9, 8, 2)]
    fix_at(basket, *moments)
    whole = ask(basket, resolution="minute", **{"from": "2026-08-01T11:40:00Z"})
    api, url = client(), f"{URL}/{basket.public_id}/history?resolution=minute&from=2026-08-01T11:40:00Z&limit=3"
    points, gaps, last = [], [], None
    while url:
        body = api.get(url).json()
        points, gaps, url, last = points + body["results"], gaps + body["gaps"], body["next"], body
    assert points == whole["results"]
    assert gaps == whole["gaps"]
    back = api.get(last["previous"]).json()
    assert back["results"] == points[3:6]
    assert api.get(back["previous"]).json()["results"] == points[:3]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"resolution": "second"}, "resolution"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-08-01T00:00:00"}, "from"),
        ({"to": "0001-01-01T00:00:00Z"}, "to"),
        ({"to": "9999-12-31T00:00:00Z"}, "to"),
        ({"from": "2026-08-02", "to": "2026-08-01"}, "from"),
        ({"limit": "1001"}, "limit"),
        ({"cursor": "WyJuIiwiMjAiXQ"}, "cursor"),
        ({"span": "1d"}, "span"),
    ],
)
def test_what_a_series_cannot_be_asked_is_named(query, name, now):
    basket = make_held_basket(now)
    answer = client().get(f"{URL}/{basket.public_id}/history", query)
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == [name]


def test_a_series_takes_the_same_statements_at_any_length(now, django_assert_num_queries):
    basket = make_held_basket(now)
    fix_at(basket, *[now - n * MINUTE for n in range(300)])
    api = client()
    with django_assert_num_queries(3):
        assert len(api.get(f"{URL}/{basket.public_id}/history?resolution=minute").json()["results"]) == 300


def test_a_composition_is_that_of_its_instant(now, at):
    basket = make_basket()
    first, second = make_quoted(now, "0.30", "0.34"), make_quoted(now, "0.60", "0.62", venue="polymarket")
    compose(basket, now, (first, "yes", "1"))
    later = at(now + MINUTE)
    record_prices(now=later)
    compose(basket, later, (first, "no", "0.5"), (second, "yes", "0.5"), reason="Changed")
    path, api = f"{URL}/{basket.public_id}/composition", client()
    body = api.get(path).json()
    assert (body["version"], body["until"], body["reason"]) == (2, None, "Changed")
    assert {(leg["market_id"], leg["side"]) for leg in body["legs"]} == {
        (f"kalshi:{first.native_id}", "no"),
        (f"polymarket:{second.native_id}", "yes"),
    }
    body = api.get(path, {"at": "2026-08-01T12:00:00Z"}).json()
    assert (body["version"], body["until"]) == (1, "2026-08-01T12:01:00Z")
    assert [leg["weight"] for leg in body["legs"]] == ["1.00000000"]
    assert api.get(path, {"at": "2026-08-01T11:59:59Z"}).status_code == 404
    assert list(api.get(path, {"at": "2026-08-03"}).json()["errors"]) == ["at"]
