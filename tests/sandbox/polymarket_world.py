"""A small world of Polymarket markets with known books, and a client that signs for its accounts."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import orjson
from eth_account import Account as Wallet
from starlette.applications import Starlette
from starlette.routing import Mount

from itomarkets.sandbox import polymarket
from itomarkets.sandbox.engine import World
from itomarkets.sandbox.feeds import Catalogue, Levels
from itomarkets.sandbox.model import (
    POLYMARKET,
    SandboxEvent,
    SandboxMarket,
    polymarket_fee,
    polymarket_ids,
    uniform_ticks,
)
from itomarkets.sandbox.polymarket_auth import exchange_of, key_signature
from itomarkets.sandbox.store import Account

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)
BOOK: tuple[Levels, Levels] = ([(3900, 100), (3800, 200)], [(4100, 50), (4200, 300)])

ORDER_FIELDS = [
    {"name": name, "type": kind}
    for name, kind in (
        ("salt", "uint256"),
        ("maker", "address"),
        ("signer", "address"),
        ("tokenId", "uint256"),
        ("makerAmount", "uint256"),
        ("takerAmount", "uint256"),
        ("side", "uint8"),
        ("signatureType", "uint8"),
        ("timestamp", "uint256"),
        ("metadata", "bytes32"),
        ("builder", "bytes32"),
    )
]


def market(key: str, event_key: str, title: str, **more: Any) -> SandboxMarket:
    condition, question, yes, no = polymarket_ids(key)
    given: dict[str, Any] = {
        "open_at": NOON - timedelta(days=60),
        "close_at": NOON + timedelta(days=30),
        "settle_at": NOON + timedelta(days=31),
        "ticks": uniform_ticks("0.01"),
        "tick_label": "",
        "min_size": Decimal(5),
        "fee": polymarket_fee("economics_fees", "0.05"),
        "volume": 1000 * int(key),
        "volume_24h": int(key),
        "slug": f"market-{key}",
        "condition_id": condition,
        "question_id": question,
        "yes_token": yes,
        "no_token": no,
        "rules": "Settled by the official release.",
        "outcome": Decimal(1),
        "seed": int(key),
    }
    return SandboxMarket(POLYMARKET, key, event_key, title, **(given | more))


class SmallFeed(Catalogue):
    """Markets at 0.40 with one book, and one of each other state."""

    def __init__(self) -> None:
        super().__init__()
        self.books: dict[str, tuple[Levels, Levels]] = {}
        self.add(
            SandboxEvent(
                POLYMARKET,
                "1",
                "fed-cut",
                "Fed cuts in September?",
                series_key="fed",
                series_title="Fed decisions",
                category="Economy",
                tags=("Fed", "Rates"),
            ),
            [market("11", "1", "Fed cuts in September?")],
        )
        self.add(
            SandboxEvent(POLYMARKET, "2", "next-chair", "Next chair?", tags=("Fed", "Politics"), neg_risk=True),
            [
                market("21", "2", "Chair A?", neg_risk=True, ticks=uniform_ticks("0.001"), group_title="A"),
                market("22", "2", "Chair B?", neg_risk=True, ticks=uniform_ticks("0.001"), group_title="B"),
            ],
        )
        self.add(
            SandboxEvent(POLYMARKET, "3", "done", "Done already?", tags=("Old",)),
            [market("31", "3", "Done already?", close_at=NOON - timedelta(days=9), settle_at=NOON - timedelta(days=8))],
        )
        self.add(
            SandboxEvent(POLYMARKET, "4", "waiting", "Waiting for its oracle?", tags=("Old",)),
            [market("41", "4", "Waiting?", close_at=NOON - timedelta(hours=9), settle_at=NOON + timedelta(hours=9))],
        )
        self.add(
            SandboxEvent(POLYMARKET, "5", "coming", "Coming soon?"),
            [market("51", "5", "Coming soon?", open_at=NOON + timedelta(days=1))],
        )

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
class Bench:
    """The app, its world and a clock that a test moves."""

    now: datetime = NOON
    feed: SmallFeed = field(default_factory=SmallFeed)

    def __post_init__(self) -> None:
        self.world = World(self.feed, lambda: self.now, None)
        self.app = Starlette(
            routes=[
                Mount("/gamma", routes=polymarket.gamma_routes(self.world)),
                Mount("/clob", routes=polymarket.clob_routes(self.world)),
                Mount("/data", routes=polymarket.data_routes(self.world)),
            ]
        )

    def market(self, key: str) -> SandboxMarket:
        found = self.feed.market(POLYMARKET, key)
        assert found is not None
        return found

    def send(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def call() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
                return await client.request(method, path, **more)

        return asyncio.run(call())

    def get(self, path: str, **params: Any) -> Any:
        response = self.send("GET", path, params=params)
        assert response.status_code == 200, response.text
        return response.json()

    def refusal(self, path: str, **params: Any) -> tuple[int, str]:
        response = self.send("GET", path, params=params)
        assert response.status_code >= 400, response.text
        return response.status_code, response.json()["error"]

    def member(self, name: str) -> "Member":
        account = self.world.accounts.create(name)
        return Member(self, account, polymarket.open_keys(self.world, account))


@dataclass
class Member:
    """One account and its API key."""

    bench: Bench
    account: Account
    key: dict[str, str]
    salt: int = 1

    @property
    def address(self) -> str:
        return self.account.polymarket_address

    def send(self, method: str, path: str, body: Any = None, **params: Any) -> httpx.Response:
        """Send a signed request to the order book."""
        content = b"" if body is None else orjson.dumps(body)
        headers = {
            "POLY_ADDRESS": self.address,
            "POLY_API_KEY": self.key["apiKey"],
            "POLY_PASSPHRASE": self.key["passphrase"],
            "POLY_TIMESTAMP": "1785585600",
            "POLY_SIGNATURE": key_signature(
                secret=self.key["secret"],
                timestamp="1785585600",
                method=method,
                path=path,
                body=content.decode(),
            ),
        }
        return self.bench.send(method, f"/clob{path}", content=content or None, headers=headers, params=params)

    def get(self, path: str, **params: Any) -> Any:
        response = self.send("GET", path, **params)
        assert response.status_code == 200, response.text
        return response.json()

    def order(
        self,
        key: str,
        side: str,
        price: str,
        size: str,
        *,
        outcome: str = "yes",
        order_type: str = "GTC",
        post_only: bool | None = None,
        neg_risk: bool | None = None,
        wallet: str = "",
        **changes: Any,
    ) -> dict[str, Any]:
        """Return the body of a signed order, as the official clients build it."""
        market = self.bench.market(key)
        dollars = int(Decimal(price) * Decimal(size) * 1_000_000)
        shares = int(Decimal(size) * 1_000_000)
        self.salt += 1
        fields: dict[str, Any] = {
            "salt": self.salt,
            "maker": wallet or self.address,
            "signer": self.address,
            "tokenId": market.yes_token if outcome == "yes" else market.no_token,
            "makerAmount": str(dollars if side == "BUY" else shares),
            "takerAmount": str(shares if side == "BUY" else dollars),
            "side": side,
            "signatureType": 0,
            "timestamp": "1785585600000",
            "metadata": "0x" + "00" * 32,
            "builder": "0x" + "00" * 32,
        } | changes
        numbers = ("tokenId", "makerAmount", "takerAmount", "timestamp")
        signed = Wallet.sign_typed_data(
            self.account.polymarket_private_key,
            domain_data={
                "name": "Polymarket CTF Exchange",
                "version": "2",
                "chainId": 137,
                "verifyingContract": exchange_of(neg_risk=market.neg_risk if neg_risk is None else neg_risk),
            },
            message_types={"Order": ORDER_FIELDS},
            message_data={name: int(value) if name in numbers else value for name, value in fields.items()}
            | {"side": 0 if side == "BUY" else 1},
        )
        body = {
            "deferExec": False,
            "order": fields
            | {"expiration": changes.get("expiration", "0"), "signature": "0x" + signed.signature.hex()},
            "orderType": order_type,
            "owner": self.key["apiKey"],
        }
        return body | ({} if post_only is None else {"postOnly": post_only})

    def post(self, body: Any) -> dict[str, Any]:
        response = self.send("POST", "/order", body)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def refused(self, body: Any) -> str:
        response = self.send("POST", "/order", body)
        assert response.status_code == 400, response.text
        return str(response.json()["error"])

    def cash(self) -> Decimal:
        return Decimal(self.get("/balance-allowance", asset_type="COLLATERAL")["balance"]) / 1_000_000

    def shares(self, key: str, outcome: str = "yes") -> Decimal:
        market = self.bench.market(key)
        token = market.yes_token if outcome == "yes" else market.no_token
        answer = self.get("/balance-allowance", asset_type="CONDITIONAL", token_id=token)
        return Decimal(answer["balance"]) / 1_000_000
