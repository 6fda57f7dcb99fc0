"""Measure the comparison against labelled pairs: precision and recall of what it would call identical."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path
from typing import Any

from categorization.models import MarketPair
from categorization.pairs.blocking import ClaimIndex
from categorization.pairs.claims import Claim
from categorization.pairs.comparing import Relation, compare

COLUMNS = ["kalshi", "polymarket", "relation"]
# What a label may say besides the relations: the two have nothing to do with each other.
DIFFERENT = "different"
# 95 % of the time the true share lies in the interval.
Z = 1.959964


class PairLabelError(ValueError):
    """A file of labels that cannot be read; the text says where."""


@dataclass(frozen=True, slots=True)
class PairLabel:
    """What a person says of a Kalshi ticker and a Polymarket id or slug."""

    kalshi: str
    polymarket: str
    relation: str


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its Wilson interval; all None where nothing was counted."""

    hits: int
    count: int
    share: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class PairMeasures:
    """What was measured. `relations` counts label → found; `wrong` are called identical and are not."""

    labels: int
    not_here: int
    precision: Share
    recall: Share
    relations: dict[str, dict[str, int]]
    wrong: list[list[str]]
    missed: list[list[str]]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def read_pair_labels(path: Path) -> list[PairLabel]:
    """Read labels (kalshi, polymarket, relation; tab-separated, with a header); raises PairLabelError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PairLabelError(f"{path} cannot be read: {error}.") from error
    if not lines or lines[0].split("\t") != COLUMNS:
        raise PairLabelError(f"{path}: expected the header {', '.join(COLUMNS)}, tab-separated, found {lines[:1]}.")
    known = {*MarketPair.Relation.values, DIFFERENT}
    labels = []
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        cells = line.split("\t")
        if len(cells) != 3 or cells[2] not in known:
            raise PairLabelError(
                f"{path} line {number}: expected two ids and one of {', '.join(sorted(known))}, found {line!r}."
            )
        labels.append(PairLabel(*cells))
    return labels


def measure_pairs(
    labels: Sequence[PairLabel], *, kalshi: Sequence[Claim], polymarket: dict[str, Claim], keys: dict[Any, str]
) -> PairMeasures:
    """Look for each labelled Polymarket claim's partners among all Kalshi claims, and compare with the labels.

    `polymarket` maps ids and slugs to claims, `keys` the Kalshi claims' keys to tickers.
    """
    index = ClaimIndex(kalshi)
    tickers = set(keys.values())
    here = [label for label in labels if label.polymarket in polymarket and label.kalshi in tickers]
    found: dict[tuple[str, str], str] = {}
    for name in {label.polymarket for label in here}:
        claim = polymarket[name]
        for other in index.candidates(claim):
            verdict = compare(other, claim)
            if verdict is not None:
                found[keys[other.key], name] = verdict.relation.value
    relations: dict[str, Counter[str]] = {}
    called, right, twins, caught = 0, 0, 0, 0
    wrong, missed = [], []
    for label in here:
        said = found.get((label.kalshi, label.polymarket), DIFFERENT)
        relations.setdefault(label.relation, Counter())[said] += 1
        called += said == Relation.IDENTICAL
        twins += label.relation == Relation.IDENTICAL
        if said == label.relation == Relation.IDENTICAL:
            right, caught = right + 1, caught + 1
        elif said == Relation.IDENTICAL:
            wrong.append([label.kalshi, label.polymarket, label.relation])
        elif label.relation == Relation.IDENTICAL:
            missed.append([label.kalshi, label.polymarket, said])
    return PairMeasures(
        labels=len(labels),
        not_here=len(labels) - len(here),
        precision=wilson(right, called),
        recall=wilson(caught, twins),
        relations={label: dict(counts) for label, counts in sorted(relations.items())},
        wrong=wrong,
        missed=missed,
    )


def wilson(hits: int, count: int) -> Share:
    """Return a share with Wilson's interval of 95 %."""
    if count == 0:
        return Share(0, 0, None, None, None)
    share = hits / count
    middle = share + Z * Z / (2 * count)
    spread = Z * sqrt(share * (1 - share) / count + Z * Z / (4 * count * count))
    scale = 1 + Z * Z / count
    return Share(hits, count, round(share, 4), round((middle - spread) / scale, 4), round((middle + spread) / scale, 4))


def lines_of(measures: PairMeasures) -> Iterable[str]:
    """Say what was measured, a line each."""
    yield f"{measures.labels} labelled pairs, {measures.not_here} of them of markets that are not here."
    for name, share in (("precision", measures.precision), ("recall", measures.recall)):
        if share.share is None:
            yield f"{name} of identical: nothing to count."
        else:
            interval = f"{share.low:.4f} to {share.high:.4f}"
            yield f"{name} of identical: {share.share:.4f} ({share.hits}/{share.count}), {interval}."
    for label, counts in measures.relations.items():
        yield f"labelled {label}: " + ", ".join(f"{said} {count}" for said, count in sorted(counts.items()))
    for kalshi, polymarket, relation in measures.wrong:
        yield f"called identical, labelled {relation}: {kalshi} {polymarket}"
    for kalshi, polymarket, said in measures.missed:
        yield f"labelled identical, called {said}: {kalshi} {polymarket}"
