"""The status page and the admin's ledgers of runs: what failed, what is late, what has never run."""

from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from itomarkets.lib.locks import lease
from itomarkets.records import audit
from itomarkets.records.jobs import release_all, run_job
from itomarkets.records.models import AuditEntry, JobRun, Lease
from itomarkets.views import JOBS, job_rows
from tests.factories import make_user

pytestmark = pytest.mark.django_db
Status = JobRun.Status


def ran(name: str, at: datetime, status: str = Status.DONE, error: str = "") -> JobRun:
    return JobRun.objects.create(name=name, status=status, started_at=at, finished_at=at, error=error)


def test_a_house_where_nothing_ran_says_so(client: Client, now: datetime) -> None:
    assert job_rows(now) == []
    assert "Nothing has run yet" in client.get("/status").content.decode()


def test_a_scheduled_job_without_a_run_is_listed(client: Client, now: datetime) -> None:
    ran("record_prices", now)
    rows = job_rows(now)
    assert [row.title for row in rows] == [title for _, title, _ in JOBS]
    assert [row.run is None for row in rows] == [True, False, True, True]
    page = client.get("/status").content.decode()
    assert page.count("has not run yet") == 3
    assert "Everything runs" in page


def test_a_silent_job_is_late_however_often_the_others_ran(client: Client, now: datetime) -> None:
    ran("sync_pipeline", now - timedelta(days=2))
    JobRun.objects.bulk_create(
        JobRun(name="trading.reconcile", status=Status.DONE, started_at=now, finished_at=now) for _ in range(1_000)
    )
    late = {row.title for row in job_rows(now) if row.late}
    assert late == {"Fetch markets from both venues and sort them into themes"}
    assert "Some work is late or failed" in client.get("/status").content.decode()


def test_a_skipped_run_hides_nothing(now: datetime) -> None:
    ran("record_prices", now - timedelta(hours=1))
    ran("record_prices", now, Status.SKIPPED)
    assert [row.late for row in job_rows(now) if row.run] == [True]


def test_a_failure_is_shown_to_all_and_its_words_to_the_staff(client: Client, now: datetime) -> None:
    ran("record_prices", now, Status.FAILED, "RuntimeError: a canary <b>")
    page = client.get("/status").content.decode()
    assert 'class="tag bad"' in page
    assert "Some work is late or failed" in page
    assert "canary" not in page
    client.force_login(make_user(is_staff=True))
    assert "a canary &lt;b&gt;" in client.get("/status").content.decode()


def test_a_job_besides_the_schedule_is_listed_with_its_newest_run(now: datetime) -> None:
    ran("backfill_basket:7", now, Status.FAILED)
    ran("backfill_basket:7", now)
    assert [(row.title, row.failed) for row in job_rows(now)][-1] == ("backfill basket:7", False)


def test_health_answers_with_an_empty_database_and_to_reading_only(client: Client) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    assert client.head("/health").status_code == 200
    assert client.post("/health").status_code == 405


def test_an_interrupted_run_does_not_look_as_if_it_went_on(now: datetime) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_job("count", interrupted)
    run = JobRun.objects.get()
    assert (run.status, run.finished_at) == (Status.FAILED, now)
    assert run_job("count", dict).status == Status.DONE


def test_what_a_killed_process_held_is_freed_once(now: datetime) -> None:
    with lease("job:count", seconds=3600):
        JobRun.objects.create(name="count", started_at=now)
        done = ran("count", now)
        for _ in range(2):
            release_all(now=now)
        assert run_job("count", dict).status == Status.DONE
    assert JobRun.objects.filter(status=Status.FAILED, error="The run was cut off.").count() == 1
    done.refresh_from_db()
    assert done.status == Status.DONE


def test_the_ledgers_are_read_by_administrators_and_changed_by_nobody(client: Client, now: datetime) -> None:
    run = ran("record_prices", now, Status.FAILED, "RuntimeError: no")
    with lease("job:sync", seconds=60):
        audit.record(action="test.done", subject="test:1", actor=make_user(), at=now)
        client.force_login(make_user(is_staff=True, is_superuser=True))
        entry, held = AuditEntry.objects.get(), Lease.objects.get(name="job:sync")
        rows = {"jobrun": run.pk, "auditentry": entry.pk, "lease": held.pk}
        for model, pk in rows.items():
            listed = reverse(f"admin:records_{model}_changelist")
            assert client.get(listed).status_code == 200
            change = reverse(f"admin:records_{model}_change", args=[pk])
            assert client.get(change).status_code == 200
            assert client.post(change, {"name": "x"}).status_code == 403
            assert client.post(reverse(f"admin:records_{model}_delete", args=[pk]), {"post": "yes"}).status_code == 403
            assert client.get(reverse(f"admin:records_{model}_add")).status_code == 403
            client.post(listed, {"action": "delete_selected", "_selected_action": [pk], "post": "yes"})
    assert AuditEntry.objects.count() == JobRun.objects.count() == 1
    assert audit.verify_chain().broken_at is None


def test_a_reviewer_does_not_read_the_audit_trail(client: Client) -> None:
    client.force_login(make_user(is_staff=True))
    assert client.get(reverse("admin:records_auditentry_changelist")).status_code == 403
