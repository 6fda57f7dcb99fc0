"""F29: several orders in one request, told apart by their own ids; the exchanges' own log is the judge."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from polymarket.models.clob.order_response import RawOrderResponse, normalize_order_response

from accounts.models import User
from itomarkets.simulation.invariants import assert_invariants
from markets.sync import sync_markets
from tests.trading.many_legs import (
    FIVE,
    KALSHI_CREATE,
    LONE_TICKER,
    POLYMARKET_CREATE,
    buys,
    by_market,
    created,
    empty_the_lone_shard,
    five_legged,
    many_legged_exchange,
    run,
)
from tests.trading.sandbox_world import Exchange, point_settings_at
from tests.trading.test_sandbox_trading import look
from trading import tasks
from trading.accounts import connect_sandbox_accounts
from trading.fanout import letters_of
from trading.models import Order, Trade
from trading.venues import kalshi, polymarket

At = Callable[[datetime], datetime]
BATCHES = {"kalshi": f"{KALSHI_CREATE}/batched", "polymarket": f"{POLYMARKET_CREATE}s"}
both_venues = pytest.mark.parametrize("venue", sorted(BATCHES))


@pytest.fixture
def exchange(settings: Any, now: datetime, user: User, monkeypatch: pytest.MonkeyPatch) -> Iterator[Exchange]:
    """Three legs at Kalshi and two at Polymarket, each venue's together in one request."""
    monkeypatch.setattr(tasks.run_trade, "delay", lambda trade_id: None)
    settings.ORDERS_SENT_SINGLY = 1
    with many_legged_exchange() as running:
        point_settings_at(settings, running.url)
        sync_markets(venue=None, full=True, now=now)
        connect_sandbox_accounts(user, now=now)
        yield running


def at_venue(trade: Trade, venue: str) -> list[Order]:
    return [order for order in by_market(trade).values() if order.account.kind == venue]


def statuses(trade: Trade, venue: str) -> list[str]:
    return sorted(order.status for order in at_venue(trade, venue))


def test_many_legs_go_in_one_request_a_venue_and_every_cent_agrees(
    exchange: Exchange, user: User, now: datetime
) -> None:
    trade = run(five_legged(user, now, "best_effort"), now)
    assert trade.status == Trade.Status.COMPLETE, [(o.status, o.reason) for o in trade.orders.all()]
    assert [len(exchange.requests("POST", path)) for path in BATCHES.values()] == [1, 1]
    assert len(created(exchange)) == len(FIVE)
    assert look(now).differences == []
    assert_invariants(exchange.world, f"user-{user.pk}")


@both_venues
def test_f29_answers_in_another_order_reach_their_own_orders(
    exchange: Exchange, user: User, now: datetime, venue: str
) -> None:
    exchange.fault(BATCHES[venue], "reversed_rows")
    trade = run(five_legged(user, now, "best_effort"), now)
    assert trade.status == Trade.Status.COMPLETE, [(o.status, o.reason) for o in trade.orders.all()]
    there = {each.client_id or each.id: each.id for each in exchange.orders_of(f"user-{user.pk}")}
    for order in at_venue(trade, venue):
        assert order.venue_order_id == there.get(str(order.client_id), there.get(order.order_hash))
    assert_invariants(exchange.world, f"user-{user.pk}")


@both_venues
def test_f29_an_order_that_the_answer_does_not_name_is_unknown_and_found(
    exchange: Exchange, user: User, now: datetime, venue: str
) -> None:
    exchange.fault(BATCHES[venue], "missing_row")
    trade = run(five_legged(user, now, "best_effort"), now)
    assert statuses(trade, venue).count("unknown") == 1
    assert set(statuses(trade, venue)) == {"filled", "unknown"}
    look(now)
    assert set(statuses(trade, venue)) == {"filled"}
    assert len(buys(exchange)) == len(FIVE)
    assert_invariants(exchange.world, f"user-{user.pk}")


@both_venues
def test_f29_a_502_for_a_batch_that_was_taken_leaves_every_order_unknown_until_it_is_found(
    exchange: Exchange, user: User, now: datetime, venue: str
) -> None:
    exchange.fault(BATCHES[venue], "502_after_accept")
    trade = run(five_legged(user, now, "best_effort"), now)
    assert set(statuses(trade, venue)) == {"unknown"}
    run(trade, now)
    look(now)
    assert set(statuses(trade, venue)) == {"filled"}
    assert len(buys(exchange)) == len(FIVE)
    assert_invariants(exchange.world, f"user-{user.pk}")


@both_venues
def test_f29_a_502_for_a_batch_that_was_not_taken_is_unknown_until_absence_is_proven(
    exchange: Exchange, user: User, now: datetime, at: At, venue: str
) -> None:
    exchange.fault(BATCHES[venue], "502_before_accept")
    trade = run(five_legged(user, now, "best_effort"), now)
    look(at(now + timedelta(seconds=30)))
    assert set(statuses(trade, venue)) == {"unknown"}
    look(at(now + timedelta(seconds=61)))
    assert set(statuses(trade, venue)) == {"not_placed"}
    assert_invariants(exchange.world, f"user-{user.pk}")


def test_f29_one_refused_order_of_a_batch_stops_none_of_the_others(
    exchange: Exchange, user: User, now: datetime
) -> None:
    trade = five_legged(user, now, "best_effort")
    empty_the_lone_shard(exchange, user)
    run(trade, now)
    found = by_market(trade)
    assert found[LONE_TICKER].status == Order.Status.REJECTED, found[LONE_TICKER].reason
    assert {order.status for key, order in found.items() if key != LONE_TICKER} == {"filled"}
    assert len(exchange.requests("POST", BATCHES["kalshi"])) == 1


def test_f29_a_batch_past_the_budget_is_split_and_the_rest_goes_later(
    exchange: Exchange, user: User, now: datetime, settings: Any
) -> None:
    settings.WRITE_BUDGETS = {"kalshi": (1, 2), "polymarket": (40, 40)}
    trade = run(five_legged(user, now, "best_effort"), now)
    assert trade.status == Trade.Status.COMPLETE
    sent = sorted((order.submitted_at - now).total_seconds() for order in at_venue(trade, "kalshi"))  # type: ignore[operator]
    assert sent == [0, 0, 1]


KALSHI_ROWS: dict[str, tuple[dict[str, Any], str]] = {
    "accepted": ({"order_id": "v1", "fill_count": "1.00"}, "accepted"),
    "refused": ({"order_id": "", "error": {"code": "insufficient_balance", "message": "no"}}, "rejected"),
    "known id": ({"order_id": "", "error": {"code": "order_already_exists", "message": "no"}}, "unknown"),
    "their trouble": ({"order_id": "", "error": {"code": "internal_error", "message": "no"}}, "unknown"),
    "refused with an id": ({"order_id": "v1", "error": {"code": "invalid_order", "message": "no"}}, "unknown"),
    "no code": ({"order_id": "", "error": {"message": "no"}}, "unknown"),
    "nothing": ({}, "unknown"),
}


@pytest.mark.parametrize("case", sorted(KALSHI_ROWS))
def test_each_row_of_a_kalshi_batch_is_accepted_refused_with_proof_or_unknown(case: str) -> None:
    row, placement = KALSHI_ROWS[case]
    order: Any = SimpleNamespace(pk=1, client_id=UUID(int=7))
    results = kalshi.batch_results({"orders": [{"client_order_id": str(UUID(int=7)), **row}]}, [order])
    assert results[1].placement == placement, results[1]


@pytest.mark.parametrize("answer", [{}, {"orders": None}, [], {"orders": ["x"]}, {"orders": [{}, {}]}])
def test_a_kalshi_batch_whose_answer_names_nobody_is_unknown(answer: Any) -> None:
    order: Any = SimpleNamespace(pk=1, client_id=UUID(int=7))
    assert kalshi.batch_results(answer, [order])[1].placement == "unknown"


def test_an_order_that_a_kalshi_batch_names_twice_is_unknown() -> None:
    order: Any = SimpleNamespace(pk=1, client_id=UUID(int=7))
    row = {"client_order_id": str(UUID(int=7)), "order_id": "v1"}
    assert kalshi.batch_results({"orders": [row, row]}, [order])[1].placement == "unknown"


def reply(order_id: str = "", error: str = "") -> Any:
    raw = RawOrderResponse.parse_response(
        {
            "success": True, "errorMsg": error, "orderID": order_id, "status": "matched" if order_id else "",
            "makingAmount": "", "takingAmount": "",
        }
    )  # fmt: skip
    return normalize_order_response(raw)


BALANCE = "not enough balance / allowance"
# What a batch of the orders A and B was answered, and what that means for each.
POLYMARKET_REPLIES: dict[str, tuple[list[tuple[str, str]], tuple[str, str]]] = {
    "both": ([("0xb", ""), ("0xa", "")], ("accepted", "accepted")),
    "one refused": ([("0xb", ""), ("", BALANCE)], ("rejected", "accepted")),
    "both refused": ([("", BALANCE), ("", BALANCE)], ("rejected", "rejected")),
    "one missing": ([("0xb", "")], ("unknown", "accepted")),
    "one unclear": ([("0xb", ""), ("", "could not run the execution")], ("unknown", "accepted")),
    "one twice": ([("0xb", ""), ("0xb", "")], ("unknown", "unknown")),
    "a stranger's": ([("0xc", ""), ("", BALANCE)], ("unknown", "unknown")),
    "nothing": ([], ("unknown", "unknown")),
}


@pytest.mark.parametrize("case", sorted(POLYMARKET_REPLIES))
def test_polymarket_orders_that_no_reply_names_are_refused_only_when_every_reply_is_accounted_for(case: str) -> None:
    rows, expected = POLYMARKET_REPLIES[case]
    results = polymarket.batch_results([reply(*row) for row in rows], {1: "0xA", 2: "0xB"})
    assert (results[1].placement, results[2].placement) == expected


class TakesMany:
    most_at_once = 3

    def submit_many(self, signed: Any) -> Any:
        raise AssertionError("nothing is sent here")


def test_few_orders_go_singly_many_together_and_no_more_requests_than_there_is_room(settings: Any) -> None:
    settings.ORDERS_SENT_SINGLY = 2
    both: Any = TakesMany()
    one: Any = object()

    def due(count: int, account: int, client: Any) -> list[Any]:
        return [(SimpleNamespace(account_id=account, pk=number), client) for number in range(count)]

    def sizes(*orders: Any, room: int = 100) -> list[int]:
        return [len(letter) for letter in letters_of([each for own in orders for each in own], room=room)]

    assert sizes(due(2, 1, both)) == [1, 1]
    assert sizes(due(7, 1, both)) == [3, 3, 1]
    assert sizes(due(5, 1, one)) == [1] * 5
    assert sizes(due(4, 1, both), due(2, 2, both)) == [3, 1, 1, 1]
    assert sizes(due(7, 1, both), due(2, 2, both), room=2) == [3, 3]
