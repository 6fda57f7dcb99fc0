"""F33: the seeded simulation plays the same twice, holds every invariant, and sees each defect that is planted."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from itomarkets.lib import clock
from itomarkets.simulation import run
from itomarkets.simulation.machine import NOON
from trading import execution, sending
from trading.models import Order
from trading.venues.base import Placement, SubmitResult, VenueFill
from trading.venues.kalshi import KalshiOrders
from trading.venues.polymarket import PolymarketOrders

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.fault("F33")]


def play(seed: int) -> tuple[run.SeedReport, list[str]]:
    lines: list[str] = []
    return run.run_seed(seed, say=lines.append), lines


def first_breach(seeds: range) -> run.Report:
    return run.run_seeds(seeds, say=lambda line: None, told=lambda one: None, until_breach=True)


@pytest.mark.deep
def test_a_seed_played_twice_says_the_same_line_by_line() -> None:
    first, second = play(4), play(4)
    assert first[1] == second[1]
    assert first[0] == second[0]
    assert len(first[1]) > 30


@pytest.mark.deep
def test_every_invariant_holds_over_some_seeds_and_the_faults_are_counted() -> None:
    report = run.run_seeds(range(1, 5), say=lambda line: None, told=lambda one: None)
    assert (report.seeds, report.breaches, report.failing_seed) == (4, 0, None)
    assert report.trades
    assert sum(report.faults.values()) > 20


@pytest.mark.deep
def test_a_seed_leaves_the_real_clock_and_the_real_network_behind_it() -> None:
    play(1)
    assert abs((clock.machine_now() - NOON).total_seconds()) > 3600
    assert abs((clock.now() - clock.machine_now()).total_seconds()) < 60


def test_an_unknown_order_that_is_sent_again_is_a_breach(monkeypatch: pytest.MonkeyPatch) -> None:
    for client in (KalshiOrders, PolymarketOrders):
        submit: Callable[..., SubmitResult] = client.submit

        def twice(self: Any, order: Order, signed: Any, submit: Callable[..., SubmitResult] = submit) -> SubmitResult:
            result = submit(self, order, signed)
            return submit(self, order, signed) if result.placement is Placement.UNKNOWN else result

        monkeypatch.setattr(client, "submit", twice)
    report = first_breach(range(1, 30))
    assert report.breaches == 1
    assert report.failing_seed is not None
    again, lines = play(report.failing_seed)
    assert "arrived 2 times" in again.breach
    assert "BREACH" in lines[-1]


def test_a_fill_that_is_booked_each_time_it_is_told_is_a_breach(monkeypatch: pytest.MonkeyPatch) -> None:
    book = execution.book_fills
    numbers = itertools.count()

    def unchecked(*, order: Order, fills: Sequence[VenueFill], now: datetime) -> Any:
        again = [replace(fill, venue_trade_id=f"{fill.venue_trade_id}#{next(numbers)}") for fill in fills]
        return book(order=order, fills=again, now=now)

    monkeypatch.setattr(execution, "book_fills", unchecked)
    report = first_breach(range(1, 20))
    assert report.breaches == 1
    assert report.failing_seed is not None


def test_a_switch_that_a_claim_does_not_read_is_a_breach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "blocked_reason", lambda **_: "")
    report = first_breach(range(1, 40))
    assert report.breaches == 1
    assert report.failing_seed is not None
    assert "I10" in play(report.failing_seed)[0].breach
