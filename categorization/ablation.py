"""What each of the ten stages adds: the figures without it, on the same markets."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from categorization.artifact import Artifact
from categorization.decisions import Decider, Decision
from categorization.evaluation import Evaluation, measure
from categorization.labels import Labelled, all_readings
from categorization.reading import Reading
from categorization.trail import STAGES
from categorization.training import one_thread

FIGURES = ("factor_accuracy", "theme_accuracy", "direction_accuracy", "ece", "auto_precision", "auto_coverage")
COUNTS = ("judged", "split", "let_in")
# What no basket may hold, and what says nothing: a sound run gives none of these a label.
REFUSED = (
    Reading(key=1, venue="kalshi", native_id="KXMVESPORTS-1", title="yes Lions, yes Bears", is_combo=True),
    Reading(key=2, venue="kalshi", native_id="KXMVECROSS-2", title="yes Bitcoin above $100,000, no Fed cut"),
    Reading(key=3, venue="polymarket", native_id="3", title="Who wins the league?", outcome_count=20),
    Reading(key=4, venue="polymarket", native_id="4", title="Gold, silver or neither?", outcome_count=3),
    Reading(key=5, venue="polymarket", native_id="5", title=""),
    Reading(key=6, venue="polymarket", native_id="6", title="?"),
)


@dataclass(frozen=True, slots=True)
class Without:
    """The measures without one stage.

    `judged` groups were weighed; `split` events ended with markets of different factors; `let_in` of REFUSED got
    a label.
    """

    stage: str
    evaluation: Evaluation
    judged: int
    split: int
    let_in: int

    def as_dict(self) -> dict[str, Any]:
        figures = {name: getattr(self.evaluation, name) for name in FIGURES}
        counts = {name: getattr(self, name) for name in COUNTS}
        return {"without": self.stage or "nothing", **figures, **counts}


class _Counting(Decider):
    """A decider that counts the groups that it weighs."""

    judged = 0

    def _judge_batch(self, batch: Any) -> Any:
        self.judged += len(batch)
        return super()._judge_batch(batch)


def ablate(labelled: Sequence[Labelled], artifact: Artifact) -> list[Without]:
    """Measure with all stages, then without each."""
    rows = []
    readings = all_readings(labelled)
    for stage in ("", *(stage.NAME for stage in STAGES)):
        decider = _Counting(artifact, without=stage)
        started = monotonic()
        with one_thread():
            decisions = decider.decide(readings, now=None)
        evaluation = measure(labelled, decisions[: len(labelled)], seconds=monotonic() - started)
        judged = decider.judged
        with one_thread():
            let_in = sum(not said.skip_reason for said in decider.decide(REFUSED, now=None))
        rows.append(Without(stage, evaluation, judged, _split(readings, decisions), let_in))
    return rows


def _split(readings: Sequence[Reading], decisions: Sequence[Decision]) -> int:
    """Count the events whose markets were given different factors."""
    labels = defaultdict(set)
    for reading, said in zip(readings, decisions, strict=True):
        if reading.event_key:
            labels[reading.venue, reading.event_key].add(said.label)
    return sum(len(said) > 1 for said in labels.values())


def ablation_lines(rows: Sequence[Without]) -> list[str]:
    """Write the ablation as the table that the command prints."""
    columns = (*FIGURES, *COUNTS)
    lines = [f"{'without':<12}" + "".join(f"{name:>20}" for name in columns)]
    for values in (row.as_dict() for row in rows):
        lines.append(f"{values['without']:<12}" + "".join(f"{values[name]:>20}" for name in columns))
    return lines
