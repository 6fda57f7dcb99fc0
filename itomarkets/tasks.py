from celery import shared_task

from itomarkets import journey
from itomarkets.lib import clock


@shared_task(name="itomarkets.sync_pipeline")
def sync_pipeline(full: bool, run_id: int | None = None) -> None:
    journey.sync_pipeline(full=full, now=clock.now(), run_id=run_id)
