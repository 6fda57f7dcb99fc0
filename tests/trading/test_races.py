"""Two at once, on PostgreSQL: SQLite has one writer and hides lost updates."""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import close_old_connections, connection

from markets.models import Market
from markets.venues.base import OrderBook
from tests.factories import make_market, make_user
from tests.trading.test_execution import make_trade
from tests.trading.venue import Books, FakeVenue, make_basket, sandbox_account, two_leg_basket
from trading import placing
from trading.accounts import paper_account
from trading.execution import claim, run_trade
from trading.ledger import ledger_cash
from trading.models import CashEntry, Fill, Order, OrderEvent, Trade, TradingSwitch, VenueAccount
from trading.placing import TradeRefused, confirm_trade
from trading.positions import book_fills
from trading.quoting import quote_basket
from trading.sending import Claims, claim_all
from trading.switch import set_switch
from trading.venues.base import SignedOrder, VenueFill
from trading.venues.paper import PaperOrders

D = Decimal
pytestmark = [
    pytest.mark.postgres,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL (DATABASE_URL)"),
]


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing.run_trade, "delay", lambda trade_id: None)


def at_once(jobs: list[Callable[[], Any]]) -> list[Any]:
    """Run the jobs in threads that start together; returns what each gave or raised."""
    barrier = threading.Barrier(len(jobs))
    results: list[Any] = [None] * len(jobs)

    def work(number: int) -> None:
        barrier.wait()
        try:
            results[number] = jobs[number]()
        except Exception as error:
            results[number] = error
        finally:
            close_old_connections()
            connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return results


def test_two_paper_trades_at_the_same_instant_share_what_the_book_offers(books: Books, now: datetime) -> None:
    user, market = make_user(), make_market()
    books.put(market, bids=[("0.40", "500")], asks=[("0.42", "100")])
    trades = []
    for key in ("first", "second"):
        basket = make_basket([(market, "yes", "1", "10")])
        quote = quote_basket(
            user=user, basket=basket, side="yes", amount=D("35"), mode="paper", now=now, read_books=books.read
        )
        trades.append(confirm_trade(user=user, quote_id=quote.pk, idempotency_key=key, policy="best_effort", now=now))
    both_have_read = threading.Barrier(2)

    def read(markets: Sequence[Market]) -> dict[int, OrderBook]:
        both_have_read.wait(timeout=20)
        return books.read(markets)

    def work(trade: Trade) -> Callable[[], Any]:
        def paper(account: VenueAccount) -> PaperOrders:
            return PaperOrders(account=account, fetch_books=read, now=lambda: now)

        return lambda: run_trade(trade.pk, now_fn=lambda: now, connect=paper, sleep=lambda seconds: None)

    reports = at_once([work(trade) for trade in trades])
    assert [report.sent for report in reports] == [1, 1]
    asked = [order.count for order in Order.objects.all()]
    assert sum(asked) > 100 > max(asked)
    assert sum(fill.count for fill in Fill.objects.all()) == 100
    assert sorted(Trade.objects.values_list("status", flat=True)) == ["complete", "partial"]
    assert paper_account(user, now=now).cash == ledger_cash(paper_account(user, now=now))


def test_many_workers_claim_one_order_once(books: Books, now: datetime) -> None:
    trade = make_trade(make_user(), books)
    order_id = trade.orders.earliest("leg_no").pk

    def grab() -> str | None:
        order = Order.objects.select_related("trade").get(pk=order_id)
        return claim(order, SignedOrder(payload="{}", order_hash="0x1"), now=now)

    results = at_once([grab] * 6)
    assert results.count("") == 1
    assert results.count(None) == 5
    assert OrderEvent.objects.filter(order_id=order_id).count() == 1


def test_two_workers_on_one_trade_send_each_leg_once(books: Books, now: datetime) -> None:
    trade = make_trade(make_user(), books)
    venue = FakeVenue(now=lambda: now)

    def run() -> Any:
        return run_trade(trade.pk, now_fn=lambda: now, connect=venue, sleep=lambda seconds: None)

    results = at_once([run, run, run])
    assert sum(report.sent for report in results) == 2
    assert len(venue.posts) == len(set(venue.posts)) == 2
    assert Fill.objects.count() == 2
    trade.refresh_from_db()
    assert trade.status == Trade.Status.COMPLETE


def test_a_double_click_makes_one_trade(books: Books, now: datetime) -> None:
    user = make_user()
    basket, _, _ = two_leg_basket(books)
    quote = quote_basket(
        user=user, basket=basket, side="yes", amount=D("100"), mode="paper", now=now, read_books=books.read
    )

    def click(key: str) -> Callable[[], Trade]:
        return lambda: confirm_trade(user=user, quote_id=quote.pk, idempotency_key=key, policy="best_effort", now=now)

    results = at_once([click("a"), click("a"), click("b"), click("b")])
    assert {result.pk for result in results} == {Trade.objects.get().pk}
    assert Order.objects.count() == 2


def test_two_trades_at_once_cannot_spend_the_same_cash(books: Books, now: datetime) -> None:
    user = make_user()
    account = paper_account(user, now=now)
    VenueAccount.objects.filter(pk=account.pk).update(cash=D("150"))
    quotes = []
    for _ in range(3):
        basket, _, _ = two_leg_basket(books)
        quotes.append(
            quote_basket(
                user=user, basket=basket, side="yes", amount=D("100"), mode="paper", now=now, read_books=books.read
            )
        )

    def click(number: int) -> Callable[[], Trade]:
        return lambda: confirm_trade(
            user=user, quote_id=quotes[number].pk, idempotency_key=str(number), policy="best_effort", now=now
        )

    results = at_once([click(0), click(1), click(2)])
    refused = [result for result in results if isinstance(result, TradeRefused)]
    assert len(refused) == 2
    assert {error.code for error in refused} == {"cash"}
    account.refresh_from_db()
    assert account.cash_available() >= 0


def test_one_fill_told_by_two_at_once_is_booked_once(books: Books, now: datetime) -> None:
    trade = make_trade(make_user(), books)
    order = trade.orders.select_related("account").earliest("leg_no")
    reports = [VenueFill(f"t{number}", D(2), D("0.40"), D("0.01"), now) for number in range(3)]

    def book() -> Any:
        return book_fills(order=Order.objects.get(pk=order.pk), fills=reports, now=now)

    results = at_once([book] * 5)
    assert sum(result.booked for result in results) == 3
    assert CashEntry.objects.filter(kind="fill").count() == 3
    account = VenueAccount.objects.get(pk=order.account_id)
    assert account.cash == ledger_cash(account)


def test_a_flip_of_the_switch_leaves_no_claim_behind_it(books: Books, now: datetime) -> None:
    trade = make_trade(make_user(), books)
    later = make_trade(make_user(), books)
    set_switch(user=None, state=TradingSwitch.State.ACTIVE, reason="", changed_by=None, now=now)
    orders = list(trade.orders.values_list("pk", flat=True))

    def flip() -> None:
        set_switch(user=None, state=TradingSwitch.State.HALTED, reason="", changed_by=None, now=now)

    def grab(order_id: int) -> Callable[[], str | None]:
        return lambda: claim(Order.objects.select_related("trade").get(pk=order_id), SignedOrder(payload="{}"), now=now)

    at_once([flip, *(grab(order_id) for order_id in orders)])
    # Whichever came first: what was claimed is being sent, the rest was denied, nothing is in between.
    assert set(trade.orders.values_list("status", flat=True)) <= {"submitting", "denied"}
    assert claim_after_halt(later, now) == {"denied"}


def claim_after_halt(trade: Trade, now: datetime) -> set[str]:
    for order in trade.orders.select_related("trade"):
        claim(order, SignedOrder(payload="{}"), now=now)
    return set(trade.orders.values_list("status", flat=True))


def test_two_workers_on_one_account_stay_inside_its_burst_together(books: Books, now: datetime, settings: Any) -> None:
    """I9: twelve orders, six workers, a burst of four: four go, and the rest are told when."""
    settings.WRITE_BUDGETS = {"kalshi": (1, 4), "polymarket": (1, 4)}
    account = sandbox_account(make_user(), now)
    orders = [order for _ in range(6) for order in make_trade(make_user(), books).orders.order_by("leg_no")]
    Order.objects.filter(pk__in=[order.pk for order in orders]).update(account=account)
    results = at_once([grab_all([order.pk for order in orders[start : start + 2]], now) for start in range(0, 12, 2)])
    assert sum(len(claims.ours) for claims in results) == 4, results
    assert sum(len(claims.later) for claims in results) == 8
    assert Order.objects.filter(status="submitting").count() == 4
    account.refresh_from_db()
    assert account.budget_whole_at == now + timedelta(seconds=4)


def grab_all(order_ids: list[int], now: datetime) -> Callable[[], Claims]:
    def grab() -> Claims:
        orders = Order.objects.select_related("trade", "market", "account").filter(pk__in=order_ids)
        return claim_all([(order, SignedOrder(payload="{}")) for order in orders], now=now)

    return grab
