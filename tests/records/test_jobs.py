from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from itomarkets.lib import clock
from itomarkets.lib.locks import lease
from itomarkets.records.jobs import run_job
from itomarkets.records.models import JobRun, Lease

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Report:
    rows: int
    value: Decimal
    at: datetime


def test_a_job_leaves_a_row_with_its_report(now: datetime) -> None:
    run = run_job("count", lambda: Report(rows=3, value=Decimal("0.10"), at=now))
    run.refresh_from_db()
    assert run.status == JobRun.Status.DONE
    assert run.report == {"rows": 3, "value": "0.10", "at": "2026-08-01 12:00:00+00:00"}


def test_a_job_runs_again_after_it_ended(now: datetime) -> None:
    assert [run_job("count", dict).status for _ in range(2)] == [JobRun.Status.DONE, JobRun.Status.DONE]


def test_a_job_that_is_running_is_skipped(now: datetime) -> None:
    outcome = []
    run_job("count", lambda: outcome.append(run_job("count", dict).status))
    assert outcome == [JobRun.Status.SKIPPED]


def test_a_failed_job_keeps_its_error_and_gives_its_lease_back(now: datetime) -> None:
    def fail() -> None:
        raise ValueError("expected 3 rows, found 2")

    with pytest.raises(ValueError, match="expected 3 rows"):
        run_job("count", fail)
    assert JobRun.objects.get().error == "ValueError: expected 3 rows, found 2"
    assert run_job("count", dict).status == JobRun.Status.DONE


def test_a_lease_of_a_killed_holder_runs_out() -> None:
    # By the machine's time: a run's clock may stand still or run fast.
    machine = clock.machine_now()
    Lease.objects.create(name="job:count", holder="dead", fence=7, until=machine + timedelta(seconds=60))
    with lease("job:count") as fence:
        assert fence is None
    Lease.objects.update(until=machine - timedelta(seconds=1))
    with lease("job:count") as fence:
        assert fence == 8
