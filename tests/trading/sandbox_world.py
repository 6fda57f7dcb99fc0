"""A small world of both exchanges behind the sandbox's real wire, served on a free port in a thread."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import uvicorn

from itomarkets.lib import clock
from itomarkets.lib.venue_urls import sandbox_urls
from itomarkets.sandbox.app import create_app
from itomarkets.sandbox.engine import World
from itomarkets.sandbox.feeds import Catalogue, Levels
from itomarkets.sandbox.model import (
    KALSHI,
    POLYMARKET,
    VENUES,
    SandboxEvent,
    SandboxMarket,
    SandboxSeries,
    kalshi_fee,
    polymarket_fee,
    polymarket_ids,
    uniform_ticks,
)

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)
TICKER = "KXFED-26SEP-CUT"
# Price units of 0.0001 and contracts, best first.
BOOK: tuple[Levels, Levels] = ([(3900, 100), (3800, 200)], [(4100, 50), (4200, 300)])
TIMES: dict[str, Any] = {
    "open_at": NOON - timedelta(days=60),
    "close_at": NOON + timedelta(days=60),
    "settle_at": NOON + timedelta(days=61),
}


class TwoVenues(Catalogue):
    """One Kalshi market, one Polymarket market and one of its neg-risk kind, each at 0.40 with one book."""

    def __init__(self) -> None:
        super().__init__()
        self.books: dict[str, tuple[Levels, Levels]] = {}
        self.add_series(SandboxSeries(KALSHI, "KXFED", "Fed decisions", category="Economics"))
        self.add(
            SandboxEvent(
                KALSHI, "KXFED-26SEP", "kxfed-26sep", "Fed in September?", series_key="KXFED",
                series_title="Fed decisions", category="Economics",
            ),
            [
                SandboxMarket(
                    KALSHI, TICKER, "KXFED-26SEP", "Will the Fed cut in September?", fee=kalshi_fee(),
                    exchange_index=2, outcome=Decimal(1), seed=1, **TIMES,
                )
            ],
        )  # fmt: skip
        self.add(
            SandboxEvent(POLYMARKET, "1", "fed-cut", "Recession in 2026?", category="Economy", tags=("Fed",)),
            [self._market("11", "1", "Recession in 2026?", uniform_ticks("0.01"), neg_risk=False)],
        )
        self.add(
            SandboxEvent(POLYMARKET, "2", "chair", "Next chair?", tags=("Fed",), neg_risk=True),
            [self._market("21", "2", "Chair A?", uniform_ticks("0.001"), neg_risk=True)],
        )

    @staticmethod
    def _market(key: str, event_key: str, title: str, ticks: Any, *, neg_risk: bool) -> SandboxMarket:
        condition, question, yes, no = polymarket_ids(key)
        return SandboxMarket(
            POLYMARKET, key, event_key, title, ticks=ticks, tick_label="", min_size=Decimal(5),
            fee=polymarket_fee("economics_fees", "0.05"), slug=f"market-{key}", condition_id=condition,
            question_id=question, yes_token=yes, no_token=no, neg_risk=neg_risk, outcome=Decimal(1), seed=int(key),
            **TIMES,
        )  # fmt: skip

    def price(self, market: SandboxMarket, at: datetime) -> Decimal:
        return Decimal("0.4")

    def price_float(self, market: SandboxMarket, at_ts: float) -> float:
        return 0.4

    def outcome(self, market: SandboxMarket) -> Decimal:
        return market.outcome if market.outcome is not None else Decimal(1)

    def daily(self, market: SandboxMarket, start: date, end: date) -> list[tuple[date, Decimal]]:
        return []

    def recorded_book(self, market: SandboxMarket) -> tuple[Levels, Levels] | None:
        return self.books.get(market.key, BOOK)

    def refresh(self, now: datetime) -> None:
        self.generation += 0


@dataclass
class Exchange:
    """The running sandbox: its address, its world, and its strings."""

    url: str
    world: World
    feed: TwoVenues

    def control(self, path: str, body: dict[str, Any]) -> Any:
        answer = httpx.post(f"{self.url}/control{path}", json=body, trust_env=False, verify=False)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def fault(self, path: str, fault: str, *, method: str = "POST", nth: int = 1, seconds: float = 0) -> None:
        self.plan((method, path, nth, fault, seconds))

    def plan(self, *lines: tuple[str, str, int, str, float]) -> None:
        """Replace the plan by lines of (method, path, nth, fault, seconds)."""
        names = ("method", "path", "nth", "fault", "seconds")
        self.control("/faults", {"plan": [dict(zip(names, line, strict=True)) for line in lines]})

    def requests(self, method: str, path: str) -> list[str]:
        """Return the bodies of the requests to a path, by the exchanges' own log."""
        logged = httpx.get(f"{self.url}/control/requests", trust_env=False, verify=False).json()["requests"]
        return [each["body"] for each in logged if (each["method"], each["path"]) == (method, path)]

    def orders_of(self, name: str) -> list[Any]:
        account = self.world.accounts.by_name(name)
        assert account is not None
        return [order for venue in VENUES for order in self.world.orders(account.id, venue)]


@contextmanager
def running_exchange(feed: TwoVenues | None = None, *, look_seconds: float = 0.25) -> Iterator[Exchange]:
    """Serve the world on a free port until the block ends; sockets tell of changes each `look_seconds`."""
    feed = feed or TwoVenues()
    world = World(feed, clock.now, None)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    app = create_app(world, ticking=False, look_seconds=look_seconds)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        for _ in range(200):
            if server.started:
                break
            time.sleep(0.02)
        assert server.started, "the sandbox did not start"
        yield Exchange(f"http://127.0.0.1:{listener.getsockname()[1]}", world, feed)
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()


def point_settings_at(settings: Any, url: str) -> None:
    settings.VENUES, settings.SANDBOX_URL = "sandbox", url
    for name, value in sandbox_urls(url).items():
        setattr(settings, name, value)
