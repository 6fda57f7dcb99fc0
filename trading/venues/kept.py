"""Connections to venues, kept open between trades: opening them costs more than sending over them.

Kept are lines, never keys: a run opens its account's secrets when it signs, and closing its client lets
them go. One line an account, in a worker's memory, closed a short while after its last use.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings

from itomarkets.lib import clock
from trading.models import VenueAccount
from trading.venues.base import Line, OrderClient
from trading.venues.clients import open_line, order_client, urls_of


@dataclass(slots=True, eq=False)
class _Kept:
    line: Line
    urls: dict[str, str]
    used_at: datetime
    users: int = 0


@dataclass(slots=True)
class KeptLines:
    """One open line an account. Safe to share between threads, as the lines are."""

    _kept: dict[int, _Kept] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def connect(self, account: VenueAccount, *, now: Callable[[], datetime]) -> OrderClient:
        """Open an account's client over its line; closing it gives the line back. Raises what opening one raises."""
        if account.is_paper or not settings.LINE_KEPT_SECONDS:
            return order_client(account, now=now)
        kept = self._take(account)
        return order_client(account, now=now, line=kept.line, give_back=partial(self._give_back, kept))

    def close(self) -> None:
        """Close every line that nobody uses."""
        with self._lock:
            self._drop_unused(at_once=True)

    def _take(self, account: VenueAccount) -> _Kept:
        urls = urls_of(account.mode)
        with self._lock:
            self._drop_unused()
            kept = self._kept.get(account.pk)
            if kept is None or kept.urls != urls:
                if kept is not None and not kept.users:
                    kept.line.close()
                kept = self._kept[account.pk] = _Kept(open_line(account), urls, clock.machine_now())
            kept.users += 1
            return kept

    def _give_back(self, kept: _Kept) -> None:
        with self._lock:
            kept.users -= 1
            kept.used_at = clock.machine_now()
            if not kept.users and kept not in self._kept.values():
                kept.line.close()

    def _drop_unused(self, *, at_once: bool = False) -> None:
        oldest = clock.machine_now() - timedelta(seconds=settings.LINE_KEPT_SECONDS)
        for account_id, kept in list(self._kept.items()):
            if not kept.users and (at_once or kept.used_at < oldest):
                del self._kept[account_id]
                kept.line.close()


kept_lines = KeptLines()
