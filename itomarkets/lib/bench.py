"""Ratios against a yardstick, measured side by side in one run: machines differ, a ratio stays.

An app keeps its measurements in its module `benches`: functions under `@ratio`, which `manage.py bench`
finds, runs on an empty database of their own, and prints.
"""

import math
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

SCALES = ("small", "full")
ROUNDS = 5
Work = Callable[[], float | None]


@dataclass(frozen=True, slots=True)
class Row:
    """One ratio at one size on one database; it holds at or under its target."""

    id: str
    ratio: float
    target: float
    holds: bool
    seconds: float
    yardstick_seconds: float
    n: int
    database: str
    note: str


@dataclass(frozen=True, slots=True)
class Timing:
    """The medians of alternating rounds, and every round of both."""

    seconds: float
    yardstick_seconds: float
    rounds: tuple[tuple[float, float], ...]

    @property
    def words(self) -> str:
        """Write the rounds in milliseconds, work over yardstick."""
        return ", ".join(f"{work * 1000:.1f}/{yardstick * 1000:.1f}" for work, yardstick in self.rounds)


@dataclass(frozen=True, slots=True)
class Bench:
    """What a measurement is told: which database it runs on, how far it goes, and where to say how it gets on.

    `redis_url` is a Redis to measure against; empty where there is none.
    """

    id: str
    target: float
    database: str
    scale: str = "small"
    say: Callable[[str], None] = field(default=lambda text: None, repr=False)
    redis_url: str = ""

    @property
    def is_full(self) -> bool:
        return self.scale == "full"

    def alternate(self, work: Work, yardstick: Work, *, rounds: int = ROUNDS) -> Timing:
        """Time both in turn, so that a slow minute of the machine slows both; says every round."""
        timing = alternate(work, yardstick, rounds=rounds)
        self.say(f"{self.id} {self.database}: ms {timing.words}")
        return timing

    def row(
        self,
        *,
        seconds: float,
        yardstick_seconds: float,
        n: int,
        note: str = "",
        target: float | None = None,
        also: bool = True,
    ) -> Row:
        """Make a row. `also` is what must be true besides the ratio: rows written, a slope, a count."""
        most = self.target if target is None else target
        found = seconds / yardstick_seconds
        return Row(
            id=self.id,
            ratio=round(found, 4),
            target=most,
            holds=also and found <= most,
            seconds=seconds,
            yardstick_seconds=yardstick_seconds,
            n=n,
            database=self.database,
            note=note,
        )


Measure = Callable[[Bench], Iterable[Row]]


@dataclass(frozen=True, slots=True)
class Ratio:
    """A measurement as it was registered."""

    id: str
    target: float
    measure: Measure


RATIOS: dict[str, Ratio] = {}


def ratio(id: str, *, target: float) -> Callable[[Measure], Measure]:
    """Register a measurement under its id, with the most that its ratio may be."""

    def register(measure: Measure) -> Measure:
        known = RATIOS.get(id)
        if known is not None and known.measure is not measure:
            raise ValueError(f"{id} is measured twice: in {known.measure.__module__} and in {measure.__module__}.")
        RATIOS[id] = Ratio(id, target, measure)
        return measure

    return register


def in_order(ids: Iterable[str]) -> list[str]:
    """Sort ids as people count: R2 before R10."""
    return sorted(ids, key=lambda id: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", id)])


def alternate(work: Work, yardstick: Work, *, rounds: int = ROUNDS) -> Timing:
    """Run both in turn, each once unmeasured; a call that returns seconds has timed itself."""
    work()
    yardstick()
    measured = tuple((_seconds(work), _seconds(yardstick)) for _ in range(rounds))
    return Timing(
        seconds=median(one for one, _ in measured),
        yardstick_seconds=median(other for _, other in measured),
        rounds=measured,
    )


def _seconds(work: Work) -> float:
    started = time.perf_counter()
    told = work()
    return time.perf_counter() - started if told is None else told


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return how time grows with size: the slope of log time over log size, 1.0 where it is in proportion."""
    if len(points) < 2:
        raise ValueError(f"expected at least two sizes, found {len(points)}")
    xs = [math.log(size) for size, _ in points]
    ys = [math.log(seconds) for _, seconds in points]
    middle_x, middle_y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - middle_x) ** 2 for x in xs)
    return sum((x - middle_x) * (y - middle_y) for x, y in zip(xs, ys, strict=True)) / spread
