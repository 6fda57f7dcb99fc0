"""A machine that one seed makes: its time, its chance and its network, in place of the real ones while a seed runs."""

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from itomarkets.lib import clock, http

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)


class VirtualMachine:
    """Time that passes only when somebody waits. It satisfies `clock.Machine`.

    `step` moves the wall clock as a time server does, backwards too; the stopwatch never steps.
    """

    def __init__(self) -> None:
        self._wall = NOON
        self._elapsed = timedelta(0)

    def now(self) -> datetime:
        return self._wall

    def true_now(self) -> datetime:
        """Return the time without what steps have done to it: a venue's own clock."""
        return NOON + self._elapsed

    def monotonic(self) -> float:
        return self._elapsed.total_seconds()

    def sleep(self, seconds: float) -> None:
        passed = timedelta(microseconds=round(max(0.0, seconds) * 1_000_000))
        self._elapsed += passed
        self.step(passed)

    def step(self, by: timedelta) -> None:
        self._wall += by
        clock.set_clock(clock.Clock(start=self._wall, rate=0.0, anchor=0.0))


@contextmanager
def running_on(
    machine: VirtualMachine, *, seed: int, answer: Callable[[httpx.Request], httpx.Response]
) -> Iterator[None]:
    """Live on a virtual machine: our code by `lib.clock`, the Polymarket SDK by the standard library's doors.

    The SDK reads `time.time` for its timestamps and the system's randomness for its salts and has no
    other door; UUIDs come from the same. Every HTTP client of this process asks `answer`.
    """
    chance = random.Random(f"{seed} machine")
    draws: Callable[[int], bytes] = chance.randbytes

    def no_start(self: httpx.HTTPTransport, *_: Any, **__: Any) -> None:
        """Open nothing: loading the authorities' certificates takes longer than a whole trade here."""

    replaced: list[tuple[Any, str, Any]] = [
        (time, "time", lambda: machine.now().timestamp()),
        (time, "sleep", machine.sleep),
        (os, "urandom", draws),
        (random, "_urandom", draws),
        (httpx.HTTPTransport, "__init__", no_start),
        (httpx.HTTPTransport, "__enter__", lambda self: self),
        (httpx.HTTPTransport, "__exit__", lambda self, *_: None),
        (httpx.HTTPTransport, "close", lambda self: None),
        (httpx.HTTPTransport, "handle_request", lambda self, request: answer(request)),
    ]
    kept = [(owner, name, getattr(owner, name)) for owner, name, _ in replaced]
    state = random.getstate()
    try:
        for owner, name, value in replaced:
            setattr(owner, name, value)
        random.seed(seed)
        http.forget_limiters()
        clock.set_machine(machine)
        machine.step(timedelta(0))
        yield
    finally:
        for owner, name, value in kept:
            setattr(owner, name, value)
        random.setstate(state)
        http.forget_limiters()
        clock.set_machine(None)
        clock.set_clock(None)
