"""The measures, on files small enough to count by hand; and the honest one, on recorded markets."""

import gzip
import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from categorization.decisions import Decision
from categorization.evaluation import EvaluationError, evaluate, macro_f1, measure
from categorization.labels import Labelled, read_labels
from categorization.reading import reading_of_record

KEYS = {
    "n",
    "factor_accuracy",
    "factor_macro_f1",
    "theme_accuracy",
    "theme_macro_f1",
    "direction_accuracy",
    "coverage",
    "ece",
    "auto_precision",
    "auto_coverage",
    "seconds",
    "per_theme",
    "by_venue",
}
HEADER = "venue\tkey\ttitle\tfactor\tdirection\n"


def _labelled(factor: str, direction: int) -> Labelled:
    return Labelled(reading_of_record({"venue": "kalshi", "key": "K", "title": "T"}), factor, direction)


def _said(label: str, direction: int, confidence: float = 0.9, skip: str = "") -> Decision:
    return Decision(1, label, "none", direction, confidence, True, skip, [])


def test_measures_count_over_all_and_an_abstention_is_wrong() -> None:
    result = measure(
        [_labelled("gold", 1), _labelled("gold", 0), _labelled("crude-oil", -1), _labelled("none", 0)],
        [_said("gold", 1), _said("industrial-metals", 0), _said("gold", -1, confidence=0.1), _said("none", 1)],
        seconds=0.5,
    )
    assert result.n == 4
    assert result.factor_accuracy == 0.5
    assert result.theme_accuracy == 0.75
    # Direction is judged whatever the factor.
    assert result.direction_accuracy == 0.75
    assert result.coverage == 0.75
    # gold 2/3, crude-oil 0, none 1, over the labels in the file.
    assert result.factor_macro_f1 == pytest.approx((2 / 3 + 0 + 1) / 3, abs=1e-4)
    # commodities 1, energy 0, none 1.
    assert result.theme_macro_f1 == pytest.approx(2 / 3, abs=1e-4)


def test_macro_f1_of_perfect_answers_is_one_and_of_no_answers_zero() -> None:
    assert macro_f1(["a", "b"], ["a", "b"]) == 1
    assert macro_f1(["a", "b"], ["c", "c"]) == 0
    assert macro_f1([], []) == 0


def test_expiry_is_ignored_and_titles_add_the_event(tmp_path: Path) -> None:
    labels, titles = tmp_path / "labels.tsv", tmp_path / "titles.jsonl.gz"
    labels.write_text(HEADER + "kalshi\tQQZZ-26-B1.5\t— 1.0% and 1.9%\tus-cpi\t0\n", encoding="utf-8")
    row = {
        "venue": "kalshi",
        "key": "QQZZ-26-B1.5",
        "title": "— 1.0% and 1.9%",
        "event_title": "US CPI inflation this year",
        "close": "2001-01-01T00:00:00Z",
    }
    with gzip.open(titles, "wt", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    result = evaluate(labels=labels, titles=titles)
    assert result.factor_accuracy == result.direction_accuracy == result.coverage == 1
    assert set(result.as_dict()) == KEYS


def test_the_command_prints_one_json_object(tmp_path: Path) -> None:
    labels = tmp_path / "labels.tsv"
    labels.write_text(HEADER + "kalshi\tKXHIGHNY-27JAN01-T40\tHigh in NYC above 40°\tdaily-temperature\t+1\n", "utf-8")
    out = StringIO()
    call_command("evaluate_classifier", labels=labels, json=True, stdout=out)
    assert set(json.loads(out.getvalue())) == KEYS
    out = StringIO()
    call_command("evaluate_classifier", labels=labels, stdout=out)
    assert "factor_accuracy: 1.0" in out.getvalue()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("venue\tkey\n", "expected the columns"),
        (HEADER, "holds no labelled market"),
        (HEADER + "kalshi\tK\tT\tno-such-factor\t0\n", "line 2"),
        (HEADER + "kalshi\tK\tT\tgold\tup\n", "line 2"),
    ],
)
def test_bad_labels_get_a_sentence(tmp_path: Path, content: str, says: str) -> None:
    labels = tmp_path / "labels.tsv"
    labels.write_text(content, encoding="utf-8")
    with pytest.raises(CommandError, match=says):
        call_command("evaluate_classifier", labels=labels)


def test_missing_files_get_a_sentence(tmp_path: Path) -> None:
    labels = tmp_path / "labels.tsv"
    with pytest.raises(EvaluationError, match="cannot be read"):
        read_labels(labels, None)
    labels.write_text(HEADER + "kalshi\tK\tT\tgold\t0\n", encoding="utf-8")
    with pytest.raises(EvaluationError, match="There is no file"):
        read_labels(labels, tmp_path / "none.jsonl.gz")
    broken = tmp_path / "broken.jsonl.gz"
    broken.write_bytes(b"not gzip")
    with pytest.raises(EvaluationError, match="cannot be read"):
        read_labels(labels, broken)


@pytest.mark.recorded
def test_recorded_markets_reach_the_accuracy_that_we_promise(recorded: Path) -> None:
    result = evaluate(labels=recorded / "gold_dev.tsv", titles=recorded / "markets.jsonl.gz")
    assert result.theme_accuracy >= 0.95
    assert result.factor_accuracy >= 0.93
    assert result.direction_accuracy >= 0.92
    assert result.factor_macro_f1 >= 0.88
