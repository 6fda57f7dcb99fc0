"""Matching, money and time in the sandbox's engine."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from itomarkets.sandbox.engine import PlacedOrder, Refused, World
from itomarkets.sandbox.model import KALSHI, NET, NO, POLYMARKET, YES
from tests.sandbox.kalshi_world import FixedFeed, Stage, Time

D = Decimal


@pytest.fixture
def stage() -> Stage:
    return Stage()


def place(
    stage: Stage, account: str = "alice", side: str = "buy", price: str = "0.50", size: str = "10", **more: Any
) -> PlacedOrder:
    user = getattr(stage, account).id
    return stage.world.place(user, stage.one, side=side, price=D(price), size=D(size), **more)


def test_taker_takes_the_best_price_first_and_pays_the_makers_price(stage: Stage) -> None:
    stage.book("TEST-1", [], [(45, 4), (40, 3)][::-1])
    placed = place(stage, size="5", price="0.60", tif="ioc")
    assert [(fill.price, fill.size) for fill in placed.fills] == [(D("0.4"), D(3)), (D("0.45"), D(2))]
    assert placed.order.status == "executed"
    # 3 x 0.40 + 2 x 0.45 and the fee of each fill, rounded up to $0.0001
    assert stage.cash(stage.alice) == D(10_000) - D("2.10") - D("0.0504") - D("0.0347")


def test_orders_at_one_price_fill_in_the_order_they_came(stage: Stage) -> None:
    carol = stage.world.accounts.create("carol")
    first = place(stage, "bob", "sell", "0.50", "5")
    stage.world.place(carol.id, stage.one, side="sell", price=D("0.50"), size=D(5))
    placed = place(stage, size="7")
    assert [fill.counter_order_id == first.order.id for fill in placed.fills] == [True, False]
    assert [fill.size for fill in placed.fills] == [D(5), D(2)]


def test_a_better_price_comes_before_an_earlier_order(stage: Stage) -> None:
    carol = stage.world.accounts.create("carol")
    place(stage, "bob", "sell", "0.50", "5")
    better = stage.world.place(carol.id, stage.one, side="sell", price=D("0.49"), size=D(5))
    assert place(stage, size="3").fills[0].counter_order_id == better.order.id


def test_consumed_size_is_gone_within_the_slot_and_back_in_the_next(stage: Stage) -> None:
    stage.book("TEST-1", [], [(40, 3)])
    assert place(stage, tif="ioc").filled == 3
    assert place(stage, tif="ioc").filled == 0
    stage.time.at += timedelta(minutes=1)
    assert place(stage, tif="ioc").filled == 3


def test_fill_or_kill_fills_all_or_nothing(stage: Stage) -> None:
    stage.book("TEST-1", [], [(40, 9)])
    killed = place(stage, size="10", tif="fok")
    assert (killed.order.status, killed.filled) == ("canceled", 0)
    assert stage.cash(stage.alice) == 10_000
    assert place(stage, size="9", tif="fok").filled == 9


def test_post_only_is_refused_where_it_would_trade(stage: Stage) -> None:
    stage.book("TEST-1", [], [(40, 9)])
    with pytest.raises(Refused, match="post only cross"):
        place(stage, post_only=True)
    assert place(stage, price="0.39", post_only=True).order.status == "resting"


def test_a_spending_cap_buys_more_where_the_price_is_better(stage: Stage) -> None:
    stage.feed.books["901"] = ([], [(4000, 1000)])
    placed = stage.world.place(
        stage.alice.id, stage.token_market, side="buy", price=D("0.50"), size=D(400), tif="fok", token=YES, spend=D(100)
    )
    assert placed.filled == 250
    assert placed.order.status == "executed"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"price": "0.505"}, "invalid_price"),
        ({"price": "1.00"}, "invalid_price"),
        ({"size": "0.001"}, "invalid_order_size"),
        ({"size": "900000"}, "insufficient_balance"),
        ({"exchange_index": 3}, "wrong_shard"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(stage: Stage, changes: dict[str, str], code: str) -> None:
    with pytest.raises(Refused) as refusal:
        place(stage, **changes)
    assert refusal.value.code == code
    assert stage.world.orders(stage.alice.id, KALSHI) == []


def test_a_client_id_is_taken_for_ever_unless_told_otherwise(stage: Stage) -> None:
    stage.book("TEST-1", [], [(40, 100)])
    place(stage, client_id="a", tif="ioc")
    with pytest.raises(Refused, match="already exists"):
        place(stage, client_id="a", tif="ioc")
    stage.world.dedupe_forever = False
    assert place(stage, client_id="a", tif="ioc").filled == 10


def test_only_the_shards_own_cash_counts(stage: Stage) -> None:
    with pytest.raises(Refused, match="insufficient balance"):
        place(stage, size="5100", price="0.50")


def test_selling_against_a_long_position_closes_it_and_frees_its_cash(stage: Stage) -> None:
    stage.book("TEST-1", [(50, 1000)], [(50, 1000)])
    place(stage, size="10", tif="ioc")
    place(stage, side="sell", size="25", tif="ioc")
    position = stage.world.ledger.position(stage.alice.id, KALSHI, "TEST-1", NET)
    assert position is not None
    assert (position.quantity, position.cost) == (D(-15), D("7.50"))


def test_meeting_ones_own_order_stops_the_taker_or_drops_the_maker(stage: Stage) -> None:
    own = place(stage, side="sell", price="0.50", size="5")
    assert place(stage, self_trade="taker").order.reason == "self_trade"
    assert stage.world.resting_order(own.order.id) is not None
    placed = place(stage, self_trade="maker")
    assert stage.world.resting_order(own.order.id) is None
    assert placed.order.status == "resting"


def test_a_resting_order_fills_when_the_market_moves_onto_it(stage: Stage) -> None:
    resting = place(stage, price="0.40", size="5")
    stage.book("TEST-1", [], [(39, 100)])
    stage.world.advance()
    order = stage.world.order(resting.order.id)
    assert order is not None
    assert (order.status, order.filled, order.maker_cost, order.maker_fees) == ("executed", D(5), D("2.0"), D(0))


def test_closing_cancels_and_settling_pays_once(stage: Stage) -> None:
    stage.book("TEST-1", [], [(40, 10)])
    place(stage, size="10", tif="ioc")
    resting = place(stage, price="0.30", size="10")
    cash = stage.cash(stage.alice)
    stage.time.at = stage.one.close_at
    stage.world.advance()
    order = stage.world.order(resting.order.id)
    assert order is not None
    assert (order.status, order.reason) == ("canceled", "market_closed")
    with pytest.raises(Refused):
        place(stage)
    stage.time.at = stage.one.settle_at
    stage.world.advance()
    stage.world.advance()
    assert stage.cash(stage.alice) == cash + 10
    assert len(stage.world.settlements(stage.alice.id, KALSHI)) == 1


def test_a_market_that_left_the_listing_while_the_sandbox_slept_still_pays(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.book("TEST-1", [], [(40, 10)])
    place(stage, size="10", tif="ioc")
    cash = stage.cash(stage.alice)
    stage.world.store.close()
    emptied = FixedFeed()
    later = Time(stage.one.settle_at + timedelta(days=400))
    world = World(emptied, later, tmp_path)
    world.advance()
    assert sum(world.ledger.shards(stage.alice.id, KALSHI).values()) == cash + 10


def test_a_market_settled_by_hand_stays_settled_after_a_restart(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.book("TEST-1", [], [(40, 10)])
    place(stage, size="10", tif="ioc")
    stage.world.force_settle(stage.one, D(0))
    cash = stage.cash(stage.alice)
    stage.world.store.close()
    again = Stage(tmp_path, stage.time)
    assert again.world.status_of(again.one) == "settled"
    assert again.feed.outcome(again.one) == 0
    assert again.cash(again.alice) == cash


def test_accounts_orders_and_positions_survive_a_restart(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.book("TEST-1", [], [(40, 10)])
    placed = place(stage, price="0.40", size="15", client_id="kept")
    stage.world.store.close()
    again = Stage(tmp_path, stage.time)
    assert again.alice.kalshi_private_key_pem == stage.alice.kalshi_private_key_pem
    order = again.world.resting_order(placed.order.id)
    assert order is not None
    assert order.remaining == 5
    assert again.cash(again.alice) == stage.cash(stage.alice)
    with pytest.raises(Refused, match="already exists"):
        place(again, client_id="kept")


def test_tokens_are_sold_only_where_they_are_held(stage: Stage) -> None:
    stage.feed.books["901"] = ([(4000, 100)], [(4100, 100)])
    market, alice = stage.token_market, stage.alice.id

    def trade(side: str, token: str, price: str) -> PlacedOrder:
        return stage.world.place(alice, market, side=side, price=D(price), size=D(10), tif="ioc", token=token)

    with pytest.raises(Refused, match="not enough balance"):
        trade("sell", YES, "0.40")
    trade("sell", NO, "0.40")  # buys NO at 0.60
    assert stage.cash(stage.alice, POLYMARKET) == 10_000 - D("6.0") - D("0.168")
    with pytest.raises(Refused, match="not enough balance"):
        trade("sell", YES, "0.40")
    trade("buy", NO, "0.41")  # sells NO at 0.59
    assert stage.world.available_tokens(alice, market, NO) == 0


ORDERS = st.lists(
    st.tuples(
        st.sampled_from(["alice", "bob"]),
        st.sampled_from(["buy", "sell"]),
        st.integers(1, 99),
        st.integers(1, 900),
        st.sampled_from(["gtc", "ioc", "fok"]),
        st.sampled_from(["taker", "maker"]),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(ORDERS)
def test_no_cash_is_made_or_lost_whatever_the_outcome_and_none_goes_below_zero(orders: list[tuple]) -> None:
    stage = Stage()
    people = {"alice": stage.alice, "bob": stage.bob}
    for name, side, cents, size, tif, self_trade in orders:
        try:
            placed = stage.world.place(
                people[name].id,
                stage.one,
                side=side,
                price=D(cents) / 100,
                size=D(size),
                tif=tif,
                self_trade=self_trade,
            )
        except Refused:
            continue
        assert placed.filled <= size
        for fill in placed.fills:
            assert fill.price <= D(cents) / 100 if side == "buy" else fill.price >= D(cents) / 100
        bids, asks = stage.world.book(stage.one)
        assert not (bids and asks and bids[0][0] >= asks[0][0])
    fees = sum((fill.fee for one in people.values() for fill in stage.world.fills(one.id, KALSHI)), D(0))
    for outcome in (D(0), D(1)):
        equity = fees
        for person in people.values():
            position = stage.world.ledger.position(person.id, KALSHI, "TEST-1", NET)
            held = position.quantity if position else D(0)
            equity += stage.cash(person) + max(held, D(0)) * outcome + max(-held, D(0)) * (1 - outcome)
        assert equity == 20_000
    for person in people.values():
        assert min(stage.world.ledger.shards(person.id, KALSHI).values()) >= 0
        assert min(stage.world.balance(person.id, KALSHI).values()) >= 0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 99), st.integers(1, 50)), min_size=1, max_size=12), st.integers(1, 400))
def test_a_sweep_takes_resting_orders_by_price_then_time(asks: list[tuple[int, int]], size: int) -> None:
    stage = Stage()
    placed = [place(stage, "bob", "sell", str(D(cents) / 100), str(count)).order for cents, count in asks]
    swept = place(stage, "alice", "buy", "0.99", str(size), tif="ioc")
    wanted = [order.id for order in sorted(placed, key=lambda order: (order.price, order.seq))]
    met = [fill.counter_order_id for fill in swept.fills]
    assert met == wanted[: len(met)]
    assert swept.filled == min(D(size), sum((D(count) for _, count in asks), D(0)))
