"""A small Kalshi in process: markets with a fixed book, two accounts, a signing client."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import yaml
from jsonschema import Draft202012Validator
from starlette.types import ASGIApp

from itomarkets.lib.kalshi_signing import load_private_key, signed_headers
from itomarkets.sandbox.app import create_app
from itomarkets.sandbox.engine import World
from itomarkets.sandbox.feeds import Catalogue, Levels
from itomarkets.sandbox.model import KALSHI, POLYMARKET, SandboxEvent, SandboxMarket, SandboxSeries, polymarket_ids
from itomarkets.sandbox.store import Account

START = datetime(2026, 8, 1, 12, tzinfo=UTC)
BASE = "/trade-api/v2"


@dataclass
class Level:
    """A price that stands still until told."""

    value: float = 0.5
    pays: float = 1.0

    def price(self, ts: float) -> float:
        return self.value

    def outcome(self) -> float:
        return self.pays


class FixedFeed(Catalogue):
    """A feed whose books are what a test says; without a word they are empty."""

    def __init__(self) -> None:
        super().__init__()
        self.books: dict[str, tuple[Levels, Levels]] = {}

    def refresh(self, now: datetime) -> None:
        """Stay as it is."""

    def recorded_book(self, market: SandboxMarket) -> tuple[Levels, Levels]:
        return self.books.get(market.key, ([], []))


@dataclass
class Time:
    """A clock that a test moves."""

    at: datetime = START

    def __call__(self) -> datetime:
        return self.at


@dataclass
class Stage:
    """A world with the market TEST-1 on shard 0, TEST-2 on shard 2 and one Polymarket market."""

    folder: Path | None = None
    time: Time = field(default_factory=Time)
    feed: FixedFeed = field(default_factory=FixedFeed)

    def __post_init__(self) -> None:
        if not self.feed.venue_markets(KALSHI):
            self.feed.add_series(SandboxSeries(KALSHI, "TEST", "Tests", category="Politics", tags=("Tests",)))
            self.feed.add(self._event(KALSHI, "TEST-26"), [kalshi_market("TEST-1", 0), kalshi_market("TEST-2", 2)])
            self.feed.add(self._event(POLYMARKET, "900"), [polymarket_market("901")])
        self.world = World(self.feed, self.time, self.folder)
        self.alice = self.world.accounts.create("alice")
        self.bob = self.world.accounts.create("bob")

    @property
    def one(self) -> SandboxMarket:
        return self.market("TEST-1")

    @property
    def token_market(self) -> SandboxMarket:
        found = self.feed.market(POLYMARKET, "901")
        assert found is not None
        return found

    def market(self, key: str) -> SandboxMarket:
        found = self.feed.market(KALSHI, key)
        assert found is not None
        return found

    def book(self, key: str, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
        """Set the standing book, prices in cents."""
        self.feed.books[key] = ([(p * 100, s) for p, s in bids], [(p * 100, s) for p, s in asks])

    def cash(self, account: Account, venue: str = KALSHI) -> Decimal:
        return sum(self.world.ledger.shards(account.id, venue).values(), Decimal(0))

    @staticmethod
    def _event(venue: str, key: str) -> SandboxEvent:
        return SandboxEvent(venue, key, key.lower(), "Will it pass the test?", series_key="TEST", category="Politics")


def kalshi_market(key: str, shard: int, *, closes: datetime = START + timedelta(days=30)) -> SandboxMarket:
    return SandboxMarket(
        KALSHI,
        key,
        "TEST-26",
        f"Will {key} pass?",
        open_at=START - timedelta(days=30),
        close_at=closes,
        settle_at=closes + timedelta(hours=1),
        exchange_index=shard,
        volume=1000,
        volume_24h=500,
        seed=1,
        process=Level(),
    )


def polymarket_market(key: str) -> SandboxMarket:
    condition, question, yes, no = polymarket_ids(key)
    market = kalshi_market(key, 0)
    market.venue, market.event_key, market.slug = POLYMARKET, "900", "will-it-pass"
    market.min_size = Decimal(5)
    market.condition_id, market.question_id, market.yes_token, market.no_token = condition, question, yes, no
    return market


def request(app: ASGIApp, method: str, path: str, **more: Any) -> httpx.Response:
    """Send one request to an application in process."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
            return await client.request(method, path, **more)

    return asyncio.run(send())


class Client:
    """Speaks to the sandbox's Kalshi in process, signed as an account."""

    def __init__(self, world: World, account: Account | None = None) -> None:
        self.app = create_app(world, ticking=False)
        self.account = account

    def call(self, method: str, path: str, *, json: Any = None, params: Any = None) -> httpx.Response:
        headers = {}
        if self.account is not None:
            key = load_private_key(self.account.kalshi_private_key_pem)
            headers = signed_headers(self.account.kalshi_key_id, key, method, BASE + path, 1_785_000_000_000)
        return request(self.app, method, BASE + path, json=json, params=params, headers=headers)

    def get(self, path: str, **params: Any) -> Any:
        answer = self.call("GET", path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def order(self, **changes: Any) -> httpx.Response:
        body = {
            "ticker": "TEST-1",
            "side": "bid",
            "count": "10.00",
            "price": "0.5000",
            "time_in_force": "good_till_canceled",
            "self_trade_prevention_type": "taker_at_cross",
        }
        return self.call("POST", "/portfolio/events/orders", json={**body, **changes})


def kalshi_checker(documents: Path) -> Callable[[str, Any], None]:
    """Return a check of a reply against a schema of the venue's OpenAPI file, $ref siblings of `nullable` honoured."""
    document = _with_nulls(yaml.safe_load((documents / "kalshi-openapi.yaml").read_text()))

    def check(schema: str, body: Any) -> None:
        validator = Draft202012Validator(
            {"$ref": f"#/components/schemas/{schema}", "components": document["components"]}
        )
        errors = [f"{list(error.absolute_path)}: {error.message[:200]}" for error in validator.iter_errors(body)]
        assert not errors, errors[:5]

    return check


def _with_nulls(node: Any) -> Any:
    if isinstance(node, list):
        return [_with_nulls(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {name: _with_nulls(value) for name, value in node.items() if name != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if node.get("nullable") is True else plain
