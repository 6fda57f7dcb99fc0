"""Background work: each task calls one core function, and a command of the same name does the same by hand."""

from uuid import UUID

from celery import shared_task

from baskets.backfill_runs import carry_out
from baskets.official import fix_official
from baskets.replay import replay_sample
from baskets.snapshots import SnapshotReport, record_prices, report_of
from itomarkets.lib import clock
from itomarkets.records.jobs import run_job
from markets.quotes import refresh_quotes
from markets.recording import record_quotes

MINUTE_LEASE_SECONDS = 120
BACKFILL_LEASE_SECONDS = 3_600


def refresh_and_record() -> SnapshotReport:
    """Refresh the demanded quotes and keep them, then fix every basket at the time when they have come."""
    refresh_quotes(now=clock.now())
    record_quotes(now=clock.now())
    now = clock.now()
    return report_of(record_prices(now=now), now=now)


@shared_task(name="baskets.record_prices")
def record_prices_task(run_id: int | None = None) -> None:
    run_job("record_prices", refresh_and_record, lease_seconds=MINUTE_LEASE_SECONDS, run_id=run_id)


@shared_task(name="baskets.fix_official")
def fix_official_task(run_id: int | None = None) -> None:
    run_job("fix_official", lambda: fix_official(now=clock.now()), run_id=run_id)


@shared_task(name="baskets.replay_sample")
def replay_sample_task(run_id: int | None = None) -> None:
    run_job("replay_sample", lambda: replay_sample(now=clock.now()), run_id=run_id)


@shared_task(name="baskets.run_backfill")
def run_backfill(run_id: str) -> None:
    run_job(f"backfill:{run_id}", lambda: carry_out(run_id=UUID(run_id)), lease_seconds=BACKFILL_LEASE_SECONDS)
