"""Orders at the stand-in order book: what is taken, what is refused and in which words, what moves."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from itomarkets.sandbox import polymarket_private
from itomarkets.sandbox.polymarket_auth import order_hash, parse_order
from itomarkets.sandbox.polymarket_keys import wallets_of
from tests.sandbox.polymarket_world import NOON, Bench, Member

FOK_KILLED = "order couldn't be fully filled. FOK orders are fully filled or killed."
FAK_KILLED = "no orders found to match with FAK order. FAK orders are partially filled or killed if no match is found."


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def ada(bench: Bench) -> Member:
    return bench.member("Ada")


@pytest.fixture
def ben(bench: Bench) -> Member:
    return bench.member("Ben")


def id_of(body: dict[str, Any], *, neg_risk: bool = False) -> str:
    return order_hash(parse_order(body["order"]), neg_risk=neg_risk)


def test_order_that_meets_nothing_rests_under_its_hash(ada: Member) -> None:
    body = ada.order("11", "BUY", "0.30", "10")
    answer = ada.post(body)
    assert answer == {
        "success": True,
        "errorMsg": "",
        "orderID": id_of(body),
        "status": "live",
        "makingAmount": "",
        "takingAmount": "",
    }
    found = ada.get(f"/data/order/{id_of(body)}")
    assert (found["status"], found["original_size"], found["size_matched"]) == ("ORDER_STATUS_LIVE", "10", "0")
    assert [row["id"] for row in ada.get("/data/orders")["data"]] == [id_of(body)]


def test_marketable_limit_order_buys_its_shares_at_the_resting_prices_and_pays_the_fee(ada: Member) -> None:
    answer = ada.post(ada.order("11", "BUY", "0.45", "60"))
    assert (answer["status"], answer["makingAmount"], answer["takingAmount"]) == ("matched", "24.7", "60")
    fee = Decimal("0.05") * (50 * Decimal("0.41") * Decimal("0.59") + 10 * Decimal("0.42") * Decimal("0.58"))
    assert ada.cash() == 10_000 - Decimal("24.7") - fee.quantize(Decimal("0.00001"))
    assert ada.shares("11") == 60


def test_buying_no_takes_what_bids_for_yes(ada: Member) -> None:
    answer = ada.post(ada.order("11", "BUY", "0.61", "10", outcome="no"))
    assert (answer["makingAmount"], answer["takingAmount"]) == ("6.1", "10")
    assert ada.shares("11", "no") == 10
    assert ada.shares("11", "yes") == 0


def test_fill_and_kill_buy_spends_its_dollars_and_gets_more_shares_at_a_better_price(ada: Member) -> None:
    answer = ada.post(ada.order("11", "BUY", "0.50", "20", order_type="FAK"))
    assert answer["status"] == "matched"
    assert Decimal(answer["takingAmount"]) == Decimal("24.390243")
    assert ada.get(f"/data/order/{answer['orderID']}")["status"] == "ORDER_STATUS_MATCHED"


def test_fill_and_kill_takes_what_there_is_and_leaves_nothing_resting(ada: Member) -> None:
    answer = ada.post(ada.order("11", "BUY", "0.41", "100", order_type="FAK"))
    assert answer["takingAmount"] == "50"
    assert ada.get("/data/orders")["data"] == []


def test_fill_or_kill_fills_whole_or_not_at_all(ada: Member) -> None:
    body = ada.order("11", "BUY", "0.41", "100", order_type="FOK")
    assert ada.refused(body) == FOK_KILLED
    assert ada.cash() == 10_000
    assert ada.post(ada.order("11", "BUY", "0.41", "50", order_type="FOK"))["takingAmount"] == "50"


def test_fill_and_kill_sell_of_less_than_the_resting_minimum_is_taken(ada: Member) -> None:
    ada.post(ada.order("11", "BUY", "0.41", "50"))
    answer = ada.post(ada.order("11", "SELL", "0.39", "2", order_type="FAK"))
    assert (answer["makingAmount"], answer["takingAmount"]) == ("2", "0.78")
    assert ada.shares("11") == 48


def test_fill_and_kill_without_a_match_is_refused(ada: Member) -> None:
    assert ada.refused(ada.order("11", "BUY", "0.40", "10", order_type="FAK")) == FAK_KILLED


def test_two_members_trade_with_each_other(ada: Member, ben: Member, bench: Bench) -> None:
    resting = ada.post(ada.order("11", "BUY", "0.40", "10"))["orderID"]
    ben.post(ben.order("11", "BUY", "0.60", "10", outcome="no"))  # mints a pair: YES at 0.40 and NO at 0.60
    assert ada.get(f"/data/order/{resting}")["status"] == "ORDER_STATUS_MATCHED"
    (mine,), (theirs,) = ada.get("/data/trades")["data"], ben.get("/data/trades")["data"]
    assert mine["id"] == theirs["id"]
    assert (mine["trader_side"], theirs["trader_side"]) == ("MAKER", "TAKER")
    assert mine["maker_orders"][0]["order_id"] == resting
    assert (mine["maker_orders"][0]["price"], theirs["price"]) == ("0.4", "0.6")
    assert (ada.cash(), ada.shares("11")) == (9_996, 10)
    assert ben.shares("11", "no") == 10


def test_same_signed_order_is_a_duplicate(ada: Member) -> None:
    body = ada.order("11", "BUY", "0.30", "10")
    ada.post(body)
    assert ada.refused(body) == f"order {id_of(body)} is invalid. Duplicated."
    assert len(ada.get("/data/orders")["data"]) == 1


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"price": "0.305", "size": "10"}, "Price (0.305) breaks minimum tick size rule: 0.01"),
        ({"price": "0.30", "size": "4"}, "Size (4) lower than the minimum: 5"),
        ({"price": "1.00", "size": "10"}, "Price (1) breaks minimum tick size rule: 0.01"),
        (
            {"price": "0.30", "size": "10.001"},
            "invalid amounts, the buy orders maker amount supports a max accuracy of 4 decimals, "
            "taker amount a max of 2 decimals",
        ),
        (
            {"price": "0.45", "size": "10.01", "order_type": "FAK"},
            "invalid amounts, the market buy orders maker amount supports a max accuracy of 2 decimals, "
            "taker amount a max of 4 decimals",
        ),
        (
            {"price": "0.45", "size": "2", "order_type": "FAK"},
            "invalid amount for a marketable BUY order ($0.9), min size: $1",
        ),
        ({"price": "0.45", "size": "10", "post_only": True}, "invalid post-only order: order crosses book"),
        ({"price": "0.45", "size": "10", "post_only": True, "order_type": "FOK"}, "Invalid order payload"),
        ({"price": "0.30", "size": "99999"}, "not enough balance / allowance"),
        ({"price": "0.30", "size": "10", "neg_risk": True}, "invalid signature"),
        ({"price": "0.30", "size": "10", "tokenId": "77"}, "Invalid token id"),
        ({"price": "0.30", "size": "10", "expiration": "1785592800"}, "invalid expiration"),
        ({"price": "0.30", "size": "10", "order_type": "GTD", "expiration": "1785585700"}, "invalid expiration"),
        (
            {"price": "0.30", "size": "10", "wallet": "0x1111111111111111111111111111111111111111"},
            "maker address not allowed, please use the deposit wallet flow",
        ),
        (
            {"price": "0.30", "size": "10", "signer": "0x1111111111111111111111111111111111111111"},
            "the order signer address has to be the address of the API KEY",
        ),
    ],
)
def test_bad_order_is_refused_in_the_venues_words_and_moves_nothing(
    ada: Member, made: dict[str, Any], words: str
) -> None:
    error = ada.refused(ada.order("11", "BUY", **made))
    assert words in error
    assert ada.cash() == 10_000
    assert ada.get("/data/orders")["data"] == []


def test_selling_what_is_not_held_is_refused(ada: Member) -> None:
    assert ada.refused(ada.order("11", "SELL", "0.45", "10")) == "not enough balance / allowance"


def test_order_of_another_owner_is_refused(ada: Member, ben: Member) -> None:
    body = ada.order("11", "BUY", "0.30", "10") | {"owner": ben.key["apiKey"]}
    assert ada.refused(body) == "the order owner has to be the owner of the API KEY"


def test_order_of_the_first_version_is_refused(ada: Member) -> None:
    body = ada.order("11", "BUY", "0.30", "10")
    body["order"] |= {"nonce": "0", "feeRateBps": "0"}
    assert ada.refused(body) == "order_version_mismatch"


@pytest.mark.parametrize("body", [[], {}, {"order": {}}, {"order": {"salt": 1}, "owner": "x"}, "text"])
def test_body_that_is_no_order_is_refused(ada: Member, body: Any) -> None:
    assert ada.refused(body) == "Invalid order payload"


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("31", "No orderbook exists for the requested token id"),
        ("41", "No orderbook exists for the requested token id"),
        ("51", "the market is not yet ready to process new orders"),
    ],
)
def test_market_that_is_not_open_takes_no_order(ada: Member, key: str, words: str) -> None:
    assert ada.refused(ada.order(key, "BUY", "0.30", "10")) == words


def test_closed_only_and_banned_members_are_told_so(ada: Member) -> None:
    ada.account.polymarket["closed_only"] = True
    assert ada.get("/auth/ban-status/closed-only") == {"closed_only": True}
    assert ada.refused(ada.order("11", "BUY", "0.30", "10")) == f"'{ada.address}' address in closed only mode"
    ada.account.polymarket["banned"] = True
    assert ada.refused(ada.order("11", "BUY", "0.30", "10")) == f"'{ada.address}' address banned"


def test_order_of_a_neg_risk_market_is_signed_for_its_own_exchange(ada: Member) -> None:
    body = ada.order("21", "BUY", "0.301", "10")
    assert ada.post(body)["orderID"] == id_of(body, neg_risk=True)
    assert ada.refused(ada.order("21", "BUY", "0.301", "10", neg_risk=False)) == "invalid signature"


@pytest.mark.parametrize("kind", [1, 2])
def test_wallet_contracts_of_the_signer_may_hold_the_money(ada: Member, kind: int) -> None:
    body = ada.order("11", "BUY", "0.30", "10", signatureType=kind, wallet=wallets_of(ada.address)[kind])
    assert ada.post(body)["status"] == "live"


def test_wallet_addresses_are_those_that_the_official_client_derives(ada: Member) -> None:
    from polymarket import environments
    from polymarket._internal import wallet as sdk

    config = environments.PRODUCTION._config.wallet_derivation
    assert wallets_of(ada.address) == {
        0: ada.address,
        1: sdk.derive_proxy_wallet_address(ada.address, config),
        2: sdk.derive_safe_wallet_address(ada.address, config),
        3: sdk.derive_beacon_deposit_wallet_address(ada.address, config),
    }


def test_order_good_till_date_leaves_the_book_a_minute_early(ada: Member, bench: Bench) -> None:
    until = int((NOON + timedelta(minutes=10)).timestamp())
    ada.post(ada.order("11", "BUY", "0.30", "10", order_type="GTD", expiration=str(until)))
    bench.now = NOON + timedelta(minutes=8)
    bench.world.advance()
    assert len(ada.get("/data/orders")["data"]) == 1
    bench.now = NOON + timedelta(minutes=9, seconds=1)
    bench.world.advance()
    assert ada.get("/data/orders")["data"] == []


def test_batch_gives_each_order_its_own_result(ada: Member) -> None:
    bodies = [
        ada.order("11", "BUY", "0.30", "10"),
        ada.order("11", "BUY", "0.30", "4"),
        ada.order("21", "BUY", "0.45", "10"),
    ]
    first, second, third = ada.send("POST", "/orders", bodies).json()
    assert (first["status"], third["status"]) == ("live", "matched")
    assert (second["success"], second["orderID"]) == (True, "")
    assert "Size (4) lower than the minimum: 5" in second["errorMsg"]


def test_batch_of_sixteen_is_refused_whole(ada: Member) -> None:
    response = ada.send("POST", "/orders", [ada.order("11", "BUY", "0.30", "10")] * 16)
    assert (response.status_code, response.json()["error"]) == (400, "Too many orders in payload: 16, max allowed: 15")
    assert ada.get("/data/orders")["data"] == []


def test_cancelling_says_what_was_and_what_was_not(ada: Member, ben: Member) -> None:
    own = ada.post(ada.order("11", "BUY", "0.30", "10"))["orderID"]
    matched = ada.post(ada.order("11", "BUY", "0.41", "10"))["orderID"]
    other = ben.post(ben.order("11", "BUY", "0.30", "10"))["orderID"]
    answer = ada.send("DELETE", "/orders", [own, matched, other, "0x00"]).json()
    assert answer["canceled"] == [own]
    assert answer["not_canceled"] == {
        matched: "Order already matched",
        other: "Order not found or already canceled",
        "0x00": "Order not found or already canceled",
    }
    assert ada.get(f"/data/order/{own}")["status"] == "ORDER_STATUS_CANCELED"
    assert len(ben.get("/data/orders")["data"]) == 1
    assert ada.send("DELETE", "/order", {"orderID": own}).json()["canceled"] == []


def test_cancelling_by_market_by_token_and_all(ada: Member, bench: Bench) -> None:
    first, second = (ada.post(ada.order(key, "BUY", "0.30", "10"))["orderID"] for key in ("11", "21"))
    third = ada.post(ada.order("21", "BUY", "0.30", "10", outcome="no"))["orderID"]
    by_market = ada.send("DELETE", "/cancel-market-orders", {"market": bench.market("11").condition_id}).json()
    by_token = ada.send("DELETE", "/cancel-market-orders", {"asset_id": bench.market("21").yes_token}).json()
    assert (by_market["canceled"], by_token["canceled"]) == ([first], [second])
    assert ada.send("DELETE", "/cancel-all").json()["canceled"] == [third]
    assert ada.send("DELETE", "/cancel-market-orders", {}).status_code == 400


def test_trade_settles_with_time(ada: Member, bench: Bench) -> None:
    answer = ada.post(ada.order("11", "BUY", "0.41", "10"))
    (trade_id,) = answer["tradeIDs"]
    states = []
    for seconds in (0, 2, 60):
        bench.now = NOON + timedelta(seconds=seconds)
        (trade,) = ada.get("/data/trades", id=trade_id)["data"]
        states.append(trade["status"])
    assert states == ["TRADE_STATUS_MATCHED", "TRADE_STATUS_MINED", "TRADE_STATUS_CONFIRMED"]
    assert (trade["taker_order_id"], trade["trader_side"], trade["size"]) == (answer["orderID"], "TAKER", "10")
    assert len(trade["transaction_hash"]) == 66


def test_trades_come_in_pages_that_end(ada: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polymarket_private, "ROWS_A_PAGE", 5)
    for _ in range(12):
        ada.post(ada.order("11", "BUY", "0.42", "5"))
    seen: list[str] = []
    cursors = ["MA=="]
    while cursors[-1] != "LTE=":
        page = ada.get("/data/trades", next_cursor=cursors[-1])
        seen += [trade["id"] for trade in page["data"]]
        cursors.append(page["next_cursor"])
    assert len(cursors) == 4
    assert len(set(seen)) == len(seen) == 12


def test_orders_of_other_members_are_not_shown(ada: Member, ben: Member) -> None:
    order_id = ada.post(ada.order("11", "BUY", "0.30", "10"))["orderID"]
    response = ben.send("GET", f"/data/order/{order_id}")
    assert (response.status_code, response.json()["error"]) == (404, "Order not found")
    assert ben.send("GET", "/data/order/12").json()["error"] == "Invalid orderID"


def test_request_without_the_right_signature_is_unauthorized(ada: Member, ben: Member, bench: Bench) -> None:
    assert bench.send("GET", "/clob/data/orders").status_code == 401
    stolen = Member(bench, ada.account, ada.key | {"secret": ben.key["secret"]})
    response = stolen.send("GET", "/data/orders")
    assert (response.status_code, response.json()["error"]) == (401, "Unauthorized/Invalid api key")
    wrong_phrase = Member(bench, ada.account, ada.key | {"passphrase": "x"})
    assert wrong_phrase.send("GET", "/data/orders").status_code == 401


def test_keys_can_be_listed_and_dropped(ada: Member) -> None:
    assert ada.get("/auth/api-keys") == {"apiKeys": [ada.key["apiKey"]]}
    assert ada.send("DELETE", "/auth/api-key").json() == "OK"
    assert ada.send("GET", "/auth/api-keys").status_code == 401


def test_settled_market_pays_its_holders(ada: Member, bench: Bench) -> None:
    ada.post(ada.order("11", "BUY", "0.41", "10"))
    before = ada.cash()
    bench.world.force_settle(bench.market("11"), Decimal(1))
    assert ada.cash() == before + 10
    assert ada.shares("11") == 0
