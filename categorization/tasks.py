"""Background doors of this app."""

from typing import Any

from celery import shared_task

from categorization.pairs.matching import JOB, match_markets
from itomarkets.lib import clock
from itomarkets.records.jobs import run_job


@shared_task(name="categorization.match_markets")
def match_markets_task() -> dict[str, Any]:
    """Find the markets of both venues that ask the same, among those that are new or changed."""
    run = run_job(JOB, lambda: match_markets(now=clock.now()), lease_seconds=3600)
    return {"status": run.status, **run.report}
