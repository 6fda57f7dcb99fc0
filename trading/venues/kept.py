"""Clients of accounts, kept open between trades: opening one costs more than sending with it.

Only in a worker's memory, one an account, and closed a short while after its last use. A client is
made anew when the account's sealed keys, its mode or the venues' addresses have changed.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, partial
from hashlib import sha256
from typing import Any

from django.conf import settings

from itomarkets.lib import clock
from trading.models import VenueAccount
from trading.venues.base import OrderClient
from trading.venues.clients import order_client, urls_of

Opens = Callable[..., OrderClient]


@dataclass(slots=True, eq=False)
class _Kept:
    client: OrderClient
    made_of: str
    used_at: datetime
    users: int = 0


@dataclass(slots=True)
class KeptClients:
    """One open client an account. Safe to share between threads, as the clients are."""

    open: Opens = order_client
    _kept: dict[int, _Kept] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def connect(self, account: VenueAccount, *, now: Callable[[], datetime]) -> OrderClient:
        """Return an account's client; closing it gives it back. Raises what opening one raises."""
        if account.is_paper or not settings.CLIENT_KEPT_SECONDS:
            return self.open(account, now=now)
        made_of = _made_of(account)
        with self._lock:
            self._drop_unused()
            kept = self._kept.get(account.pk)
            if kept is None or kept.made_of != made_of:
                if kept is not None and not kept.users:
                    kept.client.close()
                kept = self._kept[account.pk] = _Kept(self.open(account, now=clock.now), made_of, clock.machine_now())
            kept.users += 1
            return _lent_class(type(kept.client))(kept.client, partial(self._give_back, kept))

    def close(self) -> None:
        """Close every client that nobody uses."""
        with self._lock:
            self._drop_unused(at_once=True)

    def _give_back(self, kept: _Kept) -> None:
        with self._lock:
            kept.users -= 1
            kept.used_at = clock.machine_now()
            if not kept.users and kept not in self._kept.values():
                kept.client.close()

    def _drop_unused(self, *, at_once: bool = False) -> None:
        oldest = clock.machine_now() - timedelta(seconds=settings.CLIENT_KEPT_SECONDS)
        for account_id, kept in list(self._kept.items()):
            if not kept.users and (at_once or kept.used_at < oldest):
                del self._kept[account_id]
                kept.client.close()


class _Lent:
    """A kept client in somebody's hands: it does all that the client does, and closing gives it back."""

    def __init__(self, client: OrderClient, give_back: Callable[[], None]) -> None:
        self._client = client
        self._give_back = give_back

    def __repr__(self) -> str:
        return repr(self._client)

    def close(self) -> None:
        self._give_back()


@cache
def _lent_class(kind: type) -> type[Any]:
    """Make the class that lends a kind of client.

    It names the client's own members: from Python 3.12 on, `isinstance` with a protocol looks for them
    on the class, and passes over `__getattr__`.
    """
    names = {name for name in dir(kind) if not name.startswith("_")} - {"close"}
    return type("Lent", (_Lent,), {name: property(partial(_of_client, name)) for name in names})


def _of_client(name: str, lent: _Lent) -> Any:
    return getattr(lent._client, name)


def _made_of(account: VenueAccount) -> str:
    sealed = bytes(account.sealed_credentials or b"")
    text = repr((account.kind, account.mode, account.key_version, sorted(urls_of(account.mode).items())))
    return sha256(sealed + text.encode()).hexdigest()


kept_clients = KeptClients()
