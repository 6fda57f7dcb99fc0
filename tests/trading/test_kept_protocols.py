"""A lent client can be asked what it can do, as the client itself can, whatever Python looks at."""

import inspect
from datetime import datetime
from typing import Any

import pytest

from trading.models import VenueAccount
from trading.venues.base import ListsOrders, SubmitsMany, TellsStatus
from trading.venues.kalshi import KalshiOrders
from trading.venues.kept import KeptClients
from trading.venues.polymarket import PolymarketOrders


@pytest.mark.parametrize("kind", [KalshiOrders, PolymarketOrders])
def test_what_is_lent_has_each_member_of_its_kind_on_its_own_class(kind: type[Any], now: datetime) -> None:
    client = object.__new__(kind)
    kept = KeptClients(open=lambda account, now: client)
    lent = kept.connect(VenueAccount(pk=1, kind="kalshi", mode="sandbox"), now=lambda: now)
    for protocol in (ListsOrders, SubmitsMany, TellsStatus):
        assert isinstance(lent, protocol) == isinstance(client, protocol)
    for name in ("submit", "submit_many", "look_up", "listed_since"):
        assert inspect.getattr_static(lent, name)
    assert lent.submit_many == client.submit_many
    with pytest.raises(AttributeError):
        lent.no_such_thing  # noqa: B018
