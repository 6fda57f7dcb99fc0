from collections.abc import Iterator

import pytest

from itomarkets.lib import bench
from itomarkets.lib.bench import RATIOS, Bench, Row, alternate, in_order, ratio, slope


@pytest.fixture(autouse=True)
def _registry_is_put_back() -> Iterator[None]:
    before = dict(RATIOS)
    yield
    RATIOS.clear()
    RATIOS.update(before)


def test_work_and_yardstick_are_timed_in_turn_and_their_medians_kept() -> None:
    calls: list[str] = []
    work_seconds = iter([9.0, 0.5, 0.2, 0.3])
    yardstick_seconds = iter([9.0, 0.1, 0.1, 0.4])

    def work() -> float:
        calls.append("work")
        return next(work_seconds)

    def yardstick() -> float:
        calls.append("yardstick")
        return next(yardstick_seconds)

    timing = alternate(work, yardstick, rounds=3)
    assert calls == ["work", "yardstick"] * 4
    assert (timing.seconds, timing.yardstick_seconds) == (0.3, 0.1)
    assert timing.words == "500.0/100.0, 200.0/100.0, 300.0/400.0"


def test_work_that_tells_no_seconds_is_timed_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(100))
    monkeypatch.setattr(bench.time, "perf_counter", lambda: float(next(ticks)))
    timing = alternate(lambda: None, lambda: 0.5, rounds=2)
    assert (timing.seconds, timing.yardstick_seconds) == (1.0, 0.5)


@pytest.mark.parametrize(
    ("seconds", "target", "also", "holds"),
    [(0.15, None, True, True), (0.16, None, True, False), (0.16, 1.6, True, True), (0.15, None, False, False)],
)
def test_a_row_holds_at_or_under_its_target_and_with_what_else_must_be_true(
    seconds: float, target: float | None, also: bool, holds: bool
) -> None:
    row = Bench(id="T1", target=1.5, database="sqlite").row(
        seconds=seconds, yardstick_seconds=0.1, n=7, target=target, also=also, note="why"
    )
    assert row == Row("T1", round(seconds / 0.1, 4), target or 1.5, holds, seconds, 0.1, 7, "sqlite", "why")


def test_ids_are_sorted_as_people_count_and_none_is_taken_twice() -> None:
    assert in_order(["R10", "R2", "R1"]) == ["R1", "R2", "R10"]

    @ratio("T9", target=1)
    def first(bench: Bench) -> list[Row]:
        return []

    assert RATIOS["T9"].measure is first
    with pytest.raises(ValueError, match="T9 is measured twice"):

        @ratio("T9", target=1)
        def second(bench: Bench) -> list[Row]:
            return []


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_the_slope_is_the_power_with_which_time_grows(power: float) -> None:
    assert slope([(size, 3 * size**power) for size in (10, 100, 1000, 5000)]) == pytest.approx(power)


def test_a_slope_needs_two_sizes() -> None:
    with pytest.raises(ValueError, match="at least two sizes"):
        slope([(10, 1.0)])
