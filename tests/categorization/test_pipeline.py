"""Labels in the database: written once, kept while nothing changes, never over a reviewer's word."""

from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from categorization import learning, pipeline, training
from categorization.artifact import Artifact, ArtifactError, load_artifact, save_artifact
from categorization.factors import TaxonomyError, parse_taxonomy
from categorization.models import Classification, ModelVersion, Review, RiskFactor, Theme
from categorization.pipeline import categorize_markets
from categorization.review import ReviewError, confirm, correct
from categorization.taxonomy import load_taxonomy
from categorization.trail import STAGES, explain_market
from itomarkets.lib.locks import lease
from itomarkets.records.models import AuditEntry
from markets.models import Market
from tests.factories import make_event, make_market, make_user

pytestmark = pytest.mark.django_db


def bitcoin_ladder(steps: int = 3) -> list[Market]:
    event = make_event(title="Bitcoin price on Friday", native_id="KXBTCD-27JAN01", series_key="KXBTCD")
    return [
        make_market(
            event=event,
            native_id=f"KXBTCD-27JAN01-T{step}",
            title=f"Will Bitcoin be above ${step},000 on Friday?",
            subtitle=f"${step},000 or above",
        )
        for step in range(90, 90 + steps)
    ]


def test_every_market_gets_one_label_with_ten_reasons(now: datetime) -> None:
    markets = bitcoin_ladder()
    report = categorize_markets(markets=None, now=now)
    assert (report.seen, report.written, report.assigned) == (3, 3, 3)
    row = Classification.objects.select_related("factor").get(market=markets[0])
    assert row.factor is not None
    assert row.factor.slug == "bitcoin-price"
    assert (row.direction, row.status) == (1, Classification.Status.ASSIGNED)
    assert [entry["stage"] for entry in row.trail] == [stage.NAME for stage in STAGES]
    assert len(STAGES) == 10
    assert row.model_version == ModelVersion.objects.get(is_active=True)


def test_a_second_run_writes_nothing(now: datetime) -> None:
    bitcoin_ladder()
    categorize_markets(markets=None, now=now)
    before = list(Classification.objects.values())
    report = categorize_markets(markets=None, now=now + timedelta(hours=1))
    assert (report.written, report.unchanged) == (0, 3)
    assert list(Classification.objects.values()) == before


def test_a_second_run_takes_few_queries(now: datetime) -> None:
    bitcoin_ladder(30)
    categorize_markets(markets=None, now=now)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        categorize_markets(markets=None, now=now)
    taxonomy_reads = len(Theme.objects.all()) + len(RiskFactor.objects.all())
    assert len(queries) <= taxonomy_reads + 12
    assert not [query for query in queries if query["sql"].startswith(("INSERT", "UPDATE"))]


def test_a_changed_title_is_read_again_and_a_price_is_not(now: datetime) -> None:
    first, second, _ = bitcoin_ladder()
    categorize_markets(markets=None, now=now)
    Market.objects.filter(pk=first.pk).update(title="Will Bitcoin be below $90,000 on Friday?", subtitle="Below")
    Market.objects.filter(pk=second.pk).update(volume=5)
    later = now + timedelta(hours=1)
    assert categorize_markets(markets=None, now=later).written == 1
    row = Classification.objects.get(market=first)
    assert (row.direction, row.changed_at) == (-1, later)


def test_another_version_decides_again_but_only_another_answer_is_news(
    now: datetime, monkeypatch: pytest.MonkeyPatch, artifact: Artifact
) -> None:
    bitcoin_ladder()
    categorize_markets(markets=None, now=now)
    monkeypatch.setattr(pipeline, "active_version", lambda now: ModelVersion.objects.create(digest="b", created_at=now))
    report = categorize_markets(markets=None, now=now + timedelta(hours=1))
    assert report.written == 3
    assert set(Classification.objects.values_list("changed_at", flat=True)) == {now}


def test_force_decides_unchanged_markets_again(now: datetime) -> None:
    bitcoin_ladder()
    categorize_markets(markets=None, now=now)
    assert categorize_markets(markets=None, now=now, force=True).written == 3


def test_importance_belongs_to_baskets(now: datetime) -> None:
    bitcoin_ladder(1)
    categorize_markets(markets=None, now=now)
    Classification.objects.update(importance=0.75)
    categorize_markets(markets=None, now=now, force=True)
    assert Classification.objects.get().importance == 0.75


def test_a_skipped_market_keeps_the_reason(now: datetime) -> None:
    make_market(title="Will it rain in London?", close_at=now - timedelta(days=1))
    make_market(title="Yes A, yes B", is_combo=True)
    report = categorize_markets(markets=None, now=now)
    assert report.skip_reasons == {"expired": 1, "combo": 1}
    assert set(Classification.objects.values_list("skip_reason", "status", "factor")) == {
        ("expired", "skipped", None),
        ("combo", "skipped", None),
    }
    assert categorize_markets(markets=None, now=now).written == 0


def test_a_label_outlives_its_market(now: datetime) -> None:
    (market,) = bitcoin_ladder(1)
    categorize_markets(markets=None, now=now)
    Market.objects.filter(pk=market.pk).update(status=Market.Status.RESOLVED)
    for force in (False, True):
        assert categorize_markets(markets=None, now=now + timedelta(days=400), force=force).written == 0
    assert Classification.objects.get().status == Classification.Status.ASSIGNED


def test_a_market_that_says_nothing_waits_or_stays_uncategorised(now: datetime) -> None:
    make_market(title="Qwrt zzyx plok?", venue="polymarket", event=None)
    categorize_markets(markets=None, now=now)
    row = Classification.objects.get()
    assert row.status in (Classification.Status.WAITING, Classification.Status.UNCLASSIFIED)


def test_chunks_hold_whole_events(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    bitcoin_ladder(3)
    make_market(title="Will it rain in London?", event=None)
    event = make_event(title="Another ladder", native_id="KXETHD-27", series_key="KXETHD")
    for step in range(3):
        make_market(event=event, native_id=f"KXETHD-27-T{step}", title=f"Will Ethereum be above ${step}?")
    monkeypatch.setattr(pipeline, "CHUNK", 4)
    sizes = [len({row["event_id"] for row in rows}) for rows in pipeline._chunks(Market.objects.all())]
    assert sizes == [1, 1, 1]
    assert categorize_markets(markets=None, now=now).seen == 7


# --- reviewers ----------------------------------------------------------------------------------


def test_a_reviewers_word_survives_every_run(now: datetime) -> None:
    first, second, third = bitcoin_ladder()
    categorize_markets(markets=None, now=now)
    reviewer = make_user()
    gold = RiskFactor.objects.get(slug="gold")
    correct(classification=first.classification, reviewer=reviewer, factor=gold, direction=-1, now=now, note="No.")
    confirm(classification=second.classification, reviewer=reviewer, now=now)
    Market.objects.update(title="Will Ethereum be above $1?")
    report = categorize_markets(markets=None, now=now + timedelta(hours=1), force=True)
    assert (report.reviewed, report.written) == (2, 1)
    row = Classification.objects.get(market=first)
    assert (row.factor, row.direction, row.status) == (gold, -1, Classification.Status.CORRECTED)
    assert Classification.objects.get(market=second).status == Classification.Status.CONFIRMED
    assert Classification.objects.get(market=third).status == Classification.Status.ASSIGNED
    assert "Corrected by a reviewer" in explain_market(Market.objects.get(pk=first.pk))[-1].says


def test_a_review_leaves_a_row_and_an_audit_entry_and_twice_is_quiet(now: datetime) -> None:
    (market,) = bitcoin_ladder(1)
    categorize_markets(markets=None, now=now)
    reviewer = make_user()
    assert confirm(classification=market.classification, reviewer=reviewer, now=now) is not None
    assert confirm(classification=market.classification, reviewer=reviewer, now=now) is None
    assert Review.objects.count() == 1
    entry = AuditEntry.objects.get(action="label.confirmed")
    assert entry.before["status"] == "assigned"
    assert entry.after["factor"] == "bitcoin-price"


def test_reviews_that_cannot_stand_are_refused(now: datetime) -> None:
    make_market(title="Yes A, yes B", is_combo=True)
    categorize_markets(markets=None, now=now)
    row, reviewer = Classification.objects.get(), make_user()
    with pytest.raises(ReviewError, match="no factor to confirm"):
        confirm(classification=row, reviewer=reviewer, now=now)
    with pytest.raises(ReviewError, match="expected \\+1, 0 or -1"):
        correct(classification=row, reviewer=reviewer, factor=None, direction=2, now=now)
    with pytest.raises(ReviewError, match="no direction"):
        correct(classification=row, reviewer=reviewer, factor=None, direction=1, now=now)
    assert not Review.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_market_may_be_corrected_to_no_factor(now: datetime) -> None:
    (market,) = bitcoin_ladder(1)
    categorize_markets(markets=None, now=now)
    correct(classification=market.classification, reviewer=make_user(), factor=None, direction=0, now=now)
    row = Classification.objects.get()
    assert row.factor is None
    assert row.status == Classification.Status.CORRECTED


# --- explain ------------------------------------------------------------------------------------


def test_ten_cards_are_shown_even_after_a_skip(now: datetime) -> None:
    market = make_market(title="Yes A, yes B", is_combo=True)
    assert explain_market(market) == []
    categorize_markets(markets=None, now=now)
    lines = explain_market(Market.objects.get(pk=market.pk))
    assert len(lines) == 10
    assert [line.skipped for line in lines] == [False] * 3 + [True] * 7


# --- taxonomy -----------------------------------------------------------------------------------


def test_the_taxonomy_loads_once_and_follows_its_file() -> None:
    report = load_taxonomy()
    assert (report.themes, report.factors) == (18, 99)
    assert load_taxonomy().written == 0
    Theme.objects.filter(slug="crypto").update(name="Krypto")
    assert load_taxonomy().written == 1
    assert Theme.objects.get(slug="crypto").name == "Crypto"


def test_a_broken_taxonomy_is_refused_by_name() -> None:
    with pytest.raises(TaxonomyError, match="cannot be read"):
        parse_taxonomy("version = 1")
    factor = '{ id = "a", sign = 1, name = "A", up = "" }'
    theme = f'[[basket]]\nslug = "t"\nname = "T"\nabout = ""\nup = ""\nfactors = [{factor}, {factor}]\n'
    with pytest.raises(TaxonomyError, match="names a twice"):
        parse_taxonomy("version = 1\n" + theme)


# --- models on disk -----------------------------------------------------------------------------


def test_a_model_file_is_read_back_the_same_and_refused_when_touched(tmp_path: Path, artifact: Artifact) -> None:
    path = tmp_path / "model.npz"
    save_artifact(artifact, path)
    again = load_artifact(path, digest=artifact.digest)
    assert again.labels == artifact.labels
    assert (again.coefficients == artifact.coefficients).all()
    with pytest.raises(ArtifactError, match="Train again"):
        load_artifact(path, digest="another")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match="checksum"):
        load_artifact(path, digest=artifact.digest)


def test_a_bad_example_is_named_by_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "gold.tsv"
    path.write_text("title\tfactor\tdirection\nWill gold rise?\tgould\t+1\n", encoding="utf-8")
    with pytest.raises(training.TrainingError, match=r"gold.tsv line 2"):
        training.read_examples(tmp_path)
    path.write_text("title\n", encoding="utf-8")
    with pytest.raises(training.TrainingError, match="expected the header"):
        training.read_examples(tmp_path)


def test_the_version_is_the_hash_of_what_it_depends_on(now: datetime) -> None:
    digest = training.version_digest()
    assert len(digest) == 64
    learning.train_classifier(now=now)
    assert learning.train_classifier(now=now).was_cached
    assert list(ModelVersion.objects.values_list("digest", "is_active")) == [(digest, True)]


# --- commands -----------------------------------------------------------------------------------


def test_the_commands_say_what_they_did(now: datetime) -> None:
    bitcoin_ladder(1)
    out = StringIO()
    call_command("train_classifier", stdout=out)
    call_command("categorize_markets", stdout=out)
    assert "examples of 99 factors" in out.getvalue()
    assert "written: 1" in out.getvalue()


def test_a_run_beside_another_says_so() -> None:
    with lease("job:categorize_markets"), pytest.raises(CommandError, match="Another categorization is running"):
        call_command("categorize_markets")


def test_bad_examples_end_the_command_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise training.TrainingError("gold.tsv line 2 is bad.")

    monkeypatch.setattr("categorization.management.commands.train_classifier.train_classifier", fail)
    with pytest.raises(CommandError, match="line 2"):
        call_command("train_classifier")
