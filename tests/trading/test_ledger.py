"""The ledger: always zero, never edited, the same whatever the venue told first; with pairs, results and claims."""

import itertools
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, note
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts.models import User
from itomarkets.records.models import AuditEntry
from tests.factories import make_market, make_user
from tests.trading.ledger_world import account_at, basket_of, bought, make_order, resolve, told
from trading.ledger import Book, Line, OutOfBalance, ledger_cash, post, trial_balance
from trading.ledger_checks import verify_account, verify_ledger
from trading.models import CashEntry, Fill, LedgerLine, Order, Position, VenueAccount
from trading.positions import book_fills
from trading.reconciliation import compare_account
from trading.settlement import claims_of, settle_positions

D = Decimal


class Told:
    """A venue that says what it is told to say."""

    def __init__(self, cash: Decimal, counts: dict[int, Decimal] | None = None) -> None:
        self._cash = cash
        self._counts = counts or {}

    def cash(self) -> Decimal:
        return self._cash

    def net_counts(self, markets: Any) -> dict[int, Decimal]:
        return {market.pk: self._counts.get(market.pk, D(0)) for market in markets}


def compare(account: VenueAccount, cash: str, now: datetime, counts: dict[int, Decimal] | None = None) -> list[str]:
    client: Any = Told(D(cash), counts)
    return compare_account(account=account, client=client, now=now)


@pytest.fixture
def kalshi(user: User, now: datetime) -> VenueAccount:
    return account_at(user, "kalshi", now)


@pytest.fixture
def polymarket(user: User, now: datetime) -> VenueAccount:
    return account_at(user, "polymarket", now)


@pytest.mark.parametrize(("status", "waits"), [("planned", 0), ("submitting", 1), ("unknown", 1), ("open", 1)])
def test_a_result_waits_for_orders_that_may_still_fill_and_for_none_that_was_never_sent(
    kalshi: VenueAccount, now: datetime, status: str, waits: int
) -> None:
    market = make_market()
    basket = basket_of(market)
    bought(kalshi, basket, market, now, "10", "0.40")
    make_order(kalshi, basket, market, now, count="5", status=status)
    resolve(market, "1")
    for settled in (1 - waits, 0):
        report = settle_positions(now=now)
        assert (report.settled, report.waiting) == (settled, waits)
    kalshi.refresh_from_db()
    assert kalshi.cash == (D(996) if waits else D(1006))


def test_every_event_is_zero_and_names_where_the_money_is(kalshi: VenueAccount, now: datetime) -> None:
    market = make_market()
    basket = basket_of(market)
    bought(kalshi, basket, market, now, "10", "0.40", fee="0.10")
    bought(kalshi, basket, market, now, "4", "0.50", fee="0.03", action="sell", second=60)
    before, after = trial_balance(kalshi, at=now), trial_balance(kalshi)
    assert (before.cash, before.books["position"], before.books["carried"]) == (D("995.90"), D("4.00"), D("0.10"))
    assert (before.books["realised"], before.books["fees"]) == (D(0), D(0))
    assert (after.cash, after.books["position"], after.books["carried"]) == (D("997.87"), D("2.40"), D("0.06"))
    # Four that had cost 1.60 brought 2.00; the fees of what is gone are its part of the first, and the sale's own.
    assert (after.books["realised"], after.books["fees"]) == (D("-0.40"), D("0.07"))
    assert before.total == after.total == trial_balance(kalshi, at=now - timedelta(days=1)).total == 0
    assert verify_account(kalshi) == []


def test_an_entry_out_of_balance_is_refused_and_a_cause_is_booked_once(kalshi: VenueAccount, now: datetime) -> None:
    event: dict[str, Any] = {"account": kalshi, "kind": "external", "reference": "external:1", "at": now}
    with pytest.raises(OutOfBalance, match="external:1 is out by 1"):
        post(amount=D(5), lines=[Line(Book.EXTERNAL, D(-4))], **event)
    post(amount=D(5), lines=[Line(Book.EXTERNAL, D(-5))], **event)
    with pytest.raises(IntegrityError), transaction.atomic():
        post(amount=D(5), lines=[Line(Book.EXTERNAL, D(-5))], **event)
    assert ledger_cash(kalshi) == D(1005)


def test_what_is_booked_can_be_neither_changed_nor_deleted(kalshi: VenueAccount) -> None:
    entry = CashEntry.objects.get(account=kalshi)
    line = entry.lines.get()
    for row in (entry, line):
        with pytest.raises(TypeError, match="never changed"):
            row.save()
        with pytest.raises(TypeError, match="never deleted"):
            row.delete()
        with pytest.raises(DatabaseError, match="appended to, never changed"), transaction.atomic():
            type(row).objects.filter(pk=row.pk).update(amount=D(7))


def test_a_line_that_breaks_its_entry_is_refused_at_commit_or_found(kalshi: VenueAccount) -> None:
    entry = CashEntry.objects.get(account=kalshi)

    def break_it() -> None:
        with transaction.atomic():
            LedgerLine.objects.bulk_create([LedgerLine(entry=entry, book="external", amount=D("0.000001"))])
            connection.check_constraints()

    if connection.vendor == "postgresql":
        with pytest.raises(IntegrityError, match="out by 1"):
            break_it()
        return
    break_it()
    assert "(opening) is out by 0.000001" in verify_account(kalshi)[0]
    with pytest.raises(CommandError, match=r"out by 0\.000001\. And 1 more"):
        call_command("verify_ledger")


def test_the_command_counts_what_it_proved_and_names_a_position_that_was_edited(
    kalshi: VenueAccount, now: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    market = make_market()
    bought(kalshi, basket_of(market), market, now, "10", "0.40")
    call_command("verify_ledger")
    assert "2 entries of 1 accounts, balanced" in capsys.readouterr().out
    Position.objects.update(count=D(11))
    with pytest.raises(CommandError, match=r"position \d+ says 11.000000 for 4.000000.*the books 10.000000"):
        call_command("verify_ledger")


def test_a_fill_that_was_edited_is_named(kalshi: VenueAccount, now: datetime) -> None:
    market = make_market()
    bought(kalshi, basket_of(market), market, now, "10", "0.40")
    Fill.objects.update(count=D(9))
    first, *rest = verify_ledger().imbalances
    assert "has moved -4.000000 of cash; expected -3.600000" in first
    assert "its fills give" in rest[0]


@pytest.mark.parametrize("venue", ["kalshi", "paper"])
def test_kalshi_pays_pairs_at_once_whichever_basket_bought_them(user: User, now: datetime, venue: str) -> None:
    account, market = account_at(user, venue, now), make_market()
    ours, theirs = basket_of(market), basket_of(market)
    opening = ledger_cash(account)
    bought(account, ours, market, now, "10", "0.40")
    bought(account, theirs, market, now, "6", "0.55", side="no", fee="0.06", second=60)
    account.refresh_from_db()
    assert account.cash == ledger_cash(account) == opening - D("4.00") - D("3.36") + D("6.00")
    held = {(row.basket_id, row.side): (row.count, row.realised) for row in Position.objects.all()}
    assert held == {(ours.pk, "yes"): (D(4), D("0.30")), (theirs.pk, "no"): (D(0), D("-0.06"))}
    entry = CashEntry.objects.get(kind="netting")
    assert (entry.amount, entry.fill, entry.market) == (D(6), None, market)
    assert verify_account(account) == []


def test_polymarket_keeps_both_tokens(polymarket: VenueAccount, now: datetime) -> None:
    market = make_market(venue="polymarket")
    basket = basket_of(market)
    bought(polymarket, basket, market, now, "10", "0.40")
    bought(polymarket, basket, market, now, "10", "0.55", side="no", second=60)
    assert [row.count for row in Position.objects.all()] == [D(10), D(10)]
    assert not CashEntry.objects.filter(kind="netting").exists()


def test_a_purchase_told_late_leads_to_the_same_books(user: User, now: datetime) -> None:
    books = []
    for order_of_telling in ((0, 1, 2), (2, 1, 0)):
        account, market = account_at(make_user(), "kalshi", now), make_market()
        ours, theirs = basket_of(market), basket_of(market)
        deals: list[tuple[Any, ...]] = [(ours, "20", "0.40", "yes", 0), (ours, "5", "0.30", "yes", 10),
                                        (theirs, "15", "0.50", "no", 20)]  # fmt: skip
        for basket, count, price, side, second in (deals[number] for number in order_of_telling):
            bought(account, basket, market, now, count, price, side=side, second=second)
        assert verify_account(account) == []
        books.append((trial_balance(account), [
            (row.basket_id == ours.pk, row.side, row.count, row.cost, row.realised)
            for row in Position.objects.filter(account=account).order_by("basket", "side")
        ]))  # fmt: skip
    assert books[0] == books[1]


RUNS = itertools.count(1)
REPORTS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(1, 900), st.integers(1, 99), st.integers(0, 99)),
    min_size=1, max_size=7,
)  # fmt: skip


@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=REPORTS, venue=st.sampled_from(["kalshi", "polymarket", "paper"]), shuffle=st.randoms(use_true_random=False),
    payout=st.sampled_from([None, "0", "0.5", "1"]), failing=st.sets(st.integers(0, 6), max_size=2),
)  # fmt: skip
def test_fills_told_twice_in_any_order_over_both_channels_leave_the_same_books(
    db: None, now: datetime, rows: list[Any], venue: str, shuffle: Any, payout: str | None, failing: set[int]
) -> None:
    """I5 and I7: four orders of two baskets on one market; what fails does so on chain, where a venue has one."""
    seen = []
    telling = list(range(len(rows))) * 2
    shuffle.shuffle(telling)
    note(f"rows {rows}, told in the order {telling}, failing {failing}, {venue}, payout {payout}")
    for numbers in (list(range(len(rows))), telling):
        account = account_at(make_user(), venue, now)
        market = make_market(venue="polymarket" if venue == "polymarket" else "kalshi")
        first, second = basket_of(market), basket_of(market)
        orders = [
            make_order(account, basket, market, now, side=side) for basket in (first, second) for side in ("yes", "no")
        ]
        # Within one moment the ids decide: in both tellings they stand in the same order.
        run = next(RUNS)
        for number, order in enumerate(orders):
            Order.objects.filter(pk=order.pk).update(client_id=f"{run:08}-0000-0000-0000-{number:012}")
            order.refresh_from_db()
        for number in numbers:
            which, second_, count, price, fee = rows[number]
            settlement = "matched" if venue == "polymarket" and number in failing else "confirmed"
            report = told(f"t{number}", f"{D(count) / 100}", f"{D(price) / 100}", now, fee=f"{D(fee) / 1000}",
                          second=second_, settlement=settlement)  # fmt: skip
            book_fills(order=orders[which], fills=[report], now=now)
        if venue == "polymarket":
            for number in failing & set(range(len(rows))):
                which, second_, count, price, fee = rows[number]
                report = told(f"t{number}", f"{D(count) / 100}", f"{D(price) / 100}", now, fee=f"{D(fee) / 1000}",
                              second=second_, settlement="failed")  # fmt: skip
                for _ in range(2):
                    book_fills(order=orders[which], fills=[report], now=now)
        if payout is not None:
            resolve(market, payout)
            for _ in range(2):
                settle_positions(now=now)
        assert verify_account(account) == []
        assert trial_balance(account).total == 0
        seen.append((trial_balance(account), [
            (row.basket_id == first.pk, row.side, row.count, row.cost, row.fees, row.realised)
            for row in Position.objects.filter(account=account).order_by("basket", "side")
        ]))  # fmt: skip
    assert seen[0] == seen[1]


@pytest.mark.parametrize(("payout", "status", "paid"), [("1", "resolved", "10"), ("0.25", "resolved", "2.5"),
                                                        ("0.5", "void", "5"), ("0", "resolved", "0")])  # fmt: skip
def test_f25_a_result_pays_what_is_held_once_fractions_and_voids_too(
    kalshi: VenueAccount, now: datetime, payout: str, status: str, paid: str
) -> None:
    market = make_market()
    bought(kalshi, basket_of(market), market, now, "10", "0.40")
    resolve(market, payout, status)
    reports = [settle_positions(now=now) for _ in range(2)]
    assert [(report.settled, report.paid) for report in reports] == [(1, D(paid)), (0, D(0))]
    row = Position.objects.get()
    assert (row.count, row.cost, row.realised, row.settled_at) == (D(0), D(0), D(paid) - D(4), now)
    assert CashEntry.objects.filter(kind="settlement").count() == 1
    assert verify_account(kalshi) == []


def test_a_corrected_result_books_the_difference_and_edits_nothing(kalshi: VenueAccount, now: datetime) -> None:
    market = make_market()
    bought(kalshi, basket_of(market), market, now, "10", "0.40")
    resolve(market, "1")
    settle_positions(now=now)
    resolve(market, "0.3")
    reports = [settle_positions(now=now + timedelta(minutes=5)) for _ in range(2)]
    assert [(report.corrected, report.paid) for report in reports] == [(1, D(-7)), (0, D(0))]
    assert list(CashEntry.objects.filter(payout__isnull=False).values_list("kind", "amount", "payout")) == [
        ("settlement", D(10), D(1)), ("correction", D(-7), D("0.3"))
    ]  # fmt: skip
    assert Position.objects.get().realised == D(-1)
    assert AuditEntry.objects.filter(action="market.corrected").count() == 1
    resolve(market, "1")
    assert settle_positions(now=now + timedelta(minutes=10)).paid == D(7)
    assert ledger_cash(kalshi) == D(1006)
    assert verify_account(kalshi) == []


def test_a_fill_told_after_the_result_is_booked_and_paid(kalshi: VenueAccount, now: datetime) -> None:
    market = make_market()
    basket = basket_of(market)
    bought(kalshi, basket, market, now, "10", "0.40")
    resolve(market, "1")
    settle_positions(now=now + timedelta(minutes=5))
    bought(kalshi, basket, market, now, "5", "0.42", second=30)
    row = Position.objects.get()
    assert (row.count, row.realised) == (D(0), D(15) - D("4.00") - D("2.10"))
    assert row.settled_at == now + timedelta(minutes=5)
    assert ledger_cash(kalshi) == D(1000) + row.realised
    assert settle_positions(now=now + timedelta(minutes=6)).settled == 0
    assert verify_account(kalshi) == []


def test_what_is_won_on_chain_is_claimable_until_the_venue_shows_it_redeemed(
    polymarket: VenueAccount, now: datetime
) -> None:
    won, lost = make_market(venue="polymarket"), make_market(venue="polymarket")
    bought(polymarket, basket_of(won), won, now, "10", "0.40")
    bought(polymarket, basket_of(lost), lost, now, "10", "0.20")
    resolve(won, "1")
    resolve(lost, "0")
    report = settle_positions(now=now)
    assert (report.settled, report.paid) == (2, D(10))
    polymarket.refresh_from_db()
    assert polymarket.cash == ledger_cash(polymarket) == D(994)
    assert trial_balance(polymarket).books["claimable"] == D(10)
    assert claims_of([polymarket]) == {(polymarket.pk, won.pk): D(10)}
    # Neither a venue that still holds the contracts nor one without the money has redeemed them.
    assert compare(polymarket, "994", now) == []
    assert len(compare(polymarket, "1004", now, {won.pk: D(10)})) == 1
    assert claims_of([polymarket])
    for _ in range(2):
        assert compare(polymarket, "1004", now) == []
    polymarket.refresh_from_db()
    assert polymarket.cash == ledger_cash(polymarket) == D(1004)
    assert claims_of([polymarket]) == {}
    assert CashEntry.objects.filter(kind="redemption").count() == 1
    assert AuditEntry.objects.filter(action="account.redeemed").count() == 1
    assert verify_account(polymarket) == []


def test_a_correction_before_the_redemption_changes_the_claim(polymarket: VenueAccount, now: datetime) -> None:
    market = make_market(venue="polymarket")
    bought(polymarket, basket_of(market), market, now, "10", "0.40")
    resolve(market, "1")
    settle_positions(now=now)
    resolve(market, "0.5")
    settle_positions(now=now)
    assert claims_of([polymarket]) == {(polymarket.pk, market.pk): D(5)}
    assert ledger_cash(polymarket) == D(996)
    assert verify_account(polymarket) == []


def test_f28_a_fill_that_fails_after_its_contracts_were_sold_gives_its_cash_back_and_nothing_vanishes(
    polymarket: VenueAccount, now: datetime
) -> None:
    market = make_market(venue="polymarket")
    basket = basket_of(market)
    order = bought(polymarket, basket, market, now, "10", "0.40", fee="0.01", settlement="matched")
    bought(polymarket, basket, market, now, "4", "0.50", action="sell", second=10)
    failed = told(f"t{order.pk}", "10", "0.40", now, fee="0.01", settlement="failed")
    for _ in range(2):
        book_fills(order=order, fills=[failed], now=now + timedelta(seconds=60))
    assert ledger_cash(polymarket) == D(1002)
    assert Position.objects.get().count == 0
    assert CashEntry.objects.filter(kind="reversal").count() == 1
    assert verify_account(polymarket) == []
