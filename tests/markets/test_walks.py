"""Several listings at once: every page once, errors in their place, windows that leave nothing out."""

import itertools
import threading
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from itomarkets.lib.venues import VenueUnavailable
from markets.sync import together
from markets.venues import kalshi
from markets.venues.kalshi import KalshiReads
from markets.venues.rows import MarketRow, Page
from markets.venues.walks import Sieve, Walkers, parts, walk_in_turn, walk_of, windows
from tests.markets.payloads import FakeVenues, http, kalshi_market

SECONDS = st.integers(min_value=0, max_value=10**9)
quick = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def page(name: str) -> Page:
    return Page(markets=(MarketRow(native_id=name, event_key="", title="", status="open"),))


def names(pages: Iterator[Page]) -> list[str]:
    return sorted(row.native_id for one in pages for row in one.markets)


def test_every_page_of_every_walk_comes_once() -> None:
    walks = [walk_of([page(f"{walk}-{number}") for number in range(5)]) for walk in range(30)]
    expected = sorted(f"{walk}-{number}" for walk in range(30) for number in range(5))
    assert names(Walkers(walks, count=4).pages()) == expected
    assert names(walk_in_turn(walks)) == expected
    assert names(Walkers([], count=4).pages()) == []


def test_pages_are_written_in_fours_but_one_by_one_while_the_next_is_waited_for() -> None:
    def sizes(*waits: bool) -> list[int]:
        told = iter(waits)
        pages = (page(str(number)) for number in range(6))
        return [len(some) for some in together(pages, markets=4, is_waited_for=lambda: next(told, False))]

    assert sizes() == [4, 2]
    assert sizes(True, False, True) == [1, 2, 3]


def test_an_error_of_one_walk_ends_the_stream_and_the_others() -> None:
    def broken() -> Iterator[Page]:
        yield page("first")
        raise VenueUnavailable("gone")

    endless = (page(str(number)) for number in iter(int, 1))
    with pytest.raises(VenueUnavailable):
        names(Walkers([walk_of(endless), walk_of(broken())], count=2).pages())
    assert not any(thread.name.startswith("walker-") for thread in threading.enumerate())


def test_an_abandoned_walk_stops_fetching() -> None:
    fetched: list[int] = []

    def pages() -> Iterator[Page]:
        for number in range(1000):
            fetched.append(number)
            yield page(str(number))

    stream = Walkers([walk_of(pages())]).pages()
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert len(fetched) < 10


def test_a_sieve_forgets_no_key_and_takes_few_new_ones_for_known() -> None:
    sieve = Sieve()
    assert sum(map(sieve.add, map(str, range(20_000)))) > 19_990
    assert not any(map(sieve.add, map(str, range(20_000))))


@quick
@given(st.lists(SECONDS, max_size=6), st.lists(SECONDS, min_size=1, max_size=6))
def test_windows_hold_every_instant_exactly_once(cuts: list[int], instants: list[int]) -> None:
    for at in instants:
        assert sum((low is None or low <= at) and (high is None or at < high) for low, high in windows(cuts)) == 1


@quick
@given(st.none() | SECONDS, st.none() | SECONDS, st.lists(SECONDS, min_size=1, max_size=9), st.integers(1, 9))
def test_parts_of_a_window_are_the_window(low: int | None, high: int | None, sample: list[int], count: int) -> None:
    pieces = parts((low, high), sample, count)
    if pieces:
        assert (pieces[0][0], pieces[-1][1]) == (low, high)
        assert all(one[1] == other[0] for one, other in itertools.pairwise(pieces))
        bounds = [bound for piece in pieces for bound in piece if bound is not None]
        assert bounds == sorted(bounds)


@pytest.mark.parametrize("is_inclusive", [False, True])
def test_parallel_windows_of_kalshi_list_every_market_whatever_its_bounds_mean(
    is_inclusive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kalshi, "MARKETS_A_PAGE", 10)
    venues = FakeVenues()
    venues.page_size = 10
    times = [f"2026-{1 + n % 12:02d}-{1 + n % 28:02d}T{n % 24:02d}:00:{n % 2:02d}.5Z" for n in range(300)]
    venues.live = [kalshi_market(f"KXW-{number}", close_time=time) for number, time in enumerate(times)]
    venues.are_bounds_inclusive = is_inclusive
    reads = KalshiReads(http(httpx.MockTransport(venues._answer), "kalshi"))
    listed = names(Walkers(reads.walks(cuts=[1_780_000_000, 1_790_000_000])).pages())
    assert sorted(set(listed)) == sorted(row["ticker"] for row in venues.live)
    assert len(venues.paths()) > 2
