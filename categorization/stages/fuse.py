"""Stage 8: weigh the four opinions into one confidence, or abstain."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

NAME = "fuse"
# How much each opinion counts (on log likelihoods), found on our own examples and checked by eye.
WEIGHTS = {"prior": 1.9, "rules": 1.4, "lexical": 0.75, "semantic": 0.35}
# An opinion may not rule a factor out: each has this floor.
FLOORS = {"prior": 0.006, "rules": 0.006, "lexical": 0.004, "semantic": 0.004}
TEMPERATURE = 1.0
# Below these we ask a person instead of deciding.
CONFIDENT = 0.60
MARGIN = 0.15
# Below this nothing is known about the market at all.
UNKNOWN = 0.22


@dataclass(frozen=True, slots=True)
class Opinion:
    """The fused answer for one group."""

    label: str
    confidence: float
    runner_up: str
    margin: float

    @property
    def is_sure(self) -> bool:
        return self.confidence >= CONFIDENT and self.margin >= MARGIN

    @property
    def is_unknown(self) -> bool:
        return self.confidence < UNKNOWN


def fuse(
    prior: "np.ndarray", rules: "np.ndarray", lexical: "np.ndarray", semantic: "np.ndarray", *, without: str = ""
) -> "np.ndarray":
    """Combine four likelihood tables (rows × labels) into probabilities.

    A row of zeros is a stage with nothing to say; it then changes nothing. `without` leaves one stage
    out, for measuring what it adds.
    """
    import numpy as np

    total = np.zeros_like(lexical)
    tables = (("prior", prior), ("rules", rules), ("lexical", lexical), ("semantic", semantic))
    for name, table in tables:
        if name == without:
            continue
        spoke = table.max(axis=1, keepdims=True) > 0
        total += WEIGHTS[name] * np.where(spoke, np.log(table + FLOORS[name]), 0)
    total *= TEMPERATURE
    total -= total.max(axis=1, keepdims=True)
    np.exp(total, out=total)
    total /= total.sum(axis=1, keepdims=True)
    return total


def opinions_of(probabilities: "np.ndarray", labels: tuple[str, ...]) -> list[Opinion]:
    """Read the best and second label off each row."""
    import numpy as np

    if not len(probabilities):
        return []
    top = np.argpartition(-probabilities, 1, axis=1)[:, :2]
    rows = np.arange(len(probabilities))[:, None]
    swap = probabilities[rows, top][:, 0] < probabilities[rows, top][:, 1]
    top[swap] = top[swap][:, ::-1]
    best = probabilities[rows, top]
    return [
        Opinion(labels[first], float(p), labels[second], float(p - q))
        for (first, second), (p, q) in zip(top.tolist(), best.tolist(), strict=True)
    ]


def explain(opinion: Opinion) -> str:
    said = f"{opinion.label} at {opinion.confidence:.2f}, {opinion.margin:.2f} ahead of {opinion.runner_up}"
    if opinion.is_unknown:
        return said + ": too little is known, left uncategorised."
    return said + ("." if opinion.is_sure else ": not sure enough, waits for a person.")
