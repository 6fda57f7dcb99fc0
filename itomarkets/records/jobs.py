"""Run a job once, under a lease, with a row that says how it went."""

from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from itomarkets.lib import clock
from itomarkets.lib.locks import kept, lease
from itomarkets.records.models import JobRun, Lease

Status = JobRun.Status
# A run that was asked for and that no worker has begun by then is asked for anew: its message was lost.
QUEUED_FOR = timedelta(minutes=15)
# A killed run is in nobody's way for longer.
HELD_SECONDS = 90


def ask_for_run(name: str, *, now: datetime) -> tuple[JobRun, bool]:
    """Return the run of a job that is queued or under way, else a new one, and whether it is new.

    Hand a new one's id to the task, which gives it to `run_job`.
    """
    stale = JobRun.objects.filter(name=name, status=Status.QUEUED, started_at__lt=now - QUEUED_FOR)
    stale.update(status=Status.FAILED, finished_at=now, error="No worker began it.")
    standing = JobRun.objects.filter(name=name, status=Status.QUEUED).first() or _under_way(name)
    if standing is not None:
        return standing, False
    try:
        with transaction.atomic():
            return JobRun.objects.create(name=name, status=Status.QUEUED, started_at=now), True
    except IntegrityError:
        # Asked for twice at once; a worker may even have begun it since.
        return JobRun.objects.filter(name=name).exclude(status=Status.SKIPPED).latest("pk"), False


def _under_way(name: str) -> JobRun | None:
    held = Lease.objects.filter(name=f"job:{name}", until__gt=clock.machine_now()).exclude(holder="").exists()
    return JobRun.objects.filter(name=name, status=Status.RUNNING).first() if held else None


def run_job(name: str, job: Callable[[], Any], *, lease_seconds: int = 600, run_id: int | None = None) -> JobRun:
    """Run `job` under the lease of its name and keep a JobRun; skips when another run holds the lease.

    The lease is short and kept while the job runs, for `lease_seconds` at most: a killed run is taken up again soon.
    `run_id` names the row that `ask_for_run` made; its second message runs nothing. The job's report
    (a dataclass or a dict of JSON values) is stored. An error is stored and raised.
    """
    held = min(lease_seconds, HELD_SECONDS)
    with lease(f"job:{name}", seconds=held) as fence:
        started = {"status": Status.SKIPPED if fence is None else Status.RUNNING, "started_at": clock.now()}
        if fence is None:
            started |= {"finished_at": clock.now()}
        if run_id is None:
            run = JobRun.objects.create(name=name, **started)
        else:
            begun = JobRun.objects.filter(pk=run_id, status=Status.QUEUED).update(**started)
            run = JobRun.objects.get(pk=run_id)
            if not begun:
                return run
        if fence is None:
            return run
        try:
            with kept(f"job:{name}", fence, seconds=held, longest=lease_seconds):
                report = job()
        except BaseException as error:  # Ctrl-C, too: a run that has ended must not look as if it went on
            run.status, run.error, run.finished_at = (
                Status.FAILED,
                f"{type(error).__name__}: {error}",
                clock.now(),
            )
            run.save(update_fields=["status", "error", "finished_at"])
            raise
        run.status, run.finished_at = Status.DONE, clock.now()
        run.report = json_safe(
            asdict(report) if is_dataclass(report) and not isinstance(report, type) else report or {}
        )
        run.save(update_fields=["status", "report", "finished_at"])
        return run


def release_all(*, now: datetime) -> None:
    """Free every lease and end every run that stands as running; only where no other process can be at work."""
    Lease.objects.exclude(holder="").update(holder="")
    JobRun.objects.filter(status=Status.RUNNING).update(
        status=Status.FAILED, finished_at=now, error="The run was cut off."
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
