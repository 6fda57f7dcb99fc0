"""Walking several listings of one venue at once: their pages in one stream, in no order, with bounded memory.

A listing's cursor is serial, so one walk is bound by the way there and back; several disjoint listings
together are bound by the venue's limit. The walkers touch no database.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any

from markets.venues.rows import Page

WALKERS = 8
PAGES_AHEAD = 4
DAY = 86_400
# Bits, of which each key sets three: of a million keys one in forty is taken for known, of 100,000 hardly any.
SIEVE_BITS = 1 << 23
# How far beyond the closing times of a sample the next cuts are set, in days.
OUTSKIRTS = (1, 7, 30, 180)

Walk = Callable[["Walkers"], Iterator[Page]]
# From a second up to, not including, another; None is without end.
Window = tuple[int | None, int | None]


class Sieve:
    """Which keys came before, in memory that does not grow: a new key may be taken for known, never the reverse."""

    def __init__(self) -> None:
        self._bits = bytearray(SIEVE_BITS // 8)

    def add(self, key: str) -> bool:
        """Remember a key; return whether it is new."""
        hashed, is_new = hash(key), False
        for shift in (0, 20, 40):
            place = (hashed >> shift) % SIEVE_BITS
            bit = 1 << (place & 7)
            if not self._bits[place >> 3] & bit:
                self._bits[place >> 3] |= bit
                is_new = True
        return is_new


class Walkers:
    """Threads that walk listings; a walk may hand over parts of its way while others stand idle."""

    def __init__(self, walks: Iterable[Walk], *, count: int = WALKERS, ahead: int = PAGES_AHEAD) -> None:
        self.count = count
        self._walks = deque(walks)
        self._changed = threading.Condition()
        self._walking = 0
        self._idle = 0
        self._stopped = False
        self._pages: queue.Queue[Any] = queue.Queue(maxsize=ahead)

    def add(self, walk: Walk) -> None:
        with self._changed:
            self._walks.append(walk)
            self._changed.notify()

    @property
    def are_idle(self) -> bool:
        """Say whether at least half of the walkers have nothing to do."""
        with self._changed:
            return not self._walks and self._idle * 2 >= self.count

    def are_waited_for(self) -> bool:
        """Say whether no page is ready just now."""
        return self._pages.empty()

    def pages(self) -> Iterator[Page]:
        """Yield pages as they come; an error ends the stream in place of a page. At most `ahead` wait."""
        if not self._walks:
            return
        threads = [threading.Thread(target=self._run, name=f"walker-{n}", daemon=True) for n in range(self.count)]
        for thread in threads:
            thread.start()
        try:
            while True:
                item = self._pages.get()
                if item is None:
                    return
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            self._stop()
            for thread in threads:
                thread.join()

    def _stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._walks.clear()
            self._changed.notify_all()

    def _run(self) -> None:
        while (walk := self._next()) is not None:
            try:
                for page in walk(self):
                    if not self._put(page):
                        break
            except BaseException as error:
                self._put(error)
                self._stop()
            finally:
                with self._changed:
                    self._walking -= 1
                    is_last = not self._walking and not self._walks
                    if is_last:
                        self._changed.notify_all()
            if is_last:
                self._put(None)

    def _next(self) -> Walk | None:
        with self._changed:
            while not self._walks:
                if self._stopped or not self._walking:
                    return None
                self._idle += 1
                self._changed.wait()
                self._idle -= 1
            self._walking += 1
            return self._walks.popleft()

    def _put(self, item: Any) -> bool:
        while not self._stopped:
            try:
                self._pages.put(item, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False


def walk_of(pages: Iterable[Page]) -> Walk:
    """Return a walk of one listing that cannot be parted."""
    return lambda walkers: iter(pages)


def walk_in_turn(walks: Iterable[Walk]) -> Iterator[Page]:
    """Yield the pages of one listing after the other, in this thread."""
    walkers = Walkers(walks, count=1)
    while walkers._walks:
        yield from walkers._walks.popleft()(walkers)


def windows(cuts: Iterable[int]) -> list[Window]:
    """Part all time at these seconds: every instant lies in exactly one window."""
    return list(pairwise([None, *sorted(set(cuts)), None]))


def parts(window: Window, sample: Iterable[int], count: int) -> list[Window]:
    """Part a window at quantiles of a sample of what lies in it, and beyond the sample's ends; [] if it cannot be."""
    low, high = window
    seconds = sorted(sample)
    if not seconds:
        return []
    cuts = {seconds[len(seconds) * number // count] for number in range(1, count)}
    cuts |= {seconds[-1] + 1, seconds[0]}
    cuts |= {seconds[-1] + days * DAY for days in OUTSKIRTS} | {seconds[0] - days * DAY for days in OUTSKIRTS}
    inside = [cut for cut in cuts if (low is None or cut > low) and (high is None or cut < high)]
    return list(pairwise([low, *sorted(inside), high])) if inside else []
