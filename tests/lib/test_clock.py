from datetime import UTC, datetime, timedelta

import pytest

from itomarkets.lib import clock
from itomarkets.lib.clock import ClockError, parse_clock

START = datetime(2026, 8, 1, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "real", " real "])
def test_the_machines_time_is_the_default(text: str) -> None:
    before = datetime.now(UTC)
    assert before <= parse_clock(text).now() <= datetime.now(UTC)


def test_a_fixed_clock_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    fixed = parse_clock("fixed:2026-08-01T00:00:00Z")
    assert fixed.now() == START
    monkeypatch.setattr(clock.time, "time", lambda: 10**10)
    assert fixed.now() == START


def test_a_fast_clock_runs_from_its_anchor(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = parse_clock("2026-08-01T00:00:00Z@60#1764000000")
    monkeypatch.setattr(clock.time, "time", lambda: 1764000010)
    assert fast.now() == START + timedelta(minutes=10)


def test_two_processes_with_one_setting_read_one_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock.time, "time", lambda: 1764000123.5)
    one, other = (parse_clock("2026-08-01T02:00:00+02:00@2.5#1764000000") for _ in range(2))
    assert one.now() == other.now()
    assert one.now().tzinfo is UTC


@pytest.mark.parametrize(
    "text", ["yesterday", "fixed:", "fixed:2026-08-01T00:00:00", "2026-08-01T00:00:00Z@fast", "2026-08-01T00:00:00Z"]
)
def test_another_form_is_refused_with_the_forms_that_are_known(text: str) -> None:
    with pytest.raises(ClockError, match="expected 'real'"):
        parse_clock(text)


def test_the_environment_sets_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ITO_CLOCK", "fixed:2026-08-01T00:00:00Z")
    clock.set_clock(None)
    assert clock.now() == START
    # What must end whatever the run's clock says is timed by the machine.
    assert abs(clock.machine_now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_a_steady_clock_starts_at_the_runs_time_and_no_step_moves_it() -> None:
    class Machine:
        seconds = 100.0

        def now(self) -> datetime:
            return START

        def monotonic(self) -> float:
            return self.seconds

        def sleep(self, seconds: float) -> None:
            self.seconds += seconds

    machine = Machine()
    clock.set_machine(machine)
    try:
        clock.set_clock(clock.Clock(start=START, rate=0.0, anchor=0.0))
        steady = clock.steady()
        assert steady() == START
        clock.set_clock(clock.Clock(start=START - timedelta(minutes=5), rate=0.0, anchor=0.0))
        machine.sleep(30)
        assert steady() == START + timedelta(seconds=30)
    finally:
        clock.set_machine(None)
        clock.set_clock(None)
