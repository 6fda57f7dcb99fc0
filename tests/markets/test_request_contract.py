"""Every request that the read clients make is one that the venue's OpenAPI file describes."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx

from itomarkets.lib.clock import now as machine_now
from itomarkets.lib.venues import VenueError
from markets.venues.kalshi import KalshiReads
from markets.venues.past import Want
from markets.venues.polymarket import PolymarketReads
from markets.venues.walks import Walkers
from tests.markets.openapi import complaints, document
from tests.markets.payloads import FakeVenues, http

# Served by the newest Data API, described by none of the files.
WITHOUT_DOCUMENT = {"/v2/prices-history"}
MARKET: Any = SimpleNamespace(pk=1, native_id="KXRATE-26SEP-HOLD", yes_token="11", no_token="12", condition_id="0x1")


DAY = timedelta(days=1)


def want(now: datetime, settled_at: datetime | None) -> Want:
    end = datetime(now.year, now.month, now.day, tzinfo=UTC)
    start = end - 10 * DAY
    return Want(
        market_id=1, native_id=MARKET.native_id, yes_token="11", no_token="12", condition_id="0x1",
        settled_at=settled_at, start=start, end=end, window=start, window_end=end, overlap_start=start, overlap_end=end,
    )  # fmt: skip


def asked_of(venues: FakeVenues) -> list[tuple[httpx.Request, str]]:
    return [(request, request.url.path.removeprefix("/base")) for request in venues.requests]


def test_every_request_of_the_kalshi_reads_is_described(venue_documents: Path, venues: FakeVenues) -> None:
    reads = KalshiReads(http(httpx.MockTransport(venues._answer), "kalshi"))
    now = machine_now()
    for walks in (reads.walks(), reads.walks(cuts=[1_780_000_000]), reads.walks(since=now - timedelta(hours=1))):
        list(Walkers(walks).pages())
    reads.fetch_events(["KXRATE-26SEP", "KXNONE"])
    reads.fetch_market("KXRATE-26SEP-HOLD")
    reads.fetch_market("KXNONE")
    reads.fetch_books([MARKET])
    for settled_at in (None, now - timedelta(days=300)):
        list(reads.history.fetch([want(now, settled_at)], step=DAY))
    reads.history.fetch_trades(want(now, None), step=DAY)
    spec = document(venue_documents / "kalshi-openapi.yaml")
    found = [text for request, path in asked_of(venues) for text in complaints(spec, request, f"/trade-api/v2{path}")]
    assert found == []
    assert {path for _, path in asked_of(venues)} >= {
        "/series", "/events", "/markets", "/historical/markets", "/markets/orderbooks", "/historical/cutoff",
        "/markets/candlesticks", "/historical/markets/KXRATE-26SEP-HOLD/candlesticks",
    }  # fmt: skip


def test_every_request_of_the_polymarket_reads_is_described(venue_documents: Path, venues: FakeVenues) -> None:
    transport = httpx.MockTransport(venues._answer)
    gamma, clob, data = (http(transport, "polymarket") for _ in range(3))
    now = machine_now()
    specs = {name: document(venue_documents / f"polymarket-{name}-openapi.yaml") for name in ("gamma", "clob", "data")}
    found: list[str] = []

    def check(name: str, call: Any) -> None:
        venues.requests.clear()
        # What the fake does not know was asked for all the same.
        with suppress(VenueError):
            call()
        assert venues.requests
        for request, path in asked_of(venues):
            if path not in WITHOUT_DOCUMENT:
                found.extend(complaints(specs[name], request, path))

    reads = PolymarketReads(gamma=gamma, clob=clob, data=data)
    check("gamma", lambda: list(Walkers(reads.walks()).pages()))
    check("gamma", lambda: list(Walkers(reads.walks(since=now)).pages()))
    check("gamma", lambda: reads.fetch_events(["9001"]))
    check("gamma", lambda: reads.fetch_market("700001"))
    check("clob", lambda: reads.fetch_books([MARKET]))
    check("clob", lambda: list(reads.history.fetch([want(now, None)], step=DAY)))
    check("data", lambda: reads.history.fetch_trades(want(now, None), step=DAY))
    assert found == []


def test_the_check_sees_what_it_should(venue_documents: Path) -> None:
    spec = document(venue_documents / "kalshi-openapi.yaml")

    def said(url: str) -> list[str]:
        return complaints(spec, httpx.Request("GET", f"http://x{url}"), url.partition("?")[0])

    base = "/trade-api/v2/markets"
    assert said(f"{base}?limit=1000&status=open") == []
    assert len(said(f"{base}?limit=1001&status=active&colour=red&min_close_ts=noon")) == 4
    assert said("/trade-api/v2/nowhere") == ["/trade-api/v2/nowhere is not described"]
    assert said(f"{base}/orderbooks") == ["/trade-api/v2/markets/orderbooks: tickers is required"]
