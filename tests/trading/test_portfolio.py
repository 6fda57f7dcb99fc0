"""The portfolio's figures and page: claims apart from cash, pending contracts, exposure, and what each outcome pays."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from categorization.models import Classification, RiskFactor, Theme
from markets.models import Market
from tests.factories import make_event, make_market, make_quote, make_user
from tests.trading.ledger_world import account_at, basket_of, bought, resolve, told
from tests.trading.test_paper import trade_on_paper
from tests.trading.venue import Books, two_leg_basket
from trading.breakdown import exposure_of
from trading.models import Fill, Order, Position, VenueAccount
from trading.modes import SESSION_KEY
from trading.outcomes import exclusive_events, payouts_by_outcome
from trading.portfolio import portfolio_of
from trading.positions import book_fills
from trading.settlement import settle_positions

D = Decimal


def test_what_is_won_and_not_redeemed_stands_apart_from_cash_and_value(user: User, now: datetime) -> None:
    account, market = account_at(user, "polymarket", now), make_market(venue="polymarket")
    bought(account, basket_of(market), market, now, "10", "0.40")
    resolve(market, "1")
    settle_positions(now=now)
    found = portfolio_of(user, mode="sandbox", now=now)
    assert (found.cash, found.value, found.claimable, found.worth) == (D(996), D(0), D(10), D(1006))
    (claim,) = found.claims
    assert (claim.market_id, claim.amount, claim.since) == (market.pk, D(10), now)
    assert [line.claimable for line in found.accounts] == [D(10)]


def test_contracts_that_the_chain_has_not_settled_are_marked_pending(user: User, now: datetime) -> None:
    account, market = account_at(user, "polymarket", now), make_market(venue="polymarket")
    basket = basket_of(market)
    bought(account, basket, market, now, "10", "0.40")
    order = bought(account, basket, market, now, "5", "0.42", settlement="matched", second=5)
    (line,) = portfolio_of(user, mode="sandbox", now=now).lines
    assert (line.count, line.pending) == (D(15), D(5))
    book_fills(order=order, fills=[told(f"t{order.pk}", "5", "0.42", now, second=5)], now=now)
    assert Fill.objects.get(order=order).settlement == "confirmed"
    assert portfolio_of(user, mode="sandbox", now=now).lines[0].pending == 0


def test_what_was_never_quoted_is_neither_won_nor_lost(user: User, now: datetime, client: Client) -> None:
    account, unquoted, unbid = account_at(user, "kalshi", now), make_market(), make_market()
    bought(account, basket_of(unquoted), unquoted, now, "10", "0.40")
    bought(account, basket_of(unbid), unbid, now, "10", "0.30", second=5)
    make_quote(unbid, None, "0.10", now)
    found = portfolio_of(user, mode="sandbox", now=now)
    assert (found.cost, found.value, found.open) == (D(7), D(0), D(-3))
    assert (found.sums.unquoted, found.sums.unquoted_cost) == (1, D(4))
    client.force_login(user)
    session = client.session
    session[SESSION_KEY] = "sandbox"
    session.save()
    for path in ("/portfolio", "/dashboard"):
        assert "1 position for 4.00 is not quoted yet" in client.get(path, follow=True).content.decode()


def test_both_tokens_of_one_question_are_shown_as_pairs_at_a_dollar(user: User, now: datetime) -> None:
    account, market = account_at(user, "polymarket", now), make_market(venue="polymarket")
    bought(account, basket_of(market), market, now, "10", "0.40")
    bought(account, basket_of(market), market, now, "6", "0.50", side="no", second=5)
    (pair,) = portfolio_of(user, mode="sandbox", now=now).pairs
    assert (pair.market_id, pair.pairs, pair.pays) == (market.pk, D(6), D(6))
    total = exposure_of(user, mode="sandbox", now=now).total
    assert (total.worst, total.best) == (D(6), D(10))


@pytest.fixture
def race(user: User, now: datetime) -> tuple[VenueAccount, Any, list[Market]]:
    """Three candidates of one event, two of them held by two baskets: A YES 10 and NO 4 of B."""
    account = account_at(user, "polymarket", now)
    event = make_event(venue="polymarket", title="Who wins?", neg_risk=True, mutually_exclusive=True)
    markets = [make_market(venue="polymarket", event=event, subtitle=name) for name in ("Anna", "Ben", "Cleo")]
    bought(account, basket_of(markets[0]), markets[0], now, "10", "0.30")
    bought(account, basket_of(markets[1]), markets[1], now, "4", "0.60", side="no")
    return account, event, markets


def test_an_exclusive_event_pays_by_outcome_over_all_baskets(
    user: User, race: tuple[VenueAccount, Any, list[Market]]
) -> None:
    _, event, _ = race
    found = payouts_by_outcome(user, mode="sandbox", event=event)
    assert (found.cost, found.is_exhaustive) == (D("5.40"), True)
    assert [(each.name, each.pays, each.profit) for each in found.outcomes] == [
        ("Anna", D(14), D("8.60")), ("Any other outcome", D(4), D("-1.40")), ("Ben", D(0), D("-5.40"))
    ]  # fmt: skip
    assert exclusive_events(user, mode="sandbox") == [found]
    assert exclusive_events(user, mode="paper") == []
    assert exclusive_events(make_user(), mode="sandbox") == []


def test_where_no_market_need_come_true_none_of_these_is_an_outcome(
    user: User, race: tuple[VenueAccount, Any, list[Market]]
) -> None:
    _, event, markets = race
    event.neg_risk = False
    event.save()
    markets[2].delete()
    names = {each.name: each.pays for each in payouts_by_outcome(user, mode="sandbox", event=event).outcomes}
    assert names == {"Anna": D(14), "None of these": D(4), "Ben": D(0)}


def test_what_is_decided_leaves_fewer_outcomes(user: User, race: tuple[VenueAccount, Any, list[Market]]) -> None:
    _, event, markets = race
    resolve(markets[2], "0")
    event = type(event).objects.get(pk=event.pk)
    assert [each.name for each in payouts_by_outcome(user, mode="sandbox", event=event).outcomes] == ["Anna", "Ben"]
    resolve(markets[1], "1")
    found = payouts_by_outcome(user, mode="sandbox", event=event)
    assert [(each.name, each.pays) for each in found.outcomes] == [("Ben", D(0))]
    assert (found.worst, found.best) == (D(0), D(0))


def test_exposure_adds_up_whichever_way_it_is_cut(
    user: User, race: tuple[VenueAccount, Any, list[Market]], now: datetime, django_assert_max_num_queries: Any
) -> None:
    account, _, _ = race
    kalshi, lone = account_at(user, "kalshi", now), make_market()
    bought(kalshi, basket_of(lone), lone, now, "10", "0.50", fee="0.20")
    theme = Theme.objects.create(slug="rates", name="Rates", position=1)
    factor = RiskFactor.objects.create(slug="fed", name="Fed", theme=theme, sign=1, position=1)
    Classification.objects.create(
        market=lone, factor=factor, direction=1, status=Classification.Status.CONFIRMED, changed_at=now
    )
    make_quote(lone, "0.48", "0.52", now)
    row = {"order": "x-1", "market": "Something else", "market_id": None, "side": "yes", "price": "0.25",
           "status": "held", "count": "8"}  # fmt: skip
    VenueAccount.objects.filter(pk=account.pk).update(external=[row, {**row, "status": "filled"}])
    with django_assert_max_num_queries(11):
        found = exposure_of(user, mode="sandbox", now=now)
    assert (found.total.cost, found.total.value) == (D("10.60"), D("4.80"))
    # Anna and the lone one: 14 + 10; Ben and not: nothing.
    assert (found.total.worst, found.total.best) == (D(0), D(24))
    assert (found.total.most_lost, found.total.most_won) == (D("-10.60"), D("13.40"))
    for cut in (found.factors, found.themes, found.events, found.venues):
        assert sum(line.cost for line in cut) == found.total.cost
        assert sum(line.positions for line in cut) == found.total.positions == 3
    assert {line.name: (line.worst, line.best) for line in found.events} == {
        "Who wins?": (D(0), D(14)), lone.event.title: (D(0), D(10))
    }  # fmt: skip
    assert [(line.name, line.cost) for line in found.factors] == [
        ("No risk factor yet", D("5.40")), (factor.name, D("5.20"))
    ]  # fmt: skip
    assert [line.name for line in found.themes] == ["No theme yet", factor.theme.name]
    assert [(line.status, line.cost) for line in found.external] == [("held", D(2)), ("filled", D(0))]
    assert found.external_cost == D(2)


def test_nothing_held_is_exposed_to_nothing(user: User, now: datetime) -> None:
    found = exposure_of(user, mode="paper", now=now)
    assert (found.total.positions, found.factors, found.outcomes, found.external) == (0, (), (), ())


@pytest.fixture
def page(user: User, client: Client) -> Client:
    client.force_login(user)
    return client


def in_sandbox(page: Client) -> None:
    session = page.session
    session[SESSION_KEY] = "sandbox"
    session.save()


def test_the_empty_page_says_what_to_do(page: Client) -> None:
    text = page.get("/portfolio").content.decode()
    assert "You hold nothing yet" in text
    assert "Exposure" not in text
    assert "Placed elsewhere" not in text


def test_the_page_shows_each_section_in_a_fixed_number_of_queries(
    user: User, page: Client, race: tuple[VenueAccount, Any, list[Market]], now: datetime,
    django_assert_max_num_queries: Any,
) -> None:  # fmt: skip
    account, _, _ = race
    done = make_market(venue="polymarket", title="Was it so?")
    bought(account, basket_of(done), done, now, "10", "0.40")
    resolve(done, "1")
    settle_positions(now=now)
    bought(account, basket_of(race[2][0]), race[2][0], now, "2", "0.60", side="no", settlement="matched", second=9)
    row = {"order": "x-1", "market": "Something else", "market_id": None, "side": "no", "price": "0.25",
           "status": "resting", "count": "8"}  # fmt: skip
    VenueAccount.objects.filter(pk=account.pk).update(external=[row])
    in_sandbox(page)
    page.get("/portfolio")
    with django_assert_max_num_queries(20):
        text = page.get("/portfolio").content.decode()
    for words in ("Won, to redeem", "Was it so?", "Both sides of one question", "2 pending",
                  "What each outcome pays you", "Who wins?",
                  "Any other outcome", "Exactly one of these happens", "Placed elsewhere", "Something else",
                  "Cash by account"):  # fmt: skip
        assert words in text, words


def test_another_person_sees_none_of_it(race: tuple[VenueAccount, Any, list[Market]], client: Client) -> None:
    client.force_login(make_user())
    in_sandbox(client)
    assert "You hold nothing yet" in client.get("/portfolio").content.decode()


def test_a_paper_order_takes_no_contract_twice_of_the_same_book(user: User, books: Books, now: datetime) -> None:
    market = make_market()
    books.put(market, bids=[("0.40", "500")], asks=[("0.42", "30"), ("0.43", "10")])
    basket, twin = basket_of(market), basket_of(market)
    first = trade_on_paper(user, basket, books, amount=D("15"))
    second = trade_on_paper(user, twin, books, amount=D("15"))
    assert [trade.status for trade in (first, second)] == ["complete", "partial"]
    at_price = {price: D(0) for price in (D("0.42"), D("0.43"))}
    for fill in Fill.objects.all():
        at_price[fill.price] += fill.count
    assert at_price[D("0.42")] == D(30)
    assert at_price[D("0.43")] <= D(10)
    # The bids are as they were: nobody has sold.
    books.now = now + timedelta(seconds=75)
    sale = trade_on_paper(user, basket, books, amount=None, action="sell")
    assert sale.status == "complete"
    # A newer book shows what the market made of it.
    books.move_to(now + timedelta(minutes=4))
    assert trade_on_paper(user, basket, books, amount=D("15")).status == "complete"


def test_who_buys_no_takes_the_bids_of_yes(user: User, books: Books, now: datetime) -> None:
    market, other = make_market(venue="polymarket"), make_user()
    books.put(market, bids=[("0.40", "30")], asks=[("0.42", "30")])
    basket, twin = basket_of(market), basket_of(market)
    trade_on_paper(user, basket, books, amount=D("8"))
    held = Position.objects.get().count
    bought_no = trade_on_paper(user, twin, books, amount=D("15"), side="no")
    assert bought_no.status == "complete"
    # 30 bids less what NO took are left for selling YES.
    left = D(30) - Position.objects.get(side="no").count
    books.now = now + timedelta(seconds=75)
    trade_on_paper(user, basket, books, amount=None, action="sell")
    sold = Order.objects.get(action="sell")
    assert sold.filled_count() == min(held, left) < held
    # Another person's paper account stands before the whole book.
    assert trade_on_paper(other, basket, books, amount=D("12")).status == "complete"


def test_a_part_of_a_position_that_was_netted_is_sold_like_any_other(user: User, books: Books, now: datetime) -> None:
    basket, kalshi, _ = two_leg_basket(books)
    trade_on_paper(user, basket, books)
    account = VenueAccount.objects.get(user=user)
    bought(account, basket_of(kalshi), kalshi, now, "20", "0.55", side="no", second=30)
    held = Position.objects.get(market=kalshi, basket=basket).count
    books.move_to(now + timedelta(minutes=2))
    sale = trade_on_paper(user, basket, books, amount=D("20"), action="sell")
    assert sale.status == "complete"
    after = Position.objects.get(market=kalshi, basket=basket).count
    assert 0 < after < held
    books.move_to(now + timedelta(minutes=4))
    trade_on_paper(user, basket, books, amount=None, action="sell")
    assert not Position.objects.filter(count__gt=0).exists()
