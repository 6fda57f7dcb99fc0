"""F31: what was placed at the venue's own site is listed, and never adopted."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest
from django.test import Client

from accounts.models import User
from itomarkets.sandbox.model import SandboxMarket
from itomarkets.sandbox.store import Account
from itomarkets.simulation.world import posted_by_hand
from markets.models import Market
from markets.sync import sync_markets
from tests.trading.sandbox_world import TICKER, Exchange, point_settings_at, running_exchange
from tests.trading.test_sandbox_trading import buy, held_basket, look, run
from trading.accounts import connect_sandbox_accounts
from trading.exposure import money_at_risk
from trading.models import Order, Position, VenueAccount
from trading.reconciliation import compare_account
from trading.venues.base import ListedOrder, ListsOrders
from trading.venues.clients import order_client
from trading.venues.polymarket import _listed_fills

D = Decimal


@pytest.fixture
def account(settings: Any, now: datetime, user: User) -> Iterator[tuple[Exchange, VenueAccount]]:
    with running_exchange() as exchange:
        point_settings_at(settings, exchange.url)
        yield exchange, connect_sandbox_accounts(user, now=now).accounts[0]


def test_an_order_of_the_venues_own_site_is_listed_and_shown(
    account: tuple[Exchange, VenueAccount], client: Client, user: User, now: datetime
) -> None:
    exchange, kalshi = account
    owner = exchange.world.accounts.by_name(f"user-{user.pk}")
    market = exchange.feed.market("kalshi", TICKER)
    assert owner is not None
    assert market is not None
    for price in ("0.30", "0.41"):
        exchange.world.place(
            owner.id, market, side="buy", price=D(price), size=D(5), tif="gtc", post_only=False, client_id="", meta={}
        )
    for _ in range(2):
        connected = order_client(kalshi, now=lambda: now)
        assert isinstance(connected, ListsOrders)
        compare_account(account=kalshi, client=connected, now=now)
        connected.close()
    kalshi.refresh_from_db()
    assert [(row["status"], D(row["count"]), D(row["price"])) for row in kalshi.external] == [
        ("held", D(5), D("0.41")),
        ("resting", D(5), D("0.3")),
        ("filled", D(5), D("0.41")),
    ]
    assert not Order.objects.exists()
    client.force_login(user)
    assert "3 placed elsewhere" in client.get("/profile").content.decode()


def test_polymarket_lists_through_its_own_client(account: tuple[Exchange, VenueAccount], now: datetime) -> None:
    polymarket = VenueAccount.objects.get(kind="polymarket")
    connected = order_client(polymarket, now=lambda: now)
    assert isinstance(connected, ListsOrders)
    found: list[ListedOrder] = connected.listed_since(now)
    connected.close()
    assert found == []


@pytest.mark.parametrize(("trader_side", "orders"), [("TAKER", ["0xtaker"]), ("MAKER", ["0xmine"])])
def test_of_a_polymarket_trade_only_the_wallets_own_part_is_listed(trader_side: str, orders: list[str]) -> None:
    parts = [
        SimpleNamespace(order_id=name, maker_address=wallet, outcome="No", matched_amount=D(3), price=D("0.6"))
        for name, wallet in (("0xmine", "0xABCD"), ("0xother", "0xEEEE"))
    ]
    trade = SimpleNamespace(
        trader_side=trader_side,
        taker_order_id="0xtaker",
        condition_id="0xc",
        outcome="Yes",
        size=D(7),
        price=D("0.4"),
        maker_orders=parts,
    )
    listed = _listed_fills(cast(Any, trade), wallet="0xabcd")
    assert [order.venue_order_id for order in listed] == orders
    assert not any(order.is_open for order in listed)


def buy_by_hand(exchange: Exchange, user: User, kind: str) -> tuple[Account, SandboxMarket, str]:
    """Buy 20 YES at 0.41 at an exchange's own site; gives who did, where, and the token that is held now."""
    owner = exchange.world.accounts.by_name(f"user-{user.pk}")
    market = exchange.feed.market(kind, {"kalshi": TICKER, "polymarket": "11"}[kind])
    assert owner is not None
    assert market is not None
    token = {"kalshi": "net", "polymarket": "yes"}[kind]
    price, size = D("0.41"), D(20)
    meta = posted_by_hand(price, size)
    exchange.world.place(owner.id, market, side="buy", price=price, size=size, tif="ioc", token=token, meta=meta)
    return owner, market, token


@pytest.mark.parametrize("kind", ["kalshi", "polymarket"])
def test_what_is_held_from_elsewhere_is_listed_with_its_cost_and_counts_as_at_risk(
    account: tuple[Exchange, VenueAccount], client: Client, user: User, now: datetime, kind: str
) -> None:
    exchange, _ = account
    sync_markets(venue=None, full=True, now=now)
    own = VenueAccount.objects.get(kind=kind)
    _, market, _ = buy_by_hand(exchange, user, kind)
    for _ in range(2):
        connected = order_client(own, now=lambda: now)
        assert isinstance(connected, ListsOrders)
        compare_account(account=own, client=connected, now=now)
        connected.close()
    own.refresh_from_db()
    held = [row for row in own.external if row["status"] == "held"]
    assert [(row["side"], D(row["count"]), D(row["price"])) for row in held] == [("yes", D(20), D("0.41"))]
    assert held[0]["market_id"] == Market.objects.get(venue=kind, title=market.title).pk
    at_risk = money_at_risk(user_id=user.pk, mode="sandbox")
    assert (at_risk.external, at_risk.by_account[own.pk]) == (D("8.20"), D("8.20"))
    assert at_risk.by_market == {held[0]["market_id"]: D("8.20")}
    assert not Order.objects.exists()
    assert not Position.objects.exists()


@pytest.mark.parametrize(
    ("kind", "rests", "at_risk"),
    [
        # Kalshi lists a sale of YES as a purchase of NO: what goes past the 20 that are held is one.
        ("kalshi", [("no", D(12), D(5)), ("no", D(15), D(15))], D("8.20") + 7 * D("0.40")),
        ("polymarket", [("yes", D(12), D(12))], D("8.20")),
    ],
)
def test_a_resting_sale_placed_elsewhere_puts_no_more_at_risk_than_what_it_does_not_hold(
    account: tuple[Exchange, VenueAccount],
    user: User,
    now: datetime,
    kind: str,
    rests: list[tuple[str, Decimal, Decimal]],
    at_risk: Decimal,
) -> None:
    exchange, _ = account
    sync_markets(venue=None, full=True, now=now)
    own = VenueAccount.objects.get(kind=kind)
    owner, market, token = buy_by_hand(exchange, user, kind)
    for number, (_, count, _) in enumerate(rests):
        price = D("0.60") + number * D("0.10")
        wire = {"side": "SELL", "maker": "0x1", "makerAmount": str(count * 10**6), "expiration": "0"}
        meta = {"owner": "its site", "type": "GTC", "wire": wire, "side": "SELL"}
        exchange.world.place(owner.id, market, side="sell", price=price, size=count, token=token, meta=meta)
    for _ in range(2):
        connected = order_client(own, now=lambda: now)
        assert isinstance(connected, ListsOrders)
        compare_account(account=own, client=connected, now=now)
        connected.close()
    own.refresh_from_db()
    found = [row for row in own.external if row["status"] == "resting"]
    assert sorted((row["side"].lower(), D(row["count"]), D(row["closes"])) for row in found) == rests
    assert money_at_risk(user_id=user.pk, mode="sandbox").by_account[own.pk] == at_risk


@pytest.mark.parametrize(("minutes", "listed"), [(4, True), (6, False)])
def test_what_a_venue_dates_before_we_connected_is_listed_within_what_clocks_may_differ(
    account: tuple[Exchange, VenueAccount], user: User, now: datetime, minutes: int, listed: bool
) -> None:
    exchange, kalshi = account
    owner = exchange.world.accounts.by_name(f"user-{user.pk}")
    market = exchange.feed.market("kalshi", TICKER)
    assert owner is not None
    assert market is not None
    exchange.world.place(owner.id, market, side="buy", price=D("0.41"), size=D(5), tif="ioc")
    kalshi.created_at = exchange.world.now() + timedelta(minutes=minutes)
    kalshi.save(update_fields=["created_at"])
    connected = order_client(kalshi, now=lambda: now)
    assert isinstance(connected, ListsOrders)
    compare_account(account=kalshi, client=connected, now=kalshi.created_at)
    connected.close()
    kalshi.refresh_from_db()
    assert ("filled" in [row["status"] for row in kalshi.external]) is listed
    assert "held" in [row["status"] for row in kalshi.external]


def test_contracts_of_our_own_are_not_taken_for_anothers(exchange: Exchange, user: User, now: datetime) -> None:
    run(buy(user, held_basket(), now), now)
    look(now)
    assert [account.external for account in VenueAccount.objects.all()] == [[], []]
    owner = exchange.world.accounts.by_name(f"user-{user.pk}")
    market = exchange.feed.market("kalshi", TICKER)
    assert owner is not None
    assert market is not None
    exchange.world.place(owner.id, market, side="buy", price=D("0.42"), size=D(3), tif="ioc")
    look(now)
    (row,) = [row for row in VenueAccount.objects.get(kind="kalshi").external if row["status"] == "held"]
    assert D(row["count"]) == 3
