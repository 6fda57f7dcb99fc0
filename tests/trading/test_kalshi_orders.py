"""Kalshi's wire: the one YES book, signatures that another key verifies, and every shape of answer."""

import base64
import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from itomarkets.lib.http import HttpClient
from itomarkets.lib.venues import VenueError, VenueProtocolError
from markets.models import Market
from trading.models import Order
from trading.venues.base import Placement
from trading.venues.kalshi import KalshiOrders, parse_created, parse_fill, parse_order, wire_order

D = Decimal
CLIENT_ID = UUID("8c35ecb3-328f-5f52-8c7c-0f4b9862f8d1")
NOW = datetime.fromisoformat("2026-08-01T12:00:00+00:00")
TIMESTAMP_MS = 1785585600000
BASE = "https://kalshi.test/trade-api/v2"
Handler = Callable[[httpx.Request], httpx.Response]


def make_order(**values: Any) -> Order:
    market = Market(pk=1, venue="kalshi", native_id="KXFED-26SEP-CUT")
    given: dict[str, Any] = {
        "side": "yes",
        "action": "buy",
        "count": D("12.500000"),
        "limit_price": D("0.420000"),
        "client_id": CLIENT_ID,
        "created_at": NOW,
        "submitted_at": NOW,
    }
    return Order(market=market, **(given | values))


def pem_of(key: Any) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)


def client(handler: Handler, *, key: Any = KEY) -> KalshiOrders:
    http = HttpClient(
        BASE,
        venue="kalshi",
        requests_per_second=1000,
        timeout_seconds=5,
        transport=httpx.MockTransport(handler),
        sleep=lambda seconds: None,
    )
    return KalshiOrders(http=http, key_id="key-id", private_key_pem=pem_of(key), now=lambda: NOW)


def answering(status: int, body: Any) -> Handler:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda request: httpx.Response(status, content=content)


@pytest.mark.parametrize(
    ("side", "action", "price", "book_side", "yes_price"),
    [
        ("yes", "buy", "0.42", "bid", "0.4200"),
        ("yes", "sell", "0.42", "ask", "0.4200"),
        ("no", "buy", "0.42", "ask", "0.5800"),
        ("no", "sell", "0.42", "bid", "0.5800"),
        ("no", "buy", "0.001", "ask", "0.9990"),
        ("yes", "buy", "0.9995", "bid", "0.9995"),
    ],
)
def test_each_side_and_action_maps_to_the_one_yes_book(
    side: str, action: str, price: str, book_side: str, yes_price: str
) -> None:
    body = wire_order(make_order(side=side, action=action, limit_price=D(price)))
    assert body == {
        "ticker": "KXFED-26SEP-CUT",
        "client_order_id": str(CLIENT_ID),
        "side": book_side,
        "count": "12.50",
        "price": yes_price,
        "time_in_force": "immediate_or_cancel",
        "self_trade_prevention_type": "taker_at_cross",
    }


def test_an_rsa_signature_is_verified_by_the_public_key_alone() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"orders": [], "cursor": ""})

    client(handler, key=key).look_up(make_order())
    (request,) = seen
    assert request.url.query
    assert request.headers["KALSHI-ACCESS-KEY"] == "key-id"
    assert request.headers["KALSHI-ACCESS-TIMESTAMP"] == str(TIMESTAMP_MS)
    # The path from the root, without the query; raises when it does not fit.
    key.public_key().verify(
        base64.b64decode(request.headers["KALSHI-ACCESS-SIGNATURE"]),
        f"{TIMESTAMP_MS}GET/trade-api/v2/portfolio/orders".encode(),
        padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32),
        hashes.SHA256(),
    )


def test_an_ed25519_signature_of_a_create_has_a_known_answer() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201, json={"order_id": "o1", "fill_count": "0.00", "remaining_count": "0.00", "ts_ms": 1})

    order = make_order()
    with_key = client(handler)
    signed = with_key.sign(order)
    assert with_key.submit(order, signed).venue_order_id == "o1"
    (request,) = seen
    assert (request.method, request.url.path) == ("POST", "/trade-api/v2/portfolio/events/orders")
    assert request.content == signed.payload.encode()
    text = f"{TIMESTAMP_MS}POST/trade-api/v2/portfolio/events/orders".encode()
    assert base64.b64decode(request.headers["KALSHI-ACCESS-SIGNATURE"]) == KEY.sign(text)
    assert "key-id" not in signed.payload


@pytest.mark.parametrize(
    ("status", "body", "placement"),
    [
        (201, {"order_id": "o1", "fill_count": "1.00", "remaining_count": "0.00", "ts_ms": 1}, Placement.ACCEPTED),
        # Old endpoints answer their errors with a 2xx.
        (200, {"error": {"code": "deprecated_v1_order_endpoint", "message": "switch"}}, Placement.UNKNOWN),
        (201, {}, Placement.UNKNOWN),
        (201, [], Placement.UNKNOWN),
        (201, b"<html>", Placement.UNKNOWN),
        (201, b'{"order_id": "o', Placement.UNKNOWN),
        (400, {"code": "invalid_order", "message": "no", "details": ""}, Placement.REJECTED),
        (400, {"error": {"code": "available_balance_too_low", "message": "no"}}, Placement.REJECTED),
        (401, {"code": "authentication_error"}, Placement.REJECTED),
        (403, {"error": "region"}, Placement.REJECTED),
        (404, {"code": "not_found"}, Placement.REJECTED),
        (409, {"code": "order_already_exists", "message": "duplicate"}, Placement.UNKNOWN),
        (410, {}, Placement.REJECTED),
        (429, {"error": "too many requests"}, Placement.REJECTED),
        (408, {}, Placement.UNKNOWN),
        (500, b"", Placement.UNKNOWN),
        (502, b"<html>Bad gateway</html>", Placement.UNKNOWN),
        (503, {"error": "maintenance"}, Placement.UNKNOWN),
        (302, b"", Placement.UNKNOWN),
    ],
)
def test_every_answer_to_a_create_is_accepted_refused_or_unknown_and_asked_once(
    status: int, body: Any, placement: Placement
) -> None:
    calls: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        return answering(status, body)(request)

    order = make_order()
    own = client(handler)
    result = own.submit(order, own.sign(order))
    assert result.placement is placement, result
    assert len(calls) == 1
    assert result.reason or placement is Placement.ACCEPTED


@pytest.mark.parametrize(
    ("error", "placement"),
    [
        (httpx.ConnectError("refused"), Placement.UNSENT),
        (httpx.ConnectTimeout("slow"), Placement.UNSENT),
        (httpx.ReadTimeout("slow"), Placement.UNKNOWN),
        (httpx.WriteTimeout("slow"), Placement.UNKNOWN),
        (httpx.RemoteProtocolError("cut"), Placement.UNKNOWN),
        (httpx.ReadError("reset"), Placement.UNKNOWN),
    ],
)
def test_a_broken_connection_is_unsent_only_when_it_never_stood(error: Exception, placement: Placement) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise error

    order = make_order()
    own = client(handler)
    assert own.submit(order, own.sign(order)).placement is placement


ORDER_ROW = {
    "order_id": "o1",
    "client_order_id": str(CLIENT_ID),
    "ticker": "KXFED-26SEP-CUT",
    "status": "executed",
    "fill_count_fp": "12.50",
    "remaining_count_fp": "0.00",
    "a_field_of_tomorrow": {"x": 1},
}
FILL_ROW = {
    "fill_id": "f1",
    "order_id": "o1",
    "count_fp": "12.50",
    "yes_price_dollars": "0.420000",
    "no_price_dollars": "0.580000",
    "fee_cost": "0.213200",
    "created_time": "2026-08-01T12:00:00.5Z",
}


def test_an_order_is_found_by_its_client_id_on_a_later_page_with_its_fills() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/portfolio/fills"):
            assert request.url.params["order_id"] == "o1"
            return httpx.Response(200, json={"fills": [FILL_ROW], "cursor": ""})
        if "cursor" not in request.url.params:
            other = ORDER_ROW | {"client_order_id": "another", "order_id": "o0"}
            return httpx.Response(200, json={"orders": [other], "cursor": "next"})
        return httpx.Response(200, json={"orders": [ORDER_ROW], "cursor": ""})

    seen = client(handler).look_up(make_order(side="no"))
    assert seen.order is not None
    assert (seen.order.venue_order_id, seen.order.filled, seen.order.ended) == ("o1", D("12.5"), "executed")
    (fill,) = seen.fills
    assert (fill.venue_trade_id, fill.price, fill.fee) == ("f1", D("0.58"), D("0.2132"))
    assert seen.complete


def test_absence_is_told_only_from_a_listing_that_ended() -> None:
    empty = client(answering(200, {"orders": [], "cursor": ""})).look_up(make_order())
    assert (empty.order, empty.complete) == (None, True)
    assert client(answering(200, {"orders": None})).look_up(make_order()).complete


@pytest.mark.parametrize(
    "body",
    [{"orders": [], "cursor": "again"}, {"orders": {"not": "a list"}}, [], b"<html>"],
)
def test_a_listing_that_repeats_breaks_or_is_no_listing_raises(body: Any) -> None:
    with pytest.raises(VenueProtocolError):
        client(answering(200, body)).look_up(make_order())


def test_a_listing_that_cannot_be_read_raises_and_is_asked_again_first() -> None:
    calls: list[int] = []

    def handler(request: httpx.Request) -> httpx.Response:
        calls.append(1)
        return httpx.Response(503)

    with pytest.raises(VenueError):
        client(handler).look_up(make_order())
    assert len(calls) == 5


def test_a_known_venue_id_is_asked_for_directly_and_a_404_falls_back_to_the_listing() -> None:
    paths: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path.removeprefix("/trade-api/v2/portfolio"))
        if request.url.path.endswith("/o1"):
            return httpx.Response(404, json={"code": "not_found"})
        return httpx.Response(200, json={"orders": [], "cursor": ""})

    assert client(handler).look_up(make_order(venue_order_id="o1")).order is None
    assert paths == ["/orders/o1", "/orders"]


def test_a_cancel_names_the_ticker_and_takes_a_404_for_an_answer() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(404, json={"code": "not_found"})

    client(handler).cancel(make_order(venue_order_id="o/1"))
    assert seen[0].method == "DELETE"
    assert seen[0].url.raw_path.startswith(b"/trade-api/v2/portfolio/events/orders/o%2F1?")
    assert seen[0].url.params["market_ticker"] == "KXFED-26SEP-CUT"


@pytest.mark.parametrize(("status", "ended"), [("resting", ""), ("canceled", "canceled"), ("executed", "executed")])
def test_statuses_are_read_and_an_unknown_one_is_named(status: str, ended: str) -> None:
    assert parse_order(ORDER_ROW | {"status": status}).ended == ended
    with pytest.raises(VenueProtocolError, match="'odd'"):
        parse_order(ORDER_ROW | {"status": "odd"})


def test_rows_without_their_numbers_are_refused_by_name() -> None:
    with pytest.raises(VenueProtocolError, match="fill_count_fp"):
        parse_order({"order_id": "o1", "status": "executed"})
    with pytest.raises(VenueProtocolError, match="fee_cost"):
        parse_fill(FILL_ROW | {"fee_cost": "free"}, "yes")
    with pytest.raises(VenueProtocolError, match="order_id"):
        parse_created({"order_id": 7})


def test_balance_and_net_counts_are_exact() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/balance"):
            return httpx.Response(200, json={"balance": 123, "balance_dollars": "1.239900"})
        rows = [{"ticker": "KXFED-26SEP-CUT", "position_fp": "-12.50"}]
        return httpx.Response(200, json={"market_positions": rows, "cursor": ""})

    own = client(handler)
    market = Market(pk=1, venue="kalshi", native_id="KXFED-26SEP-CUT")
    other = Market(pk=2, venue="kalshi", native_id="KXOTHER")
    assert own.cash() == D("1.2399")
    assert own.net_counts([market, other]) == {1: D("-12.5"), 2: D(0)}


@pytest.mark.parametrize(
    ("headers", "waits"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "Sat, 01 Aug 2026 12:00:09 GMT", "Date": "Sat, 01 Aug 2026 12:00:00 GMT"}, 9.0),
        # A date that has passed, by the venue's own clock, asks for no pause.
        ({"Retry-After": "Sat, 01 Aug 2026 12:00:00 GMT", "Date": "Sat, 01 Aug 2026 12:00:05 GMT"}, 0.0),
        ({"Retry-After": "soon"}, 0.0),
        ({}, 0.0),
    ],
)
def test_f21_a_refused_order_says_how_long_the_venue_asks_us_to_wait(headers: dict[str, str], waits: float) -> None:
    seen: list[httpx.Request] = []

    def too_many(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(429, headers=headers, json={"error": "too many requests"})

    refused = client(too_many)
    order = make_order()
    result = refused.submit(order, refused.sign(order))
    assert (result.placement, result.retry_after, len(seen)) == (Placement.REJECTED, waits, 1)
