"""The arithmetic of positions: pairs at a dollar, average cost, and the same result however the facts were told."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from trading.holdings import Deal, Holding, Outcome, fold, money_of

D = Decimal
NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)
OURS, THEIRS = 1, 2


def deal(number: int, basket: int, side: str, action: str, count: str, price: str, fee: str = "0") -> Deal:
    moment = NOON + timedelta(seconds=number)
    return Deal(basket, side, action == "buy", D(count), D(price), D(fee), moment, f"{number:04}")


def cash_of(deals: list[Deal], outcome: Outcome) -> Decimal:
    """What the venue's account has gained: its fills and fees, the pairs it paid, and what the result paid."""
    cash = outcome.pairs + outcome.won
    for each in deals:
        money = money_of(each.count, each.price)
        cash += (-money if each.is_buy else money) - each.fee
    return cash


def gained(outcome: Outcome) -> Decimal:
    """The same, seen from the positions: what is realised, less what still stands in what is held."""
    return sum((held.realised - held.cost for held in outcome.holdings.values()), D(0))


def test_a_sale_takes_its_part_of_the_cost_and_of_the_fees() -> None:
    found = fold([deal(1, OURS, "yes", "buy", "10", "0.40", "0.05"), deal(2, OURS, "yes", "sell", "4", "0.50", "0.03")],
                 nets=False).holdings[OURS, "yes"]  # fmt: skip
    assert (found.count, found.cost, found.fees) == (D(6), D("2.43"), D("0.08"))
    # 4 at .50 brought 2.00; they had cost 1.60 and .02 of the fee, and the sale cost .03.
    assert found.realised == D("0.35")


def test_where_the_venue_nets_an_opposite_purchase_closes_pairs_at_a_dollar() -> None:
    deals = [deal(1, OURS, "yes", "buy", "10", "0.40", "0.10"), deal(2, THEIRS, "no", "buy", "6", "0.55", "0.06")]
    found = fold(deals, nets=True)
    assert found.pairs == D(6)
    ours, theirs = found.holdings[OURS, "yes"], found.holdings[THEIRS, "no"]
    # The older contracts leave at one minus the new price, the new ones at their own: only its fee is lost.
    assert (ours.count, ours.cost, ours.realised) == (D(4), D("1.64"), 6 * D("0.45") - D("2.46"))
    assert (theirs.count, theirs.cost, theirs.realised) == (D(0), D(0), D("-0.06"))


def test_a_purchase_closes_its_own_baskets_contracts_before_those_held_longest() -> None:
    deals = [
        deal(1, OURS, "yes", "buy", "10", "0.40"),
        deal(2, THEIRS, "yes", "buy", "10", "0.42"),
        deal(3, 3, "yes", "buy", "10", "0.42"),
        deal(4, THEIRS, "no", "buy", "15", "0.50"),
    ]
    found = fold(deals, nets=True).holdings
    assert [found[basket, "yes"].count for basket in (OURS, THEIRS, 3)] == [D(5), D(0), D(10)]


def test_where_the_venue_keeps_two_tokens_both_sides_stay_held() -> None:
    deals = [deal(1, OURS, "yes", "buy", "10", "0.40"), deal(2, OURS, "no", "buy", "10", "0.50")]
    found = fold(deals, nets=False)
    assert (found.pairs, found.holdings[OURS, "yes"].count, found.holdings[OURS, "no"].count) == (D(0), D(10), D(10))


@pytest.mark.parametrize(("payout", "won"), [("1", "10"), ("0", "6"), ("0.25", "7"), ("0.5", "8")])
def test_a_result_pays_each_side_its_share_of_the_dollar(payout: str, won: str) -> None:
    deals = [deal(1, OURS, "yes", "buy", "10", "0.40"), deal(2, OURS, "no", "buy", "6", "0.50")]
    found = fold(deals, nets=False, payout=D(payout))
    assert found.won == D(won)
    assert all(held.count == held.cost == 0 for held in found.holdings.values())


def test_a_result_is_rounded_once_a_side_and_not_once_a_basket() -> None:
    deals = [deal(number, number, "yes", "buy", "0.01", "0.40") for number in (1, 2, 3)]
    assert fold(deals, nets=True, payout=D("0.333333")).won == D("0.009999")


def test_a_sale_whose_purchase_failed_on_chain_keeps_its_money_and_the_next_purchase_covers_it() -> None:
    sold = [deal(1, OURS, "yes", "sell", "10", "0.50")]
    assert fold(sold, nets=False).holdings[OURS, "yes"] == Holding(proceeds=D(5))
    covered = fold([*sold, deal(2, OURS, "yes", "buy", "12", "0.40")], nets=False).holdings[OURS, "yes"]
    assert (covered.count, covered.cost, covered.realised) == (D(2), D("0.80"), D("1.00"))


def test_selling_beyond_what_is_held_holds_the_other_side_where_the_venue_nets() -> None:
    found = fold([deal(1, OURS, "yes", "sell", "10", "0.60", "0.1")], nets=True)
    assert (found.pairs, found.holdings[OURS, "no"].count, found.holdings[OURS, "no"].cost) == (
        D(-10),
        D(10),
        D("4.00"),
    )


DEALS = st.lists(
    st.builds(
        lambda *values: values,
        st.integers(0, 5),
        st.sampled_from([1, 2, 3]),
        st.sampled_from(["yes", "no"]),
        st.sampled_from(["buy", "buy", "buy", "sell"]),
        st.integers(1, 10_000),
        st.integers(1, 999),
        st.integers(0, 500),
    ),
    max_size=12,
)


def built(rows: list[Any]) -> list[Deal]:
    return [
        Deal(basket, side, action == "buy", D(count) / 100, D(price) / 1000, D(fee) / 1000,
             NOON + timedelta(seconds=second), f"{number:03}")
        for number, (second, basket, side, action, count, price, fee) in enumerate(rows)
    ]  # fmt: skip


@hypothesis_settings(max_examples=200, deadline=None)
@given(rows=DEALS, nets=st.booleans(), payout=st.sampled_from([None, "0", "1", "0.5", "0.333333"]), seed=st.randoms())
def test_in_whatever_order_the_deals_are_told_the_outcome_is_the_same_and_no_money_appears(
    rows: list[Any], nets: bool, payout: str | None, seed: Any
) -> None:
    deals = built(rows)
    pays = None if payout is None else D(payout)
    first = fold(deals, nets=nets, payout=pays)
    told = list(deals)
    seed.shuffle(told)
    again = fold(told, nets=nets, payout=pays)
    note(f"{deals}")
    assert again == first
    assert gained(first) == cash_of(deals, first)
    assert all(held.count >= 0 for held in first.holdings.values())
    sides = {side: sum((held.count for (_, own), held in first.holdings.items() if own == side), D(0))
             for side in ("yes", "no")}  # fmt: skip
    if pays is not None:
        assert sides == {"yes": 0, "no": 0}
    elif nets:
        signed = sum(
            (each.count * (1 if each.is_buy else -1) * (1 if each.side == "yes" else -1) for each in deals), D(0)
        )
        assert min(sides.values()) == 0
        assert sides["yes"] - sides["no"] == signed
