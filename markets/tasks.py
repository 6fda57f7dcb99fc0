"""Background doors of this app; the pipeline that syncs is the roof's."""

from typing import Any

from celery import shared_task

from itomarkets.lib import clock
from itomarkets.records.jobs import run_job
from markets.quotes import refresh_quotes


@shared_task(name="markets.refresh_quotes")
def refresh_quotes_task() -> dict[str, Any]:
    """Refresh every quote that somebody needs."""
    run = run_job("refresh_quotes", lambda: refresh_quotes(now=clock.now()), lease_seconds=120)
    return {"status": run.status, **run.report}
