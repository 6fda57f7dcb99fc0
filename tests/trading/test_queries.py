"""What a click asks of the database: the same few queries for one leg as for ten, and three commits."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from tests.factories import make_market
from tests.trading.venue import Books, FakeVenue, make_basket, sandbox_account
from trading import tasks
from trading.execution import run_trade
from trading.models import Order, TicketQuote, Trade
from trading.placing import confirm_trade
from trading.quoting import legs_of, quote_basket
from trading.sending import Answer, claim_all, store_accepted
from trading.venues.base import Placement, SignedOrder, SubmitResult

# From the confirmation to its commit, and from there to the commit of the last answer. On PostgreSQL several
# statements share a round trip.
if connection.vendor == "postgresql":
    CONFIRMED_IN, READ_IN, CLAIMED_IN, STORED_IN = 8, 1, 6, 3
else:
    CONFIRMED_IN, READ_IN, CLAIMED_IN, STORED_IN = 13, 2, 11, 3
SENT_IN = READ_IN + CLAIMED_IN + STORED_IN


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.run_trade, "delay", lambda trade_id: None)


def quoted(user: User, books: Books, legs: int) -> TicketQuote:
    """Quote a basket whose legs alternate between the exchanges."""
    markets = [make_market(venue=("kalshi", "polymarket")[number % 2]) for number in range(legs)]
    for market in markets:
        books.put(market, bids=[("0.40", "500")], asks=[("0.42", "900")])
    for kind in ("kalshi", "polymarket"):
        sandbox_account(user, books.now, kind)
    share = f"{Decimal(1) / legs:.4f}"
    quote = quote_basket(
        user=user, basket=make_basket([(market, "yes", share, "10") for market in markets]), side="yes",
        amount=Decimal(10 * legs), mode="sandbox", now=books.now, read_books=books.read,
    )  # fmt: skip
    assert len(legs_of(quote)) == legs, quote.warnings
    return quote


def confirmed(user: User, quote: TicketQuote) -> Trade:
    return confirm_trade(
        user=user, quote_id=quote.pk, idempotency_key=str(quote.pk), policy="best_effort", now=quote.created_at
    )


def counted(work: Callable[[], Any]) -> int:
    with CaptureQueriesContext(connection) as captured:
        work()
    # A test stands in a transaction of its own, so that ours show as savepoints.
    return sum(not row["sql"].startswith(("SAVEPOINT", "RELEASE")) for row in captured.captured_queries)


def orders_of(trade: Trade) -> list[Order]:
    return list(trade.orders.select_related("trade", "market", "account"))


def signed(orders: list[Order]) -> list[tuple[Order, SignedOrder]]:
    return [(order, SignedOrder(payload="{}", order_hash=f"0x{order.client_id.hex}")) for order in orders]


def answers_to(orders: list[Order]) -> list[Answer]:
    return [(order, SubmitResult(Placement.ACCEPTED, venue_order_id=f"v-{order.client_id}")) for order in orders]


@pytest.mark.parametrize("legs", [1, 10])
def test_a_confirmation_asks_as_much_for_one_leg_as_for_ten(user: User, books: Books, legs: int) -> None:
    confirmed(user, quoted(user, books, legs))
    quote = quoted(user, books, legs)
    assert counted(lambda: confirmed(user, quote)) == CONFIRMED_IN
    assert counted(lambda: confirmed(user, quote)) < CONFIRMED_IN
    assert Order.objects.filter(trade__quote_id=quote.pk).count() == legs


@pytest.mark.parametrize("legs", [1, 10])
def test_a_claim_and_the_storing_of_answers_ask_as_much_for_one_leg_as_for_ten(
    user: User, books: Books, now: datetime, legs: int
) -> None:
    orders = orders_of(confirmed(user, quoted(user, books, legs)))
    assert counted(lambda: claim_all(signed(orders), now=now)) == CLAIMED_IN
    answers = answers_to(orders)
    assert counted(lambda: store_accepted(answers, now=now)) == STORED_IN
    found = orders_of(Trade.objects.get())
    assert {order.status for order in found} == {"open"}
    assert all(order.venue_order_id == f"v-{order.client_id}" for order in found)
    assert all(order.events.count() == 2 for order in found)
    # A second time, nothing is claimed and no answer is stored over the first.
    assert claim_all(signed(orders), now=now).ours == ()
    assert store_accepted(answers, now=now) == answers


def test_an_answer_that_a_look_up_beat_leaves_all_of_its_batch_to_be_stored_one_by_one(
    user: User, books: Books, now: datetime
) -> None:
    orders = orders_of(confirmed(user, quoted(user, books, 3)))
    claim_all(signed(orders), now=now)
    orders[1].transition_to("unknown", reason="The send was never answered.", at=now)
    answers = answers_to(orders)
    assert store_accepted(answers, now=now) == answers
    assert [order.status for order in orders_of(Trade.objects.get())] == ["submitting", "unknown", "submitting"]


@pytest.mark.django_db(transaction=True)
def test_a_click_commits_three_times_and_writes_nothing_outside_of_them(
    user: User, books: Books, now: datetime
) -> None:
    quote, seen = quoted(user, books, 1), []

    class Venue(FakeVenue):
        def submit(self, order: Order, payload: SignedOrder) -> SubmitResult:
            return SubmitResult(Placement.ACCEPTED, venue_order_id=f"v-{order.client_id}")

        def look_up(self, order: Order) -> Any:
            seen.append(len(captured))
            return super().look_up(order)

    venue = Venue(now=lambda: now)
    with CaptureQueriesContext(connection) as captured:
        trade = confirmed(user, quote)
        run_trade(trade.pk, now_fn=lambda: now, connect=venue, sleep=lambda seconds: None)
    click = [row["sql"].lstrip().split()[0] for row in captured.captured_queries[: seen[0]]]
    assert click.count("COMMIT") == 3
    assert "SAVEPOINT" not in click
    is_inside = False
    for word in click:
        is_inside = word == "BEGIN" or (is_inside and word != "COMMIT")
        assert is_inside or word in ("SELECT", "COMMIT"), click
    # The last look is for the orders to look up, which comes after the click.
    asked = [word for word in click if word not in ("BEGIN", "COMMIT")]
    assert len(asked) == CONFIRMED_IN + SENT_IN + 1
