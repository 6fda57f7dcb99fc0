"""Measure the classifier on labelled markets: how often it is right, class by class, and how well it knows it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from categorization.calibration import calibration_error
from categorization.decisions import Decider, Decision
from categorization.factors import taxonomy
from categorization.labels import EvaluationError, Labelled, all_readings, read_labels
from categorization.training import current_artifact, one_thread

ABSTAINED = "abstained"


@dataclass(frozen=True)
class Evaluation:
    """The measures; accuracies are over all `n`, an abstention counts as wrong.

    `ece` is the expected calibration error. What is sure enough to stand without a person is `auto_coverage`
    of all, and `auto_precision` of it has the right factor. `per_theme` and `by_venue` hold counts and shares.
    """

    n: int
    factor_accuracy: float
    factor_macro_f1: float
    theme_accuracy: float
    theme_macro_f1: float
    direction_accuracy: float
    coverage: float
    ece: float
    auto_precision: float
    auto_coverage: float
    seconds: float
    per_theme: dict[str, dict[str, float]] = field(default_factory=dict)
    by_venue: dict[str, dict[str, float]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def predicted(decision: Decision) -> str:
    """Return the label that a decision stands for: its factor, or an abstention where nothing is known."""
    return ABSTAINED if decision.skip_reason or decision.is_unknown else decision.label


def macro_f1(truth: Sequence[str], answers: Sequence[str]) -> float:
    """Average F1 over the labels that occur in the truth."""
    scores = f1_scores(truth, answers)
    return sum(scores.values()) / len(scores) if scores else 0.0


def f1_scores(truth: Sequence[str], answers: Sequence[str]) -> dict[str, float]:
    """Return the F1 of each label that occurs in the truth."""
    right = Counter(one for one, other in zip(truth, answers, strict=True) if one == other)
    said: Counter[str] = Counter(answers)
    real: Counter[str] = Counter(truth)
    return {label: 2 * right[label] / (real[label] + said[label]) for label in real}


def _share(pairs: Iterable[bool]) -> float:
    outcomes = list(pairs)
    return sum(outcomes) / len(outcomes) if outcomes else 0.0


def measure(labelled: Sequence[Labelled], decisions: Sequence[Decision], *, seconds: float) -> Evaluation:
    """Compare decisions with the labels, in order."""
    theme_of = defaultdict(lambda: ABSTAINED, taxonomy().theme_of)
    truth = [row.factor for row in labelled]
    answers = [predicted(decision) for decision in decisions]
    themes = [theme_of[label] for label in truth]
    theme_answers = [theme_of[label] for label in answers]
    right = [a == b for a, b in zip(truth, answers, strict=True)]
    sure = [said.is_sure for said in decisions]
    sided = [row.direction == said.direction for row, said in zip(labelled, decisions, strict=True)]
    return Evaluation(
        n=len(labelled),
        factor_accuracy=round(_share(right), 4),
        factor_macro_f1=round(macro_f1(truth, answers), 4),
        theme_accuracy=round(_share(a == b for a, b in zip(themes, theme_answers, strict=True)), 4),
        theme_macro_f1=round(macro_f1(themes, theme_answers), 4),
        direction_accuracy=round(_share(sided), 4),
        coverage=round(_share(answer != ABSTAINED for answer in answers), 4),
        ece=round(calibration_error([said.confidence for said in decisions], right), 4),
        auto_precision=round(_share(hit for hit, is_sure in zip(right, sure, strict=True) if is_sure), 4),
        auto_coverage=round(_share(sure), 4),
        seconds=round(seconds, 2),
        per_theme=_per_theme(themes, theme_answers),
        by_venue={
            venue: _figures([place for place, row in enumerate(labelled) if row.reading.venue == venue], right, sided)
            for venue in sorted({row.reading.venue for row in labelled})
        },
    )


def _per_theme(themes: Sequence[str], answers: Sequence[str]) -> dict[str, dict[str, float]]:
    scores = f1_scores(themes, answers)
    counts = Counter(themes)
    right = Counter(one for one, other in zip(themes, answers, strict=True) if one == other)
    return {
        theme: {"n": counts[theme], "accuracy": round(right[theme] / counts[theme], 4), "f1": round(scores[theme], 4)}
        for theme in sorted(scores)
    }


def _figures(places: Sequence[int], right: Sequence[bool], sided: Sequence[bool]) -> dict[str, float]:
    return {
        "n": len(places),
        "factor_accuracy": round(_share(right[place] for place in places), 4),
        "direction_accuracy": round(_share(sided[place] for place in places), 4),
    }


def decide_labelled(labelled: Sequence[Labelled], decider: Decider) -> list[Decision]:
    """Decide labelled markets among their siblings, expiry left out; returns only their own decisions."""
    with one_thread():
        decisions = decider.decide(all_readings(labelled), now=None)
    return decisions[: len(labelled)]


def evaluate(*, labels: Path, titles: Path | None, without: str = "") -> Evaluation:
    """Decide every labelled market and measure; `without` leaves one stage out."""
    labelled = read_labels(labels, titles)
    decider = Decider(current_artifact(), without=without)
    started = monotonic()
    decisions = decide_labelled(labelled, decider)
    return measure(labelled, decisions, seconds=monotonic() - started)


__all__ = ["ABSTAINED", "Evaluation", "EvaluationError", "decide_labelled", "evaluate", "macro_f1", "measure"]
