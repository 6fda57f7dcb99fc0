"""Stage 8: weigh the four opinions into one answer, and say how often such an answer is right."""

from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from categorization.calibration import Calibration

NAME = "fuse"
# How much each opinion counts (on log likelihoods), found on our own examples and checked by eye.
WEIGHTS = {"prior": 1.9, "rules": 1.4, "lexical": 0.75, "semantic": 0.35}
# An opinion may not rule a factor out: each has this floor.
FLOORS = {"prior": 0.006, "rules": 0.006, "lexical": 0.004, "semantic": 0.004}
# Where the best factor holds less than this of all likelihood, nothing is known about the market at all.
UNKNOWN = 0.12
# The share of likelihood that counts as none: beyond it a lead is not told apart any more.
TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Opinion:
    """The fused answer for one group. `lead` is the log odds of the best over the second factor."""

    label: str
    confidence: float
    runner_up: str
    lead: float
    is_sure: bool

    @property
    def is_unknown(self) -> bool:
        return self.confidence < UNKNOWN


def fuse(
    prior: "np.ndarray", rules: "np.ndarray", lexical: "np.ndarray", semantic: "np.ndarray", *, without: str = ""
) -> "np.ndarray":
    """Combine four likelihood tables (rows × labels) into shares of likelihood.

    A row of zeros is a stage with nothing to say; it then changes nothing. `without` leaves one stage
    out, for measuring what it adds; without "fuse" itself the first stage that speaks decides alone.
    """
    import numpy as np

    tables = (("prior", prior), ("rules", rules), ("lexical", lexical), ("semantic", semantic))
    total = np.zeros(lexical.shape, dtype=np.float64)
    silent = np.ones((len(lexical), 1), dtype=bool)
    for name, table in tables:
        if name == without:
            continue
        spoke = table.max(axis=1, keepdims=True) > 0
        heard = spoke & silent if without == NAME else spoke
        total += WEIGHTS[name] * np.where(heard, np.log(table + FLOORS[name]), 0)
        silent &= ~spoke
    total -= total.max(axis=1, keepdims=True)
    np.exp(total, out=total)
    total /= total.sum(axis=1, keepdims=True)
    return total


def opinions_of(shares: "np.ndarray", labels: tuple[str, ...], calibration: "Calibration") -> list[Opinion]:
    """Read each row's best and second label, and turn the best's lead into a confidence."""
    opinions = []
    for first, second, share, next_share in best_two(shares):
        lead = _lead(share, next_share)
        confidence = share if share < UNKNOWN else calibration.confidence(lead)
        is_sure = share >= UNKNOWN and confidence >= calibration.threshold
        opinions.append(Opinion(labels[first], confidence, labels[second], lead, is_sure))
    return opinions


def _lead(share: float, next_share: float) -> float:
    return log(max(share, TINY) / max(next_share, TINY))


def best_two(table: "np.ndarray") -> list[tuple[int, int, float, float]]:
    """Return each row's two greatest columns and their values."""
    import numpy as np

    if not len(table):
        return []
    top = np.argpartition(-table, 1, axis=1)[:, :2]
    rows = np.arange(len(table))[:, None]
    swap = table[rows, top][:, 0] < table[rows, top][:, 1]
    top[swap] = top[swap][:, ::-1]
    best = table[rows, top]
    return [
        (first, second, share, next_share)
        for (first, second), (share, next_share) in zip(top.tolist(), best.tolist(), strict=True)
    ]


def explain(opinion: Opinion) -> str:
    ahead = f"{opinion.lead:.1f} ahead of {opinion.runner_up}"
    said = f"{opinion.label}, {ahead}: right {opinion.confidence:.0%} of the time"
    if opinion.is_unknown:
        return f"{opinion.label} is the best guess, but too little is known: left uncategorised."
    return said + ("." if opinion.is_sure else "; not sure enough, waits for a person.")
