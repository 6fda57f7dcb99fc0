"""The venue's clock as its answers tell it: what is signed carries the venue's time, whatever ours says.

It goes on by the stopwatch from what was told last, so a step of this machine's clock moves nothing.
"""

from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from itomarkets.lib import clock

# Venues tell their time to the second, and an answer is under way for a while: less than this is no difference.
TOLERANCE = timedelta(seconds=3)


class VenueTime:
    """One host's clock, for all its clients in this process; threads may share it."""

    def __init__(self) -> None:
        # Replaced whole, so that no thread reads half of it: what was told, and the stopwatch then.
        self._told: tuple[datetime, float] | None = None

    def learn(self, told: datetime) -> None:
        self._told = (told, clock.monotonic())

    def learn_from(self, date: str | None) -> None:
        """Learn from an answer's Date header; one that is missing or cannot be read teaches nothing."""
        try:
            self.learn(parsedate_to_datetime(date or ""))
        except (TypeError, ValueError):
            return

    def forget(self) -> None:
        self._told = None

    def is_known(self, *, within_seconds: float) -> bool:
        return self._told is not None and clock.monotonic() - self._told[1] < within_seconds

    def now(self, ours: datetime) -> datetime:
        """Return the venue's time: ours, unless the venue's was told and differs."""
        return ours + self.offset(ours)

    def offset(self, ours: datetime) -> timedelta:
        """Return the venue's time less ours; nothing where that is less than can be told."""
        if self._told is None:
            return timedelta(0)
        told, stopwatch = self._told
        found = told + timedelta(seconds=clock.monotonic() - stopwatch) - ours
        return found if abs(found) > TOLERANCE else timedelta(0)


_times: dict[str, VenueTime] = {}


def time_of(host: str) -> VenueTime:
    """Return this process's one clock of a host."""
    return _times.setdefault(host, VenueTime())


def forget_times() -> None:
    """Know no venue's time, as a new process does. For the simulation, in which one process lives many lives."""
    _times.clear()
