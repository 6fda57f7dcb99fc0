"""Measure the classifier on labelled markets: how often it is right, class by class."""

import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import orjson

from categorization.decisions import Decider, Decision
from categorization.factors import NONE, taxonomy
from categorization.reading import Reading, reading_of_record
from categorization.training import DIRECTIONS, current_artifact, one_thread

LABEL_HEADER = ["venue", "key", "title", "factor", "direction"]
ABSTAINED = "abstained"


class EvaluationError(ValueError):
    """The labels or the titles cannot be read."""


@dataclass(frozen=True, slots=True)
class Labelled:
    reading: Reading
    factor: str
    direction: int


@dataclass(frozen=True)
class Evaluation:
    """The measures; accuracies are over all `n`, an abstention counts as wrong."""

    n: int
    factor_accuracy: float
    factor_macro_f1: float
    theme_accuracy: float
    theme_macro_f1: float
    direction_accuracy: float
    coverage: float
    seconds: float

    def as_dict(self) -> dict[str, float | int]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def read_titles(path: Path, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], Reading]:
    """Read the wanted rows of a recorded market list (gzip, one JSON object a line).

    Raises EvaluationError where the file is not one.
    """
    readings: dict[tuple[str, str], Reading] = {}
    try:
        with gzip.open(path, "rb") as lines:
            for line in lines:
                record = orjson.loads(line)
                key = (str(record["venue"]), str(record["key"]))
                if key in wanted:
                    readings[key] = reading_of_record(record)
    except FileNotFoundError as error:
        raise EvaluationError(f"There is no file {path}; expected a recorded market list (.jsonl.gz).") from error
    except (OSError, EOFError, orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise EvaluationError(
            f"{path} cannot be read: {error}; expected gzip lines of JSON objects with venue, key and title."
        ) from error
    return readings


def read_labels(path: Path, titles: Path | None) -> list[Labelled]:
    """Read a label file, with each market's further text from `titles` where it is there.

    Raises EvaluationError naming the line that is not venue, key, title, factor and direction.
    """
    known = set(taxonomy().labels)
    rows: list[list[str]] = []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            header = next(lines, None)
            if header != LABEL_HEADER:
                raise EvaluationError(f"{path} begins with {header}; expected the columns {LABEL_HEADER}.")
            for number, row in enumerate(lines, start=2):
                if len(row) != 5 or row[3] not in known or row[4] not in DIRECTIONS:
                    raise EvaluationError(
                        f"{path} line {number} is {row!r}; expected venue, key, title, a factor of the taxonomy "
                        "(or none) and a direction +1, 0 or -1."
                    )
                rows.append(row)
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(f"{path} cannot be read: {error}; expected a tab-separated text file.") from error
    if not rows:
        raise EvaluationError(f"{path} holds no labelled market; expected one at least.")
    found = read_titles(titles, {(row[0], row[1]) for row in rows}) if titles else {}
    labelled = []
    for venue, key, title, factor, direction in rows:
        reading = found.get((venue, key)) or reading_of_record({"venue": venue, "key": key, "title": title})
        labelled.append(Labelled(reading, factor, DIRECTIONS[direction]))
    return labelled


def predicted(decision: Decision) -> str:
    """Return the label that a decision stands for: a sure one its factor, else an abstention."""
    return ABSTAINED if decision.skip_reason or decision.is_unknown else decision.label


def macro_f1(truth: Sequence[str], answers: Sequence[str]) -> float:
    """Average F1 over the labels that occur in the truth."""
    right: Counter[str] = Counter()
    said: Counter[str] = Counter(answers)
    real: Counter[str] = Counter(truth)
    for one, other in zip(truth, answers, strict=True):
        if one == other:
            right[one] += 1
    scores = [2 * right[label] / (real[label] + said[label]) for label in real]
    return sum(scores) / len(scores) if scores else 0.0


def _share(pairs: Iterable[bool]) -> float:
    outcomes = list(pairs)
    return sum(outcomes) / len(outcomes) if outcomes else 0.0


def measure(labelled: Sequence[Labelled], decisions: Sequence[Decision], *, seconds: float) -> Evaluation:
    """Compare decisions with the labels."""
    theme_of = defaultdict(lambda: ABSTAINED, taxonomy().theme_of)
    truth = [row.factor for row in labelled]
    answers = [predicted(decision) for decision in decisions]
    themes = [theme_of[label] for label in truth]
    theme_answers = [theme_of[label] for label in answers]
    return Evaluation(
        n=len(labelled),
        factor_accuracy=round(_share(a == b for a, b in zip(truth, answers, strict=True)), 4),
        factor_macro_f1=round(macro_f1(truth, answers), 4),
        theme_accuracy=round(_share(a == b for a, b in zip(themes, theme_answers, strict=True)), 4),
        theme_macro_f1=round(macro_f1(themes, theme_answers), 4),
        direction_accuracy=round(
            _share(row.direction == said.direction for row, said in zip(labelled, decisions, strict=True)), 4
        ),
        coverage=round(_share(answer != ABSTAINED for answer in answers), 4),
        seconds=round(seconds, 2),
    )


def evaluate(*, labels: Path, titles: Path | None, without: str = "") -> Evaluation:
    """Decide every labelled market, expiry left out, and measure."""
    labelled = read_labels(labels, titles)
    started = monotonic()
    decider = Decider(current_artifact(), without=without)
    with one_thread():
        decisions = decider.decide([row.reading for row in labelled], now=None)
    return measure(labelled, decisions, seconds=monotonic() - started)


__all__ = ["ABSTAINED", "NONE", "Evaluation", "EvaluationError", "evaluate", "measure", "read_labels"]
