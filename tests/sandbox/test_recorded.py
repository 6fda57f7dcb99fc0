"""The recorded feed: a small folder in the layout of the recordings, and the whole one where it is at hand."""

import gzip
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from itomarkets.sandbox.engine import World
from itomarkets.sandbox.model import KALSHI, POLYMARKET, VENUES
from itomarkets.sandbox.recorded import RecordedError, RecordedFeed
from tests.sandbox.kalshi_world import Client, kalshi_checker

NOW = datetime(2026, 8, 1, tzinfo=UTC)
ROWS: list[dict[str, Any]] = [
    {"venue": "kalshi", "key": "KXRAIN-26DEC-T2", "title": "Rain above 2?", "close": "2026-12-31T15:00:00Z",
     "price": 0.31},
    {"venue": "kalshi", "key": "KXRAIN-26DEC-T3", "title": "Rain above 3?", "category": "Climate and Weather"},
    {"venue": "kalshi", "key": "EVENT:KXLONE-27", "title": "Will the lone event happen?", "category": "Politics"},
    {"venue": "kalshi", "key": "KXOLD-26MAR-Y", "title": "Did it?", "close": "2026-03-01T00:00:00Z", "price": 0.98},
    {"venue": "polymarket", "key": "700001", "title": "Will Ada win the cup?", "event": "Ada", "price": 0.5,
     "close": "2026-12-01T00:00:00Z", "volume_24h": 900.5},
    {"venue": "polymarket", "key": "700002", "title": "Will Bob win the cup?", "event": "Bob", "price": 0.3,
     "close": "2026-12-01T00:00:00Z"},
    {"venue": "polymarket", "key": "700003", "title": "Will Cyd win the cup?", "event": "Cyd", "price": 0.2,
     "close": "2026-12-01T00:00:00Z"},
    {"venue": "polymarket", "key": "a-lonely-slug", "title": "Alone?", "tags": ["crypto"], "category": "crypto"},
]  # fmt: skip
RAW_MARKET = {
    "ticker": "KXRAIN-26DEC-T2", "event_ticker": "KXRAIN-26DEC", "title": "", "yes_sub_title": "Above 2 inches",
    "open_time": "2026-05-01T00:00:00Z", "close_time": "2026-12-31T15:00:00Z", "status": "active", "result": "",
    "price_level_structure": "deci_cent", "extra_field": "kept", "custom_strike": [["City", "Oslo"]],
}  # fmt: skip


def write(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    with gzip.open(folder / name, "wb") as file:
        file.writelines(orjson.dumps(row) + b"\n" for row in rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "markets.jsonl.gz", ROWS)
    write(tmp_path, "kalshi_markets.jsonl.gz", [RAW_MARKET])
    write(
        tmp_path,
        "kalshi_events.jsonl.gz",
        [
            {
                "event_ticker": "KXRAIN-26DEC",
                "series_ticker": "KXRAIN",
                "title": "Rain in December",
                "mutually_exclusive": False,
            }
        ],
    )
    write(
        tmp_path,
        "orderbooks.jsonl.gz",
        [
            {
                "ticker": "KXRAIN-26DEC-T2",
                "orderbook_fp": {
                    "yes_dollars": [["0.2900", "40.00"], ["0.3000", "7.50"]],
                    "no_dollars": [["0.6800", "12.00"]],
                },
            }
        ],
    )
    lines = ["venue,key,date,price,volume_24h,feed"]
    lines += [f"polymarket,id:700001,2026-07-{day:02d},{0.30 + day / 100:.2f},,x" for day in range(1, 32)]
    with gzip.open(tmp_path / "daily_prices.csv.gz", "wt") as file:
        file.write("\n".join(lines) + "\n")
    return tmp_path


@pytest.fixture
def feed(folder: Path) -> RecordedFeed:
    return RecordedFeed(folder, 7, NOW)


def test_every_row_is_one_market(feed: RecordedFeed) -> None:
    assert {venue: len(feed.venue_markets(venue)) for venue in VENUES} == {KALSHI: 4, POLYMARKET: 4}
    lone = feed.market(KALSHI, "KXLONE-27")
    assert lone is not None
    assert lone.title == "Will the lone event happen?"
    event = feed.event(KALSHI, "KXLONE-27")
    assert event is not None
    assert event.market_keys == ["KXLONE-27"]


def test_rows_that_share_a_stem_are_one_event(feed: RecordedFeed) -> None:
    ada = feed.market(POLYMARKET, "700001")
    assert ada is not None
    event = feed.event(POLYMARKET, ada.event_key)
    assert event is not None
    assert event.market_keys == ["700001", "700002", "700003"]
    assert event.neg_risk
    slugged = feed.market_by_slug("a-lonely-slug")
    assert slugged is not None
    assert slugged.key.isdigit()
    assert feed.by_token(slugged.no_token) == (slugged, "no")


def test_prices_follow_the_history_and_then_the_seed(feed: RecordedFeed) -> None:
    ada = feed.market(POLYMARKET, "700001")
    assert ada is not None
    end_of_day = datetime(2026, 7, 21, tzinfo=UTC)
    assert float(feed.price(ada, end_of_day)) == pytest.approx(0.50, abs=0.01)
    assert [round(float(price), 2) for _, price in feed.daily(ada, NOW.date(), NOW.date())] != []
    assert feed.price(ada, ada.settle_at) == feed.outcome(ada)


def test_a_row_says_what_it_cost_and_what_it_lacks_comes_from_the_seed(feed: RecordedFeed) -> None:
    priced, bare = feed.market(KALSHI, "KXRAIN-26DEC-T2"), feed.market(KALSHI, "KXRAIN-26DEC-T3")
    assert priced is not None
    assert bare is not None
    assert float(feed.price(priced, datetime(2026, 8, 22, tzinfo=UTC))) == pytest.approx(0.31, abs=0.01)
    assert bare.close_at > NOW
    assert 0 < feed.price(bare, NOW) < 1
    assert feed.price(bare, NOW) == RecordedFeed(feed._folder, 7, NOW).price(bare, NOW)


def test_a_market_that_closed_before_the_recording_ended_as_it_stood(feed: RecordedFeed) -> None:
    old = feed.market(KALSHI, "KXOLD-26MAR-Y")
    assert old is not None
    assert feed.outcome(old) == 1


def test_raw_objects_and_books_go_over_the_wire(feed: RecordedFeed, venue_documents: Path) -> None:
    client = Client(World(feed, lambda: NOW))
    market = client.get("/markets/KXRAIN-26DEC-T2")["market"]
    kalshi_checker(venue_documents)("GetMarketResponse", {"market": market})
    assert (market["extra_field"], market["yes_sub_title"], market["title"]) == (
        "kept",
        "Above 2 inches",
        "Rain above 2?",
    )
    assert market["custom_strike"] == {"City": "Oslo"}
    assert (market["yes_bid_dollars"], market["yes_ask_dollars"]) == ("0.3000", "0.3200")
    book = client.get("/markets/KXRAIN-26DEC-T2/orderbook")["orderbook_fp"]
    assert book == {"yes_dollars": [["0.2900", "40.00"], ["0.3000", "7.00"]], "no_dollars": [["0.6800", "12.00"]]}


def test_a_folder_that_is_not_one_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RecordedError, match=r"no markets.jsonl.gz"):
        RecordedFeed(tmp_path, 7, NOW)
    (tmp_path / "markets.jsonl.gz").write_bytes(b"not gzip")
    with pytest.raises(RecordedError, match="cannot be read"):
        RecordedFeed(tmp_path, 7, NOW)
    write(tmp_path, "markets.jsonl.gz", [{"venue": "elsewhere", "key": "x"}])
    with pytest.raises(RecordedError, match="line 1: expected venue and key"):
        RecordedFeed(tmp_path, 7, NOW)


@pytest.mark.recorded
@pytest.mark.deep
def test_the_whole_recording_is_served_valid_and_fast(recorded: Path, venue_documents: Path) -> None:
    started = time.monotonic()
    feed = RecordedFeed(recorded, 7, NOW)
    assert time.monotonic() - started < 20
    assert sum(len(feed.venue_markets(venue)) for venue in VENUES) == 105_708
    client = Client(World(feed, lambda: NOW))
    check = kalshi_checker(venue_documents)
    seen: set[str] = set()
    for path in ("/markets", "/historical/markets"):
        cursor, pages = "", 0
        while pages == 0 or cursor:
            body = client.get(path, limit=1000, cursor=cursor)
            seen.update(market["ticker"] for market in body["markets"])
            check("GetMarketsResponse", {"markets": body["markets"][::25], "cursor": ""})
            cursor, pages = body["cursor"], pages + 1
    assert len(seen) == len(feed.venue_markets(KALSHI))
    for market in feed.venue_markets(POLYMARKET)[::500]:
        for day in range(0, 60, 7):
            assert 0 <= feed.price(market, NOW + timedelta(days=day)) <= 1
