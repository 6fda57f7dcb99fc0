"""The strings of the sandbox: accounts, clock, settlement, faults, and the command that starts it."""

import socket
import time
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from itomarkets.lib import clock
from itomarkets.sandbox.app import create_app
from itomarkets.sandbox.faults import FaultyConnections
from tests.sandbox.kalshi_world import BASE, Client, Stage, request


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def app(stage: Stage) -> FaultyConnections:
    return create_app(stage.world, ticking=False)


def plan(app: FaultyConnections, *faults: dict[str, Any]) -> None:
    answer = request(app, "POST", "/control/faults", json={"plan": list(faults)})
    assert answer.status_code == 200, answer.text


def test_a_name_always_gets_the_same_account(app: FaultyConnections) -> None:
    first = request(app, "POST", "/control/accounts", json={"name": "demo"}).json()
    again = request(app, "POST", "/control/accounts", json={"name": "demo"}).json()
    assert first == again == request(app, "GET", "/control/accounts/demo").json()
    assert first["balances"] == {"kalshi": "10000", "polymarket": "10000"}
    assert first["kalshi_shards"] == dict.fromkeys("0123", "2500")
    elsewhere = request(create_app(Stage().world, ticking=False), "POST", "/control/accounts", json={"name": "demo"})
    assert elsewhere.json()["kalshi"] == first["kalshi"]
    assert elsewhere.json()["polymarket"] == first["polymarket"]


@pytest.mark.parametrize(
    ("method", "path", "body", "says"),
    [
        ("POST", "/control/accounts", {"name": ""}, "1 to 80 printable"),
        ("POST", "/control/accounts", {"name": "x", "kalshi_key": "dsa"}, "ed25519 or rsa"),
        ("GET", "/control/accounts/nobody", None, "no account"),
        ("POST", "/control/clock", {"rate": -1}, "expected 0 to"),
        ("POST", "/control/clock", {"at": "noon"}, "expected an instant"),
        ("POST", "/control/settle", {"venue": "x"}, "expected one of"),
        ("POST", "/control/settle", {"venue": "kalshi", "key": "NO"}, "no market"),
        ("POST", "/control/settle", {"venue": "kalshi", "key": "TEST-1", "outcome": "maybe"}, "yes, no or a number"),
        ("POST", "/control/settle", {"venue": "kalshi", "key": "TEST-1", "outcome": "2"}, "0 to 1"),
        ("POST", "/control/faults", {"plan": [{"path": "/x", "fault": "meteor"}]}, "expected one of"),
        ("POST", "/control/faults", {"plan": [{"path": "x", "fault": "503"}]}, "from the root"),
        ("POST", "/control/faults", {}, "expected a list"),
        ("POST", "/control/faults", [], "not a JSON object"),
    ],
)
def test_what_cannot_be_done_gets_a_sentence(
    app: FaultyConnections, method: str, path: str, body: Any, says: str
) -> None:
    answer = request(app, method, path, json=body)
    assert answer.status_code in (400, 404)
    assert says in answer.json()["error"]


def test_the_clock_can_be_set_stopped_and_run_fast(stage: Stage, app: FaultyConnections) -> None:
    stage.world.clock = clock.now
    answer = request(app, "POST", "/control/clock", json={"at": "2026-09-01T00:00:00Z", "rate": 0}).json()
    assert answer["ITO_CLOCK"] == "fixed:2026-09-01T00:00:00Z"
    assert clock.now() == datetime(2026, 9, 1, tzinfo=UTC)
    text = request(app, "POST", "/control/clock", json={"rate": 60}).json()["ITO_CLOCK"]
    time.sleep(0.05)
    assert abs((clock.parse_clock(text).now() - clock.now()).total_seconds()) < 1
    assert clock.now() > datetime(2026, 9, 1, tzinfo=UTC)


def test_a_settled_market_pays_and_shows_its_result(stage: Stage, app: FaultyConnections) -> None:
    body = {"venue": "kalshi", "key": "TEST-1", "outcome": "no"}
    assert request(app, "POST", "/control/settle", json=body).status_code == 200
    market = request(app, "GET", f"{BASE}/markets/TEST-1").json()["market"]
    assert (market["status"], market["result"]) == ("finalized", "no")
    assert "settled already" in request(app, "POST", "/control/settle", json=body).json()["error"]


def test_a_paused_market_refuses_orders_until_it_goes_on(stage: Stage, app: FaultyConnections) -> None:
    request(app, "POST", "/control/pause", json={"venue": "kalshi", "key": "TEST-1"})
    client = Client(stage.world, stage.alice)
    assert client.order().status_code == 400
    request(app, "POST", "/control/pause", json={"venue": "kalshi", "key": "TEST-1", "paused": False})
    assert client.order().status_code == 201


@pytest.mark.parametrize(
    ("fault", "status", "accepted"),
    [("429", 429, 0), ("503", 503, 0), ("500_before_accept", 500, 0), ("500_after_accept", 500, 1)],
)
def test_an_order_meets_its_fault_once(stage: Stage, fault: str, status: int, accepted: int) -> None:
    client = Client(stage.world, stage.alice)
    plan(client.app, {"method": "POST", "path": f"{BASE}/portfolio/events/orders", "fault": fault})
    assert client.order(price="0.10", client_order_id="x").status_code == status
    assert len(client.get("/portfolio/orders")["orders"]) == accepted
    assert client.order(price="0.10", client_order_id="x").status_code == (409 if accepted else 201)


@pytest.mark.parametrize(("fault", "accepted"), [("drop_before_accept", 0), ("drop_before_reply", 1)])
def test_a_dropped_connection_may_or_may_not_have_placed_the_order(stage: Stage, fault: str, accepted: int) -> None:
    client = Client(stage.world, stage.alice)
    plan(client.app, {"path": f"{BASE}/portfolio/events/*", "fault": fault})
    with pytest.raises(ConnectionResetError):
        client.order(price="0.10")
    assert len(client.get("/portfolio/orders")["orders"]) == accepted


def test_the_second_call_can_be_late_and_the_plan_can_be_cleared(app: FaultyConnections) -> None:
    plan(app, {"path": f"{BASE}/*", "nth": 2, "fault": "delay", "seconds": 0.2})
    started = time.monotonic()
    request(app, "GET", f"{BASE}/exchange/status")
    assert time.monotonic() - started < 0.2
    request(app, "GET", f"{BASE}/exchange/status")
    assert time.monotonic() - started >= 0.2
    assert request(app, "DELETE", "/control/faults").json() == {"plan": []}


def test_every_line_of_the_plan_counts_a_call_whichever_of_them_strikes(app: FaultyConnections) -> None:
    plan(app, *({"path": f"{BASE}/*", "nth": nth, "fault": fault} for nth, fault in ((1, "503"), (2, "429"))))
    assert [request(app, "GET", f"{BASE}/exchange/status").status_code for _ in range(3)] == [503, 429, 200]


def test_health_says_what_is_served(app: FaultyConnections) -> None:
    assert request(app, "GET", "/health").json()["markets"] == {"kalshi": 2, "polymarket": 1}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"port": 0}, "expected 1 to 65535"),
        ({"host": "everywhere"}, "expected an IP address"),
        ({"feed": "guessed"}, "synthetic or recorded"),
        ({"feed": "recorded"}, "needs --data"),
        ({"feed": "recorded", "data": "/nowhere"}, "markets.jsonl.gz"),
        ({"data": "/nowhere"}, "goes with --feed recorded"),
    ],
)
def test_the_command_says_what_is_wrong(options: dict[str, Any], says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ITO_CLOCK", "fixed:2026-08-01T00:00:00Z")
    with pytest.raises(CommandError, match=says):
        call_command("sandbox", **{"port": _free_port(), **options}, stdout=StringIO())


def test_the_command_names_a_taken_port_and_a_bad_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(CommandError, match="give another --port"):
            call_command("sandbox", port=other.getsockname()[1])
    monkeypatch.setenv("ITO_CLOCK", "yesterday")
    with pytest.raises(CommandError, match="ITO_CLOCK is 'yesterday'"):
        call_command("sandbox", port=_free_port())


def test_a_store_that_is_gone_is_made_again(tmp_path: Path) -> None:
    assert Stage(tmp_path / "not" / "there").world.accounts.by_name("alice") is not None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_an_order_that_is_done_later_turns_up_by_the_runs_clock(stage: Stage) -> None:
    client = Client(stage.world, stage.alice)
    plan(client.app, {"method": "POST", "path": f"{BASE}/portfolio/events/*", "fault": "zombie", "seconds": 40})
    with pytest.raises(ConnectionResetError):
        client.order(price="0.10", client_order_id="late")
    assert client.get("/portfolio/orders")["orders"] == []
    stage.time.at += timedelta(seconds=41)
    assert [order["client_order_id"] for order in client.get("/portfolio/orders")["orders"]] == ["late"]
    logged = request(client.app, "GET", "/control/requests").json()["requests"]
    assert (logged[0]["method"], logged[0]["fault"]) == ("POST", "zombie")


def waits_of(app: FaultyConnections, monkeypatch: pytest.MonkeyPatch, *posts: tuple[str, Any]) -> list[float]:
    """Send requests, and return how long each answer was held back."""
    waits: list[float] = []

    async def noted(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(app, "sleep", noted)
    for path, body in posts:
        request(app, "POST", path, json=body)
    return waits


SINGLE, BATCH = f"{BASE}/portfolio/events/orders", f"{BASE}/portfolio/events/orders/batched"


def test_a_latency_holds_back_answers_to_orders_alone_and_the_same_seed_draws_the_same(
    app: FaultyConnections, monkeypatch: pytest.MonkeyPatch
) -> None:
    posts: list[tuple[str, Any]] = [
        (SINGLE, {}), (SINGLE, {}), ("/clob/order", {}), (BATCH, {"orders": [{}, {}, {}]}), ("/clob/orders", [{}, {}]),
        ("/control/accounts", {"name": "demo"}),
    ]  # fmt: skip
    assert waits_of(app, monkeypatch, *posts) == []
    runs = []
    for seed in (9, 9, 10):
        setting = {"least_seconds": 1.0, "most_seconds": 3.0, "seed": seed}
        told = request(app, "POST", "/control/latency", json=setting).json()
        assert told == {**setting, "drawn": []}
        waits = waits_of(app, monkeypatch, *posts)
        drawn = request(app, "GET", "/control/latency").json()["drawn"]
        # One each of the single orders, then each of both batches, which are as slow as their slowest.
        assert len(drawn) == 8
        assert all(1.0 <= seconds <= 3.0 for seconds in drawn)
        expected = [*drawn[:3], max(drawn[3:6]), max(drawn[6:])]
        assert waits == pytest.approx(expected, abs=0.5)
        assert all(wait <= seconds for wait, seconds in zip(waits, expected, strict=True))
        runs.append(drawn)
    assert runs[0] == runs[1] != runs[2]
    request(app, "POST", "/control/latency", json={})
    assert waits_of(app, monkeypatch, *posts) == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"least_seconds": -1}, "expected 0 to 60"),
        ({"most_seconds": 61}, "expected 0 to 60"),
        ({"most_seconds": "2"}, "expected 0 to 60"),
        ({"least_seconds": 2, "most_seconds": 1}, "no more than most_seconds"),
        ({"most_seconds": 1, "seed": 1.5}, "whole number"),
    ],
)
def test_a_latency_that_cannot_be_played_gets_a_sentence_and_leaves_the_last(
    app: FaultyConnections, body: dict[str, Any], says: str
) -> None:
    request(app, "POST", "/control/latency", json={"least_seconds": 1, "most_seconds": 2})
    answer = request(app, "POST", "/control/latency", json=body)
    assert answer.status_code == 400
    assert says in answer.json()["error"]
    assert request(app, "GET", "/control/latency").json()["most_seconds"] == 2
