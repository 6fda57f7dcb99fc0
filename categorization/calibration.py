"""How often an answer is right that leads by so much: measured on fresh markets, kept in a small table.

The fused likelihoods rank well but are far too sure of themselves. `reliability.tsv` counts, by how far the
best factor led the second, how many answers on markets that nobody had tuned for were right.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

RELIABILITY_FILE = Path(__file__).resolve().parent / "reliability.tsv"
HEADER = ["lead_from", "lead", "markets", "right"]
# Leads at which the counts are cut: dense where answers are still doubtful.
EDGES = (0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 12.0, 14.0, 16.0)
# What is decided without a person must be right this often; above the promised 0.97, as a sample is a sample.
AUTOMATIC_PRECISION = 0.975
BINS = 10
# Steps that the fit makes level still rank: a longer lead is a little surer.
SLOPE = 0.0003


class CalibrationError(ValueError):
    """The counts cannot be read."""


@dataclass(frozen=True, slots=True)
class Count:
    """Answers whose lead lies from `lead_from` to the next edge: their mean lead, how many, how many right."""

    lead_from: float
    lead: float
    markets: int
    right: int


@dataclass(frozen=True)
class Calibration:
    """A rising curve from lead to share of right answers, and the share from which no person is asked."""

    leads: tuple[float, ...]
    shares: tuple[float, ...]
    threshold: float

    def confidence(self, lead: float) -> float:
        """Read the curve: straight between its points, level beyond them."""
        leads, shares = self.leads, self.shares
        if lead <= leads[0]:
            return shares[0]
        for number in range(1, len(leads)):
            if lead <= leads[number]:
                span = leads[number] - leads[number - 1]
                part = (lead - leads[number - 1]) / span if span else 1.0
                return shares[number - 1] + part * (shares[number] - shares[number - 1])
        return shares[-1]


def counted(leads: Sequence[float], right: Sequence[bool]) -> list[Count]:
    """Count answers by lead; empty steps are left out."""
    counts = []
    for start, end in zip(EDGES, (*EDGES[1:], float("inf")), strict=True):
        inside = [(lead, hit) for lead, hit in zip(leads, right, strict=True) if start <= lead < end]
        if inside:
            mean = sum(lead for lead, _ in inside) / len(inside)
            counts.append(Count(start, round(mean, 3), len(inside), sum(hit for _, hit in inside)))
    return counts


def calibrate(counts: Sequence[Count]) -> Calibration:
    """Fit the rising curve and find the threshold.

    Each step counts as if one more answer had been seen that was right three times of four, so that no
    handful of lucky answers is a certainty.
    """
    from sklearn.isotonic import IsotonicRegression

    if not counts:
        raise CalibrationError("There are no counted answers; expected one step of the reliability table at least.")
    shares = [(count.right + 0.75) / (count.markets + 1) for count in counts]
    leads = [count.lead for count in counts]
    fitted = IsotonicRegression().fit_transform(leads, shares, sample_weight=[count.markets for count in counts])
    curve = tuple(
        round(min(float(share) + SLOPE * count.lead, 0.999), 4) for share, count in zip(fitted, counts, strict=True)
    )
    return Calibration(tuple(leads), curve, _threshold(counts, curve))


def _threshold(counts: Sequence[Count], curve: Sequence[float]) -> float:
    """Return the lowest share such that all answers from there on are right often enough together."""
    best = 1.01
    markets = right = 0
    for count, share in sorted(zip(counts, curve, strict=True), key=lambda pair: -pair[0].lead):
        markets += count.markets
        right += count.right
        if right / markets < AUTOMATIC_PRECISION:
            break
        best = share
    return best


def read_counts(path: Path = RELIABILITY_FILE) -> list[Count]:
    """Read the table. Raises CalibrationError naming the line that is not four numbers that fit together."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.reader(file, delimiter="\t")
        if (header := next(lines, None)) != HEADER:
            raise CalibrationError(f"{path.name} begins with {header}; expected the header {HEADER}.")
        counts = []
        for number, line in enumerate(lines, start=2):
            try:
                count = Count(float(line[0]), float(line[1]), int(line[2]), int(line[3]))
            except (ValueError, IndexError) as error:
                raise CalibrationError(f"{path.name} line {number} is {line!r}; expected {HEADER}.") from error
            if not 0 <= count.right <= count.markets or count.lead < count.lead_from:
                raise CalibrationError(f"{path.name} line {number}: more right than counted, or a lead below its step.")
            counts.append(count)
    return counts


def added(*tables: Sequence[Count]) -> list[Count]:
    """Add tables step by step."""
    steps: dict[float, list[Count]] = {}
    for table in tables:
        for count in table:
            steps.setdefault(count.lead_from, []).append(count)
    total = []
    for start, parts in sorted(steps.items()):
        markets = sum(part.markets for part in parts)
        lead = sum(part.lead * part.markets for part in parts) / markets
        total.append(Count(start, round(lead, 3), markets, sum(part.right for part in parts)))
    return total


def calibration_error(confidences: Sequence[float], right: Sequence[bool]) -> float:
    """Return the expected calibration error: over ten equal steps, how far confidence lies from the share right."""
    if not confidences:
        return 0.0
    gap = 0.0
    for number in range(BINS):
        low, high = number / BINS, (number + 1) / BINS
        inside = [
            (confidence, hit)
            for confidence, hit in zip(confidences, right, strict=True)
            if low <= confidence < high or (number == BINS - 1 and confidence >= 1)
        ]
        gap += abs(sum(confidence for confidence, _ in inside) - sum(hit for _, hit in inside))
    return gap / len(confidences)


def curve_arrays(calibration: Calibration) -> "np.ndarray":
    """Write a calibration as one array: leads, shares, and the threshold in a last column."""
    import numpy as np

    return np.array(
        [[*calibration.leads, calibration.threshold], [*calibration.shares, calibration.threshold]], dtype=np.float64
    )


def calibration_of(array: "np.ndarray") -> Calibration:
    leads, shares = array[0].tolist(), array[1].tolist()
    return Calibration(tuple(leads[:-1]), tuple(shares[:-1]), leads[-1])
