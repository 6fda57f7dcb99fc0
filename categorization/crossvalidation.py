"""The honest figure: models that never saw the question's template, a curve that never saw the market's fold."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from categorization.calibration import calibrate, calibration_error, counted
from categorization.decisions import Decider, Decision
from categorization.evaluation import Evaluation, decide_labelled, measure, predicted
from categorization.knowledge.words import gazetteer, words_of
from categorization.labels import Labelled
from categorization.reading import Reading
from categorization.stages.normalize import mask
from categorization.training import Example, one_thread, read_examples, train, version_digest
from itomarkets.lib.venues import Venue

FOLDS = 5


@dataclass(frozen=True)
class CrossValidation:
    """`labelled` are the given markets, `examples` the project's own, each decided by models without its template.

    `ece` is the calibration error of curves fitted on the other folds, `ece_across_venues` on the other venue.
    """

    folds: int
    labelled: Evaluation
    examples_factor_accuracy: float
    examples: int
    ece: float
    ece_across_venues: float

    def as_dict(self) -> dict[str, Any]:
        own = {name: value for name, value in self.labelled.as_dict().items() if name != "per_theme"}
        return {
            "folds": self.folds,
            **own,
            "ece": self.ece,
            "ece_across_venues": self.ece_across_venues,
            "examples": self.examples,
            "examples_factor_accuracy": self.examples_factor_accuracy,
        }


def template_of(title: str, *, series: str = "", name: str = "") -> str:
    """Return what a question shares with its like: the series, or its words with names and numbers hidden."""
    if series:
        return series
    words = words_of(title)
    hidden = set(words_of(name))
    known = {part for names in gazetteer().find(words).values() for found in names for part in found.split()}
    kept = ["§" if word in hidden or word in known else word for word in mask(words)]
    # Ten names in a row are one gap, like one name.
    return " ".join(word for place, word in enumerate(kept) if word != "§" or kept[place - 1 : place] != ["§"])


def fold_of(template: str, folds: int = FOLDS) -> int:
    """Return the fold of a template: its hash, so that every run and every machine splits alike."""
    return int.from_bytes(hashlib.blake2b(template.encode(), digest_size=4).digest()) % folds


def _row_template(row: Labelled) -> str:
    reading = row.reading
    series = reading.native_id.removeprefix("EVENT:").partition("-")[0] if reading.venue == Venue.KALSHI else ""
    return template_of(reading.title, series=series, name=reading.subtitle)


def cross_validate(
    labelled: Sequence[Labelled], *, folds: int = FOLDS, own: Sequence[Example] | None = None
) -> CrossValidation:
    """Split by template, train on `own` examples (all of ours) without each fold, and decide the fold.

    A labelled market's words count as well as its series: no example of its wording is in its training set.
    """
    examples = read_examples() if own is None else own
    place_of = [fold_of(_row_template(row), folds) for row in labelled]
    words_in = [template_of(row.reading.title, name=row.reading.subtitle) for row in labelled]
    example_words = [template_of(example.title) for example in examples]
    decisions: list[Decision | None] = [None] * len(labelled)
    right_examples = 0
    started = monotonic()
    for fold in range(folds):
        places = [place for place, own in enumerate(place_of) if own == fold]
        held_words = {words_in[place] for place in places}
        kept: list[tuple[Example, str]] = []
        held: list[tuple[Example, str]] = []
        for example, words in zip(examples, example_words, strict=True):
            (held if fold_of(words, folds) == fold else kept).append((example, words))
        with one_thread():
            artifact = train([one for one, words in kept if words not in held_words], digest=version_digest())
        decider = Decider(artifact)
        for place, said in zip(places, decide_labelled([labelled[place] for place in places], decider), strict=True):
            decisions[place] = said
        right_examples += _right_examples([one for one, _ in held], decider)
    done = [said for said in decisions if said is not None]
    return CrossValidation(
        folds=folds,
        labelled=measure(labelled, done, seconds=monotonic() - started),
        examples_factor_accuracy=round(right_examples / len(examples), 4),
        examples=len(examples),
        ece=_ece(labelled, done, place_of),
        ece_across_venues=_ece(labelled, done, [row.reading.venue for row in labelled]),
    )


def _right_examples(examples: Sequence[Example], decider: Decider) -> int:
    readings = [Reading(key=place, venue="", native_id="", title=one.title) for place, one in enumerate(examples)]
    with one_thread():
        said = decider.decide(readings, now=None)
    return sum(decision.label == one.factor for decision, one in zip(said, examples, strict=True))


def _ece(labelled: Sequence[Labelled], decisions: Sequence[Decision], split: Sequence[Any]) -> float:
    """Fit the curve on the other parts of a split, measure each part by it, and pool."""
    parts = defaultdict(list)
    for place, part in enumerate(split):
        parts[part].append(place)
    right = [row.factor == predicted(said) for row, said in zip(labelled, decisions, strict=True)]
    if len(parts) < 2:
        return round(calibration_error([said.confidence for said in decisions], right), 4)
    confidences: list[float] = []
    hits: list[bool] = []
    for part, places in parts.items():
        others = [place for place, own in enumerate(split) if own != part]
        curve = calibrate(counted([decisions[place].lead for place in others], [right[place] for place in others]))
        confidences += [curve.confidence(decisions[place].lead) for place in places]
        hits += [right[place] for place in places]
    return round(calibration_error(confidences, hits), 4)
