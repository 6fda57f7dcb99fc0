from celery import shared_task

from itomarkets import journey
from itomarkets.lib import clock
from itomarkets.records import audit
from itomarkets.records.jobs import run_job


@shared_task(name="itomarkets.sync_pipeline")
def sync_pipeline(full: bool, run_id: int | None = None) -> None:
    journey.sync_pipeline(full=full, now=clock.now(), run_id=run_id)


@shared_task(name="itomarkets.note_audit_head")
def note_audit_head() -> None:
    run_job("note_audit_head", audit.note_head)
