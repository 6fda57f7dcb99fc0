"""When each order of a trade goes out, within what its account may send: known before the first one goes.

An account's budget is a bucket that fills at a steady pace. Its row holds when the bucket will be full
again, which each claim moves on under that row's lock: so several workers share one bucket.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from trading.models import Order, VenueAccount

SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class WriteBudget:
    """What an account may send: `per_second` orders a second for long, `burst` at once."""

    per_second: int
    burst: int

    @property
    def step(self) -> timedelta:
        """The time in which one order's worth comes back."""
        return SECOND / self.per_second

    def offset(self, number: int) -> timedelta:
        """Return how long the order with this number, counted from 0, waits for a full bucket."""
        return SECOND * max(0, number + 1 - self.burst) / self.per_second

    def next_at(self, whole_at: datetime | None, now: datetime) -> datetime:
        """Return when one more order may go; `whole_at` is when the bucket is full again."""
        return now if whole_at is None else max(now, whole_at - self.step * (self.burst - 1))

    def spent(self, whole_at: datetime | None, at: datetime) -> datetime:
        """Return when the bucket is full again after one more order went out at an instant."""
        return (at if whole_at is None else max(whole_at, at)) + self.step


def budget_of(kind: str) -> WriteBudget | None:
    """Return the budget of a kind of account; None where nothing is sent to a venue."""
    found = settings.WRITE_BUDGETS.get(kind)
    return WriteBudget(*found) if found else None


def time_to_send(kinds: Iterable[str]) -> timedelta:
    """Return when the last of these orders goes out, given the kind of account of each; accounts send side by side."""
    last = timedelta(0)
    for kind, count in Counter(kinds).items():
        budget = budget_of(kind)
        if budget is not None:
            last = max(last, budget.offset(count - 1))
    return last


def send_times(orders: Sequence[Order], *, now: datetime) -> dict[int, datetime]:
    """Return when each order goes out, by its id, in the order given, after what its account has sent already."""
    whole_at: dict[int, datetime | None] = {}
    times = {}
    for order in orders:
        budget = budget_of(order.account.kind)
        if budget is None:
            times[order.pk] = now
            continue
        whole = whole_at.get(order.account_id, order.account.budget_whole_at)
        times[order.pk] = at = budget.next_at(whole, now)
        whole_at[order.account_id] = budget.spent(whole, at)
    return times


def put_off(*, account_id: int, seconds: float, now: datetime) -> None:
    """Let an account send nothing for some seconds, and after that one order at a time: the venue said too many."""
    with transaction.atomic():
        account = VenueAccount.objects.select_for_update().get(pk=account_id)
        budget = budget_of(account.kind)
        if budget is None:
            return
        quiet = now + timedelta(seconds=seconds) + budget.step * (budget.burst - 1)
        account.budget_whole_at = max(quiet, account.budget_whole_at or quiet)
        account.save(update_fields=["budget_whole_at"])
