"""The waterfall: which rule gives a leg's price, and when none does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baskets.marks import Carried, Reason, SideQuote, mark_leg, middle

DAY, HOUR = 86_400, 3_600


def mark(quote=None, *, settled=None, disputed=False, closed=False, carried=None, **rules):
    return mark_leg(settled=settled, is_disputed=disputed, is_closed=closed, quote=quote, carried=carried, **rules)


def book(bid, ask, *, last=None, age=0, last_age=0):
    return SideQuote(bid, ask, last, age, last_age if last is not None else None)


@pytest.mark.parametrize(
    ("quote", "price", "reason"),
    [
        (book(610_000, 630_000), 620_000, Reason.MID),
        (book(450_000, 550_000), 500_000, Reason.MID),
        (book(450_000, 550_001, last=460_000), 460_000, Reason.LAST),
        (book(400_000, 600_000, last=390_000), 400_000, Reason.LAST),
        (book(400_000, 600_000, last=700_000), 600_000, Reason.LAST),
        (book(400_000, 600_000, last=450_000, last_age=DAY + 1), 500_000, Reason.WIDE),
        (book(350_000, 650_000), 500_000, Reason.WIDE),
        (book(300_000, None, last=250_000), 300_000, Reason.ONE_SIDED),
        (book(None, 200_000, last=250_000), 200_000, Reason.ONE_SIDED),
    ],
)
def test_a_usable_book_gives_the_price_of_its_rule(quote, price, reason):
    found = mark(quote)
    assert (found.price, found.reason) == (price, reason)


@pytest.mark.parametrize(
    "quote",
    [
        None,
        book(610_000, 630_000, age=91),
        book(630_000, 610_000, last=620_000),
        book(620_000, 620_000),
        book(300_000, 650_000),
        book(300_000, None),
        book(None, None, last=500_000),
        book(10_000, 990_000, last=500_000),
    ],
)
def test_what_is_not_usable_carries_the_last_good_mark_and_says_so(quote):
    found = mark(quote, carried=Carried(480_000, HOUR))
    assert (found.price, found.reason, found.age_seconds) == (480_000, Reason.STALE, HOUR)


def test_nothing_is_carried_past_a_day():
    assert mark(carried=Carried(480_000, DAY)).price == 480_000
    assert mark(carried=Carried(480_000, DAY + 1)).reason is Reason.NONE


def test_a_settled_leg_is_worth_what_it_paid_whatever_its_book_says():
    found = mark(book(10_000, 20_000), settled=1_000_000)
    assert (found.price, found.reason) == (1_000_000, Reason.SETTLED)


def test_a_disputed_leg_is_frozen_and_a_closed_one_keeps_its_last_mark():
    carried = Carried(700_000, 10 * DAY)
    assert mark(book(1_000, 2_000), disputed=True, carried=carried).reason is Reason.FROZEN
    closing = mark(book(990_000, 999_000), closed=True, carried=carried)
    assert (closing.price, closing.reason) == (700_000, Reason.CLOSING)


def test_an_old_book_still_says_where_one_could_trade_until_it_is_dead():
    carried = Carried(620_000, 100)
    assert mark(book(610_000, 630_000, age=900), carried=carried).bid == 610_000
    assert mark(book(610_000, 630_000, age=901), carried=carried).bid is None


def test_a_listing_counts_only_where_nothing_else_does():
    listing = book(400_000, 440_000, last=300_000)
    assert mark(None, listing=listing).reason is Reason.LISTING
    assert mark(None, listing=listing).price == 420_000
    assert mark(None, listing=book(None, 440_000, last=300_000)).price == 300_000
    assert mark(book(500_000, 520_000), listing=listing).price == 510_000


@pytest.mark.parametrize(("bid", "ask", "expected"), [(1, 2, 2), (2, 3, 2), (3, 4, 4), (1, 3, 2), (0, 1, 0)])
def test_the_middle_is_rounded_half_to_even(bid, ask, expected):
    assert middle(bid, ask) == expected


@given(st.integers(1, 899_998), st.integers(2, 100_000))
def test_the_other_side_sees_the_complement(bid, spread):
    quote = book(bid, bid + spread, last=bid)
    here, there = mark(quote), mark(quote.flipped())
    if here.price is None:
        assert there.price is None
        return
    assert abs(here.price + (there.price or 0) - 1_000_000) <= 1
    assert there.bid == 1_000_000 - (here.ask or 0)
    assert there.ask == 1_000_000 - (here.bid or 0)
