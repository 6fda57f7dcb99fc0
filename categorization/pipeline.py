"""Classify markets: the ten stages over what changed, written in chunks; reviewers' words stand."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from categorization.decisions import Decider, Decision
from categorization.factors import NONE
from categorization.learning import active_version, artifact_of
from categorization.models import Classification, ModelVersion, RiskFactor
from categorization.reading import MARKET_FIELDS, Reading, reading_of_row
from categorization.stages import screen
from categorization.taxonomy import load_taxonomy
from categorization.trail import REVIEWED, is_disputed
from categorization.training import one_thread
from markets.models import Market
from markets.upsert import RowWriter, plain, plain_columns

# Markets read and decided at once; memory stays flat, whatever the number of markets.
CHUNK = 3_000
# Rows written in one transaction: well under a second on SQLite, so that other writers get their turn.
WRITE_CHUNK = 1_000
# What the stages write; `importance` belongs to baskets.
COLUMNS = (
    "market_id",
    "factor_id",
    "runner_up_id",
    "direction",
    "confidence",
    "importance",
    "is_disputed",
    "status",
    "skip_reason",
    "trail",
    "input_digest",
    "model_version_id",
    "changed_at",
)
STANDING = (
    "classification__status",
    "classification__input_digest",
    "classification__model_version_id",
    "classification__factor_id",
    "classification__direction",
    "classification__changed_at",
)

Progress = Callable[[str], None]


@dataclass
class CategorizationReport:
    """What a run did. `unchanged` were decided before by this version, `reviewed` belong to reviewers."""

    seen: int = 0
    unchanged: int = 0
    reviewed: int = 0
    written: int = 0
    assigned: int = 0
    waiting: int = 0
    unclassified: int = 0
    skipped: int = 0
    skip_reasons: dict[str, int] = field(default_factory=dict)
    model_version: str = ""


@dataclass(frozen=True, slots=True)
class _Standing:
    """A market as read, what its row says now, and whether the stages must look at it."""

    reading: Reading
    row: dict[str, Any]
    digest: str
    is_due: bool


def categorize_markets(
    *,
    markets: QuerySet[Market] | None,
    now: datetime,
    force: bool = False,
    progress: Progress | None = None,
) -> CategorizationReport:
    """Decide every market that is new or changed since this model version last saw it.

    1. Read markets event by event, with their classification.
    2. Step over what reviewers decided, what is unchanged, and what expired after it was decided.
    3. Run the stages on the rest, their siblings' votes included, and write the answers.

    `force` decides unchanged markets again. A second run writes nothing. `now` judges what has expired.
    """
    load_taxonomy()
    version = active_version(now=now)
    decider = Decider(artifact_of(version))
    writer = _Writer(version=version, now=now)
    report = CategorizationReport(model_version=version.digest[:12])
    for rows in _chunks(Market.objects.all() if markets is None else markets):
        standing = [_stand(row, version=version, now=now, force=force) for row in rows]
        report.seen += len(rows)
        report.reviewed += sum(one.row["classification__status"] in REVIEWED for one in standing)
        due_events = {one.reading.event_key for one in standing if one.is_due and one.reading.event_key}
        asked = [one for one in standing if one.is_due or one.reading.event_key in due_events]
        with one_thread():
            decisions = decider.decide([one.reading for one in asked], now=now)
        due = [(one, said) for one, said in zip(asked, decisions, strict=True) if one.is_due]
        for start in range(0, len(due), WRITE_CHUNK):
            report.written += writer.write(due[start : start + WRITE_CHUNK], report)
        if progress is not None:
            progress(f"categorize: {report.seen:,} markets read, {report.written:,} labels written")
    report.unchanged = report.seen - report.reviewed - report.written
    return report


def _chunks(markets: QuerySet[Market]) -> Iterator[list[dict[str, Any]]]:
    """Walk markets by event, then those without one; an event is cut only where it fills a chunk alone."""
    fields = (*MARKET_FIELDS, *STANDING)
    with_event = markets.filter(event__isnull=False).order_by("event_id", "id").values(*fields)
    place = Q()
    while rows := list(with_event.filter(place)[:CHUNK]):
        last_event = rows[-1]["event_id"]
        if len(rows) == CHUNK and rows[0]["event_id"] != last_event:
            while rows[-1]["event_id"] == last_event:
                rows.pop()
        last = rows[-1]
        place = Q(event_id__gt=last["event_id"]) | Q(event_id=last["event_id"], id__gt=last["id"])
        yield rows
    alone = markets.filter(event__isnull=True).order_by("id").values(*fields)
    last_id = 0
    while rows := list(alone.filter(id__gt=last_id)[:CHUNK]):
        last_id = rows[-1]["id"]
        yield rows


def _stand(row: dict[str, Any], *, version: ModelVersion, now: datetime, force: bool) -> _Standing:
    reading = reading_of_row(row)
    expired = screen.is_expired(reading, now=now)
    digest = reading_digest(reading, expired=expired)
    status = row["classification__status"]
    if status is None:
        is_due = True
    elif status in REVIEWED or (expired and status != Classification.Status.SKIPPED):
        # A label outlives its market: baskets look back at it.
        is_due = False
    else:
        same = row["classification__input_digest"] == digest
        is_due = force or not same or row["classification__model_version_id"] != version.pk
    return _Standing(reading, row, digest, is_due)


def reading_digest(reading: Reading, *, expired: bool) -> str:
    """Hash what the stages read of a market; a price or a volume that moves changes nothing."""
    parts = (
        reading.venue,
        reading.native_id,
        reading.slug,
        reading.title,
        reading.subtitle,
        reading.event_key,
        reading.event_title,
        reading.series_key,
        reading.series_title,
        reading.category,
        *reading.tags,
        str(reading.outcome_count),
        str(reading.is_combo),
        str(expired),
    )
    return hashlib.blake2b("\x1f".join(parts).encode("utf-8", "replace"), digest_size=16).hexdigest()


class _Writer:
    """Turns decisions into rows and writes them, unless a reviewer was faster."""

    def __init__(self, *, version: ModelVersion, now: datetime) -> None:
        self.version = version
        self.now = now
        self.factor_ids = dict(RiskFactor.objects.values_list("slug", "id"))
        self.makers = plain_columns(Classification, COLUMNS)
        self.rows = RowWriter(Classification, COLUMNS, key=("market_id",), keep=("importance",))

    def write(self, due: Sequence[tuple[_Standing, Decision]], report: CategorizationReport) -> int:
        """Write one batch in one transaction and count it in the report; returns the number of rows."""
        with transaction.atomic():
            ids = [one.reading.key for one, _said in due]
            # Locked, so that a review that comes now waits for us and one that came before is seen.
            reviewed = set(
                Classification.objects.select_for_update()
                .filter(market_id__in=ids, status__in=REVIEWED)
                .values_list("market_id", flat=True)
            )
            kept = [(one, said) for one, said in due if one.reading.key not in reviewed]
            self.rows.write(plain(self._row(one, said), self.makers) for one, said in kept)
        report.reviewed += len(reviewed)
        for _one, said in kept:
            _count(report, said)
        return len(kept)

    def _row(self, one: _Standing, said: Decision) -> tuple[Any, ...]:
        status = status_of(said)
        has_factor = status in (Classification.Status.ASSIGNED, Classification.Status.WAITING)
        factor_id = self.factor_ids.get(said.label) if has_factor else None
        guess = said.label if status == Classification.Status.UNCLASSIFIED and said.label != NONE else said.runner_up
        old = one.row
        is_same = (
            old["classification__status"],
            old["classification__factor_id"],
            old["classification__direction"],
        ) == (
            status,
            factor_id,
            said.direction,
        )
        return (
            one.reading.key,
            factor_id,
            self.factor_ids.get(guess),
            said.direction if factor_id else 0,
            said.confidence,
            0.0,
            status in (Classification.Status.ASSIGNED, Classification.Status.WAITING) and is_disputed(said.trail),
            str(status),
            said.skip_reason,
            said.trail,
            one.digest,
            self.version.pk,
            # Baskets poll this: only another answer is news to them.
            old["classification__changed_at"] if is_same else self.now,
        )


def status_of(said: Decision) -> Classification.Status:
    """Say what becomes of a decision: assigned, waiting for a person, unclassified or skipped."""
    if said.skip_reason:
        return Classification.Status.SKIPPED
    if said.is_unknown or (said.label == NONE and said.is_sure):
        return Classification.Status.UNCLASSIFIED
    return Classification.Status.ASSIGNED if said.is_sure else Classification.Status.WAITING


def _count(report: CategorizationReport, said: Decision) -> None:
    status = status_of(said)
    setattr(report, status.value, getattr(report, status.value) + 1)
    if said.skip_reason:
        report.skip_reasons[said.skip_reason] = report.skip_reasons.get(said.skip_reason, 0) + 1


def report_lines(report: CategorizationReport) -> list[str]:
    """Write a report as the lines that the command prints."""
    counts = asdict(report)
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(report.skip_reasons.items()))
    lines = [f"{name.replace('_', ' ')}: {value:,}" for name, value in counts.items() if isinstance(value, int)]
    return [*lines, f"skipped because: {reasons or 'nothing was skipped'}", f"model version: {report.model_version}"]
