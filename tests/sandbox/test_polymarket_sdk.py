"""The official client, unchanged but for its hosts, against the sandbox on a loopback port."""

import dataclasses
import socket
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import uvicorn
from polymarket.clients.secure import SecureClient
from polymarket.errors import RequestRejectedError
from polymarket.models import ApiKeyCreds
from polymarket.models.clob.orders import SignedOrder

from itomarkets.sandbox.polymarket_auth import order_hash, parse_order
from tests.sandbox.polymarket_world import Bench, Member
from trading.venues.polymarket import Hosts, environment_at


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def address(bench: Bench) -> Iterator[str]:
    """Serve the bench's app from a thread; yields its base URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(bench.app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=10)


@pytest.fixture
def ada(bench: Bench) -> Member:
    return bench.member("Ada")


@pytest.fixture
def client(ada: Member, address: str) -> Iterator[SecureClient]:
    environment = environment_at(Hosts(clob=f"{address}/clob", gamma=f"{address}/gamma", data=f"{address}/data"))
    found = SecureClient.create(
        private_key=ada.account.polymarket_private_key, wallet=ada.address, environment=environment
    )
    yield found
    found.close()


def hash_of(order: SignedOrder, *, neg_risk: bool) -> str:
    wire: dict[str, Any] = {
        "tokenId": order.token_id,
        "makerAmount": str(order.maker_amount),
        "takerAmount": str(order.taker_amount),
        "signatureType": order.signature_type,
    }
    names = ("salt", "maker", "signer", "side", "timestamp", "metadata", "builder", "signature")
    return order_hash(parse_order(wire | {name: getattr(order, name) for name in names}), neg_risk=neg_risk)


def test_client_derives_the_key_that_the_sandbox_gave(client: SecureClient, ada: Member) -> None:
    assert client.credentials == ApiKeyCreds(
        key=ada.key["apiKey"], secret=ada.key["secret"], passphrase=ada.key["passphrase"]
    )
    assert client.wallet_type == "EOA"
    assert client.fetch_api_keys() == (ada.key["apiKey"],)
    assert client.get_closed_only_mode() is False


def test_client_makes_a_key_for_another_nonce(client: SecureClient, ada: Member, bench: Bench) -> None:
    other = SecureClient.create(
        private_key=ada.account.polymarket_private_key,
        wallet=ada.address,
        environment=client.environment,
        nonce=5,
    )
    try:
        assert other.credentials.key != ada.key["apiKey"]
        assert set(other.fetch_api_keys()) == {other.credentials.key, ada.key["apiKey"]}
    finally:
        other.close()


def test_client_reads_the_book_best_level_last(client: SecureClient, bench: Bench) -> None:
    market = bench.market("11")
    book = client.get_order_book(asset_id=market.yes_token)
    assert [(level.price, level.size) for level in book.bids] == [
        (Decimal("0.38"), 200),
        (Decimal("0.39"), 100),
    ]
    assert [level.price for level in book.asks] == [Decimal("0.42"), Decimal("0.41")]
    assert (book.tick_size, book.min_order_size, book.neg_risk) == (Decimal("0.01"), 5, False)
    other, same = client.get_order_books(asset_ids=[market.no_token, market.yes_token])
    assert (other.bids[-1].price, other.asks[-1].price) == (Decimal("0.59"), Decimal("0.61"))
    assert same.asset_id == market.yes_token
    assert client.get_price(asset_id=market.yes_token, side="BUY") == Decimal("0.39")
    assert client.get_midpoint(asset_id=market.yes_token) == Decimal("0.4")
    assert client.get_spread(asset_id=market.yes_token) == Decimal("0.02")


def test_limit_order_is_known_by_its_hash_before_it_is_sent(client: SecureClient, bench: Bench) -> None:
    token = bench.market("11").yes_token
    signed = client.create_limit_order(asset_id=token, price=Decimal("0.30"), size=Decimal("10"), side="BUY")
    known = hash_of(signed, neg_risk=False)
    with pytest.raises(RequestRejectedError) as absent:
        client.get_order(order_id=known)
    assert absent.value.status == 404
    reply = client.post_order(signed)
    assert (reply.ok, reply.status, reply.order_id) == (True, "live", known)
    found = client.get_order(order_id=known)
    assert (found.status, found.original_size, found.size_matched) == ("ORDER_STATUS_LIVE", 10, 0)
    with pytest.raises(RequestRejectedError, match="Duplicated"):
        client.post_order(signed)
    assert [order.id for order in client.list_open_orders(asset_id=token).iter_items()] == [known]
    assert client.cancel_order(order_id=known).canceled == (known,)


def test_signed_order_can_be_sent_as_fill_and_kill_or_fill_or_kill(client: SecureClient, bench: Bench) -> None:
    token = bench.market("11").yes_token
    signed = client.create_limit_order(asset_id=token, price=Decimal("0.41"), size=Decimal("10"), side="BUY")
    reply = client.post_order(dataclasses.replace(signed, order_type="FAK"))
    assert (reply.ok, reply.status) == (True, "matched")
    assert (reply.making_amount, reply.taking_amount) == (Decimal("4.1"), 10)
    large = client.create_limit_order(asset_id=token, price=Decimal("0.41"), size=Decimal("100"), side="BUY")
    with pytest.raises(RequestRejectedError, match="FOK orders are fully filled or killed") as killed:
        client.post_order(dataclasses.replace(large, order_type="FOK"))
    assert killed.value.status == 400


def test_market_orders_of_the_client_trade_and_show_in_trades_and_balances(client: SecureClient, bench: Bench) -> None:
    market = bench.market("21")  # a neg-risk market with a fine tick
    bought = client.create_market_order(
        asset_id=market.yes_token, side="BUY", amount=Decimal("8.2"), max_price=Decimal("0.41"), order_type="FOK"
    )
    reply = client.post_order(bought)
    assert (reply.ok, reply.status, reply.order_id) == (True, "matched", hash_of(bought, neg_risk=True))
    (trade,) = client.list_account_trades(market=market.condition_id).iter_items()
    assert (trade.id, trade.taker_order_id) == (reply.trade_ids[0], reply.order_id)
    assert (trade.size, trade.price, trade.trader_side, trade.status) == (20, Decimal("0.41"), "TAKER", "MATCHED")
    held = client.get_balance_allowance(asset_type="CONDITIONAL", asset_id=market.yes_token)
    assert held.balance == 20_000_000
    money = client.get_balance_allowance(asset_type="COLLATERAL")
    fee = Decimal("0.05") * 20 * Decimal("0.41") * Decimal("0.59")
    assert money.balance == int((10_000 - Decimal("8.2") - fee) * 1_000_000)
    sold = client.create_market_order(
        asset_id=market.yes_token, side="SELL", shares=Decimal("3"), min_price=Decimal("0.39"), order_type="FAK"
    )
    assert client.post_order(sold).ok
    (position,) = client.list_positions().iter_items()
    assert (position.current_size, position.status, position.outcome) == (17, "OPEN", "Yes")
    assert client.wait_for_order_fill_settlement(reply, timeout_s=10)


def test_batch_of_the_client_reports_each_order(client: SecureClient, bench: Bench) -> None:
    token = bench.market("11").no_token
    good, small = (
        client.create_limit_order(asset_id=token, price=Decimal("0.50"), size=Decimal(size), side="BUY")
        for size in ("10", "1")
    )
    first, second = client.post_orders([good, small])
    assert first.ok
    assert not second.ok
    assert "lower than the minimum: 5" in second.message


def test_client_reads_the_listing(client: SecureClient, bench: Bench) -> None:
    events = list(client.list_events().iter_items())
    assert {event.id for event in events} >= {"1", "2"}
    (market,) = client.list_markets(condition_ids=[bench.market("11").condition_id]).iter_items()
    assert market.outcomes.yes.token_id == bench.market("11").yes_token
    assert client.search(q="chair").first_page().items[0].events[0].id == "2"


def test_client_reads_past_prices(client: SecureClient, bench: Bench) -> None:
    rows = list(
        client.list_price_history(
            asset_id=bench.market("11").yes_token, interval="1w", bucket_seconds=86_400
        ).iter_items()
    )
    assert len(rows) == 8
    assert {row.price for row in rows} == {Decimal("0.4")}
    assert client.get_portfolio_value().value == 0
