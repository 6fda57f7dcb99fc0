"""Run a job once, under a lease, with a row that says how it went."""

from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Any

from itomarkets.lib import clock
from itomarkets.lib.locks import lease
from itomarkets.records.models import JobRun, Lease


def run_job(name: str, job: Callable[[], Any], *, lease_seconds: int = 600) -> JobRun:
    """Run `job` under the lease of its name and keep a JobRun; skips when another run holds the lease.

    The job's report (a dataclass or a dict of JSON values) is stored. An error is stored and raised.
    """
    with lease(f"job:{name}", seconds=lease_seconds) as fence:
        if fence is None:
            now = clock.now()
            return JobRun.objects.create(name=name, status=JobRun.Status.SKIPPED, started_at=now, finished_at=now)
        run = JobRun.objects.create(name=name, started_at=clock.now())
        try:
            report = job()
        except BaseException as error:  # Ctrl-C, too: a run that has ended must not look as if it went on
            run.status, run.error, run.finished_at = (
                JobRun.Status.FAILED,
                f"{type(error).__name__}: {error}",
                clock.now(),
            )
            run.save(update_fields=["status", "error", "finished_at"])
            raise
        run.status, run.finished_at = JobRun.Status.DONE, clock.now()
        run.report = json_safe(
            asdict(report) if is_dataclass(report) and not isinstance(report, type) else report or {}
        )
        run.save(update_fields=["status", "report", "finished_at"])
        return run


def release_all(*, now: datetime) -> None:
    """Free every lease and end every run that stands as running; only where no other process can be at work."""
    Lease.objects.exclude(holder="").update(holder="")
    JobRun.objects.filter(status=JobRun.Status.RUNNING).update(
        status=JobRun.Status.FAILED, finished_at=now, error="The run was cut off."
    )


def json_safe(value: Any) -> Any:
    """Make a report storable: decimals and times become strings."""
    if isinstance(value, dict):
        return {str(key): json_safe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [json_safe(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)
