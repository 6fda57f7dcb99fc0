"""The exchanges' sockets: their messages against the venues' documents, their commands, their door and their faults."""

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from itomarkets.lib import clock
from itomarkets.lib.kalshi_signing import load_private_key, signed_headers
from markets.models import Market
from markets.streams.kalshi import KalshiSession
from markets.streams.polymarket import PolymarketSession
from tests.markets.streams.stage import sandbox
from tests.markets.streams.venues import polymarket_market
from tests.trading.sandbox_world import TICKER, Exchange

KALSHI, POLYMARKET = "/trade-api/ws/v2", "/ws/market"
# venues' documents of Kalshi's messages are prose: what each must hold, and of which form.
PRICE = {"type": "string", "pattern": r"^0\.\d{4,6}$|^1\.0000$"}
COUNT = {"type": "string", "pattern": r"^-?\d+\.\d{2}$"}
LEVELS = {"type": "array", "items": {"type": "array", "prefixItems": [PRICE, COUNT], "minItems": 2, "maxItems": 2}}
KALSHI_BODIES: dict[str, dict[str, Any]] = {
    "orderbook_snapshot": {"market_ticker": {"const": TICKER}, "yes_dollars_fp": LEVELS, "no_dollars_fp": LEVELS},
    "orderbook_delta": {
        "market_ticker": {"const": TICKER},
        "price_dollars": PRICE,
        "delta_fp": COUNT,
        "side": {"enum": ["yes", "no"]},
    },
    "ticker": {
        "market_ticker": {"const": TICKER},
        "price_dollars": PRICE,
        "yes_bid_dollars": PRICE,
        "yes_ask_dollars": PRICE,
        "yes_bid_size_fp": COUNT,
        "yes_ask_size_fp": COUNT,
        "volume_fp": COUNT,
        "open_interest_fp": COUNT,
        "ts_ms": {"type": "integer"},
    },
}


@pytest.fixture
def exchange(settings: Any) -> Iterator[Exchange]:
    with sandbox(settings) as exchange:
        yield exchange


def polymarket(exchange: Exchange) -> ClientConnection:
    return connect(exchange.url.replace("http", "ws", 1) + POLYMARKET, proxy=None)


def kalshi(exchange: Exchange, *, path: str = KALSHI, key_id: str = "", kind: str = "ed25519") -> ClientConnection:
    account = exchange.control("/accounts", {"name": f"listener-{kind}", "kalshi_key": kind})["kalshi"]
    stamp = int(clock.now().timestamp() * 1000)
    private_key = load_private_key(account["private_key_pem"])
    headers = signed_headers(key_id or account["key_id"], private_key, "GET", path, stamp)
    return connect(exchange.url.replace("http", "ws", 1) + KALSHI, additional_headers=headers, proxy=None)


def told(socket: ClientConnection) -> Any:
    return json.loads(socket.recv(timeout=10))


def say(socket: ClientConnection, command: Any) -> Any:
    socket.send(command if isinstance(command, str) else json.dumps(command))
    return told(socket)


def subscribe(*channels: str, **params: Any) -> dict[str, Any]:
    return {"id": 1, "cmd": "subscribe", "params": {"channels": list(channels), "market_tickers": [TICKER], **params}}


@lru_cache
def polymarket_schemas(folder: Path) -> dict[str, Any]:
    """Return the schema of every message, by its id, of the file that describes the socket."""
    document = yaml.safe_load((folder / "polymarket-ws-market-asyncapi.yaml").read_text())
    messages = (message for operation in document["operations"] for message in operation["messages"])
    return {message["id"]: message["jsonPayloadSchema"] for message in messages}


MESSAGE_OF = {
    "book": "book", "price_change": "priceChange", "last_trade_price": "lastTradePrice",
    "tick_size_change": "tickSizeChange",
}  # fmt: skip


def test_polymarkets_messages_keep_to_their_document(exchange: Exchange, venue_documents: Path) -> None:
    schemas = polymarket_schemas(venue_documents)
    market = exchange.feed.market("polymarket", "11")
    assert market is not None
    with polymarket(exchange) as socket:
        events = say(socket, {"type": "market", "assets_ids": [market.yes_token]})
        exchange.feed.books["11"] = ([(3900, 77)], [(4200, 5)])
        events.append(told(socket))
        exchange.control("/tick", {"venue": "polymarket", "key": "11", "step": "0.001"})
        events.append(told(socket))
        world = exchange.world
        account = world.accounts.create("taker", kalshi_key="ed25519")
        size, price = market.min_size, exchange.feed.price(market, clock.now()) + 1 / market.min_size
        world.place(account.id, market, side="buy", price=price, size=size, tif="ioc", token="yes")
        events += [told(socket), told(socket)]
    assert {event["event_type"] for event in events} == set(MESSAGE_OF)
    for event in events:
        Draft202012Validator(schemas[MESSAGE_OF[event["event_type"]]]).validate(event)
    # Both tokens' changes come together, best prices of after with each.
    change = next(event for event in events if event["event_type"] == "price_change")
    assert {row["asset_id"] for row in change["price_changes"]} == {market.yes_token, market.no_token}
    assert {(row["best_bid"], row["best_ask"]) for row in change["price_changes"]} == {
        ("0.39", "0.42"),
        ("0.58", "0.61"),
    }


def test_our_commands_keep_to_polymarkets_document(venue_documents: Path) -> None:
    schemas = polymarket_schemas(venue_documents)
    session = PolymarketSession()
    session.want({1: polymarket_market(1)}, 0.0)
    (first,) = session.opened(0.0)
    Draft202012Validator(schemas["subscriptionRequest"]).validate(json.loads(first))
    later = [*session.want({2: polymarket_market(2)}, 1.0), *session.tick(60.0 - 31.0)]
    assert "PING" in later
    for frame in later:
        if frame == "PING":
            assert schemas["ping"]["const"] == frame
        else:
            Draft202012Validator(schemas["subscriptionRequestUpdate"]).validate(json.loads(frame))


def test_polymarket_answers_pings_adds_and_drops_tokens(exchange: Exchange) -> None:
    first, second = (exchange.feed.market("polymarket", key) for key in ("11", "21"))
    assert first is not None
    assert second is not None
    with polymarket(exchange) as socket:
        socket.send("PING")
        assert socket.recv(timeout=10) == "PONG"
        for nonsense in ("hello", "[]", '{"assets_ids": 7}', '{"assets_ids": [], "operation": "dance"}'):
            socket.send(nonsense)
            assert socket.recv(timeout=10) == "INVALID OPERATION"
        asked = {"type": "market", "assets_ids": [first.yes_token, "77", "x"]}
        assert [book["asset_id"] for book in say(socket, asked)] == [first.yes_token]
        more = {"operation": "subscribe", "assets_ids": [first.yes_token, second.no_token]}
        assert [book["asset_id"] for book in say(socket, more)] == [second.no_token]
        # Not answered; what comes after it is.
        socket.send(json.dumps({"operation": "unsubscribe", "assets_ids": [first.yes_token]}))
        socket.send("PING")
        assert socket.recv(timeout=10) == "PONG"
        exchange.feed.books["11"] = ([(3900, 77)], [])
        exchange.feed.books["21"] = ([(3910, 77)], [])
        assert told(socket)["market"] == second.condition_id


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_kalshis_messages_keep_to_their_document(exchange: Exchange, kind: str) -> None:
    with kalshi(exchange, kind=kind) as socket:
        reply = say(socket, subscribe("orderbook_delta", "ticker", send_initial_snapshot=True))
        assert reply == {"id": 1, "type": "subscribed", "msg": {"channel": "orderbook_delta", "sid": 1}}
        messages = [told(socket)]
        assert told(socket)["msg"] == {"channel": "ticker", "sid": 2}
        messages.append(told(socket))
        exchange.feed.books[TICKER] = ([(3900, 77)], [(4200, 5)])
        messages += [told(socket) for _ in range(5)]
    bodies: dict[str, list[dict[str, Any]]] = {}
    for message in messages:
        fields = KALSHI_BODIES[message["type"]]
        schema = {"type": "object", "required": list(fields), "properties": fields}
        Draft202012Validator(schema).validate(message["msg"])
        assert isinstance(message["sending_ts_ms"], int)
        bodies.setdefault(message["type"], []).append(message["msg"])
    assert bodies.keys() == KALSHI_BODIES.keys()
    # Bids of NO at NO's prices; numbers count over one subscription.
    assert bodies["orderbook_snapshot"][0]["no_dollars_fp"] == [["0.5800", "300.00"], ["0.5900", "50.00"]]
    changes = {(row["side"], row["price_dollars"]): row["delta_fp"] for row in bodies["orderbook_delta"]}
    assert changes == {
        ("yes", "0.3800"): "-200.00", ("yes", "0.3900"): "-23.00",
        ("no", "0.5800"): "-295.00", ("no", "0.5900"): "-50.00",
    }  # fmt: skip
    assert [one["seq"] for one in messages if one["sid"] == 1] == [1, 2, 3, 4, 5]


def test_kalshi_gives_no_side_at_yes_prices_where_they_are_asked_for(exchange: Exchange) -> None:
    with kalshi(exchange) as socket:
        say(socket, subscribe("orderbook_delta", use_yes_price=True))
        assert told(socket)["msg"]["no_dollars_fp"] == [["0.4200", "300.00"], ["0.4100", "50.00"]]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("hello", 1),
        ([], 1),
        ({"id": 1, "cmd": "dance"}, 5),
        ({"id": 1, "cmd": "subscribe"}, 2),
        ({"id": 1, "cmd": "subscribe", "params": {}}, 3),
        (subscribe("weather"), 8),
        (subscribe("orderbook_delta", market_tickers=[]), 14),
        (subscribe("orderbook_delta", market_tickers=["KX-NONE"]), 16),
        (subscribe("orderbook_delta", market_tickers=[7]), 11),
        ({"id": 1, "cmd": "unsubscribe", "params": {"sids": [9]}}, 7),
        ({"id": 1, "cmd": "update_subscription", "params": {"sids": [1, 2]}}, 12),
    ],
)
def test_kalshi_refuses_what_it_does_not_know(exchange: Exchange, command: Any, code: int) -> None:
    with kalshi(exchange) as socket:
        reply = say(socket, command)
        assert (reply["type"], reply["msg"]["code"]) == ("error", code)


def test_kalshis_subscriptions_are_listed_changed_and_ended(exchange: Exchange) -> None:
    def update(action: str) -> dict[str, Any]:
        params = {"sids": [1], "action": action, "market_tickers": [TICKER]}
        return {"id": 2, "cmd": "update_subscription", "params": params}

    with kalshi(exchange) as socket:
        say(socket, subscribe("orderbook_delta"))
        assert told(socket)["seq"] == 1
        assert say(socket, {"id": 3, "cmd": "list_subscriptions"})["msg"] == [{"channel": "orderbook_delta", "sid": 1}]
        assert say(socket, update("get_snapshot"))["type"] == "ok"
        assert (told(socket)["type"], say(socket, update("dance"))["msg"]["code"]) == ("orderbook_snapshot", 13)
        assert say(socket, update("delete_markets"))["msg"] == {"market_tickers": []}
        assert say(socket, update("add_markets"))["type"] == "ok"
        assert told(socket)["seq"] == 3
        assert say(socket, {"id": 4, "cmd": "unsubscribe", "params": {"sids": [1]}})["type"] == "unsubscribed"


@pytest.mark.parametrize(("path", "key_id"), [("/trade-api/v2", ""), (KALSHI + "?x=1", ""), (KALSHI, "nobody")])
def test_kalshi_opens_to_signed_requests_only(exchange: Exchange, path: str, key_id: str) -> None:
    if "?" in path:
        # A query is no part of what is signed.
        kalshi(exchange, path=path).close()
        return
    with pytest.raises(InvalidStatus) as refused:
        kalshi(exchange, path=path, key_id=key_id)
    assert refused.value.response.status_code == 401
    with pytest.raises(InvalidStatus):
        connect(exchange.url.replace("http", "ws", 1) + KALSHI, proxy=None)


def test_our_kalshi_commands_are_understood(exchange: Exchange) -> None:
    session = KalshiSession()
    session.want({1: Market(pk=1, venue="kalshi", native_id=TICKER)}, 0.0)
    with kalshi(exchange) as socket:
        (command,) = session.opened(0.0)
        socket.send(command)
        for _ in range(4):
            session.receive(socket.recv(timeout=10), clock.now(), 1.0)
        assert session.stands(1)
        for frame in [*session.doubt_market(1, "test", 9.0), *session.want({}, 10.0)]:
            assert say(socket, frame)["type"] in ("ok", "orderbook_snapshot")


def test_faults_meet_sockets_and_no_requests(exchange: Exchange) -> None:
    market = exchange.feed.market("polymarket", "11")
    assert market is not None
    asked = {"type": "market", "assets_ids": [market.yes_token]}

    def move(size: int) -> None:
        exchange.feed.books["11"] = ([(3900, size)], [(4200, 5)])

    exchange.fault("/ws/*", "stream_refused", method="*")
    with pytest.raises(InvalidStatus) as refused:
        polymarket(exchange)
    assert refused.value.response.status_code == 503
    with polymarket(exchange) as socket:
        exchange.plan(("WS", "/ws/*", 1, "stream_duplicate", 0), ("WS", "/ws/*", 2, "stream_gap", 0))
        assert say(socket, asked) == told(socket)
        move(1)
        exchange.plan()
        move(2)
        assert any(row["size"] == "2" for row in told(socket)["price_changes"])
        exchange.fault("/ws/market", "stream_freeze", method="WS", nth=0)
        move(3)
        socket.send("PING")
        assert socket.recv(timeout=10) == "PONG"
        with pytest.raises(TimeoutError):
            socket.recv(timeout=0.3)
        exchange.fault("/ws/market", "stream_drop", method="WS")
        move(4)
        with pytest.raises(ConnectionClosedError):
            socket.recv(timeout=10)
