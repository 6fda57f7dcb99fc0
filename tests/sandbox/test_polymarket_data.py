"""The stand-in Data API: positions, trades, value and past prices by address."""

from decimal import Decimal
from typing import Any

import pytest

from tests.sandbox.polymarket_world import NOON, Bench, Member

DAY = 86_400
NOW = int(NOON.timestamp())


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def ada(bench: Bench) -> Member:
    ada = bench.member("Ada")
    ada.post(ada.order("11", "BUY", "0.41", "20"))
    ada.post(ada.order("11", "BUY", "0.61", "10", outcome="no"))
    ada.post(ada.order("11", "SELL", "0.39", "5"))
    return ada


def test_positions_of_both_outcomes_with_cost_and_value(bench: Bench, ada: Member) -> None:
    yes, no = bench.get("/data/positions", user=ada.address)
    assert (yes["size"], yes["avgPrice"], yes["initialValue"], yes["outcome"]) == (15, 0.41, 6.15, "Yes")
    assert (no["size"], no["avgPrice"], no["outcomeIndex"]) == (10, 0.61, 1)
    assert yes["oppositeAsset"] == no["asset"]
    assert yes["realizedPnl"] == -0.1
    assert yes["totalBought"] == 20
    assert yes["mergeable"] is True
    assert (yes["title"], yes["eventSlug"], yes["endDate"]) == ("Fed cuts in September?", "fed-cut", "2026-08-31")


def test_positions_are_filtered_sorted_and_paged(bench: Bench, ada: Member) -> None:
    ada.post(ada.order("21", "BUY", "0.41", "40"))
    rows = bench.get("/data/positions", user=ada.address, sortBy="TOKENS", sortDirection="DESC")
    assert [row["size"] for row in rows] == [40, 15, 10]
    assert len(bench.get("/data/positions", user=ada.address, limit=1, offset=2)) == 1
    condition = bench.market("21").condition_id
    assert [row["size"] for row in bench.get("/data/positions", user=ada.address, market=condition)] == [40]
    assert bench.get("/data/positions", user=ada.address, eventId=3) == []
    assert bench.get("/data/positions", user=ada.address, sizeThreshold=20)[0]["size"] == 40
    assert bench.get("/data/positions", user=ada.address, redeemable="true") == []
    assert len(bench.get("/data/positions", user=ada.address, mergeable="true")) == 2
    assert bench.get("/data/positions", user=ada.address, title="chair")[0]["size"] == 40
    assert bench.get("/data/positions", user="0x" + "11" * 20) == []


def test_second_version_pages_with_a_cursor(bench: Bench, ada: Member) -> None:
    first = bench.get("/data/v2/positions", user=ada.address, limit=1)
    assert first["pagination"]["has_more"] is True
    cursor = first["pagination"]["next_cursor"]
    second = bench.get("/data/v2/positions", user=ada.address, limit=1, cursor=cursor)
    assert second["pagination"] == {"has_more": False, "next_cursor": None}
    sizes = {row["outcome"]: row["current_size"] for row in first["data"] + second["data"]}
    assert sizes == {"Yes": 15, "No": 10}


def test_settled_position_is_closed_and_its_gain_realized(bench: Bench, ada: Member) -> None:
    bench.world.force_settle(bench.market("11"), Decimal(1))
    assert bench.get("/data/positions", user=ada.address) == []
    rows = bench.get("/data/v2/positions", user=ada.address, status="CLOSED")["data"]
    assert {row["outcome"]: row["realized_pnl"] for row in rows} == {"Yes": 8.75, "No": -6.1}


def test_value_is_what_the_books_would_pay(bench: Bench, ada: Member) -> None:
    assert bench.get("/data/value", user=ada.address) == [{"user": ada.address, "value": 12.0}]
    assert bench.get("/data/v2/value", user=ada.address)["data"]["value"] == 12.0


def test_trades_by_wallet_market_and_side(bench: Bench, ada: Member) -> None:
    rows = bench.get("/data/trades", user=ada.address)
    assert [(row["side"], row["size"], row["price"]) for row in rows] == [
        ("SELL", 5, 0.39),
        ("BUY", 10, 0.61),
        ("BUY", 20, 0.41),
    ]
    assert rows[0]["timestamp"] == NOW
    condition = bench.market("11").condition_id
    assert len(bench.get("/data/trades", market=condition, side="BUY")) == 2
    assert bench.get("/data/trades", market=bench.market("21").condition_id) == []
    assert len(bench.get("/data/trades", user=ada.address, limit=1, offset=1)) == 1
    assert bench.get("/data/trades", user=ada.address, start=NOW + 1) == []
    assert bench.get("/data/trades", user="0x" + "11" * 20) == []


def test_history_of_a_window_in_buckets(bench: Bench) -> None:
    token = bench.market("11").yes_token
    page = bench.get(
        "/data/v2/prices-history", token_id=token, start=NOW - 15 * DAY, end=NOW, bucket_seconds=DAY, limit=10
    )
    assert len(page["data"]) == 10
    assert page["data"][0]["resolution_seconds"] == DAY
    rest = bench.get(
        "/data/v2/prices-history",
        token_id=token,
        start=NOW - 15 * DAY,
        end=NOW,
        bucket_seconds=DAY,
        limit=10,
        cursor=page["pagination"]["next_cursor"],
    )
    assert rest["pagination"]["has_more"] is False
    stamps = [row["timestamp"] for row in page["data"] + rest["data"]]
    assert stamps == list(range(NOW // DAY * DAY - 15 * DAY, NOW, DAY))


def test_history_of_an_instant_is_exact(bench: Bench) -> None:
    token = bench.market("11").no_token
    page = bench.get("/data/v2/prices-history", token_id=token, as_of=NOW - 500)
    assert page["data"] == [{"timestamp": NOW - 500, "price": 0.6, "resolution_seconds": 0}]
    assert bench.get("/data/v2/prices-history", token_id=token, as_of=5)["data"] == []
    assert bench.get("/data/v2/prices-history", token_id="99", interval="1d")["data"] == []


@pytest.mark.parametrize(
    "params",
    [
        {"start": NOW - 16 * DAY, "end": NOW},
        {"interval": "1d", "start": 5},
        {"interval": "2d"},
        {"end": NOW},
        {"start": NOW, "end": NOW - 5},
        {"interval": "max", "bucket_seconds": 300},
        {"interval": "1w", "bucket_seconds": 60},
        {"interval": "1d", "bucket_seconds": 30},
        {"interval": "1d", "bucket_seconds": 100_000},
        {"as_of": NOW, "bucket_seconds": 60},
        {"interval": "1d", "cursor": "what"},
        {},
    ],
)
def test_bad_windows_of_history_are_refused(bench: Bench, params: dict[str, Any]) -> None:
    status, error = bench.refusal("/data/v2/prices-history", token_id=bench.market("11").yes_token, **params)
    assert status == 400
    assert error


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/data/positions", {}),
        ("/data/positions", {"user": "me"}),
        ("/data/positions", {"user": "0x" + "11" * 20, "sortBy": "LUCK"}),
        ("/data/positions", {"user": "0x" + "11" * 20, "offset": "10001"}),
        ("/data/trades", {"offset": "10001"}),
        ("/data/trades", {"side": "UP"}),
        ("/data/v2/prices-history", {"interval": "1d"}),
    ],
)
def test_bad_questions_get_a_sentence(bench: Bench, path: str, params: dict[str, str]) -> None:
    status, error = bench.refusal(path, **params)
    assert status == 400
    assert error
