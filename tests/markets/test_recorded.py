"""Every recorded object of both venues is read, or refused for a reason that we know."""

import gzip
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from markets.venues import kalshi, polymarket
from markets.venues.kalshi_history import parse_candles
from markets.venues.past import CANDLES, DAY
from markets.venues.rows import read_rows

pytestmark = pytest.mark.recorded
NOW = datetime(2026, 8, 1, tzinfo=UTC)


def objects(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(folder / f"{name}.jsonl.gz") as lines:
        for line in lines:
            yield orjson.loads(line)


def test_every_recorded_market_event_and_series_is_read(recorded: Path) -> None:
    series, bad_series = read_rows(objects(recorded, "kalshi_series"), kalshi.parse_series, "ticker")
    known = {row.key: row for row in series}
    events, bad_events = read_rows(
        objects(recorded, "kalshi_events"), lambda raw: kalshi.parse_event(raw, known), "event_ticker"
    )
    markets, bad_markets = read_rows(objects(recorded, "kalshi_markets"), kalshi.parse_market, "ticker")
    gamma_events, bad_gamma_events = read_rows(objects(recorded, "polymarket_events"), polymarket.parse_event, "id")
    gamma, bad_gamma = read_rows(objects(recorded, "polymarket_markets"), polymarket.parse_market, "id")
    print(  # noqa: T201
        f"\nseries {len(series)}, events {len(events)} + {len(gamma_events)}, markets {len(markets)} + {len(gamma)}; "
        f"Kalshi {Counter(row.status for row in markets)}, Polymarket {Counter(row.status for row in gamma)}"
    )
    bad = bad_series + bad_events + bad_markets + bad_gamma_events + bad_gamma
    assert [(row.native_id, row.error) for row in bad] == []
    assert all(row.payout is not None for row in markets + gamma if row.status == "resolved")


def test_every_recorded_book_is_read_or_of_a_layout_that_is_gone(recorded: Path) -> None:
    counts: Counter[str] = Counter()
    for raw in objects(recorded, "orderbooks"):
        if raw["_kind"] == "pm_book":
            book = polymarket.parse_side_book(raw)
            counts["polymarket"] += 1
            assert not book.bids or not book.asks or book.bids[0].price < book.asks[0].price
        elif "orderbook_fp" in raw:
            kalshi.parse_book(raw["orderbook_fp"], received_at=NOW)
            counts["kalshi"] += 1
        else:
            # Integer cents under `orderbook`: removed by the venue in 2026.
            counts["old layout"] += 1
    print(f"\n{counts}")  # noqa: T201
    assert counts["kalshi"] > 10
    assert counts["polymarket"] > 3


def test_every_recorded_candle_is_read(recorded: Path) -> None:
    counts: Counter[str] = Counter()
    for raw in objects(recorded, "kalshi_candlesticks_responses"):
        answer = parse_candles(raw["candlesticks"], step=DAY, source=CANDLES)
        counts["candles"] += len(raw["candlesticks"])
        counts["days"] += len(answer.prices)
        assert not answer.unreadable
        assert all(0 < day.price < 1 for day in answer.prices.values())
    print(f"\n{counts}")  # noqa: T201
    assert counts["days"] > 0
