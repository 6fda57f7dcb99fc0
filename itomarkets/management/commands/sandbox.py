"""Serve the stand-in for both exchanges."""

import gc
import os
import time
from argparse import ArgumentParser
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from socket import AF_INET, AF_INET6, IPPROTO_TCP, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, socket
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from itomarkets.lib import clock
from itomarkets.sandbox.app import create_app
from itomarkets.sandbox.engine import World
from itomarkets.sandbox.feeds import Feed
from itomarkets.sandbox.recorded import RecordedError, RecordedFeed
from itomarkets.sandbox.universe import SyntheticFeed

RECORDED_START = datetime(2026, 8, 1, tzinfo=UTC)


class Command(BaseCommand):
    help = (
        "Serve a stand-in for Kalshi and Polymarket on loopback. The recorded feed starts at 2026-08-01T00:00:00Z "
        "unless ITO_CLOCK is set; give the app the same ITO_CLOCK, printed at start, so that both read one time."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on; only loopback unless told")
        parser.add_argument("--port", type=int, default=8010)
        parser.add_argument("--feed", default="synthetic", help="synthetic (default) or recorded")
        parser.add_argument("--data", default="", help="folder of recorded data, for --feed recorded")
        parser.add_argument("--seed", type=int, default=7, help="seed of prices, books and the synthetic universe")

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = options["host"], options["port"]
        listener = _listen(host, port)
        try:
            started = time.monotonic()
            _start_clock(recorded=options["feed"] == "recorded")
            feed = _feed(options["feed"], options["data"], options["seed"])
            store_dir = Path(settings.VAR_DIR) / "sandbox"
            world = World(feed, clock.now, store_dir / "recorded" if options["feed"] == "recorded" else store_dir)
            gc.collect()
            gc.freeze()  # the catalogue stays: no collection needs to walk it again
            counts = ", ".join(f"{len(feed.venue_markets(venue)):,} {venue}" for venue in ("kalshi", "polymarket"))
            self.stdout.write(
                f"Sandbox on http://{host}:{port}: {counts} markets at {clock.now().isoformat()} "
                f"(ITO_CLOCK={os.environ.get('ITO_CLOCK') or 'real'}), ready in {time.monotonic() - started:.1f} s."
            )
            self.stdout.flush()
            # Kalshi pings its sockets every 10 seconds.
            config = uvicorn.Config(
                create_app(world), log_level="warning", access_log=False, lifespan="on", ws_ping_interval=10
            )
            uvicorn.Server(config).run(sockets=[listener])
        finally:
            listener.close()


def _listen(host: str, port: int) -> socket:
    if not 0 < port < 65_536:
        raise CommandError(f"--port is {port}; expected 1 to 65535.")
    try:
        address = ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError as error:
        raise CommandError(f"--host is {host!r}; expected an IP address such as 127.0.0.1.") from error
    # Named as TCP, because asyncio sends without delay only on sockets that say so: 40 ms an answer otherwise.
    listener = socket(AF_INET if address.version == 4 else AF_INET6, SOCK_STREAM, IPPROTO_TCP)
    listener.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    try:
        listener.bind((str(address), port))
    except OSError as error:
        listener.close()
        raise CommandError(
            f"Cannot listen on {host}:{port}: {error.strerror}. Stop the program that does, or give another --port."
        ) from error
    return listener


def _start_clock(*, recorded: bool) -> None:
    """Read ITO_CLOCK; the recorded feed without one starts at its own date, at real speed."""
    try:
        if recorded and not os.environ.get("ITO_CLOCK"):
            os.environ["ITO_CLOCK"] = f"{RECORDED_START:%Y-%m-%dT%H:%M:%SZ}@1#{clock.machine_now().timestamp():.3f}"
        clock.set_clock(clock.parse_clock(os.environ.get("ITO_CLOCK", "")))
    except clock.ClockError as error:
        raise CommandError(str(error)) from error


def _feed(name: str, data: str, seed: int) -> Feed:
    if name == "synthetic":
        if data:
            raise CommandError("--data goes with --feed recorded; the synthetic feed reads no folder.")
        return SyntheticFeed(seed, clock.now())
    if name != "recorded":
        raise CommandError(f"--feed is {name!r}; expected synthetic or recorded.")
    if not data:
        raise CommandError("--feed recorded needs --data DIR, a folder with markets.jsonl.gz.")
    try:
        return RecordedFeed(Path(data), seed, clock.now())
    except RecordedError as error:
        raise CommandError(str(error)) from error
