"""A world with many legs, and what reached its exchanges, order by order, by the exchanges' own log."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx

from accounts.models import User
from itomarkets.sandbox.model import KALSHI, SandboxEvent, SandboxMarket, kalshi_fee
from markets.models import Market
from tests.trading.sandbox_world import TICKER, TIMES, Exchange, TwoVenues, running_exchange
from tests.trading.venue import make_basket
from trading.execution import run_trade
from trading.models import Order, Trade
from trading.placing import confirm_trade
from trading.quoting import legs_of, quote_basket

KALSHI_CREATE = "/trade-api/v2/portfolio/events/orders"
POLYMARKET_CREATE = "/clob/order"
# The second leg's market, alone on a shard of its own.
LONE_TICKER, LONE_SHARD = "KXFED-0-YES", 1
SHARD = 2
# The legs of a basket of five, in their order: three at Kalshi, two at Polymarket.
FIVE = (TICKER, LONE_TICKER, "KXFED-1-YES", "11", "21")
# Thinnest first: each leg's book offers less than the next one's.
THINNER = {key: ([(3900, 100), (3800, 200)], [(4100, 50), (4200, 150 + 50 * n)]) for n, key in enumerate(FIVE)}


class ManyLegs(TwoVenues):
    """Seven Kalshi markets of seven events beside Polymarket's two, so that a basket of them excludes nothing."""

    def __init__(self) -> None:
        super().__init__()
        for number in range(6):
            event = SandboxEvent(
                KALSHI, f"KXFED-{number}", f"kxfed-{number}", f"Question {number}?", series_key="KXFED",
                series_title="Fed decisions", category="Economics",
            )  # fmt: skip
            ticker = f"KXFED-{number}-YES"
            market = SandboxMarket(
                KALSHI, ticker, event.key, f"Question {number}?", fee=kalshi_fee(),
                exchange_index=LONE_SHARD if ticker == LONE_TICKER else SHARD,
                outcome=Decimal(1), seed=100 + number, **TIMES,
            )  # fmt: skip
            self.add(event, [market])


@contextmanager
def many_legged_exchange() -> Iterator[Exchange]:
    """Serve the world of many legs, its books thinnest first."""
    feed = ManyLegs()
    feed.books = dict(THINNER)
    with running_exchange(feed) as exchange:
        yield exchange


@dataclass(frozen=True, slots=True)
class Created:
    """One order that a create request asked an exchange for."""

    venue: str
    id: str
    is_buy: bool
    price: Decimal


def created(exchange: Exchange) -> list[Created]:
    """Return every order that create requests asked for, single or in batches, in the order of arrival."""
    found: list[Created] = []
    for logged in httpx.get(f"{exchange.url}/control/requests", trust_env=False, verify=False).json()["requests"]:
        if logged["method"] != "POST":
            continue
        if logged["path"] in (KALSHI_CREATE, f"{KALSHI_CREATE}/batched"):
            body = json.loads(logged["body"])
            found += [_kalshi(row) for row in body.get("orders", [body])]
        elif logged["path"] in (POLYMARKET_CREATE, f"{POLYMARKET_CREATE}s"):
            body = json.loads(logged["body"])
            found += [_polymarket(row["order"]) for row in (body if isinstance(body, list) else [body])]
    return found


def buys(exchange: Exchange) -> list[Created]:
    return [each for each in created(exchange) if each.is_buy]


def sales(exchange: Exchange) -> list[Created]:
    return [each for each in created(exchange) if not each.is_buy]


def _kalshi(row: dict[str, Any]) -> Created:
    # Every leg of these worlds is held on the YES side, so a bid buys.
    return Created("kalshi", row["client_order_id"], row["side"] == "bid", Decimal(row["price"]))


def _polymarket(row: dict[str, Any]) -> Created:
    is_buy = str(row["side"]).upper() in ("BUY", "0")
    gives, takes = Decimal(row["makerAmount"]), Decimal(row["takerAmount"])
    return Created("polymarket", str(row["salt"]), is_buy, gives / takes if is_buy else takes / gives)


def five_legged(user: User, now: datetime, policy: str, *, amount: str = "100", key: str = "once") -> Trade:
    """Confirm a purchase of a basket of five legs, none of it sent yet."""
    markets = [Market.objects.get(native_id=native_id) for native_id in FIVE]
    basket = make_basket([(market, "yes", "0.2", "10") for market in markets])
    quote = quote_basket(user=user, basket=basket, side="yes", amount=Decimal(amount), mode="sandbox", now=now)
    assert len(legs_of(quote)) == len(FIVE), quote.warnings
    return confirm_trade(user=user, quote_id=quote.pk, idempotency_key=key, policy=policy, now=now)


def empty_the_lone_shard(exchange: Exchange, user: User) -> None:
    """Move the second leg's cash to another shard: its order lacks balance, and the account has as much as before."""
    account = exchange.world.accounts.by_name(f"user-{user.pk}")
    assert account is not None
    cash = exchange.world.ledger.shards(account.id, KALSHI)[LONE_SHARD]
    exchange.world.ledger.credit(account.id, KALSHI, LONE_SHARD, -cash)
    exchange.world.ledger.credit(account.id, KALSHI, SHARD, cash)


def run(trade: Trade, now: datetime, **values: Any) -> Trade:
    run_trade(trade.pk, now_fn=lambda: now, sleep=lambda seconds: None, **values)
    trade.refresh_from_db()
    return trade


def by_market(trade: Trade, *, action: str = "buy") -> dict[str, Order]:
    """Return a trade's last attempt at each market, by the market's native id."""
    orders = trade.orders.filter(action=action).select_related("market", "account").order_by("attempt_no")
    return {order.market.native_id: order for order in orders}
