from celery import shared_task

from itomarkets import journey
from itomarkets.housekeeping import prune_history
from itomarkets.lib import clock
from itomarkets.records import audit
from itomarkets.records.jobs import run_job


@shared_task(name="itomarkets.sync_pipeline")
def sync_pipeline(full: bool, run_id: int | None = None) -> None:
    journey.sync_pipeline(full=full, now=clock.now(), run_id=run_id)


@shared_task(name="itomarkets.note_audit_head")
def note_audit_head() -> None:
    run_job("note_audit_head", audit.note_head)


@shared_task(name="itomarkets.prune_history")
def prune_history_task() -> None:
    run_job("prune_history", lambda: prune_history(now=clock.now()), lease_seconds=3600)
