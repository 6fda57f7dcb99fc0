"""Replies against Polymarket's OpenAPI files, and the answer for what those files do not describe."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.sandbox.polymarket_world import NOON, Bench, Member

# The exchange and its official client use strings here; the file says numbers.
STRINGS_FOR_NUMBERS = {"/price", "/prices"}
# Served by the sandbox, described by none of the files.
WITHOUT_SCHEMA = {
    "clob": {
        "/",
        "/ok",
        "/version",
        "/neg-risk",
        "/markets",
        "/markets/{condition_id}",
        "/auth/api-key",
        "/auth/api-keys",
        "/auth/derive-api-key",
        "/auth/ban-status/closed-only",
        "/balance-allowance",
        "/balance-allowance/update",
    },
    "gamma": {"/status"},
    "data": {"/", "/v2/positions", "/v2/value", "/v2/prices-history"},
}
NOW = int(NOON.timestamp())


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def ada(bench: Bench) -> Member:
    ada = bench.member("Ada")
    ada.post(ada.order("11", "BUY", "0.41", "20"))
    ada.post(ada.order("11", "BUY", "0.30", "20"))
    return ada


@lru_cache
def document(folder: Path, service: str) -> dict[str, Any]:
    """Return one file as JSON Schema reads it: `nullable` and `exclusiveMinimum` flags are of an older dialect."""
    with (folder / f"polymarket-{service}-openapi.yaml").open(encoding="utf-8") as file:
        found: dict[str, Any] = _modern(yaml.safe_load(file))
    return found


def _modern(node: Any) -> Any:
    if isinstance(node, list):
        return [_modern(part) for part in node]
    if not isinstance(node, dict):
        return node
    made = {name: _modern(part) for name, part in node.items()}
    if made.pop("nullable", False) is True and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
        if "enum" in made:
            made["enum"] = [*made["enum"], None]
    return made


def check(folder: Path, service: str, path: str, answer: Any, *, method: str = "get", status: int = 200) -> None:
    parts = ("paths", path, method, "responses", str(status), "content", "application/json", "schema")
    pointer = "/".join(part.replace("~", "~0").replace("/", "~1") for part in parts)
    schema = document(folder, service) | {"$ref": f"#/{pointer}"}
    errors = [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}"
        for error in Draft202012Validator(schema).iter_errors(answer)
    ]
    assert not errors, f"{method} {path}: {errors[:5]}"


GAMMA = [
    ("/events/keyset", "/events/keyset", {"limit": 500}),
    ("/markets/keyset", "/markets/keyset", {"closed": "true", "include_tag": "true"}),
    ("/markets/keyset", "/markets/keyset", {}),
    ("/events", "/events", {}),
    ("/events/{id}", "/events/2", {}),
    ("/events/slug/{slug}", "/events/slug/fed-cut", {}),
    ("/events/{id}/tags", "/events/1/tags", {}),
    ("/markets", "/markets", {}),
    ("/markets/{id}", "/markets/31", {}),
    ("/markets/slug/{slug}", "/markets/slug/market-11", {}),
    ("/markets/{id}/tags", "/markets/11/tags", {}),
    ("/tags", "/tags", {}),
    ("/tags/slug/{slug}", "/tags/slug/fed", {}),
    ("/series", "/series", {}),
    ("/public-search", "/public-search", {"q": "fed"}),
]


@pytest.mark.parametrize(("path", "asked", "params"), GAMMA)
def test_listing_keeps_to_its_document(
    bench: Bench, venue_documents: Path, path: str, asked: str, params: dict[str, Any]
) -> None:
    check(venue_documents, "gamma", path, bench.get(f"/gamma{asked}", **params))


def test_listing_by_number_keeps_to_its_document(bench: Bench, venue_documents: Path) -> None:
    tag, series = bench.get("/gamma/tags")[0]["id"], bench.get("/gamma/series")[0]["id"]
    check(venue_documents, "gamma", "/tags/{id}", bench.get(f"/gamma/tags/{tag}"))
    check(venue_documents, "gamma", "/series/{id}", bench.get(f"/gamma/series/{series}"))
    refusal = bench.send("GET", "/gamma/events/keyset", params={"offset": 1}).json()
    check(venue_documents, "gamma", "/events/keyset", refusal, status=422)


def clob_questions(bench: Bench) -> list[tuple[str, str, dict[str, Any]]]:
    market = bench.market("11")
    token = {"token_id": market.yes_token}
    return [
        ("/time", "/time", {}),
        ("/book", "/book", token),
        ("/midpoint", "/midpoint", token),
        ("/midpoints", "/midpoints", {"token_ids": market.yes_token}),
        ("/spread", "/spread", token),
        ("/last-trade-price", "/last-trade-price", token),
        ("/last-trades-prices", "/last-trades-prices", {"token_ids": market.yes_token}),
        ("/tick-size", "/tick-size", token),
        ("/tick-size/{token_id}", f"/tick-size/{market.yes_token}", {}),
        ("/fee-rate", "/fee-rate", token),
        ("/fee-rate/{token_id}", f"/fee-rate/{market.yes_token}", {}),
        ("/markets-by-token/{token_id}", f"/markets-by-token/{market.yes_token}", {}),
        ("/clob-markets/{condition_id}", f"/clob-markets/{market.condition_id}", {}),
        ("/simplified-markets", "/simplified-markets", {}),
        ("/prices-history", "/prices-history", {"market": market.yes_token, "interval": "1d", "fidelity": 60}),
    ]


def test_order_book_keeps_to_its_document(bench: Bench, venue_documents: Path) -> None:
    for path, asked, params in clob_questions(bench):
        check(venue_documents, "clob", path, bench.get(f"/clob{asked}", **params))
    tokens = [{"token_id": bench.market(key).yes_token} for key in ("11", "21")]
    for path in ("/books", "/midpoints", "/spreads", "/last-trades-prices"):
        answer = bench.send("POST", f"/clob{path}", json=tokens).json()
        check(venue_documents, "clob", path, answer, method="post")
    body = {"markets": [bench.market("11").yes_token], "interval": "1d", "fidelity": 60}
    answer = bench.send("POST", "/clob/batch-prices-history", json=body).json()
    check(venue_documents, "clob", "/batch-prices-history", answer, method="post")


def test_prices_are_strings_where_the_document_says_numbers(bench: Bench, venue_documents: Path) -> None:
    for path in STRINGS_FOR_NUMBERS:
        schema = document(venue_documents, "clob")["paths"][path]["get"]["responses"]["200"]["content"]
        assert "'number'" in str(schema)
    assert bench.get("/clob/price", token_id=bench.market("11").yes_token, side="BUY") == {"price": "0.39"}


def test_private_replies_keep_to_their_document(bench: Bench, ada: Member, venue_documents: Path) -> None:
    orders, trades = ada.get("/data/orders"), ada.get("/data/trades")
    check(venue_documents, "clob", "/data/orders", orders)
    check(venue_documents, "clob", "/data/trades", trades)
    order_id = orders["data"][0]["id"]
    check(venue_documents, "clob", "/data/order/{orderID}", ada.get(f"/data/order/{order_id}"))
    for body in (ada.order("11", "BUY", "0.42", "20"), ada.order("11", "BUY", "0.30", "20")):
        answer = ada.post(body)
        check(venue_documents, "clob", "/order", answer, method="post")
    batch = ada.send("POST", "/orders", [ada.order("21", "BUY", "0.30", "20")]).json()
    check(venue_documents, "clob", "/orders", batch, method="post")
    refused = ada.send("POST", "/order", ada.order("11", "BUY", "0.30", "1"))
    check(venue_documents, "clob", "/order", refused.json(), method="post", status=400)
    unauthorized = bench.send("GET", "/clob/data/orders")
    check(venue_documents, "clob", "/data/orders", unauthorized.json(), status=401)
    for path, asked in (
        ("/order", {"orderID": order_id}),
        ("/orders", ["0x00"]),
        ("/cancel-market-orders", {"market": bench.market("21").condition_id, "asset_id": ""}),
        ("/cancel-all", None),
    ):
        answer = ada.send("DELETE", path, asked).json()
        check(venue_documents, "clob", path, answer, method="delete")


def test_data_service_keeps_to_its_document(bench: Bench, ada: Member, venue_documents: Path) -> None:
    for path in ("/positions", "/trades", "/value"):
        answer = bench.get(f"/data{path}", user=ada.address)
        assert answer
        check(venue_documents, "data", path, answer)
        check(venue_documents, "data", path, bench.send("GET", f"/data{path}?user=me").json(), status=400)


@pytest.mark.parametrize("service", ["gamma", "clob", "data"])
def test_every_route_is_described_or_listed_as_not(bench: Bench, venue_documents: Path, service: str) -> None:
    described = {path.replace("{orderID}", "{order_id}") for path in document(venue_documents, service)["paths"]}
    mount = next(route for route in bench.app.routes if getattr(route, "path", "") == f"/{service}")
    served = {route.path for route in mount.routes}  # type: ignore[attr-defined]
    assert served - described == WITHOUT_SCHEMA[service]
