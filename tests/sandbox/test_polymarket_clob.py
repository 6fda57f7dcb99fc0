"""The stand-in order book's public half."""

from typing import Any

import pytest

from tests.sandbox.polymarket_world import NOON, Bench

HOUR = 3600


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_clock_and_version(bench: Bench) -> None:
    assert bench.get("/clob/time") == int(NOON.timestamp())
    assert bench.get("/clob/ok") == "OK"
    assert bench.get("/clob/version") == {"version": 2}


def test_book_lists_its_best_levels_last_and_stamps_milliseconds(bench: Bench) -> None:
    market = bench.market("11")
    book = bench.get("/clob/book", token_id=market.yes_token)
    assert book["bids"] == [{"price": "0.38", "size": "200"}, {"price": "0.39", "size": "100"}]
    assert book["asks"] == [{"price": "0.42", "size": "300"}, {"price": "0.41", "size": "50"}]
    assert book["timestamp"] == "1785585600000"
    assert (book["tick_size"], book["min_order_size"], book["neg_risk"]) == ("0.01", "5", False)
    assert book["market"] == market.condition_id
    other = bench.get("/clob/book", token_id=market.no_token)
    assert other["bids"][-1] == {"price": "0.59", "size": "50"}
    assert other["asks"][-1] == {"price": "0.61", "size": "100"}


def test_many_books_leave_out_what_has_none(bench: Bench) -> None:
    tokens = [bench.market("21").no_token, "123", bench.market("31").yes_token, bench.market("11").yes_token]
    books = bench.send("POST", "/clob/books", json=[{"token_id": token} for token in tokens]).json()
    assert [book["asset_id"] for book in books] == [tokens[0], tokens[3]]


@pytest.mark.parametrize("body", [{}, [1], [{}], [{"token_id": "1"}] * 501])
def test_bad_lists_of_tokens_are_refused(bench: Bench, body: Any) -> None:
    assert bench.send("POST", "/clob/books", json=body).status_code == 400
    assert bench.send("POST", "/clob/midpoints", json=body).status_code == 400


def test_price_names_the_side_of_the_book_not_what_a_taker_pays(bench: Bench) -> None:
    token = bench.market("11").yes_token
    assert bench.get("/clob/price", token_id=token, side="BUY") == {"price": "0.39"}
    assert bench.get("/clob/price", token_id=token, side="SELL") == {"price": "0.41"}
    found = bench.get("/clob/prices", token_ids=f"{token},{token}", sides="BUY,SELL")
    assert found == {token: {"BUY": "0.39", "SELL": "0.41"}}
    body = [{"token_id": token, "side": "BUY"}]
    assert bench.send("POST", "/clob/prices", json=body).json() == {token: {"BUY": "0.39"}}


def test_middle_spread_and_last_price(bench: Bench) -> None:
    token = bench.market("11").yes_token
    assert bench.get("/clob/midpoint", token_id=token)["mid"] == "0.4"
    assert bench.get("/clob/midpoints", token_ids=token) == {token: "0.4"}
    assert bench.send("POST", "/clob/midpoints", json=[{"token_id": token}]).json() == {token: "0.4"}
    assert bench.get("/clob/spread", token_id=token) == {"spread": "0.02"}
    assert bench.send("POST", "/clob/spreads", json=[{"token_id": token}]).json() == {token: "0.02"}
    ada = bench.member("Ada")
    ada.post(ada.order("11", "BUY", "0.41", "10"))
    assert bench.get("/clob/last-trade-price", token_id=token) == {"price": "0.41", "side": "BUY"}
    other = bench.get("/clob/last-trades-prices", token_ids=bench.market("11").no_token)
    assert other == [{"token_id": bench.market("11").no_token, "price": "0.59", "side": "SELL"}]


def test_empty_book_has_no_best_prices(bench: Bench) -> None:
    bench.feed.books["11"] = ([], [(4100, 50)])
    token = bench.market("11").yes_token
    assert bench.get("/clob/price", token_id=token, side="BUY") == {"price": "0"}
    assert bench.get("/clob/book", token_id=token)["bids"] == []


def test_parameters_of_a_market(bench: Bench) -> None:
    market = bench.market("21")
    token = market.yes_token
    assert bench.get("/clob/tick-size", token_id=token) == {"minimum_tick_size": 0.001}
    assert bench.get(f"/clob/tick-size/{token}") == {"minimum_tick_size": 0.001}
    assert bench.get("/clob/neg-risk", token_id=token) == {"neg_risk": True}
    assert bench.get("/clob/fee-rate", token_id=token) == {"base_fee": 1000}
    assert bench.get(f"/clob/markets-by-token/{market.no_token}") == {
        "condition_id": market.condition_id,
        "primary_token_id": market.yes_token,
        "secondary_token_id": market.no_token,
    }
    found = bench.get(f"/clob/clob-markets/{market.condition_id}")
    assert (found["mts"], found["mos"], found["nr"]) == (0.001, 5, True)
    assert found["fd"] == {"r": 0.05, "e": 1, "to": True}
    assert [token["o"] for token in found["t"]] == ["Yes", "No"]


def test_markets_of_the_order_book_name_the_winner(bench: Bench) -> None:
    row = bench.get(f"/clob/markets/{bench.market('31').condition_id}")
    assert (row["closed"], row["accepting_orders"]) == (True, False)
    assert [token["winner"] for token in row["tokens"]] == [True, False]
    page = bench.get("/clob/markets", next_cursor="MA==")
    assert (page["count"], page["next_cursor"]) == (6, "LTE=")
    assert bench.get("/clob/simplified-markets")["data"][0]["condition_id"] == bench.market("11").condition_id


def test_history_between_two_times_or_of_an_interval(bench: Bench) -> None:
    token, now = bench.market("11").yes_token, int(NOON.timestamp())
    day = bench.get("/clob/prices-history", market=token, startTs=now - 86_400, endTs=now, fidelity=60)["history"]
    assert len(day) == 25
    assert day[0] == {"t": now - 86_400, "p": 0.4}
    month = bench.get("/clob/prices-history", market=token, interval="1m", fidelity=1440)["history"]
    assert len(month) == 30
    assert bench.get("/clob/prices-history", market="99", interval="1d")["history"] == []
    no = bench.get("/clob/prices-history", market=bench.market("11").no_token, interval="6h", fidelity=60)["history"]
    assert {point["p"] for point in no} == {0.6}
    ended = bench.get("/clob/prices-history", market=bench.market("31").yes_token, interval="max", fidelity=1440)
    assert ended["history"][-1]["t"] <= bench.market("31").close_at.timestamp()


def test_histories_of_many_tokens(bench: Bench) -> None:
    tokens = [bench.market(key).yes_token for key in ("11", "21")]
    body = {"markets": tokens, "interval": "1d", "fidelity": 60}
    found = bench.send("POST", "/clob/batch-prices-history", json=body).json()["history"]
    assert set(found) == set(tokens)
    assert bench.send("POST", "/clob/batch-prices-history", json={"markets": ["1"] * 21}).status_code == 400
    assert bench.send("POST", "/clob/batch-prices-history", json={"markets": []}).status_code == 400
    assert bench.send("POST", "/clob/batch-prices-history", json=body | {"fidelity": "x"}).status_code == 400


@pytest.mark.parametrize(
    ("path", "params", "expected"),
    [
        ("/clob/book", {}, (400, "Invalid token id")),
        ("/clob/book", {"token_id": "0xabc"}, (400, "Invalid token id")),
        ("/clob/book", {"token_id": "99"}, (404, "No orderbook exists for the requested token id")),
        ("/clob/price", {"token_id": "99", "side": "UP"}, (400, "Invalid side")),
        ("/clob/prices", {"token_ids": "1,2", "sides": "BUY"}, (400, "Invalid payload")),
        ("/clob/markets-by-token/99", {}, (404, "market not found")),
        ("/clob/clob-markets/0x00", {}, (404, "market not found")),
        ("/clob/markets", {"next_cursor": "?"}, (400, "invalid next_cursor")),
        ("/clob/prices-history", {}, (400, "invalid filters: 'market' is required")),
    ],
)
def test_bad_questions_get_the_venues_sentence(
    bench: Bench, path: str, params: dict[str, str], expected: tuple[int, str]
) -> None:
    assert bench.refusal(path, **params) == expected


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"interval": "1y"},
        {"interval": "1d", "startTs": 1},
        {"interval": "1w", "fidelity": 1},
        {"startTs": 1780401600, "endTs": 1785585600},
        {"startTs": "then"},
    ],
)
def test_bad_spans_of_history_are_refused(bench: Bench, params: dict[str, Any]) -> None:
    status, error = bench.refusal("/clob/prices-history", market=bench.market("11").yes_token, **params)
    assert status == 400
    assert error
