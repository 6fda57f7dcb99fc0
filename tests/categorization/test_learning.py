"""Reviews train the next version: measured, promoted only if no worse, kept, and undone."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from categorization import learning
from categorization.calibration import Count
from categorization.evaluation import measure
from categorization.factors import taxonomy
from categorization.labels import read_labels
from categorization.learning import (
    active_version,
    artifact_of,
    reviewed_counts,
    reviewed_markets,
    roll_back,
    taught_series,
    train_classifier,
    worse,
)
from categorization.models import Classification, ModelVersion, RiskFactor
from categorization.pipeline import categorize_markets
from categorization.review import confirm, correct
from categorization.training import (
    DEVELOPMENT_FILE,
    Example,
    TrainingError,
    artifact_path,
    read_examples,
    version_digest,
)
from itomarkets.records.models import AuditEntry
from tests.factories import make_event, make_market, make_user


@pytest.fixture(scope="module")
def few() -> list[Example]:
    """A few examples of every factor: enough to train in a second."""
    by_factor: dict[str, list[Example]] = defaultdict(list)
    for example in read_examples():
        by_factor[example.factor].append(example)
    return [example for found in by_factor.values() for example in found[:: max(1, len(found) // 3)][:3]]


@pytest.fixture
def reviewed(db: None, now: datetime) -> list[Classification]:
    """Two markets of a series of their own, corrected to gold by a person, and one that was confirmed."""
    event = make_event(title="Muster index on Friday", native_id="KXMUSTERX-27JAN01", series_key="KXMUSTERX")
    for step in (1, 2):
        make_market(event=event, native_id=f"KXMUSTERX-27JAN01-T{step}", title=f"Will the muster be above {step}?")
    make_market(title="Will Bitcoin be above $90,000 on Friday?", native_id="KXBTCD-27JAN01-T90")
    categorize_markets(markets=None, now=now)
    reviewer, gold = make_user(), RiskFactor.objects.get(slug="gold")
    rows = list(Classification.objects.order_by("market_id"))
    for row in rows[:2]:
        correct(classification=row, reviewer=reviewer, factor=gold, direction=1, now=now)
    confirm(classification=rows[2], reviewer=reviewer, now=now)
    return rows


@pytest.fixture(autouse=True)
def _no_file_is_left() -> Iterator[None]:
    before = set(artifact_path("x").parent.glob("*"))
    yield
    for path in set(artifact_path("x").parent.glob("*")) - before:
        if version_digest()[:16] not in path.name:
            path.unlink()


def test_the_development_set_names_every_factor_and_is_never_trained_on() -> None:
    rows = read_labels(DEVELOPMENT_FILE, None)
    assert {row.factor for row in rows} == set(taxonomy().labels)
    trained = {" ".join(example.title.casefold().split()) for example in read_examples()}
    assert [row.reading.title for row in rows if " ".join(row.reading.title.casefold().split()) in trained] == []
    keys = [row.reading.key for row in rows]
    assert len(keys) == len(set(keys))


def test_reviews_are_read_with_what_the_stages_saw(reviewed: list[Classification]) -> None:
    found = reviewed_markets()
    assert [(one.factor, one.direction) for one in found] == [("gold", 1), ("gold", 1), ("bitcoin-price", 1)]
    assert found[0].reading.series_key == "KXMUSTERX"
    assert found[2].said == "bitcoin-price"
    assert taught_series(found) == {"MUSTERX": "gold"}
    counts = reviewed_counts(found)
    assert sum(count.markets for count in counts) == 3
    assert isinstance(counts[0], Count)
    assert reviewed_markets(until=found[0].review_id) == found[:1]


def test_the_latest_word_on_a_market_counts(reviewed: list[Classification], now: datetime) -> None:
    silver = RiskFactor.objects.get(slug="industrial-metals")
    correct(classification=reviewed[0], reviewer=make_user(), factor=silver, direction=0, now=now)
    found = {one.reading.key: one.factor for one in reviewed_markets()}
    assert found[reviewed[0].pk] == "industrial-metals"
    assert taught_series(reviewed_markets()) == {}


def test_reviews_make_the_next_version_and_the_next_event_knows(
    reviewed: list[Classification], now: datetime, few: list[Example]
) -> None:
    report = train_classifier(now=now, examples=few)
    assert report.reviews == 3
    assert report.after["reviewed"]["n"] > 0
    assert report.before["development"]["n"] == 200
    version = ModelVersion.objects.get(digest=report.digest)
    assert version.measures["reviews"] == 3
    assert version.measures["versions"]["numpy"]
    artifact = artifact_of(version)
    assert artifact.taught == {"MUSTERX": "gold"}
    assert artifact.digest == report.digest != version_digest()


def test_a_worse_model_is_kept_but_does_not_decide(
    reviewed: list[Classification], now: datetime, few: list[Example]
) -> None:
    # Three examples a factor know less of the development set than all of them.
    standing = active_version(now=now)
    report = train_classifier(now=now, examples=few)
    assert not report.was_promoted
    assert "fell from" in report.refused_because
    assert ModelVersion.objects.get(is_active=True) == standing
    assert artifact_path(report.digest).exists()
    with pytest.raises(TrainingError, match="was refused"):
        roll_back(now=now, to=report.digest[:10])


def test_what_was_promoted_decides_and_a_rollback_undoes_it(db: None, now: datetime) -> None:
    standing = active_version(now=now)
    row = ModelVersion.objects.create(
        digest="a" * 64, created_at=now, measures={"code": version_digest(), "reviews": 0}
    )
    learning._promote(row, now=now, action="classifier.promoted", before=standing.digest)
    assert active_version(now=now) == row
    back = roll_back(now=now + timedelta(hours=1))
    assert back == standing
    assert active_version(now=now) == standing
    entries = AuditEntry.objects.filter(subject__startswith="classifier:").order_by("id")
    assert list(entries.values_list("action", flat=True)) == ["classifier.promoted", "classifier.rolled_back"]


def test_going_back_further_than_there_is_says_so(db: None, now: datetime) -> None:
    active_version(now=now)
    with pytest.raises(TrainingError, match="no earlier version"):
        roll_back(now=now)
    with pytest.raises(TrainingError, match="expected exactly one"):
        roll_back(now=now, to="zz")


def test_a_version_of_other_code_is_refused(db: None, now: datetime) -> None:
    active_version(now=now)
    other = ModelVersion.objects.create(digest="f" * 64, created_at=now, measures={"code": "elsewhere", "reviews": 4})
    with pytest.raises(TrainingError, match="other code"):
        artifact_of(other)
    with pytest.raises(TrainingError, match="other code"):
        roll_back(now=now, to="ffff")
    # A deployment of other code decides by its own examples until it is trained.
    ModelVersion.objects.update(is_active=False)
    ModelVersion.objects.filter(pk=other.pk).update(is_active=True)
    assert active_version(now=now).digest == version_digest()


def test_a_touched_file_is_made_again_not_believed(
    reviewed: list[Classification], now: datetime, few: list[Example], caplog: pytest.LogCaptureFixture
) -> None:
    report = train_classifier(now=now, examples=few)
    version = ModelVersion.objects.get(digest=report.digest)
    path = artifact_path(report.digest)
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning, "read_examples", lambda: few)
        artifact = artifact_of(version)
    assert artifact.taught == {"MUSTERX": "gold"}
    assert "checksum" in caplog.text
    version.refresh_from_db()
    assert artifact_of(version).digest == report.digest


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ({"factor_accuracy": 0.9}, {"factor_accuracy": 0.9}, ""),
        ({"factor_accuracy": 0.9}, {"factor_accuracy": 0.8}, "factor accuracy on the development markets fell"),
        ({"direction_accuracy": 0.9}, {"direction_accuracy": 0.89}, "direction accuracy"),
        ({"n": 0}, {"n": 0}, ""),
    ],
)
def test_worse_is_any_figure_that_fell(old: dict[str, float], new: dict[str, float], says: str) -> None:
    assert says in worse({"development": old}, {"development": new})
    assert bool(says) == bool(worse({"development": old}, {"development": new}))


def test_the_command_lists_versions_and_refuses_in_a_sentence(db: None, now: datetime) -> None:
    active_version(now=now)
    out = StringIO()
    call_command("train_classifier", versions=True, stdout=out)
    assert f"{version_digest()[:12]} of 2026-08-01 12:00, 0 reviews: decides" in out.getvalue()
    with pytest.raises(CommandError, match="no earlier version"):
        call_command("train_classifier", rollback="", stdout=StringIO())


def test_the_shipped_version_holds_its_own_development_set() -> None:
    from categorization.decisions import Decider
    from categorization.evaluation import decide_labelled
    from categorization.training import current_artifact

    rows = read_labels(DEVELOPMENT_FILE, None)
    measures = measure(rows, decide_labelled(rows, Decider(current_artifact())), seconds=0)
    assert measures.factor_accuracy >= 0.97
    assert measures.direction_accuracy >= 0.97
    assert measures.ece <= 0.05
    assert measures.auto_precision >= 0.97


def test_heavy_libraries_load_inside_the_job(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import django; django.setup();"
        "import categorization.pipeline, categorization.learning, categorization.filters, sys;"
        "print([name for name in ('sklearn', 'scipy', 'numpy', 'PIL') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
