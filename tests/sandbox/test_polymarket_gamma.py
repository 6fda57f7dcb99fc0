"""The stand-in listing service: layouts, pages, filters, orders, search."""

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.sandbox.polymarket_world import NOON, Bench


@pytest.fixture
def bench() -> Bench:
    return Bench()


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


def test_market_is_written_as_the_venue_writes_it(bench: Bench) -> None:
    row = bench.get("/gamma/markets/11")
    market = bench.market("11")
    assert json.loads(row["outcomes"]) == ["Yes", "No"]
    assert json.loads(row["outcomePrices"]) == ["0.4", "0.6"]
    assert json.loads(row["clobTokenIds"]) == [market.yes_token, market.no_token]
    assert (row["volume"], row["volumeNum"]) == ("11000", 11000)
    assert isinstance(row["liquidity"], str)
    assert (row["orderPriceMinTickSize"], row["orderMinSize"]) == (0.01, 5)
    assert (row["bestBid"], row["bestAsk"]) == (0.39, 0.41)
    assert (row["active"], row["closed"], row["acceptingOrders"]) == (True, False, True)
    assert row["endDate"] == "2026-08-31T12:00:00Z"
    assert row["feeSchedule"] == {"exponent": 1, "rate": 0.05, "takerOnly": True, "rebateRate": 0.25}
    assert row["events"][0]["id"] == "1"
    assert "markets" not in row["events"][0]


def test_event_carries_numbers_its_markets_and_its_tags(bench: Bench) -> None:
    row = bench.get("/gamma/events/2")
    assert (row["volume"], row["negRisk"]) == (43000, True)
    assert ids(row["markets"]) == ["21", "22"]
    assert [tag["label"] for tag in row["tags"]] == ["Fed", "Politics"]
    assert row["negRiskMarketID"] == row["markets"][0]["negRiskMarketID"]
    assert bench.get("/gamma/events/slug/next-chair")["id"] == "2"
    assert bench.get("/gamma/events/1")["series"][0]["title"] == "Fed decisions"


def test_states_of_markets_show_as_at_the_venue(bench: Bench) -> None:
    done, waiting, coming = (bench.get(f"/gamma/markets/{key}") for key in ("31", "41", "51"))
    assert (done["closed"], done["umaResolutionStatus"]) == (True, "resolved")
    assert json.loads(done["outcomePrices"]) == ["1", "0"]
    assert done["closedTime"] == "2026-07-24 12:00:00+00"
    assert (waiting["closed"], waiting["acceptingOrders"], waiting["umaResolutionStatus"]) == (False, False, "proposed")
    assert (coming["active"], coming["acceptingOrders"]) == (False, False)


def test_keyset_pages_hold_every_event_once_and_end_without_a_cursor(bench: Bench) -> None:
    seen, cursor = [], ""
    for _ in range(10):
        page = bench.get("/gamma/events/keyset", limit=2, **({"after_cursor": cursor} if cursor else {}))
        seen += ids(page["events"])
        cursor = page.get("next_cursor", "")
        if not cursor:
            break
    assert seen == ["1", "2", "3", "4", "5"]


def test_sorted_keyset_pages_stay_true_while_the_clock_runs(bench: Bench) -> None:
    params = {"limit": 2, "order": "updatedAt", "ascending": "false"}
    seen, cursor = [], ""
    for _ in range(10):
        page = bench.get("/gamma/events/keyset", **params, **({"after_cursor": cursor} if cursor else {}))
        seen += ids(page["events"])
        cursor = page.get("next_cursor", "")
        bench.now += timedelta(hours=7)
        if not cursor:
            break
    assert sorted(seen) == ["1", "2", "3", "4", "5"]


def test_event_just_settled_leads_a_listing_by_change(bench: Bench) -> None:
    bench.now = bench.market("41").settle_at + timedelta(seconds=1)
    rows = bench.get("/gamma/events/keyset", order="updatedAt", ascending="false")["events"]
    assert rows[0]["id"] == "4"


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"closed": "true"}, ["3"]),
        ({"closed": "false"}, ["1", "2", "4", "5"]),
        ({"id": ["1", "5"]}, ["1", "5"]),
        ({"slug": "done"}, ["3"]),
        ({"title_search": "chair"}, ["2"]),
        ({"tag_slug": "old"}, ["3", "4"]),
        ({"volume_min": 42000}, ["2", "5"]),
        ({"end_date_max": "2026-08-01T00:00:00Z"}, ["3"]),
        ({"start_date_min": "2026-08-01T12:00:01Z"}, ["5"]),
        ({"order": "volume", "ascending": "false", "limit": 2}, ["5", "2"]),
        ({"featured": "true"}, []),
    ],
)
def test_events_are_filtered(bench: Bench, params: dict[str, Any], expected: list[str]) -> None:
    assert ids(bench.get("/gamma/events/keyset", **params)["events"]) == expected


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, ["11", "21", "22", "41", "51"]),
        ({"closed": "true"}, ["31"]),
        ({"id": ["21", "31"]}, ["21"]),
        ({"volume_num_min": 30000}, ["41", "51"]),
        ({"end_date_min": "2026-08-31T00:00:00Z"}, ["11", "21", "22", "51"]),
        ({"uma_resolution_status": "proposed"}, ["41"]),
        ({"order": "volumeNum", "ascending": "false", "limit": 2}, ["51", "41"]),
        ({"order": "volume_num", "limit": 1}, ["11"]),
    ],
)
def test_markets_are_filtered_and_closed_ones_must_be_asked_for(
    bench: Bench, params: dict[str, Any], expected: list[str]
) -> None:
    assert ids(bench.get("/gamma/markets/keyset", **params)["markets"]) == expected
    assert ids(bench.get("/gamma/markets", **params)) == expected


def test_markets_are_found_by_condition_token_and_tag(bench: Bench) -> None:
    first, second = bench.market("11"), bench.market("22")
    conditions = [first.condition_id, second.condition_id]
    assert ids(bench.get("/gamma/markets/keyset", condition_ids=conditions)["markets"]) == ["11", "22"]
    assert ids(bench.get("/gamma/markets", clob_token_ids=second.no_token)) == ["22"]
    fed = next(tag["id"] for tag in bench.get("/gamma/tags") if tag["label"] == "Fed")
    politics = next(tag["id"] for tag in bench.get("/gamma/tags") if tag["label"] == "Politics")
    assert ids(bench.get("/gamma/markets/keyset", tag_id=fed)["markets"]) == ["11", "21", "22"]
    both = {"tag_id": [fed, politics], "tag_match": "all"}
    assert ids(bench.get("/gamma/markets/keyset", **both)["markets"]) == ["21", "22"]
    assert ids(bench.get("/gamma/events/keyset", tag_id=fed, exclude_tag_id=politics)["events"]) == ["1"]
    assert bench.get(f"/gamma/tags/{fed}") == bench.get("/gamma/tags/slug/fed")
    tagged = bench.get("/gamma/markets/keyset", id="11", include_tag="true")["markets"][0]
    assert {tag["label"] for tag in tagged["tags"]} == {"Economy", "Fed", "Rates"}
    assert {tag["label"] for tag in bench.get("/gamma/markets/11/tags")} == {"Economy", "Fed", "Rates"}


def test_pages_are_capped(bench: Bench) -> None:
    for number in range(100, 320):
        bench.feed.add(*_event(number))
    assert len(bench.get("/gamma/markets/keyset", limit=1000)["markets"]) == 100
    assert len(bench.get("/gamma/events/keyset", limit=1000)["events"]) == 225


def _event(number: int) -> tuple[Any, list[Any]]:
    from itomarkets.sandbox.model import POLYMARKET, SandboxEvent
    from tests.sandbox.polymarket_world import market

    event = SandboxEvent(POLYMARKET, str(number), f"event-{number}", f"Event {number}?")
    return event, [market(f"9{number}", str(number), f"Market {number}?")]


@pytest.mark.parametrize(
    ("path", "params", "status"),
    [
        ("/gamma/events/keyset", {"offset": "0"}, 422),
        ("/gamma/events/keyset", {"limit": "0"}, 422),
        ("/gamma/events/keyset", {"limit": "many"}, 422),
        ("/gamma/events/keyset", {"after_cursor": "garbage"}, 422),
        ("/gamma/events/keyset", {"order": "beauty"}, 422),
        ("/gamma/events/keyset", {"closed": "perhaps"}, 422),
        ("/gamma/markets/keyset", {"end_date_min": "soon"}, 422),
        ("/gamma/markets/keyset", {"volume_num_min": "much"}, 422),
        ("/gamma/markets", {"offset": "9000"}, 422),
        ("/gamma/public-search", {}, 422),
        ("/gamma/markets/12345", {}, 404),
        ("/gamma/markets/slug/none", {}, 404),
        ("/gamma/events/12345", {}, 404),
        ("/gamma/events/slug/none", {}, 404),
        ("/gamma/tags/1", {}, 404),
        ("/gamma/tags/slug/none", {}, 404),
        ("/gamma/series/1", {}, 404),
        ("/gamma/markets/abc", {}, 422),
    ],
)
def test_bad_questions_get_a_sentence(bench: Bench, path: str, params: dict[str, Any], status: int) -> None:
    found, error = bench.refusal(path, **params)
    assert found == status
    assert error


def test_search_finds_events_by_the_words_of_their_markets(bench: Bench) -> None:
    found = bench.get("/gamma/public-search", q="CHAIR b")
    assert ids(found["events"]) == ["2"]
    assert found["pagination"] == {"hasMore": False, "totalResults": 1}
    assert bench.get("/gamma/public-search", q="fed", limit_per_type=1)["tags"][0]["label"] == "Fed"
    done = bench.get("/gamma/public-search", q="done", events_status="closed")
    assert ids(done["events"]) == ["3"]
    assert bench.get("/gamma/public-search", q="done")["events"][0]["markets"] == []
    assert bench.get("/gamma/public-search", q="nothing like it")["events"] == []


def test_series_list_their_events(bench: Bench) -> None:
    (row,) = bench.get("/gamma/series")
    assert row["title"] == "Fed decisions"
    assert ids(bench.get(f"/gamma/series/{row['id']}")["events"]) == ["1"]
    assert bench.get("/gamma/series", slug="other") == []
    assert ids(bench.get("/gamma/events/keyset", series_id=row["id"])["events"]) == ["1"]


def test_recorded_object_keeps_its_own_fields_but_not_its_old_state(bench: Bench) -> None:
    bench.market("11").raw = {"resolutionSource": "the bank", "closed": True, "closedTime": "old", "_event": {"id": 1}}
    row = bench.get("/gamma/markets/11")
    assert row["closed"] is False
    assert not {"closedTime", "_event"} & set(row)
    assert NOON.isoformat()[:10] in row["updatedAt"] or row["updatedAt"] < "2026-08-01"
