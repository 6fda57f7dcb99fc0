"""The one clock of the apps and the sandbox.

`ITO_CLOCK` in the environment sets it, so that every process of a run reads the same time:

    real                                    the machine's time (the default)
    fixed:2026-08-01T00:00:00Z              stands still
    2026-08-01T00:00:00Z@60#1764000000      starts at the first instant when the machine's Unix time
                                            was the last number, and runs 60 times as fast
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class ClockError(ValueError):
    """ITO_CLOCK is not of a known form."""


@dataclass(frozen=True)
class Clock:
    """A mapping from the machine's Unix seconds to the run's time."""

    start: datetime | None
    rate: float
    anchor: float

    def now(self) -> datetime:
        if self.start is None:
            return datetime.now(UTC)
        return self.start + timedelta(seconds=(time.time() - self.anchor) * self.rate)


def parse_clock(text: str) -> Clock:
    """Parse `ITO_CLOCK`.

    Raises ClockError with the expected forms when the text is none of them.
    """
    text = text.strip()
    if text in ("", "real"):
        return Clock(start=None, rate=1.0, anchor=0.0)
    try:
        if text.startswith("fixed:"):
            return Clock(start=_instant(text[6:]), rate=0.0, anchor=0.0)
        start, _, rest = text.partition("@")
        rate, _, anchor = rest.partition("#")
        return Clock(start=_instant(start), rate=float(rate), anchor=float(anchor or time.time()))
    except ValueError as error:
        raise ClockError(
            f"ITO_CLOCK is {text!r}; expected 'real', 'fixed:2026-08-01T00:00:00Z' or "
            "'2026-08-01T00:00:00Z@RATE#UNIX_SECONDS'."
        ) from error


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return instant.astimezone(UTC)


_clock: Clock | None = None


def now() -> datetime:
    """Return the run's time, aware, in UTC."""
    global _clock
    if _clock is None:
        _clock = parse_clock(os.environ.get("ITO_CLOCK", ""))
    return _clock.now()


class Machine(Protocol):
    """What a machine gives beside the run's time: its own time, its stopwatch, and waiting."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


_machine: Machine | None = None


def machine_now() -> datetime:
    """Return the machine's own time, whatever the run's clock says.

    For rights that a killed process must lose: under a run's clock that stands still or runs fast they
    would never end, or end at once.
    """
    return _machine.now() if _machine is not None else datetime.now(UTC)


def monotonic() -> float:
    """Return the machine's stopwatch in seconds: it never steps back."""
    return _machine.monotonic() if _machine is not None else time.monotonic()


def steady() -> Callable[[], datetime]:
    """Return a clock for one piece of work: the run's time at first, then by the stopwatch.

    No step of the machine's clock makes a deadline inside the work come early, or never.
    """
    start, stopwatch = now(), monotonic()
    # A machine of a simulation moves its stopwatch and the run's time together.
    rate = 1.0 if _machine is not None or _clock is None else _clock.rate
    return lambda: start + timedelta(seconds=(monotonic() - stopwatch) * rate)


def sleep(seconds: float) -> None:
    """Wait, by the machine's time."""
    if _machine is not None:
        _machine.sleep(seconds)
    else:
        time.sleep(seconds)


def set_machine(machine: Machine | None) -> None:
    """Put another machine under this process; None puts the real one back. For the simulation."""
    global _machine
    _machine = machine


def set_clock(clock: Clock | None) -> None:
    """Use another clock in this process; None reads ITO_CLOCK again. For tests and the sandbox."""
    global _clock
    _clock = clock
