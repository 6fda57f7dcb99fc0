"""Look-ups side by side: at the same time, each with its own answer or error, paper's by the thread that asks."""

import threading
from typing import Any

import pytest

from itomarkets.lib.venues import VenueUnavailable
from trading.fanout import look_up_all
from trading.models import Order, VenueAccount
from trading.venues.base import Sighting, VenueOrder


@pytest.fixture(autouse=True)
def _no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trading.fanout.connections", NoConnections())


class NoConnections:
    def close_all(self) -> None:
        """There is none."""


class Asked:
    """A venue that answers nobody before as many ask at once as a test says, and notes by which thread."""

    def __init__(self, together: int = 1, failing: tuple[int, ...] = ()) -> None:
        self.meeting = threading.Barrier(together)
        self.failing = failing
        self.threads: dict[int, str] = {}

    def look_up(self, order: Order) -> Sighting:
        self.meeting.wait(timeout=30)
        self.threads[order.pk] = threading.current_thread().name
        if order.pk in self.failing:
            raise VenueUnavailable(f"no answer about {order.pk}", venue="kalshi")
        return Sighting(VenueOrder(f"v-{order.pk}", filled=order.count), (), complete=True)


def orders(*pks: int, kind: str = "kalshi") -> list[Order]:
    return [Order(pk=pk, count=1, account=VenueAccount(pk=pk, kind=kind, mode="sandbox")) for pk in pks]


def test_orders_are_looked_up_at_the_same_time_and_each_gets_its_own_answer() -> None:
    venue: Any = Asked(together=3)
    found = look_up_all([(order, venue) for order in orders(1, 2, 3)], threads=3)
    told = {pk: seen.order.venue_order_id for pk, seen in found.items() if isinstance(seen, Sighting) and seen.order}
    assert told == {1: "v-1", 2: "v-2", 3: "v-3"}
    assert all(name.startswith("look") for name in venue.threads.values())


def test_more_orders_than_threads_are_all_looked_up() -> None:
    venue: Any = Asked()
    assert set(look_up_all([(order, venue) for order in orders(*range(20))], threads=2)) == set(range(20))


def test_an_order_that_cannot_be_read_keeps_its_error_and_none_of_the_others_from_theirs() -> None:
    venue: Any = Asked(together=2, failing=(2,))
    found = look_up_all([(order, venue) for order in orders(1, 2)], threads=2)
    assert isinstance(found[1], Sighting)
    assert isinstance(found[2], VenueUnavailable)
    assert "about 2" in str(found[2])


def test_an_error_of_our_own_is_raised_and_not_taken_for_an_answer() -> None:
    venue: Any = Asked()
    venue.look_up = lambda order: 1 / 0
    with pytest.raises(ZeroDivisionError):
        look_up_all([(order, venue) for order in orders(1, 2)], threads=2)


def test_paper_is_read_by_the_thread_that_asks_while_the_others_are_away() -> None:
    # Both must be asked at once: paper's look-up would wait for ever behind the other's answer.
    venue: Any = Asked(together=2)
    pairs = [(order, venue) for order in orders(1) + orders(2, kind="paper")]
    look_up_all(pairs, threads=2)
    assert venue.threads[2] == threading.current_thread().name
    assert venue.threads[1].startswith("look")


@pytest.mark.parametrize(("count", "threads"), [(1, 8), (3, 1), (0, 8)])
def test_one_order_or_one_thread_is_asked_in_line(count: int, threads: int) -> None:
    venue: Any = Asked()
    found = look_up_all([(order, venue) for order in orders(*range(count))], threads=threads)
    assert set(found) == set(range(count))
    assert set(venue.threads.values()) <= {threading.current_thread().name}
