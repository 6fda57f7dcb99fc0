"""Paper from the quote to the payout: money is conserved, whatever the books do."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts.models import User
from markets.models import Market, QuoteDemand
from tests.factories import make_market, make_quote, make_user
from tests.trading.venue import Books, make_basket, two_leg_basket
from trading.accounts import paper_account
from trading.execution import run_trade
from trading.ledger import ledger_cash
from trading.models import CashEntry, Position, Trade, VenueAccount
from trading.placing import TradeRefused, confirm_trade
from trading.portfolio import portfolio_of
from trading.quoting import QuoteRefused, quote_basket
from trading.reconciliation import reconcile
from trading.settlement import settle_positions

D = Decimal
HALF_A_YEAR = timedelta(days=200)


def trade_on_paper(user: User, basket: Any, books: Books, **values: Any) -> Trade:
    asked = {"side": "yes", "amount": D("100"), "mode": "paper", "now": books.now, **values}
    quote = quote_basket(user=user, basket=basket, read_books=books.read, **asked)
    trade = confirm_trade(
        user=user, quote_id=quote.pk, idempotency_key=str(quote.pk), policy="best_effort", now=books.now
    )
    run_trade(trade.pk, now_fn=lambda: books.now, connect=books.paper, sleep=lambda seconds: None)
    trade.refresh_from_db()
    return trade


def assert_conserved(account: VenueAccount) -> None:
    account.refresh_from_db()
    assert account.cash == ledger_cash(account)
    assert account.cash_reserved() == 0
    positions = list(account.positions.all())
    spent = sum(position.cost for position in positions)
    realised = sum(position.realised for position in positions)
    # What left the cash is in what is held; what came back beyond it was realised.
    assert account.cash == D(10000) - spent + realised


@pytest.mark.parametrize("side", ["yes", "no"])
def test_a_basket_is_bought_held_sold_and_the_money_adds_up(user: User, books: Books, side: str) -> None:
    basket, kalshi, polymarket = two_leg_basket(books)
    trade = trade_on_paper(user, basket, books, side=side)
    assert trade.status == Trade.Status.COMPLETE
    account = paper_account(user, now=books.now)
    assert_conserved(account)
    assert D(10000) - account.cash <= trade.worst_cost <= D(100)
    held = {(p.market_id, p.side): p.count for p in Position.objects.all()}
    expected = {"yes": {(kalshi.pk, "yes"), (polymarket.pk, "no")}, "no": {(kalshi.pk, "no"), (polymarket.pk, "yes")}}
    assert set(held) == expected[side]

    books.move_to(books.now + timedelta(minutes=2))
    sale = trade_on_paper(user, basket, books, side=side, amount=None, action="sell")
    assert sale.status == Trade.Status.COMPLETE
    assert all(position.count == position.cost == 0 for position in Position.objects.all())
    assert_conserved(account)
    # There and back costs the spread and the fees, never brings a gain on unmoved books.
    assert D(90) < 100 - (D(10000) - account.cash) < D(100)


def test_a_part_of_a_position_can_be_sold(user: User, books: Books) -> None:
    basket, kalshi, _ = two_leg_basket(books)
    trade_on_paper(user, basket, books)
    before = Position.objects.get(market=kalshi)
    books.move_to(books.now + timedelta(minutes=2))
    trade_on_paper(user, basket, books, amount=D("40"), action="sell")
    after = Position.objects.get(market=kalshi)
    assert 0 < after.count < before.count
    assert abs(after.cost / after.count - before.cost / before.count) < D("0.0001")
    assert_conserved(after.account)


def test_what_is_not_held_cannot_be_sold(user: User, books: Books) -> None:
    basket, _, _ = two_leg_basket(books)
    with pytest.raises(QuoteRefused, match="nothing to trade"):
        quote_basket(
            user=user, basket=basket, side="yes", amount=None, mode="paper", action="sell", now=books.now,
            read_books=books.read,
        )  # fmt: skip
    trade_on_paper(user, basket, books)
    with pytest.raises(QuoteRefused, match="nothing to trade"):
        quote_basket(
            user=user, basket=basket, side="no", amount=None, mode="paper", action="sell", now=books.now,
            read_books=books.read,
        )  # fmt: skip


def test_one_position_is_not_sold_twice(user: User, books: Books) -> None:
    basket, _, _ = two_leg_basket(books)
    trade_on_paper(user, basket, books)
    later = books.now + timedelta(minutes=2)
    books.move_to(later)

    def sale(now: datetime) -> Any:
        return quote_basket(
            user=user, basket=basket, side="yes", amount=None, mode="paper", action="sell", now=now,
            read_books=books.read,
        )  # fmt: skip

    first, second = sale(later), sale(later + timedelta(seconds=2))
    confirm_trade(user=user, quote_id=first.pk, idempotency_key="a", policy="best_effort", now=later)
    with pytest.raises(TradeRefused) as caught:
        confirm_trade(
            user=user,
            quote_id=second.pk,
            idempotency_key="b",
            policy="best_effort",
            now=later + timedelta(seconds=3),
        )
    assert caught.value.code == "contracts"


def test_prices_that_ran_past_the_cap_fill_nothing_and_cost_nothing(user: User, books: Books) -> None:
    basket, kalshi, polymarket = two_leg_basket(books)
    quote = quote_basket(
        user=user, basket=basket, side="yes", amount=D("100"), mode="paper", now=books.now, read_books=books.read
    )
    trade = confirm_trade(user=user, quote_id=quote.pk, idempotency_key="k", policy="best_effort", now=books.now)
    books.put(kalshi, bids=[("0.60", "10")], asks=[("0.62", "1000")])
    books.put(polymarket, bids=[("0.10", "10")], asks=[("0.12", "1000")])
    run_trade(trade.pk, now_fn=lambda: books.now, connect=books.paper)
    trade.refresh_from_db()
    assert trade.status == Trade.Status.ABORTED
    assert paper_account(user, now=books.now).cash == D(10000)
    assert_conserved(paper_account(user, now=books.now))


def test_a_paper_order_whose_worker_died_happened_nowhere(user: User, books: Books) -> None:
    basket, _, _ = two_leg_basket(books)
    trade = trade_on_paper(user, basket, books)
    trade.orders.filter(leg_no=1).update(status="submitting", submitted_at=books.now)
    order = trade.orders.get(leg_no=1)
    order.fills.all()
    report = reconcile(now=books.now, at_start=True, connect=books.paper)
    assert (report.made_unknown, report.not_placed) == (1, 1)


def test_settlement_pays_once_by_side_and_fraction(user: User, books: Books) -> None:
    basket, kalshi, polymarket = two_leg_basket(books)
    trade_on_paper(user, basket, books)
    counts = {p.market_id: p.count for p in Position.objects.all()}
    account = paper_account(user, now=books.now)
    before = account.cash
    Market.objects.filter(pk=kalshi.pk).update(status="resolved", result="yes", payout=D(1))
    Market.objects.filter(pk=polymarket.pk).update(status="resolved", result="fraction", payout=D("0.25"))
    first = settle_positions(now=books.now)
    second = settle_positions(now=books.now)
    assert (first.settled, second.settled) == (2, 0)
    account.refresh_from_db()
    # The Polymarket leg is NO: it pays what YES does not.
    expected = counts[kalshi.pk] + counts[polymarket.pk] * D("0.75")
    assert account.cash - before == expected == first.paid
    assert CashEntry.objects.filter(kind="settlement").count() == 2
    assert all(p.count == 0 and p.settled_at == books.now for p in Position.objects.all())
    assert_conserved(account)


def test_a_closed_market_pays_nothing_before_it_is_decided(user: User, books: Books) -> None:
    basket, _, _ = two_leg_basket(books)
    trade_on_paper(user, basket, books)
    Market.objects.update(status="closed")
    assert settle_positions(now=books.now).settled == 0
    assert QuoteDemand.objects.filter(source="trading:positions").count() == 2


def test_a_position_waits_for_orders_that_have_not_ended(user: User, books: Books) -> None:
    basket, _, _ = two_leg_basket(books)
    trade = trade_on_paper(user, basket, books)
    Market.objects.update(status="resolved", payout=D(1))
    trade.orders.filter(leg_no=1).update(status="unknown")
    report = settle_positions(now=books.now)
    assert (report.settled, report.waiting) == (1, 1)


def test_a_portfolio_adds_up_by_basket_and_by_venue(
    user: User, books: Books, django_assert_max_num_queries: Any
) -> None:
    basket, kalshi, polymarket = two_leg_basket(books)
    trade_on_paper(user, basket, books)
    make_quote(kalshi, "0.40", "0.42", books.now)
    make_quote(polymarket, "0.30", "0.34", books.now - timedelta(minutes=5))
    with django_assert_max_num_queries(8):
        found = portfolio_of(user, mode="paper", now=books.now)
    assert found.positions_count == 2
    (group,) = found.baskets
    assert group.sides == ("yes",)
    assert group.can_close
    assert sum(venue.cost for venue in found.venues) == group.cost == found.cost
    lines = {line.market_id: line for line in group.lines}
    assert lines[kalshi.pk].value == lines[kalshi.pk].count * D("0.40")
    # A NO contract sells where YES is asked: at 1 − .34.
    assert lines[polymarket.pk].bid == D("0.66")
    assert (lines[kalshi.pk].is_old, lines[polymarket.pk].is_old) == (False, True)
    assert found.open == found.value - found.cost < 0
    assert found.cash + found.cost == D(10000)
    assert portfolio_of(make_user(), mode="paper", now=books.now).positions_count == 0


LEVELS = st.lists(
    st.tuples(st.integers(51, 95), st.integers(1, 400_00)), min_size=1, max_size=5, unique_by=lambda x: x[0]
)
BIDS = st.lists(st.tuples(st.integers(5, 49), st.integers(1, 400_00)), min_size=1, max_size=5, unique_by=lambda x: x[0])


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    legs=st.lists(st.tuples(LEVELS, BIDS, st.sampled_from(["kalshi", "polymarket"]), st.sampled_from(["yes", "no"]),
                            st.integers(1, 100)), min_size=1, max_size=4),
    side=st.sampled_from(["yes", "no"]),
    amount=st.integers(5_00, 900_00),
    payouts=st.lists(st.sampled_from(["0", "0.5", "1"]), min_size=4, max_size=4),
)  # fmt: skip
def test_money_is_conserved_from_the_click_to_the_payout(
    db: None, now: datetime, legs: list[Any], side: str, amount: int, payouts: list[str]
) -> None:
    books, user = Books(now), make_user()
    held = []
    for asks, bids, venue, own, units in legs:
        market = make_market(venue=venue)
        books.put(
            market,
            bids=[(f"0.{price:02}", str(D(size) / 100)) for price, size in sorted(bids, reverse=True)],
            asks=[(f"0.{price:02}", str(D(size) / 100)) for price, size in sorted(asks)],
        )
        held.append((market, own, str(D(1) / len(legs)).ljust(10)[:10].strip(), str(units)))
    basket = make_basket(held)
    account = paper_account(user, now=now)
    try:
        trade = trade_on_paper(user, basket, books, side=side, amount=D(amount) / 100)
    except QuoteRefused:
        assert not account.positions.exists()
        return
    assert trade.status == Trade.Status.COMPLETE
    assert_conserved(account)
    assert D(10000) - account.cash <= trade.worst_cost <= D(amount) / 100
    for (market, *_), payout in zip(held, payouts, strict=False):
        Market.objects.filter(pk=market.pk).update(status="resolved", payout=D(payout))
    for _ in range(2):
        settle_positions(now=now)
    assert_conserved(account)
    assert not account.positions.filter(count__gt=0).exists()
