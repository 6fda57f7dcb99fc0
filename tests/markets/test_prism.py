"""The Kalshi reads against Prism, a mock server that somebody else built from the exchange's OpenAPI file."""

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from itomarkets.lib.http import HttpClient
from itomarkets.lib.venues import VenueProtocolError
from itomarkets.processes import free_port
from markets.venues.kalshi import KalshiReads
from tests.markets.test_request_contract import DAY, want

# A package is fetched and a server of many megabytes is started: minutes, which the gate does not pay.
pytestmark = pytest.mark.deep
NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def prism(venue_documents: Path) -> Iterator[str]:
    npx = shutil.which("npx")
    if npx is None:
        pytest.skip("no npx on this machine; it comes with Node.js and starts Prism")
    port = free_port()
    command = [npx, "-y", "@stoplight/prism-cli@5.14.2", "mock", "-h", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(
        [*command, str(venue_documents / "kalshi-openapi.yaml")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}/trade-api/v2"
    try:
        deadline = time.monotonic() + 300
        while not _answers(url):
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.skip("Prism did not start: npx could not fetch it, or the port was taken")
            time.sleep(1)
        yield url
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/exchange/status", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture
def reads(prism: str) -> Iterator[KalshiReads]:
    http = HttpClient(prism, venue="kalshi", requests_per_second=1000, timeout_seconds=60)
    client = KalshiReads(http, key_id="key", private_key=Ed25519PrivateKey.generate())
    yield client
    client.close()


def test_prism_takes_every_request_of_a_listing_and_its_endless_cursor_is_noticed(reads: KalshiReads) -> None:
    # Its cursor is always the same word: two pages, then the walk must stop by itself.
    for walks in (reads.walks(cuts=[1_780_000_000]), reads.walks(since=NOW)):
        for walk in walks:
            with pytest.raises(VenueProtocolError, match="came twice"):
                list(walk(None))  # type: ignore[arg-type]


def test_prism_takes_every_other_read(reads: KalshiReads) -> None:
    market: Any = SimpleNamespace(pk=1, native_id="string")
    page = reads.fetch_market("string")
    assert page is not None
    assert page.markets or page.bad
    reads.fetch_books([market])
    assert reads.history.fetch_cutoff().settled_at.tzinfo is not None
    for settled_at in (None, datetime(2020, 1, 1, tzinfo=UTC)):
        list(reads.history.fetch([want(NOW, settled_at)], step=DAY))
