"""F33: the seeded simulation plays the same twice, holds every invariant, and sees each defect that is planted."""

import base64
import itertools
import json
import os
import random
import secrets
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from itomarkets.lib import clock
from itomarkets.sandbox.faults import FAULTS
from itomarkets.simulation import run
from itomarkets.simulation.machine import NOON
from itomarkets.simulation.network import Arrival
from itomarkets.simulation.weather import ENDPOINTS, KINDS, NOT_PLAYED, Weather, kind_of, never_drawn
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


def test_a_seed_played_twice_says_the_same_line_by_line() -> None:
    first, second = play(9), play(9)
    assert first[1] == second[1]
    assert first[0] == second[0]
    assert first[0].breach == ""
    assert len(first[1]) > 30


@pytest.mark.deep
def test_other_processes_say_the_same_and_two_of_them_add_up_to_one(tmp_path: Path) -> None:
    alone, again = (simulate(tmp_path, "--seed", "3", "--seeds", "2", "-v", "2") for _ in range(2))
    assert alone.stderr == again.stderr
    assert alone.stderr.count("the faults stop") == 2
    both = simulate(tmp_path, "--seed", "3", "--seeds", "2", "--jobs", "2")
    found, of_both = (json.loads(each.stdout) for each in (alone, both))
    assert list(found)[:5] == ["seeds", "faults", "breaches", "unknowns_resolved", "failing_seed"]
    assert found | {"seconds": 0} == of_both | {"seconds": 0}
    assert (found["seeds"], found["breaches"], found["failing_seed"]) == (2, 0, None)


def simulate(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run the command as `make simulate` does; it makes databases of its own."""
    env = {name: value for name, value in os.environ.items() if name not in ("DEBUG", "DJANGO_SETTINGS_MODULE")} | {
        "INSECURE_HTTP": "1", "REDIS_URL": "", "LOG_LEVEL": "CRITICAL", "ITO_VAR": str(folder),
        "SECRET_KEY": secrets.token_urlsafe(60),
        "CREDENTIAL_KEYS": f"1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-W", "ignore", "manage.py", "simulate_faults", "--json", *options],
        cwd=settings.BASE_DIR, env=env, capture_output=True, text=True, check=True, timeout=600,
    )  # fmt: skip


def test_no_database_is_emptied_that_no_simulation_made() -> None:
    with pytest.raises(CommandError, match="no database of a simulation"):
        call_command("simulate_faults", "--database", "itomarkets")


def test_what_a_fault_strikes_names_it_and_what_was_never_drawn_is_listed() -> None:
    def struck(method: str, path: str, fault: str) -> str:
        return kind_of(Arrival(1, NOON, 0.0, method, path, "", "", fault=fault))

    kinds = [
        struck("POST", "/clob/order", "unsettled"),
        struck("POST", "/clob/orders", "502_after_accept"),
        struck("DELETE", "/clob/order", "drop_before_reply"),
        struck("DELETE", "/clob/order", "not_canceled"),
        struck("GET", "/clob/data/trades", "duplicate_rows"),
    ]
    assert [kind.partition(" ")[0] for kind in kinds] == ["F19", "F29", "F27", "F26", "F14"]
    assert len(never_drawn(kinds)) == 32 - 5
    assert "F01" in never_drawn(kinds)
    assert "F29" not in never_drawn(kinds)


def test_every_fault_of_the_sandbox_has_a_number_and_some_weather_draws_it_wherever_it_can_strike() -> None:
    # Sockets carry books alone, which no seed reads from them.
    assert set(KINDS) == {fault for fault in FAULTS if not fault.startswith("stream_")}
    drawn: set[tuple[str, str]] = set()
    for seed in range(1, 31):
        weather, clouds = Weather.drawn(random.Random(f"{seed} weather")), random.Random(f"{seed} clouds")
        for _ in range(run.EVENTS_A_SEED):
            drawn |= {(line.path, line.fault) for line in weather.plan(clouds, is_noisy=True)}
    assert drawn == {(end.path, fault) for end in ENDPOINTS for fault in (*end.faults, *end.own)}
    assert {fault for _, fault in drawn} == set(KINDS)


def test_what_no_seed_plays_is_said_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call_command("simulate_faults", "--help")
    told = " ".join(capsys.readouterr().out.split())
    assert NOT_PLAYED
    for kind, reason in NOT_PLAYED.items():
        assert kind in told
        assert reason in told


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
    monkeypatch.setattr(sending, "blocked_each", lambda **_: {})
    report = first_breach(range(1, 40))
    assert report.breaches == 1
    assert report.failing_seed is not None
    assert "I10" in play(report.failing_seed)[0].breach
