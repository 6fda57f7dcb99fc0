"""Reviews train the next version: measured before and after, promoted only if no worse, and never lost."""

import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any

from django.db import transaction

from categorization.artifact import Artifact, ArtifactError, load_artifact, save_artifact
from categorization.calibration import Count, counted
from categorization.crossvalidation import fold_of, template_of
from categorization.decisions import Decider
from categorization.evaluation import decide_labelled, measure
from categorization.factors import NONE
from categorization.labels import Labelled, read_labels
from categorization.models import ModelVersion, Review
from categorization.reading import Reading, reading_of_seen
from categorization.stages import fuse, normalize
from categorization.trail import REVIEWED
from categorization.training import (
    DEVELOPMENT_FILE,
    Example,
    TrainingError,
    artifact_path,
    current_artifact,
    one_thread,
    read_examples,
    train,
    version_digest,
)
from itomarkets.lib.venues import Venue
from itomarkets.records import audit

logger = logging.getLogger(__name__)

# A reviewer's word about a real market against one of our examples.
REVIEW_WEIGHT = 4.0
# Markets of one series that reviewers must have decided, all alike, before the series itself is taught.
ENOUGH_FOR_A_SERIES = 2
FIGURES = ("n", "factor_accuracy", "theme_accuracy", "direction_accuracy", "ece")


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A market as it was read when a person decided it, what they said, and how far our answer had led."""

    reading: Reading
    factor: str
    direction: int
    review_id: int
    said: str
    lead: float | None


@dataclass(frozen=True)
class TrainingReport:
    """What a training run did. `before` and `after` hold figures on the development set and on reviewed markets."""

    digest: str
    examples: int
    reviews: int
    factors: int
    seconds: float
    was_cached: bool = False
    was_promoted: bool = False
    refused_because: str = ""
    before: dict[str, dict[str, float]] = field(default_factory=dict)
    after: dict[str, dict[str, float]] = field(default_factory=dict)


def reviewed_markets(*, until: int | None = None) -> list[Reviewed]:
    """Return what people decided, the latest word on each market, up to a review's id; in a fixed order."""
    reviews = Review.objects.order_by("classification_id", "-id").select_related("classification", "new_factor")
    if until is not None:
        reviews = reviews.filter(id__lte=until)
    found: list[Reviewed] = []
    last = 0
    for review in reviews:
        if review.classification_id == last:
            continue
        last = review.classification_id
        # Taken back: the market is the stages' own again, and nobody's word.
        if review.undoes_id is not None and review.new_status not in REVIEWED:
            continue
        entries = {entry.get("stage"): entry for entry in review.classification.trail or ()}
        seen = entries.get(normalize.NAME, {}).get("saw")
        # A trail of an older layout kept no inputs; there is nothing to learn from.
        if seen:
            fused = entries.get(fuse.NAME, {})
            factor = review.new_factor.slug if review.new_factor else NONE
            reading = reading_of_seen(seen, key=review.classification_id)
            found.append(
                Reviewed(reading, factor, review.new_direction, review.id, fused.get("label", ""), fused.get("lead"))
            )
    return found


def review_examples(reviewed: Sequence[Reviewed]) -> list[Example]:
    """Write reviewed markets as examples: all that the market says of itself, weighing more than ours."""
    examples = []
    for one in reviewed:
        texts = [one.reading.title]
        texts += [text for text in (one.reading.subtitle, one.reading.event_title) if text and text not in texts[0]]
        examples.append(Example(" ".join(texts), one.factor, one.direction, REVIEW_WEIGHT))
    return examples


def taught_series(reviewed: Sequence[Reviewed]) -> dict[str, str]:
    """Return the Kalshi series whose reviewed markets all have one factor, so that the next event knows."""
    said: dict[str, list[str]] = defaultdict(list)
    for one in reviewed:
        if one.reading.venue == Venue.KALSHI:
            stem = normalize.normalize(one.reading).stem
            if stem:
                said[stem].append(one.factor)
    return {
        stem: factors[0]
        for stem, factors in sorted(said.items())
        if len(factors) >= ENOUGH_FOR_A_SERIES and len(set(factors)) == 1
    }


def reviewed_counts(reviewed: Sequence[Reviewed]) -> list[Count]:
    """Count how often our answers were right that people looked at, by how far they led."""
    known = [one for one in reviewed if one.lead is not None]
    return counted([float(one.lead or 0) for one in known], [one.said == one.factor for one in known])


def candidate_digest(examples: Sequence[Example], reviewed: Sequence[Reviewed]) -> str:
    """Hash what a version is made of: this code with its examples, and the reviews on top; without any, the code's."""
    if not reviewed:
        return version_digest()
    digest = hashlib.sha256(version_digest().encode())
    for example in (*examples, *review_examples(reviewed)):
        digest.update(repr(example).encode())
    return digest.hexdigest()


def _made(examples: Sequence[Example], reviewed: Sequence[Reviewed], digest: str) -> Artifact:
    with one_thread():
        return train(
            [*examples, *review_examples(reviewed)],
            digest=digest,
            taught=taught_series(reviewed),
            found=reviewed_counts(reviewed),
        )


def active_version(*, now: datetime) -> ModelVersion:
    """Return the version that decides: the promoted one of this code, else this code's own examples alone."""
    version = ModelVersion.objects.filter(is_active=True).first()
    if version is not None and version.measures.get("code") == version_digest():
        return version
    base, _ = ModelVersion.objects.get_or_create(
        digest=version_digest(),
        defaults={"created_at": now, "measures": {"code": version_digest(), "reviews": 0, "reviews_until": 0}},
    )
    _activate(base)
    return base


def _activate(version: ModelVersion) -> None:
    with transaction.atomic():
        ModelVersion.objects.exclude(pk=version.pk).filter(is_active=True).update(is_active=False)
        ModelVersion.objects.filter(pk=version.pk).update(is_active=True)
    version.is_active = True


def artifact_of(version: ModelVersion) -> Artifact:
    """Return a version's models from their file, or made again from what they were made of.

    A file that is not what the version's row says is refused; its numbers are never used. Raises TrainingError
    where the version belongs to other code.
    """
    if not version.measures.get("reviews"):
        return current_artifact()
    if version.measures.get("code") != version_digest():
        raise TrainingError(
            f"Version {version} was made by other code ({str(version.measures.get('code'))[:12]}, here is "
            f"{version_digest()[:12]}); install the release that made it, or train again."
        )
    path = artifact_path(version.digest)
    try:
        return load_artifact(path, digest=version.digest, checksum=str(version.measures.get("checksum", "")))
    except (ArtifactError, OSError) as error:
        logger.warning("Making version %s again: %s", version, error)
    artifact = _made(read_examples(), reviewed_markets(until=version.measures["reviews_until"]), version.digest)
    version.measures["checksum"] = save_artifact(artifact, path)
    version.save(update_fields=["measures"])
    return artifact


def train_classifier(
    *, now: datetime, force: bool = False, examples: Sequence[Example] | None = None
) -> TrainingReport:
    """Make the next version from our examples and all reviews, measure it, and promote it if it is no worse.

    1. Measure the version that decides now on the frozen development set.
    2. Train without half of the question templates that were reviewed since; measure both versions on that half.
    3. Train on everything; refuse it where any figure fell, else make it the version that decides.

    Without new reviews there is nothing to learn: the standing version is found, or with `force` made again.
    """
    started = monotonic()
    own = list(read_examples() if examples is None else examples)
    standing = active_version(now=now)
    reviewed = reviewed_markets()
    digest = candidate_digest(own, reviewed)
    if digest == standing.digest:
        was_cached = artifact_path(digest).exists() and not force
        artifact = current_artifact(force=force) if not reviewed else artifact_of(standing)
        return _report(artifact, reviewed, started, was_cached=was_cached, was_promoted=True)
    before_model = artifact_of(standing)
    fresh = [one for one in reviewed if one.review_id > int(standing.measures.get("reviews_until", 0))]
    held = [one for one in fresh if _fold(one) == 0] if len({_fold(one) for one in fresh}) == 2 else fresh[::2]
    kept = [one for one in reviewed if one not in held]
    half = _made(own, kept, digest)
    artifact = _made(own, reviewed, digest)
    before = {"development": _development(before_model), "reviewed": _figures(before_model, held)}
    after = {"development": _development(artifact), "reviewed": _figures(half, held)}
    refused_because = worse(before, after)
    version = _kept(artifact, reviewed, before, after, refused_because, now=now)
    if not refused_because:
        _promote(version, now=now, action="classifier.promoted", before=standing.digest)
    return _report(
        artifact,
        reviewed,
        started,
        was_promoted=not refused_because,
        refused_because=refused_because,
        before=before,
        after=after,
    )


def _fold(one: Reviewed) -> int:
    return fold_of(template_of(one.reading.title, name=one.reading.subtitle), 2)


def _report(artifact: Artifact, reviewed: Sequence[Reviewed], started: float, **what: Any) -> TrainingReport:
    return TrainingReport(
        digest=artifact.digest,
        examples=len(artifact.example_titles) - len(reviewed),
        reviews=len(reviewed),
        factors=len(artifact.labels) - 1,
        seconds=round(monotonic() - started, 2),
        **what,
    )


def _development(artifact: Artifact) -> dict[str, float]:
    return _measured(artifact, read_labels(DEVELOPMENT_FILE, None))


def _figures(artifact: Artifact, reviewed: Sequence[Reviewed]) -> dict[str, float]:
    return _measured(artifact, [Labelled(one.reading, one.factor, one.direction) for one in reviewed])


def _measured(artifact: Artifact, labelled: Sequence[Labelled]) -> dict[str, float]:
    if not labelled:
        return {"n": 0}
    measures = asdict(measure(labelled, decide_labelled(labelled, Decider(artifact)), seconds=0))
    return {name: measures[name] for name in FIGURES}


def worse(before: dict[str, dict[str, float]], after: dict[str, dict[str, float]]) -> str:
    """Say in one sentence in what a candidate is worse; nothing where it is not."""
    for where in before:
        for figure in ("factor_accuracy", "theme_accuracy", "direction_accuracy"):
            old, new = before[where].get(figure), after[where].get(figure)
            if old is not None and new is not None and new < old:
                return f"its {figure.replace('_', ' ')} on the {where} markets fell from {old:.4f} to {new:.4f}."
    return ""


def _kept(
    artifact: Artifact,
    reviewed: Sequence[Reviewed],
    before: dict[str, dict[str, float]],
    after: dict[str, dict[str, float]],
    refused_because: str,
    *,
    now: datetime,
) -> ModelVersion:
    """Keep a candidate's file and row, promoted or not: what was refused can be looked at."""
    measures = {
        "code": version_digest(),
        "checksum": save_artifact(artifact, artifact_path(artifact.digest)),
        "versions": artifact.versions,
        "reviews": len(reviewed),
        "reviews_until": max((one.review_id for one in reviewed), default=0),
        "said": dict(Counter(one.factor for one in reviewed).most_common()),
        "before": before,
        "after": after,
        "refused_because": refused_because,
    }
    version, _ = ModelVersion.objects.update_or_create(
        digest=artifact.digest,
        defaults={"measures": measures},
        create_defaults={"measures": measures, "created_at": now},
    )
    return version


def _promote(version: ModelVersion, *, now: datetime, action: str, before: str) -> None:
    version.measures["promoted_at"] = now.isoformat()
    version.save(update_fields=["measures"])
    _activate(version)
    audit.record(
        action=action,
        subject=f"classifier:{version.digest[:12]}",
        actor=None,
        before={"version": before[:12]},
        after={"version": version.digest[:12]},
        at=now,
    )


def roll_back(*, now: datetime, to: str = "") -> ModelVersion:
    """Make an earlier version of this code decide again: the one named by its first letters, or the one before.

    Raises TrainingError where there is none, where it was refused, or where its code is not installed.
    """
    standing = active_version(now=now)
    earlier = ModelVersion.objects.exclude(pk=standing.pk).filter(measures__code=version_digest())
    if to:
        found = list(ModelVersion.objects.exclude(pk=standing.pk).filter(digest__startswith=to))
        if len(found) != 1:
            raise TrainingError(f"{len(found)} other versions begin with {to!r}; expected exactly one.")
        version = found[0]
    else:
        usable = [one for one in earlier.filter(pk__lt=standing.pk).order_by("-pk") if not _refused(one)]
        if not usable:
            raise TrainingError("There is no earlier version of this code to go back to.")
        version = usable[0]
    if _refused(version):
        raise TrainingError(f"Version {version} was refused: {_refused(version)}")
    artifact_of(version)
    if version.measures.get("code") != version_digest():
        raise TrainingError(f"Version {version} was made by other code; install the release that made it.")
    _promote(version, now=now, action="classifier.rolled_back", before=standing.digest)
    return version


def _refused(version: ModelVersion) -> str:
    return str(version.measures.get("refused_because", ""))
