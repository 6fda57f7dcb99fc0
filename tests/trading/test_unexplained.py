"""Cash that the venue has and the ledger does not know of is booked once, on its owner's word, and never in a hurry."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from itomarkets.records.models import AuditEntry
from tests.factories import make_user
from tests.trading.api_caller import Caller
from tests.trading.test_execution import make_trade, run
from tests.trading.test_stepup import PASSWORD, confirm_who_i_am, signed_in
from tests.trading.venue import Books, FakeVenue, sandbox_account
from trading.ledger import ledger_cash, trial_balance
from trading.ledger_checks import verify_account
from trading.models import CashEntry, Fill, Order, VenueAccount
from trading.reconciliation import compare_account
from trading.unexplained import CHANGED, ON_ITS_WAY, UNSETTLED, BookingRefused, book_external, unexplained_cash

D = Decimal


@pytest.fixture
def venue(now: datetime) -> FakeVenue:
    return FakeVenue(now=lambda: now)


def compared(account: VenueAccount, venue: FakeVenue, now: datetime) -> VenueAccount:
    compare_account(account=account, client=venue, now=now)
    account.refresh_from_db()
    return account


def entries(account: VenueAccount) -> list[Decimal]:
    return list(CashEntry.objects.filter(account=account, kind="external").values_list("amount", flat=True))


@pytest.mark.parametrize("moved", ["50", "-12.345678"])
def test_a_deposit_or_a_withdrawal_is_booked_once_and_the_ledger_holds(
    user: User, venue: FakeVenue, now: datetime, moved: str
) -> None:
    account, amount = sandbox_account(user, now), D(moved)
    assert unexplained_cash(account) is None
    venue.money += amount
    found = unexplained_cash(compared(account, venue, now))
    assert found is not None
    assert (found.amount, found.number, found.waits_for) == (amount, 1, "")
    first, second = (book_external(account=account, amount=amount, number=1, now=now) for _ in range(2))
    assert first == second
    assert entries(account) == [amount]
    assert ledger_cash(account) == venue.money
    books = trial_balance(account)
    assert (books.total, books.books["external"]) == (0, -amount)
    assert verify_account(account) == []
    account.refresh_from_db()
    assert (account.differences, unexplained_cash(account)) == ([], None)
    assert compared(account, venue, now).differences == []
    told = AuditEntry.objects.get(action="account.cash_explained")
    assert (told.actor, D(told.after["external"])) == (user, amount)


def test_the_same_amount_once_more_is_another_difference_with_a_number_of_its_own(
    user: User, venue: FakeVenue, now: datetime
) -> None:
    account = sandbox_account(user, now)
    for number in (1, 2):
        venue.money += 50
        found = unexplained_cash(compared(account, venue, now))
        assert found is not None
        assert found.number == number
        # Who still has the page of the first one books nothing new with it.
        for asked in range(1, number + 1):
            book_external(account=account, amount=D(50), number=asked, now=now)
        assert entries(account) == [D(50)] * number


def test_what_has_changed_since_it_was_shown_is_not_booked(user: User, venue: FakeVenue, now: datetime) -> None:
    account = sandbox_account(user, now)
    venue.money += 50
    compared(account, venue, now)
    for amount, number in (("49", 1), ("50", 2), ("-50", 1)):
        with pytest.raises(BookingRefused, match="not what was shown"):
            book_external(account=account, amount=D(amount), number=number, now=now)
    # The venue says another sum by now: what was shown holds no more.
    venue.money += 1
    compared(account, venue, now)
    with pytest.raises(BookingRefused) as refused:
        book_external(account=account, amount=D(50), number=1, now=now)
    assert str(refused.value) == CHANGED
    # Read anew, but not compared: nobody has been shown this.
    VenueAccount.objects.update(cash=D(2000))
    with pytest.raises(BookingRefused):
        book_external(account=account, amount=D(1000), number=1, now=now)
    assert entries(account) == []


def test_nothing_is_booked_while_a_write_is_unknown_or_a_fill_unsettled(
    user: User, books: Books, venue: FakeVenue, now: datetime
) -> None:
    trade = make_trade(user, books)
    account = trade.orders.get(leg_no=1).account
    run(trade, venue, now)
    venue.money = ledger_cash(account) + 50
    compared(account, venue, now)
    for change, back, says in (
        ({"status": "unknown"}, {"status": "filled"}, ON_ITS_WAY),
        ({"status": "open"}, {"status": "filled"}, ON_ITS_WAY),
    ):
        Order.objects.filter(account=account).update(**change)
        shown = unexplained_cash(account)
        assert shown is not None
        assert shown.waits_for == says
        with pytest.raises(BookingRefused, match="has not ended"):
            book_external(account=account, amount=D(50), number=1, now=now)
        Order.objects.filter(account=account).update(**back)
    Fill.objects.filter(account=account).update(settlement="matched")
    with pytest.raises(BookingRefused) as refused:
        book_external(account=account, amount=D(50), number=1, now=now)
    assert str(refused.value) == UNSETTLED
    Fill.objects.filter(account=account).update(settlement="confirmed")
    book_external(account=account, amount=D(50), number=1, now=now)
    assert entries(account) == [D(50)]
    assert verify_account(account) == []


def test_the_page_shows_the_difference_and_books_it(
    user: User, venue: FakeVenue, client: Client, now: datetime
) -> None:
    account = sandbox_account(user, now)
    client.force_login(user)
    path = f"/profile/accounts/{account.pk}/cash"
    assert path not in client.get("/profile").content.decode()
    venue.money -= D("7.25")
    compared(account, venue, now)
    page = client.get("/profile").content.decode()
    assert "$7.25 less" in page
    assert "Book $7.25 as a withdrawal outside Itô" in page
    assert "/profile" in client.get("/portfolio").content.decode()
    stranger = signed_in(make_user())
    assert stranger.post(path, {"amount": "-7.25", "number": 1}).status_code == 404
    assert "Expected the amount" in client.post(path, {"amount": "all"}, follow=True).content.decode()
    assert "not what was shown" in client.post(path, {"amount": "-7", "number": 1}, follow=True).content.decode()
    assert entries(account) == []
    for _ in range(2):
        page = client.post(path, {"amount": "-7.250000", "number": 1}, follow=True).content.decode()
        assert "Booked: a withdrawal of $7.25 outside Itô" in page
    assert entries(account) == [D("-7.25")]


def test_real_money_asks_who_is_there_on_the_page_and_at_the_api(db: None, venue: FakeVenue, now: datetime) -> None:
    person = make_user(password=PASSWORD)
    account = sandbox_account(person, now)
    VenueAccount.objects.update(mode="live")
    account.refresh_from_db()
    venue.money += 5
    compared(account, venue, now)
    client, path = signed_in(person), f"/profile/accounts/{account.pk}/cash"
    assert client.post(path, {"amount": "5", "number": 1})["Location"].startswith("/account/reauthenticate")
    body: dict[str, Any] = {"amount": "5.00", "number": 1}
    api = client.post("/api/v1/accounts/kalshi/live/cash", body, content_type="application/json")
    assert (api.status_code, api.json()["code"]) == (403, "step_up_needed")
    assert entries(account) == []
    confirm_who_i_am(client)
    api = client.post("/api/v1/accounts/kalshi/live/cash", body, content_type="application/json")
    assert (api.status_code, api.json()["amount"]) == (200, "5.000000")
    assert entries(account) == [D(5)]


def test_a_program_reads_the_difference_and_books_it(user: User, venue: FakeVenue, now: datetime) -> None:
    account, caller = sandbox_account(user, now), Caller(user, now)
    venue.money += 50
    compared(account, venue, now + timedelta(seconds=5))
    (shown,) = caller.get("/exposure?mode=sandbox")["accounts"]
    assert (shown["kind"], shown["mode"]) == ("kalshi", "sandbox")
    assert shown["unexplained"] == {"amount": "50.000000", "number": 1, "waits_for": ""}
    path = "/accounts/kalshi/sandbox/cash"
    assert caller.ask("POST", path, {"amount": 50.0, "number": 1}).status_code == 400
    assert caller.ask("POST", path, {"amount": "50.00", "number": 2}).json()["code"] == "booking_refused"
    for _ in range(2):
        assert caller.ask("POST", path, {"amount": "50.00", "number": 1}).status_code == 200
    assert caller.ask("POST", "/accounts/kalshi/live/cash", {"amount": "50.00", "number": 1}).status_code == 404
    assert caller.get("/exposure?mode=sandbox")["accounts"][0]["unexplained"] is None
    assert entries(account) == [D(50)]
