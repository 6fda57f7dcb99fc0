"""Every request for a past price is one that the venue's own document describes. No database."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
import yaml
from jsonschema import Draft202012Validator

from markets.venues.kalshi import KalshiReads
from markets.venues.kalshi_history import WINDOWS as KALSHI_WINDOWS
from markets.venues.past import DAY, Want
from markets.venues.polymarket import PolymarketReads
from markets.venues.polymarket_history import WINDOWS as POLYMARKET_WINDOWS
from tests.markets.payloads import http

START = datetime(2026, 3, 2, tzinfo=UTC)
CUTOFF = {"market_settled_ts": "2026-03-05T00:00:00Z", "trades_created_ts": "2026-03-05T00:00:00Z"}


def want(number: int, length: timedelta, step: timedelta, *, settled: datetime | None = None) -> Want:
    return Want(
        market_id=number, native_id=f"KX-{number}", yes_token="123", no_token="124", condition_id="0x" + "a" * 64,
        settled_at=settled, start=START, end=START + length, window=START, window_end=START + length,
        overlap_start=START - step, overlap_end=START + length + step,
    )  # fmt: skip


class Venue:
    """Answers emptily and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        path = request.url.path
        if path.endswith("/trades") and "market" in request.url.params:
            return httpx.Response(200, json=[])
        lists: dict[str, list[Any]] = {name: [] for name in ("markets", "candlesticks", "trades", "history", "data")}
        return httpx.Response(200, json=CUTOFF if path.endswith("/cutoff") else {**lists, "cursor": ""})


def ask_everything(history: Any, windows: dict[timedelta, timedelta]) -> None:
    for step, length in windows.items():
        wants = [want(number, length, step) for number in range(120)]
        wants.append(want(120, length, step, settled=START + DAY))
        wants.append(want(121, length, step, settled=START + 30 * DAY))
        list(history.fetch(wants, step=step))
    history.fetch_trades(want(1, windows[DAY], DAY), step=DAY)


def described(document: dict[str, Any], path: str) -> tuple[str, dict[str, Any]]:
    """Find the path that a request is of: the one with the fewest placeholders."""
    parts = path.split("/")
    found = [
        template
        for template in document["paths"]
        if len(template.split("/")) == len(parts)
        and all(one == other or one.startswith("{") for one, other in zip(template.split("/"), parts, strict=True))
    ]
    assert found, f"{path} is in no document"
    template = min(found, key=lambda name: name.count("{"))
    return template, document["paths"][template]["get"]


def parameters(document: dict[str, Any], operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for one in operation.get("parameters", []):
        if "$ref" in one:
            yield document["components"]["parameters"][one["$ref"].rsplit("/", 1)[1]]
        else:
            yield one


def check(document: dict[str, Any], request: httpx.Request, path: str) -> str:
    template, operation = described(document, path)
    known = {one["name"]: one for one in parameters(document, operation) if one["in"] == "query"}
    given = dict(parse_qsl(request.url.query.decode()))
    assert set(given) <= set(known), f"{template}: {set(given) - set(known)} is not described"
    assert {name for name, one in known.items() if one.get("required")} <= set(given), template
    for name, text in given.items():
        schema = known[name]["schema"]
        if schema.get("type") == "array":
            schema, values = schema["items"], text.split(",")
        else:
            values = [text]
        for value in values:
            typed: Any = {"true": True, "false": False}.get(value, int(value) if value.isdigit() else value)
            if schema.get("type") == "string":
                typed = value
            validator = Draft202012Validator({**schema, "components": document.get("components", {})})
            errors = [error.message for error in validator.iter_errors(typed)]
            assert not errors, f"{template} {name}={value}: {errors}"
    return template


@pytest.fixture(scope="module")
def documents(venue_documents: Path) -> dict[str, dict[str, Any]]:
    names = ("kalshi", "polymarket-clob", "polymarket-data")
    return {name: yaml.safe_load((venue_documents / f"{name}-openapi.yaml").read_text()) for name in names}


def test_every_request_to_kalshi_is_described(documents: dict[str, dict[str, Any]]) -> None:
    venue = Venue()
    history = KalshiReads(http(httpx.MockTransport(venue), "kalshi")).history
    ask_everything(history, KALSHI_WINDOWS)
    paths = [request.url.path.removeprefix("/base") for request in venue.asked]
    found = {check(documents["kalshi"], request, f"/trade-api/v2{path}")
             for request, path in zip(venue.asked, paths, strict=True)}  # fmt: skip
    assert {template.removeprefix("/trade-api/v2") for template in found} == {
        "/historical/cutoff",
        "/markets/candlesticks",
        "/historical/markets/{ticker}/candlesticks",
        "/markets/trades",
        "/historical/trades",
    }
    for request in venue.asked:
        asked = request.url.params
        if "market_tickers" in asked:
            # Not in the schema, but in its words: at most 100 markets and 10,000 candles a call.
            tickers = len(asked["market_tickers"].split(","))
            span = int(asked["end_ts"]) - int(asked["start_ts"])
            assert tickers <= 100
            assert tickers * (span // (60 * int(asked["period_interval"])) + 1) <= 10_000


def test_every_request_to_polymarket_is_described(documents: dict[str, dict[str, Any]]) -> None:
    venue = Venue()
    transport = httpx.MockTransport(venue)
    history = PolymarketReads(
        gamma=http(transport, "polymarket"), clob=http(transport, "polymarket"), data=http(transport, "polymarket")
    ).history
    ask_everything(history, POLYMARKET_WINDOWS)
    found = set()
    for request in venue.asked:
        path = request.url.path.removeprefix("/base")
        if path == "/v2/prices-history":
            # Newer than the documents: its rules as the venue's own client keeps them.
            asked = {name: int(value) for name, value in request.url.params.items()}
            assert set(asked) == {"token_id", "start", "end", "bucket_seconds", "limit"}
            assert 0 < asked["end"] - asked["start"] <= 15 * 86_400
            assert 60 <= asked["bucket_seconds"] <= 86_400
            assert asked["limit"] <= 10_000
            found.add(path)
        else:
            found.add(
                check(documents["polymarket-clob" if path == "/prices-history" else "polymarket-data"], request, path)
            )
    assert found == {"/v2/prices-history", "/prices-history", "/trades"}
