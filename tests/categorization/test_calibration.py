"""How sure an answer is: counted on fresh markets, rising with the lead, and honest about what it does not know."""

from pathlib import Path

import numpy as np
import pytest

from categorization.calibration import (
    AUTOMATIC_PRECISION,
    CalibrationError,
    Count,
    added,
    calibrate,
    calibration_error,
    calibration_of,
    counted,
    curve_arrays,
    read_counts,
)


def test_answers_are_counted_by_how_far_they_led() -> None:
    counts = counted([0.1, 0.3, 0.7, 40.0], [True, False, True, True])
    assert [(count.lead_from, count.markets, count.right) for count in counts] == [
        (0.0, 2, 1),
        (0.5, 1, 1),
        (16.0, 1, 1),
    ]
    assert counts[0].lead == 0.2


def test_tables_are_added_step_by_step() -> None:
    total = added([Count(0.0, 0.2, 10, 5)], [Count(0.0, 0.4, 10, 9), Count(4.0, 4.5, 2, 2)])
    assert total == [Count(0.0, 0.3, 20, 14), Count(4.0, 4.5, 2, 2)]


def test_the_curve_rises_and_a_handful_of_lucky_answers_is_no_certainty() -> None:
    curve = calibrate(
        [Count(0.0, 0.2, 100, 40), Count(2.0, 2.5, 50, 45), Count(8.0, 8.5, 3, 3), Count(16.0, 18.0, 400, 398)]
    )
    values = [curve.confidence(lead / 10) for lead in range(300)]
    assert values == sorted(values)
    assert curve.confidence(8.5) < 0.95
    assert curve.confidence(0.0) == curve.shares[0]
    assert curve.confidence(1e9) == curve.shares[-1] < 1


def test_the_threshold_keeps_its_precision_on_the_counts() -> None:
    counts = [Count(0.0, 0.2, 100, 40), Count(2.0, 2.5, 50, 45), Count(16.0, 18.0, 400, 398)]
    curve = calibrate(counts)
    above = [count for count in counts if curve.confidence(count.lead) >= curve.threshold]
    assert sum(count.right for count in above) / sum(count.markets for count in above) >= AUTOMATIC_PRECISION
    assert counts[0] not in above


def test_where_nothing_is_right_often_enough_everything_asks_a_person() -> None:
    assert calibrate([Count(0.0, 0.2, 100, 40), Count(8.0, 8.5, 100, 70)]).threshold > 1


def test_the_calibration_error_is_the_gap_between_confidence_and_truth() -> None:
    assert calibration_error([0.9] * 10, [True] * 9 + [False]) == pytest.approx(0)
    assert calibration_error([0.9] * 10, [False] * 10) == pytest.approx(0.9)
    assert calibration_error([1.0, 0.05], [True, False]) == pytest.approx(0.025)
    assert calibration_error([], []) == 0


def test_a_curve_survives_its_arrays() -> None:
    curve = calibrate(read_counts())
    assert calibration_of(np.array(curve_arrays(curve))) == curve


def test_the_shipped_table_covers_most_of_what_is_sure() -> None:
    counts = read_counts()
    curve = calibrate(counts)
    sure = sum(count.markets for count in counts if curve.confidence(count.lead) >= curve.threshold)
    assert sure / sum(count.markets for count in counts) >= 0.8


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("lead\n", "expected the header"),
        ("lead_from\tlead\tmarkets\tright\n0.0\t0.1\tmany\t1\n", "line 2"),
        ("lead_from\tlead\tmarkets\tright\n0.0\t0.1\t1\t2\n", "more right than counted"),
    ],
)
def test_a_damaged_table_is_refused_by_line(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "reliability.tsv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(CalibrationError, match=says):
        read_counts(path)
    with pytest.raises(CalibrationError, match="no counted answers"):
        calibrate([])
