"""When each order of a trade goes out, within what its account may send: known before the first one goes."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from trading.models import Order

SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class WriteBudget:
    """What an account may send: `per_second` orders a second for long, `burst` at once."""

    per_second: int
    burst: int

    @property
    def window(self) -> timedelta:
        """The time after which an unused budget is whole again."""
        return SECOND * self.burst / self.per_second

    def offset(self, number: int) -> timedelta:
        """Return how long the order with this number, counted from 0, waits."""
        return SECOND * max(0, number + 1 - self.burst) / self.per_second


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


def send_times(
    orders: Sequence[Order], *, recent: Mapping[int, Sequence[datetime]], now: datetime
) -> dict[int, datetime]:
    """Return when each order goes out, by its id, in the order given.

    `recent` are the account's last sends, by account id: what they used of the burst is not there
    again before the budget's window has passed.
    """
    used: dict[int, int] = {}
    times = {}
    for order in orders:
        budget = budget_of(order.account.kind)
        if budget is None:
            times[order.pk] = now
            continue
        if order.account_id not in used:
            used[order.account_id] = sum(at > now - budget.window for at in recent.get(order.account_id, ()))
        times[order.pk] = now + budget.offset(used[order.account_id])
        used[order.account_id] += 1
    return times


def recent_sends(orders: Sequence[Order], *, now: datetime) -> dict[int, list[datetime]]:
    """Read what the orders' accounts have sent within their budgets' windows."""
    windows = [budget.window for order in orders if (budget := budget_of(order.account.kind)) is not None]
    found: dict[int, list[datetime]] = {}
    if windows:
        sent = Order.objects.filter(
            account__in={order.account_id for order in orders}, submitted_at__gt=now - max(windows)
        )
        for account_id, at in sent.values_list("account_id", "submitted_at"):
            if at is not None:
                found.setdefault(account_id, []).append(at)
    return found
