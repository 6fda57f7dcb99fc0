"""The sandbox's Kalshi: every reply against the venue's OpenAPI file, every refusal in the venue's shape."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from itomarkets.lib.kalshi_signing import load_private_key, signed_headers
from itomarkets.sandbox.app import create_app
from itomarkets.sandbox.engine import World
from itomarkets.sandbox.model import KALSHI
from itomarkets.sandbox.universe import SyntheticFeed
from markets.venues.kalshi_history import parse_candles
from markets.venues.past import CANDLES
from markets.venues.past import DAY as A_DAY
from tests.sandbox.kalshi_world import BASE, START, Client, Stage, kalshi_checker, request

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
DAY = 86_400


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def alice(stage: Stage) -> Client:
    stage.book("TEST-1", [(48, 100), (47, 50)], [(50, 30), (52, 100)])
    stage.book("TEST-2", [(48, 100)], [(50, 100)])
    return Client(stage.world, stage.alice)


@pytest.fixture(scope="module")
def universe() -> World:
    return World(SyntheticFeed(7, NOW), lambda: NOW)


def pages(client: Client, path: str, key: str, **params: Any) -> Iterator[list[dict[str, Any]]]:
    cursor = ""
    while True:
        body = client.get(path, **params, **({"cursor": cursor} if cursor else {}))
        yield body[key]
        cursor = body["cursor"]
        if not cursor:
            return


def error_of(answer: Any, status: int) -> dict[str, str]:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"code", "message", "details"}
    return body


# The catalogue


def test_every_public_reply_validates_against_the_venues_document(universe: World, venue_documents: Path) -> None:
    check, client = kalshi_checker(venue_documents), Client(universe)
    for path, schema in {
        "/exchange/status": "ExchangeStatus",
        "/exchange/schedule": "GetExchangeScheduleResponse",
        "/exchange/user_data_timestamp": "GetUserDataTimestampResponse",
        "/account/endpoint_costs": "GetAccountEndpointCostsResponse",
        "/series": "GetSeriesListResponse",
        "/series/fee_changes": "GetSeriesFeeChangesResponse",
        "/series/KXFEDUB": "GetSeriesResponse",
        "/events?with_nested_markets=true&limit=50": "GetEventsResponse",
        "/events/fee_changes": "GetEventFeeChangesResponse",
        "/events/multivariate?with_nested_markets=true": "GetMultivariateEventsResponse",
        "/events/KXFEDUB-26DEC31": "GetEventResponse",
        "/events/KXFEDUB-26DEC31?with_nested_markets=true": "GetEventResponse",
        "/markets?limit=1000": "GetMarketsResponse",
        "/markets?status=settled": "GetMarketsResponse",
        "/markets?mve_filter=only": "GetMarketsResponse",
        "/historical/cutoff": "GetHistoricalCutoffResponse",
        "/historical/markets": "GetMarketsResponse",
        "/markets/trades": "GetTradesResponse",
        "/historical/trades?limit=20": "GetTradesResponse",
    }.items():
        answer = client.call("GET", path)
        assert answer.status_code == 200, path
        check(schema, answer.json())


def test_every_price_reply_validates_for_live_and_historical_markets(universe: World, venue_documents: Path) -> None:
    check, client = kalshi_checker(venue_documents), Client(universe)
    live = client.get("/markets", status="open", mve_filter="exclude", limit=3)["markets"]
    old = client.get("/historical/markets", limit=1)["markets"][0]
    end = int(NOW.timestamp())
    window = {"start_ts": end - 40 * DAY, "end_ts": end, "period_interval": 1440}
    tickers = [market["ticker"] for market in live]
    check("GetMarketResponse", client.get(f"/markets/{tickers[0]}"))
    check("GetMarketOrderbookResponse", client.get(f"/markets/{tickers[0]}/orderbook", depth=3))
    check("GetMarketOrderbooksResponse", client.get("/markets/orderbooks", tickers=tickers))
    check("GetTradesResponse", client.get("/markets/trades", ticker=tickers[0]))
    event = client.get(f"/events/{live[0]['event_ticker']}")["event"]
    path = f"/series/{event['series_ticker']}/markets/{tickers[0]}/candlesticks"
    candles = client.get(path, **window, include_latest_before_start=True)
    check("GetMarketCandlesticksResponse", candles)
    assert len(candles["candlesticks"]) > 30
    batch = client.get("/markets/candlesticks", market_tickers=",".join(tickers), **window)
    check("BatchGetMarketCandlesticksResponse", batch)
    assert [row["market_ticker"] for row in batch["markets"]] == tickers
    path = f"/series/{event['series_ticker']}/events/{event['event_ticker']}/candlesticks"
    check("GetEventCandlesticksResponse", client.get(path, **window))
    closed = int(datetime.fromisoformat(old["close_time"]).timestamp())
    window = {"start_ts": closed - 30 * DAY, "end_ts": closed + DAY, "period_interval": 1440}
    check("GetMarketResponse", client.get(f"/historical/markets/{old['ticker']}"))
    candles = client.get(f"/historical/markets/{old['ticker']}/candlesticks", **window)
    check("GetMarketCandlesticksHistoricalResponse", candles)
    assert candles["candlesticks"]
    assert "close" in candles["candlesticks"][0]["yes_bid"]


def test_the_pages_hold_every_market_once_in_either_tier(universe: World) -> None:
    client = Client(universe)
    live = [m["ticker"] for page in pages(client, "/markets", "markets", limit=700) for m in page]
    old = [m["ticker"] for page in pages(client, "/historical/markets", "markets", limit=300) for m in page]
    assert len(live) == len(set(live))
    assert not set(live) & set(old)
    assert set(live) | set(old) == {market.key for market in universe.feed.venue_markets(KALSHI)}
    assert client.call("GET", f"/markets/{old[0]}").status_code == 404
    assert client.call("GET", f"/historical/markets/{live[0]}").status_code == 404


@pytest.mark.parametrize(
    ("params", "holds"),
    [
        ({"status": "open"}, lambda m: m["status"] == "active"),
        ({"status": "unopened"}, lambda m: m["status"] == "initialized"),
        ({"status": "settled"}, lambda m: m["status"] == "finalized" and m["result"] in ("yes", "no")),
        ({"series_ticker": "KXFEDUB"}, lambda m: m["ticker"].startswith("KXFEDUB-")),
        ({"event_ticker": "KXFEDUB-26DEC31"}, lambda m: m["event_ticker"] == "KXFEDUB-26DEC31"),
        ({"mve_filter": "only"}, lambda m: m["mve_selected_legs"]),
        ({"mve_filter": "exclude"}, lambda m: "mve_selected_legs" not in m),
        (
            {"min_close_ts": int(NOW.timestamp()), "max_close_ts": int(NOW.timestamp()) + DAY, "status": "closed"},
            lambda m: False,
        ),
        (
            {"min_updated_ts": int(NOW.timestamp()) - DAY, "mve_filter": "exclude"},
            lambda m: m["updated_time"] > "2026-11-19T09:30",
        ),
    ],
)
def test_filters_keep_what_they_name(universe: World, params: dict[str, Any], holds: Any) -> None:
    rows = [row for page in pages(Client(universe), "/markets", "markets", limit=1000, **params) for row in page]
    assert all(holds(row) for row in rows)
    assert rows or params.get("status") == "closed"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/markets?status=active", "status"),
        ("/markets?limit=1001", "limit"),
        ("/markets?limit=x", "limit"),
        ("/markets?cursor=nonsense", "cursor"),
        ("/markets?min_close_ts=1&min_created_ts=1", "exclude each other"),
        ("/markets?min_close_ts=1&status=open", "close_ts"),
        ("/events?limit=201", "limit"),
        ("/markets/orderbooks", "tickers"),
        ("/markets/candlesticks?market_tickers=A&start_ts=1&end_ts=2", "period_interval"),
        ("/markets/candlesticks?market_tickers=A,B&start_ts=0&end_ts=9000000&period_interval=1", "end_ts"),
        ("/markets/trades?is_block_trade=maybe", "is_block_trade"),
    ],
)
def test_a_bad_parameter_is_named(universe: World, path: str, name: str) -> None:
    body = error_of(Client(universe).call("GET", path), 400)
    assert name in body["message"] + body["details"]


def test_what_is_not_there_is_a_404(universe: World) -> None:
    for path in (
        "/markets/NO",
        "/events/NO",
        "/series/NO",
        "/markets/NO/orderbook",
        "/historical/markets/NO",
        "/nowhere",
    ):
        error_of(Client(universe).call("GET", path), 404)


def test_the_book_lists_bids_of_both_sides_best_last(alice: Client) -> None:
    book = alice.get("/markets/TEST-1/orderbook")["orderbook_fp"]
    assert book["yes_dollars"] == [["0.4700", "50.00"], ["0.4800", "100.00"]]
    assert book["no_dollars"] == [["0.4800", "100.00"], ["0.5000", "30.00"]]
    market = alice.get("/markets/TEST-1")["market"]
    assert (market["yes_bid_dollars"], market["yes_ask_dollars"], market["no_ask_dollars"]) == (
        "0.4800",
        "0.5000",
        "0.5200",
    )


def test_daily_candles_end_at_midnight_in_new_york(universe: World) -> None:
    client = Client(universe)
    ticker = client.get("/markets", status="open", series_ticker="KXFEDUB")["markets"][0]["ticker"]
    end = int(NOW.timestamp())
    window = {"start_ts": end - 40 * DAY, "end_ts": end, "period_interval": 1440}
    rows = client.get("/markets/candlesticks", market_tickers=ticker, **window)["markets"][0]["candlesticks"]
    hours = {datetime.fromtimestamp(row["end_period_ts"], UTC).hour for row in rows}
    assert hours == {4, 5}
    closes = [row["yes_bid"]["close_dollars"] for row in rows]
    assert [row["yes_bid"]["open_dollars"] for row in rows][1:] == closes[:-1]


def test_a_market_of_years_has_a_price_on_every_day_even_next_to_nothing(universe: World) -> None:
    old = [
        market
        for market in universe.feed.venue_markets(KALSHI)
        if market.open_at < NOW - timedelta(days=380) and market.close_at > NOW + timedelta(days=10)
    ]
    cheap = sorted(old, key=lambda market: universe.top(market, NOW).bid)[:8]
    assert universe.top(cheap[0], NOW).bid == 0
    end = int(NOW.timestamp())
    window = {"start_ts": end - 365 * DAY, "end_ts": end, "period_interval": 1440}
    tickers = ",".join(market.key for market in cheap)
    for row in Client(universe).get("/markets/candlesticks", market_tickers=tickers, **window)["markets"]:
        assert len(parse_candles(row["candlesticks"], step=A_DAY, source=CANDLES).prices) == 365


# Signatures


def test_an_rsa_key_signs_as_well_as_an_ed25519_key(stage: Stage) -> None:
    carol = stage.world.accounts.create("carol", kalshi_key="rsa")
    assert Client(stage.world, carol).get("/portfolio/balance")["balance"] == 1_000_000


@pytest.mark.parametrize("broken", ["none", "key", "signature", "padding", "seconds", "path"])
def test_a_wrong_signature_is_a_401(stage: Stage, broken: str) -> None:
    path = f"{BASE}/portfolio/balance"
    signed_path = path + "s" if broken == "path" else path
    stamp = 1_785_000_000 if broken == "seconds" else 1_785_000_000_000
    key = load_private_key(stage.alice.kalshi_private_key_pem)
    headers = signed_headers(stage.alice.kalshi_key_id, key, "GET", signed_path, stamp)
    if broken == "none":
        headers = {}
    if broken == "key":
        headers["KALSHI-ACCESS-KEY"] = "nobody"
    if broken == "signature":
        headers["KALSHI-ACCESS-SIGNATURE"] = base64.b64encode(b"x" * 64).decode()
    if broken == "padding":
        headers["KALSHI-ACCESS-SIGNATURE"] = "!"
    answer = request(create_app(stage.world, ticking=False), "GET", path, headers=headers)
    assert error_of(answer, 401)["code"] == "authentication_error"


def test_a_book_is_public_but_a_wrong_signature_on_it_is_not_passed(stage: Stage) -> None:
    headers = {"KALSHI-ACCESS-KEY": "nobody", "KALSHI-ACCESS-TIMESTAMP": "1", "KALSHI-ACCESS-SIGNATURE": "x"}
    app = create_app(stage.world, ticking=False)
    assert request(app, "GET", f"{BASE}/markets/TEST-1/orderbook").status_code == 200
    assert request(app, "GET", f"{BASE}/markets/TEST-1/orderbook", headers=headers).status_code == 401


# Orders


def test_an_order_fills_and_every_portfolio_reply_validates(stage: Stage, alice: Client, venue_documents: Path) -> None:
    check = kalshi_checker(venue_documents)
    created = alice.order(count="40.00", price="0.5200", client_order_id="c-1")
    assert created.status_code == 201
    body = created.json()
    check("CreateOrderV2Response", body)
    assert (body["fill_count"], body["remaining_count"]) == ("40.00", "0.00")
    assert body["average_fill_price"] == "0.5050"
    resting = alice.order(side="ask", price="0.9000", ticker="TEST-2", client_order_id="c-2").json()
    assert "average_fill_price" not in resting
    for path, schema in {
        "/portfolio/orders": "GetOrdersResponse",
        f"/portfolio/orders/{body['order_id']}": "GetOrderResponse",
        "/portfolio/fills": "GetFillsResponse",
        "/portfolio/positions": "GetPositionsResponse",
        "/portfolio/balance": "GetBalanceResponse",
        "/portfolio/settlements": "GetSettlementsResponse",
        "/account/limits": "GetAccountApiLimitsResponse",
    }.items():
        check(schema, alice.get(path))
    balance = alice.get("/portfolio/balance")
    fees = sum(float(fill["fee_cost"]) for fill in alice.get("/portfolio/fills")["fills"])
    assert float(balance["balance_dollars"]) == pytest.approx(10_000 - 20.2 - fees - 10 * 0.1)
    assert [row["exchange_index"] for row in balance["balance_breakdown"]] == [0, 1, 2, 3]
    stage.world.force_settle(stage.one, stage.feed.outcome(stage.one))
    settled = alice.get("/portfolio/settlements")
    check("GetSettlementsResponse", settled)
    assert settled["settlements"][0]["revenue"] == 4000
    assert alice.get("/portfolio/positions", count_filter="position")["market_positions"] == []
    check("GetPositionsResponse", alice.get("/portfolio/positions", settlement_status="settled"))


def test_selling_yes_without_any_holds_no(alice: Client) -> None:
    assert alice.order(side="ask", price="0.4800", time_in_force="immediate_or_cancel").status_code == 201
    position = alice.get("/portfolio/positions")["market_positions"][0]
    assert (position["position_fp"], position["market_exposure_dollars"]) == ("-10.00", "5.2000")
    fill = alice.get("/portfolio/fills", ticker="TEST-1,TEST-2")["fills"][0]
    assert (fill["outcome_side"], fill["book_side"], fill["no_price_dollars"]) == ("no", "ask", "0.5200")


def test_an_unfilled_rest_of_an_ioc_is_gone(alice: Client) -> None:
    body = alice.order(count="50", price="0.50", time_in_force="immediate_or_cancel").json()
    assert (body["fill_count"], body["remaining_count"]) == ("30.00", "0.00")
    order = alice.get(f"/portfolio/orders/{body['order_id']}")["order"]
    assert (order["status"], order["fill_count_fp"], order["remaining_count_fp"]) == ("canceled", "30.00", "0.00")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"price": "0.505"}, 400, "invalid_order"),
        ({"price": "1.0000"}, 400, "invalid_order"),
        ({"price": 0.5}, 400, "invalid_parameters"),
        ({"price": "0.50001"}, 400, "invalid_parameters"),
        ({"count": "0"}, 400, "invalid_parameters"),
        ({"count": "1.001"}, 400, "invalid_parameters"),
        ({"count": "NaN"}, 400, "invalid_parameters"),
        ({"count": "1e3000000"}, 400, "invalid_parameters"),
        ({"side": "yes"}, 400, "invalid_parameters"),
        ({"time_in_force": "day"}, 400, "invalid_parameters"),
        ({"self_trade_prevention_type": None}, 400, "invalid_parameters"),
        ({"ticker": "NO"}, 404, "market_not_found"),
        ({"subaccount": 3}, 400, "invalid_parameters"),
        ({"exchange_index": 2}, 400, "invalid_order"),
        ({"count": "9000"}, 400, "available_balance_too_low"),
        ({"post_only": True}, 400, "invalid_order"),
        ({"reduce_only": True}, 400, "invalid_parameters"),
        ({"reduce_only": True, "time_in_force": "immediate_or_cancel"}, 400, "invalid_order"),
        ({"expiration_time": 1}, 400, "invalid_order"),
    ],
)
def test_what_the_venue_refuses_is_refused(alice: Client, changes: dict[str, Any], status: int, code: str) -> None:
    body = error_of(alice.order(**changes), status)
    assert body["code"] == code
    if code == "invalid_parameters":
        assert next(iter(changes)) in body["details"]
    assert alice.get("/portfolio/orders")["orders"] == []


def test_a_client_order_id_is_taken_once(alice: Client) -> None:
    assert alice.order(client_order_id="same").status_code == 201
    assert "already exists" in error_of(alice.order(client_order_id="same"), 409)["message"]
    assert len(alice.get("/portfolio/orders")["orders"]) == 1


def test_a_closed_market_takes_no_orders_and_no_cancels(stage: Stage, alice: Client) -> None:
    order_id = alice.order(price="0.1000").json()["order_id"]
    stage.time.at = stage.one.close_at
    assert error_of(alice.order(), 400)["code"] == "market_inactive"
    answer = alice.call("DELETE", f"/portfolio/events/orders/{order_id}", params={"market_ticker": "TEST-1"})
    assert error_of(answer, 400)["details"] == "MARKET_INACTIVE"


def test_a_cancel_without_the_market_looks_on_shard_0_only(stage: Stage, alice: Client, venue_documents: Path) -> None:
    order_id = alice.order(ticker="TEST-2", price="0.1000").json()["order_id"]
    path = f"/portfolio/events/orders/{order_id}"
    error_of(alice.call("DELETE", path), 404)
    error_of(Client(stage.world, stage.bob).call("DELETE", path, params={"exchange_index": 2}), 404)
    answer = alice.call("DELETE", path, params={"market_ticker": "TEST-2"})
    kalshi_checker(venue_documents)("CancelOrderV2Response", answer.json())
    assert answer.json()["reduced_by"] == "10.00"
    error_of(alice.call("DELETE", path, params={"market_ticker": "TEST-2"}), 404)


def test_a_batch_answers_for_each_order_by_itself(alice: Client, venue_documents: Path) -> None:
    check = kalshi_checker(venue_documents)
    good = {
        "ticker": "TEST-1", "side": "bid", "count": "5.00", "price": "0.1000", "client_order_id": "b-1",
        "time_in_force": "good_till_canceled", "self_trade_prevention_type": "maker",
    }  # fmt: skip
    orders = [good, {**good, "price": "0.1005"}, {**good, "ticker": "TEST-2", "client_order_id": "b-2"}]
    answer = alice.call("POST", "/portfolio/events/orders/batched", json={"orders": orders})
    assert answer.status_code == 201
    rows = answer.json()["orders"]
    check("BatchCreateOrdersV2Response", answer.json())
    assert [bool(row.get("error")) for row in rows] == [False, True, False]
    wanted = [{"order_id": row["order_id"], "market_ticker": ticker} for row, ticker in
              ((rows[0], "TEST-1"), (rows[2], "TEST-1"))]  # fmt: skip
    answer = alice.call("DELETE", "/portfolio/events/orders/batched", json={"orders": wanted})
    check("BatchCancelOrdersV2Response", answer.json())
    assert [row["reduced_by"] for row in answer.json()["orders"]] == ["5.00", "0.00"]
    assert alice.call("DELETE", "/portfolio/events/orders").status_code == 204
    assert alice.get("/portfolio/orders", status="resting")["orders"] == []


def test_a_decrease_keeps_the_rest_in_its_place(alice: Client, venue_documents: Path) -> None:
    order_id = alice.order(price="0.1000").json()["order_id"]
    path = f"/portfolio/events/orders/{order_id}/decrease"
    answer = alice.call("POST", path, json={"reduce_by": "4.00"})
    kalshi_checker(venue_documents)("DecreaseOrderV2Response", answer.json())
    assert answer.json()["remaining_count"] == "6.00"
    error_of(alice.call("POST", path, json={"reduce_by": "1.00", "reduce_to": "1.00"}), 400)
    assert alice.call("POST", path, json={"reduce_to": "0"}).json()["remaining_count"] == "0.00"


def test_an_expired_order_is_cancelled(stage: Stage, alice: Client) -> None:
    expiry = int((START + timedelta(minutes=5)).timestamp())
    order_id = alice.order(price="0.1000", expiration_time=expiry).json()["order_id"]
    stage.time.at = START + timedelta(minutes=6)
    stage.world.advance()
    assert alice.get(f"/portfolio/orders/{order_id}")["order"]["status"] == "canceled"


def test_the_old_order_paths_answer_that_they_are_gone_inside_a_2xx(alice: Client) -> None:
    answer = alice.call("POST", "/portfolio/orders", json={})
    assert answer.status_code == 200
    assert answer.json()["error"]["code"] == "deprecated_v1_order_endpoint"


def test_listings_page_through_everything_and_hide_other_peoples(stage: Stage, alice: Client) -> None:
    for number in range(7):
        alice.order(price="0.1000", count="1", client_order_id=f"p-{number}")
    found = [order for page in pages(alice, "/portfolio/orders", "orders", limit=3) for order in page]
    assert [order["client_order_id"] for order in found] == [f"p-{number}" for number in reversed(range(7))]
    bob = Client(stage.world, stage.bob)
    assert bob.get("/portfolio/orders")["orders"] == []
    error_of(bob.call("GET", f"/portfolio/orders/{found[0]['order_id']}"), 404)


def test_cash_moves_between_shards_once_a_client_id(alice: Client, venue_documents: Path) -> None:
    body = {
        "source": "event_contract", "destination": "event_contract", "amount": 15_000_000,
        "source_exchange_shard": 0, "destination_exchange_shard": 2,
        "client_transfer_id": "0b7f4c52-6a0e-4c2b-9d1c-0d6f0c6c6a11",
    }  # fmt: skip
    path = "/portfolio/intra_exchange_instance_transfer"
    answer = alice.call("POST", path, json=body)
    kalshi_checker(venue_documents)("IntraExchangeInstanceTransferResponse", answer.json())
    error_of(alice.call("POST", path, json=body), 409)
    shards = {row["exchange_index"]: row["balance"] for row in alice.get("/portfolio/balance")["balance_breakdown"]}
    assert (shards[0], shards[2]) == ("1000.0000", "4000.0000")
    too_much = {**body, "client_transfer_id": "", "amount": 10**9}
    assert error_of(alice.call("POST", path, json=too_much), 400)["code"] == "available_balance_too_low"


def test_the_users_trades_are_public(alice: Client) -> None:
    alice.order(count="3.00", price="0.5000", time_in_force="immediate_or_cancel")
    trades = alice.get("/markets/trades", ticker="TEST-1", limit=1000)["trades"]
    assert ("3.00", "0.5000", "bid") in {
        (trade["count_fp"], trade["yes_price_dollars"], trade["taker_book_side"]) for trade in trades
    }
