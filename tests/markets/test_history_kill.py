"""A backfill in a process of its own, killed at one page after another, ends as it would have undisturbed."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.markets.payloads import FakeVenues, archived_candle, candle

ROOT = Path(__file__).resolve().parents[2]
MAKE = """
from datetime import datetime, UTC
from markets.models import Market
born = datetime(2026, 7, 1, tzinfo=UTC)
for number in range({count}):
    for venue, key in (("kalshi", f"KX-{{number}}"), ("polymarket", str(900 + number))):
        token = {{}} if venue == "kalshi" else {{"yes_token": f"{{number}}1", "no_token": f"{{number}}2"}}
        market, _ = Market.objects.get_or_create(venue=venue, native_id=key, defaults=dict(
            open_at=born, close_at=datetime(2027, 1, 1, tzinfo=UTC), volume=9, created_at=born, last_changed_at=born,
            **token))
        market.demands.get_or_create(source="test")
"""
TELL = """
import json, sys
from markets.models import HistoryGap, HistoryWindow, PricePoint
def rows(model, at, *names):
    found = model.objects.order_by("market__native_id", at).values_list("market__native_id", at, *names)
    return [list(map(str, row)) for row in found]
rows = [
    rows(PricePoint, "at", "price", "average", "volume", "source", "observed_at"),
    rows(HistoryGap, "start_at", "end_at", "missing", "reason"),
    rows(HistoryWindow, "start_at", "covered_from", "covered_to"),
]
sys.stdout.write("ROWS" + json.dumps(rows))
"""
MARKETS = 3


class Exchange(ThreadingHTTPServer):
    """FakeVenues on loopback, that stops answering after some pages."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.venues = FakeVenues()
        self.stops_after: int | None = None
        self.stuck = threading.Event()
        self.go_on = threading.Event()


class Answers(BaseHTTPRequestHandler):
    server: Exchange

    def do_GET(self) -> None:
        exchange = self.server
        if exchange.stops_after is not None and len(exchange.venues.requests) >= exchange.stops_after:
            exchange.stuck.set()
            exchange.go_on.wait(60)
            return
        answer = exchange.venues._answer(httpx.Request("GET", f"http://127.0.0.1{self.path}"))
        self.send_response(answer.status_code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    server = Exchange()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.go_on.set()
    server.shutdown()
    server.server_close()


def stamp(day: int, hour: int) -> int:
    return int(datetime(2026, 7, day, hour, tzinfo=UTC).timestamp())


def fill(venues: FakeVenues) -> None:
    venues.history_a_page = 30
    venues.cutoff = "2026-07-12T00:00:00Z"
    for number in range(MARKETS):
        venues.candles[f"KX-{number}"] = [candle(stamp(day, 4)) for day in range(10, 31) if day % (5 + number)]
        venues.archived_candles[f"KX-{number}"] = [archived_candle(stamp(day, 4)) for day in range(2, 12)]
        venues.history[f"{number}1"] = [
            {"timestamp": stamp(day, hour), "price": f"0.{10 + day + number}"}
            for day in range(1, 31) if day % (4 + number)
            for hour in (3, 15)
        ]  # fmt: skip


def manage(exchange: Exchange, var: Path, *arguments: str) -> "subprocess.Popen[str]":
    url = f"http://127.0.0.1:{exchange.server_address[1]}/base"
    told = {
        **{name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")},
        "DJANGO_SETTINGS_MODULE": "itomarkets.settings",
        "DEBUG": "1",
        "ITO_VAR": str(var),
        "ITO_CLOCK": "fixed:2026-08-01T12:00:00Z",
        **dict.fromkeys(("KALSHI_URL", "POLYMARKET_GAMMA_URL", "POLYMARKET_CLOB_URL", "POLYMARKET_DATA_URL"), url),
    }
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    return subprocess.Popen(
        command, env=told, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )


def finish(process: "subprocess.Popen[str]") -> str:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return output


def rows(exchange: Exchange, var: Path) -> str:
    return finish(manage(exchange, var, "shell", "-v", "0", "-c", TELL)).rpartition("ROWS")[2]


def test_promise_6_a_backfill_killed_at_several_pages_ends_as_an_undisturbed_one(
    exchange: Exchange, tmp_path: Path
) -> None:
    fill(exchange.venues)
    (tmp_path / "calm").mkdir()
    finish(manage(exchange, tmp_path / "calm", "migrate", "-v", "0"))
    finish(manage(exchange, tmp_path / "calm", "shell", "-v", "0", "-c", MAKE.format(count=MARKETS)))
    shutil.copytree(tmp_path / "calm", tmp_path / "killed")
    asked = len(exchange.venues.requests)
    said = finish(manage(exchange, tmp_path / "calm", "backfill_history", "--all", "--days", "31"))
    assert "6 markets: " in said
    pages = len(exchange.venues.requests) - asked
    calm = rows(exchange, tmp_path / "calm")
    assert pages > 11
    for further in (2, 5, 4):
        exchange.stops_after = len(exchange.venues.requests) + further
        exchange.stuck.clear()
        process = manage(exchange, tmp_path / "killed", "backfill_history", "--all", "--days", "31")
        assert exchange.stuck.wait(120), process.communicate(timeout=10)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=30)
        assert process.returncode == -signal.SIGKILL
    exchange.stops_after = None
    exchange.go_on.set()
    finish(manage(exchange, tmp_path / "killed", "backfill_history", "--all", "--days", "31"))
    assert rows(exchange, tmp_path / "killed") == calm
    before = len(exchange.venues.requests)
    said = finish(manage(exchange, tmp_path / "killed", "backfill_history", "--all", "--days", "31"))
    assert "6 markets: 0 daily prices written" in said
    assert len(exchange.venues.requests) == before
