from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import User
from baskets.models import Basket
from markets.models import Market
from tests.factories import make_event, make_market, make_user
from tests.trading.venue import Books, make_basket, sandbox_account, two_leg_basket
from trading.accounts import paper_account
from trading.models import TicketQuote, TradingSwitch
from trading.quoting import QuoteRefused, legs_of, quote_basket
from trading.switch import set_switch

D = Decimal


def quote(user: User, basket: Basket, books: Books, **values: Any) -> TicketQuote:
    asked: dict[str, Any] = {"side": "yes", "amount": D("100"), "mode": "paper", "now": books.now, **values}
    return quote_basket(user=user, basket=basket, read_books=books.read, **asked)


def test_a_purchase_walks_asks_of_the_held_sides_and_stays_inside_the_amount(user: User, books: Books) -> None:
    basket, kalshi, polymarket = two_leg_basket(books)
    found = quote(user, basket, books)
    legs = {leg.market_id: leg for leg in legs_of(found)}
    assert (legs[kalshi.pk].side, legs[kalshi.pk].best) == ("yes", D("0.42"))
    # NO of a market whose YES stands at .30/.34 is offered at .70.
    assert (legs[polymarket.pk].side, legs[polymarket.pk].best) == ("no", D("0.70"))
    assert found.cost + found.fees <= found.worst_cost <= D("100")
    assert found.left_over == D("100") - found.total
    assert "stays as cash" in found.left_over_reason
    assert found.expires_at == books.now + timedelta(seconds=15)
    assert found.best_payout == sum(leg.count for leg in legs.values())
    assert all(leg.limit >= leg.worst >= leg.average >= leg.best for leg in legs.values())


def test_no_flips_every_leg_with_the_same_units(user: User, books: Books) -> None:
    basket, kalshi, polymarket = two_leg_basket(books)
    legs = {leg.market_id: leg for leg in legs_of(quote(user, basket, books, side="no", allocation="units"))}
    assert (legs[kalshi.pk].side, legs[kalshi.pk].best) == ("no", D("0.60"))
    assert (legs[polymarket.pk].side, legs[polymarket.pk].best) == ("yes", D("0.34"))
    assert abs(legs[kalshi.pk].count / legs[polymarket.pk].count - D(100) / D(60)) < D("0.01")


def test_an_allocation_by_weights_splits_the_money(user: User, books: Books) -> None:
    basket, kalshi, polymarket = two_leg_basket(books)
    legs = {leg.market_id: leg for leg in legs_of(quote(user, basket, books, allocation="weights"))}
    assert abs(legs[kalshi.pk].worst_cost - 50) < 1
    assert abs(legs[polymarket.pk].worst_cost - 50) < 1


def test_the_same_question_twice_gives_the_same_numbers(user: User, books: Books) -> None:
    basket, _, _ = two_leg_basket(books)
    first, second = quote(user, basket, books), quote(user, basket, books)
    assert first.pk != second.pk
    assert (first.legs, first.worst_cost) == (second.legs, second.worst_cost)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"amount": D("0.50")}, "at least 1.00"),
        ({"amount": D("100.001")}, "whole cents"),
        ({"amount": D("NaN")}, "amount in dollars"),
        ({"amount": D("-5")}, "at least"),
        ({"amount": D("10000.01")}, "one trade may take"),
        ({"amount": None}, "how much"),
        ({"side": "maybe"}, "YES or NO"),
        ({"action": "steal"}, "YES or NO"),
        ({"mode": "nowhere"}, "mode of"),
        ({"mode": "sandbox"}, "no account in this mode"),
        ({"mode": "live"}, "Live trading is off"),
        ({"allocation": "luck"}, "by units or by weights"),
    ],
)
def test_what_cannot_be_quoted_is_refused_with_a_sentence(
    user: User, books: Books, values: dict[str, Any], said: str
) -> None:
    basket, _, _ = two_leg_basket(books)
    with pytest.raises(QuoteRefused, match=said):
        quote(user, basket, books, **values)
    assert not TicketQuote.objects.exists()


def test_a_private_basket_of_another_person_is_not_quoted(user: User, books: Books) -> None:
    basket, _, _ = two_leg_basket(books, visibility=Basket.Visibility.PRIVATE, owner=make_user())
    with pytest.raises(QuoteRefused, match="cannot be traded"):
        quote(user, basket, books)


def test_more_than_the_cash_is_refused_naming_what_is_missing(user: User, books: Books) -> None:
    basket, _, _ = two_leg_basket(books)
    account = paper_account(user, now=books.now)
    account.cash = D("60")
    account.save()
    with pytest.raises(QuoteRefused, match=r"has 60\.00 free .* is missing"):
        quote(user, basket, books)


def test_closed_paused_and_closing_markets_are_left_out_and_named(user: User, books: Books) -> None:
    basket, kalshi, polymarket = two_leg_basket(books)
    Market.objects.filter(pk=kalshi.pk).update(close_at=books.now + timedelta(seconds=299))
    found = quote(user, basket, books)
    assert [leg.market_id for leg in legs_of(found)] == [polymarket.pk]
    assert any("closes within 5 minutes" in warning for warning in found.warnings)
    Market.objects.filter(pk=polymarket.pk).update(status="paused")
    with pytest.raises(QuoteRefused, match="nothing to trade here now"):
        quote(user, basket, books)


def test_stale_missing_and_one_sided_books_are_said(user: User, books: Books) -> None:
    basket, kalshi, polymarket = two_leg_basket(books)
    books.put(kalshi, bids=[("0.40", "5")], asks=[("0.42", "500")], received_at=books.now - timedelta(seconds=91))
    found = quote(user, basket, books)
    assert any("is stale" in warning for warning in found.warnings)
    del books.books[polymarket.pk]
    books.put(kalshi, bids=[("0.40", "5")], asks=[])
    with pytest.raises(QuoteRefused, match=r"nobody offers|no order book"):
        quote(user, basket, books)


def test_a_venue_that_does_not_answer_gives_a_sentence_and_no_quote(user: User, books: Books) -> None:
    basket, _, _ = two_leg_basket(books)
    books.is_down = True
    with pytest.raises(QuoteRefused, match="Kalshi's order books cannot be read"):
        quote(user, basket, books)


def test_thin_closing_soon_and_same_event_are_warned_of(user: User, books: Books) -> None:
    event = make_event(mutually_exclusive=True, title="Who wins?")
    one = make_market(event=event, close_at=books.now + timedelta(days=2))
    two = make_market(event=event)
    books.put(one, bids=[("0.20", "50")], asks=[("0.22", "20"), ("0.26", "400")])
    books.put(two, bids=[("0.30", "50")], asks=[("0.32", "4000")])
    basket = make_basket([(one, "yes", "0.5", "10"), (two, "yes", "0.5", "10")])
    found = quote(user, basket, books)
    text = " ".join(found.warnings)
    assert "thin" in text
    assert "closes soon" in text
    assert "2 legs are of one event: Who wins?" in text
    # Only one of them can come true.
    assert found.best_payout == max(leg.count for leg in legs_of(found))


def test_levels_outside_the_price_band_are_never_walked(user: User, books: Books) -> None:
    market = make_market()
    books.put(market, bids=[("0.40", "50")], asks=[("0.42", "10"), ("0.60", "100000")])
    found = quote(user, make_basket([(market, "yes", "1", "10")]), books)
    (leg,) = legs_of(found)
    assert (leg.count, leg.worst) == (D(10), D("0.42"))
    assert leg.limit <= D("0.41") + D("0.10")
    assert found.left_over > 90


def test_a_small_polymarket_leg_is_left_out(user: User, books: Books) -> None:
    basket, kalshi, _ = two_leg_basket(books)
    found = quote(user, basket, books, amount=D("3"))
    assert [leg.market_id for leg in legs_of(found)] == [kalshi.pk]
    assert any("too small for Polymarket" in warning for warning in found.warnings)


def test_each_venue_account_pays_its_own_legs(user: User, books: Books) -> None:
    basket, kalshi, polymarket = two_leg_basket(books)
    own = {kind: sandbox_account(user, books.now, kind).pk for kind in ("kalshi", "polymarket")}
    legs = {leg.market_id: leg for leg in legs_of(quote(user, basket, books, mode="sandbox"))}
    assert legs[kalshi.pk].account_id == own["kalshi"]
    assert legs[polymarket.pk].account_id == own["polymarket"]


def test_legs_of_a_venue_without_an_account_are_left_out(user: User, books: Books) -> None:
    basket, kalshi, _ = two_leg_basket(books)
    sandbox_account(user, books.now, "kalshi")
    found = quote(user, basket, books, mode="sandbox")
    assert [leg.market_id for leg in legs_of(found)] == [kalshi.pk]
    assert any("on Polymarket, where you have no account" in warning for warning in found.warnings)


def test_sandbox_quotes_need_the_sandbox_as_read_side(user: User, books: Books, settings: Any) -> None:
    basket, _, _ = two_leg_basket(books)
    sandbox_account(user, books.now, "kalshi")
    settings.VENUES = "live"
    with pytest.raises(QuoteRefused, match="reads the real exchanges"):
        quote(user, basket, books, mode="sandbox")


@pytest.mark.parametrize("whose", ["everybody", "mine"])
def test_the_kill_switch_stops_quotes(user: User, books: Books, whose: str) -> None:
    basket, _, _ = two_leg_basket(books)
    set_switch(
        user=None if whose == "everybody" else user,
        state=TradingSwitch.State.HALTED,
        reason="drill",
        changed_by=None,
        now=books.now,
    )
    with pytest.raises(QuoteRefused, match="halted: drill"):
        quote(user, basket, books)
