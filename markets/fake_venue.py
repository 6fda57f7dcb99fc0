"""A Kalshi of any size on loopback, for the benches: it makes its rows up as they are asked for and keeps none.

It answers after a pause, as far away as the venue is, and with 429 above its limit. It is served by a process
of its own (`python -m markets.fake_venue COUNT REQUESTS_PER_SECOND SECONDS_AWAY`): inside the one that is
measured it would take that one's time.
"""

import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import gcd
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import orjson

OPENED = datetime(2026, 8, 1, 12, tzinfo=UTC)
# Market number n closes so many seconds after the one before it.
APART = 60
# Not of the venue: how often it was asked.
COUNTS = "/counts"
MARKETS_AN_EVENT = 5
WORDS = ("bank", "governor", "rates", "harbour", "rainfall", "champion", "senate", "barrel", "price", "jobs", "launch")


# A prime: numbers beside each other do not say the same.
TEXTS = 4_099


def words(number: int, count: int) -> str:
    """Return the same words for the same number; after some thousands of numbers they come again."""
    return _words(number % TEXTS, count)


@cache
def _words(number: int, count: int) -> str:
    return " ".join(random.Random(number).choices(WORDS, k=count)).capitalize()


def market_object(number: int) -> dict[str, Any]:
    cents = 2 + number % 96
    return {
        "ticker": f"KXBENCH-{number // MARKETS_AN_EVENT:07d}-{number:08d}",
        "event_ticker": f"KXBENCH-{number // MARKETS_AN_EVENT:07d}",
        "market_type": "binary",
        "title": words(number, 9) + "?",
        "yes_sub_title": words(number + 1, 2),
        "status": "active",
        "result": "",
        "open_time": "2026-06-01T14:00:00Z",
        "close_time": (OPENED + timedelta(seconds=APART * number)).isoformat(),
        "yes_bid_dollars": f"0.{cents:02d}00",
        "yes_ask_dollars": f"0.{cents + 1:02d}00",
        "last_price_dollars": f"0.{cents:02d}00",
        "volume_fp": f"{number}.25",
        "volume_24h_fp": "900.00",
        "open_interest_fp": "5000.00",
        "rules_primary": words(number + 2, 60),
        "rules_secondary": "",
        "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
    }


def event_object(ticker: str) -> dict[str, Any]:
    return {"event_ticker": ticker, "series_ticker": "KXBENCH", "title": words(len(ticker), 6), "sub_title": ""}


class FakeVenue:
    """What it lists, how fast it may be asked, and how often it was."""

    def __init__(self, count: int, *, requests_per_second: float = 1e6, seconds_away: float = 0.0) -> None:
        self.count = count
        self.seconds_away = seconds_away
        self.requests = 0
        self.refused = 0
        # Two seconds' worth at once, as Kalshi's Basic tier has for reads.
        self._tokens = 2 * requests_per_second
        self._rate = requests_per_second
        self._filled_at = time.monotonic()
        self._lock = threading.Lock()

    def takes(self) -> bool:
        with self._lock:
            now = time.monotonic()
            self._tokens = min(2 * self._rate, self._tokens + (now - self._filled_at) * self._rate)
            self._filled_at = now
            self.requests += 1
            if self._tokens < 1:
                self.refused += 1
                return False
            self._tokens -= 1
            return True

    def answer(self, path: str, asked: dict[str, str]) -> Any:
        if path.endswith("/series"):
            series = {"ticker": "KXBENCH", "title": "Bench", "category": "Economics", "tags": ["Rates"]}
            return {"series": [{**series, "fee_type": "quadratic", "fee_multiplier": 1}]}
        if path.endswith("/events"):
            return {"events": [event_object(ticker) for ticker in asked["tickers"].split(",")], "cursor": ""}
        if path.endswith("/historical/markets"):
            return {"markets": [], "cursor": ""}
        return self._markets(asked)

    def _markets(self, asked: dict[str, str]) -> Any:
        """List a window of closing times in an order that has nothing to do with them."""
        opened = int(OPENED.timestamp())
        low, high = 0, self.count
        if "min_close_ts" in asked:
            low = max(low, (int(asked["min_close_ts"]) - opened) // APART + 1)
        if "max_close_ts" in asked:
            high = min(high, -(-(int(asked["max_close_ts"]) - opened) // APART))
        size = max(0, high - low)
        stride = next((step for step in range(int(size * 0.618) | 1, size + 2) if gcd(step, size) == 1), 1)
        start, limit = int(asked.get("cursor", 0)), int(asked["limit"])
        numbers = [low + place * stride % size for place in range(start, min(size, start + limit))]
        return {
            "markets": [market_object(number) for number in numbers],
            "cursor": str(start + limit) if start + limit < size else "",
        }


@dataclass(frozen=True, slots=True)
class Served:
    """A venue that a process of its own serves."""

    url: str

    def asked(self) -> tuple[int, int]:
        """Return how many requests came so far, and how many of them were refused."""
        with urlopen(self.url + COUNTS) as answer:  # noqa: S310
            counts = json.load(answer)
        return int(counts["requests"]), int(counts["refused"])


@contextmanager
def served(count: int, *, requests_per_second: float = 1e6, seconds_away: float = 0.0) -> Iterator[Served]:
    """Serve a venue from a process of its own for this block."""
    command = [sys.executable, "-m", "markets.fake_venue", str(count), str(requests_per_second), str(seconds_away)]
    root = Path(__file__).resolve().parent.parent
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("expected pipes to the process that serves the venue, found none")
        try:
            port = int(process.stdout.readline())
            yield Served(f"http://127.0.0.1:{port}")
        finally:
            # It serves until its standard input ends, so that it outlives nobody.
            process.stdin.close()


def _serve(venue: FakeVenue) -> None:
    """Answer in threads until standard input ends; the port is printed."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == COUNTS:
                self._answer(200, {"requests": venue.requests, "refused": venue.refused})
                return
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            time.sleep(venue.seconds_away)
            if venue.takes():
                self._answer(200, venue.answer(parts.path, asked))
            else:
                self._answer(429, {"error": "too many requests"})

        def _answer(self, status: int, told: Any) -> None:
            body = orjson.dumps(told)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)  # noqa: T201
    sys.stdin.read()


if __name__ == "__main__":
    _serve(FakeVenue(int(sys.argv[1]), requests_per_second=float(sys.argv[2]), seconds_away=float(sys.argv[3])))
