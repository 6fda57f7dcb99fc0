"""Cash at a venue that the ledger does not know of: shown to the account's owner, and booked once on their word."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from itomarkets.records import audit
from trading.ledger import Book, Kind, Line, ledger_cash, post
from trading.models import CashEntry, Fill, VenueAccount
from trading.states import AT_VENUE

ON_ITS_WAY = "An order of this account has not ended, so its cash still moves. Look again when it has."
UNSETTLED = "A fill of this account has not settled yet, so its cash may still come back. Look again when it has."
CHANGED = "The difference is not what was shown: it was booked already, or has changed. Look at it again."


class BookingRefused(Exception):
    """The difference cannot be booked now; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Unexplained:
    """What the venue says beyond the ledger, less than zero where cash is missing; `number` is good for one booking."""

    amount: Decimal
    number: int
    # Why it cannot be booked now; empty when it can.
    waits_for: str = ""

    @property
    def says(self) -> str:
        return exact(abs(self.amount))


def cash_sentence(account: VenueAccount, *, told: Decimal, expected: Decimal) -> str:
    """Say that the venue's cash is not the ledger's."""
    return f"{account}: the venue says {exact(told)} of cash, the ledger says {exact(expected)}."


def unexplained_cash(account: VenueAccount) -> Unexplained | None:
    """Return what the last comparison found and nothing has moved since; None where there is no such difference."""
    if not account.differences:
        return None
    expected = ledger_cash(account)
    if cash_sentence(account, told=account.cash, expected=expected) not in account.differences:
        return None
    return Unexplained(account.cash - expected, _booked(account) + 1, _waits_for(account))


def book_external(
    *, account: VenueAccount, amount: Decimal, number: int, now: datetime, request_id: str = ""
) -> CashEntry:
    """Book a difference as cash that was moved outside, as its owner says; a second time changes nothing.

    `amount` and `number` are what was shown. Raises BookingRefused while money is on its way, and where the
    difference is another one by now.
    """
    with transaction.atomic():
        row = VenueAccount.objects.select_for_update().get(pk=account.pk)
        done = CashEntry.objects.filter(account=row, reference=_reference(number), amount=amount).first()
        if done is not None:
            return done
        if reason := _waits_for(row):
            raise BookingRefused(reason)
        found = unexplained_cash(row)
        if found is None or (found.amount, found.number) != (amount, number):
            raise BookingRefused(CHANGED)
        before = ledger_cash(row)
        entry = post(
            account=row,
            kind=Kind.EXTERNAL,
            amount=amount,
            reference=_reference(number),
            at=now,
            lines=[Line(Book.EXTERNAL, -amount)],
        )
        explained = cash_sentence(row, told=row.cash, expected=before)
        row.differences = [said for said in row.differences if said != explained]
        row.save(update_fields=["differences"])
        audit.record(
            action="account.cash_explained",
            subject=f"account:{row.pk}",
            actor=row.user,
            before={"ledger": str(before)},
            after={"ledger": str(row.cash), "external": str(amount), "entry": entry.reference},
            request_id=request_id,
            at=now,
        )
    return entry


def _reference(number: int) -> str:
    return f"external:{number}"


def _booked(account: VenueAccount) -> int:
    return CashEntry.objects.filter(account=account, kind=Kind.EXTERNAL).count()


def _waits_for(account: VenueAccount) -> str:
    if account.orders.filter(status__in=AT_VENUE).exists():
        return ON_ITS_WAY
    if Fill.objects.filter(account=account, settlement=Fill.Settlement.MATCHED).exists():
        return UNSETTLED
    return ""


def exact(amount: Decimal) -> str:
    """Write money to the cent, and what is below a cent where there is any."""
    cents = amount.quantize(Decimal("0.01"))
    return f"${cents:,.2f}" if cents == amount else f"${amount.normalize():,f}"
