"""Which records are kept, and for how long: runs of jobs for a while, stored answers until they expire, the audit
trail and leases for ever."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Max

from itomarkets.lib import clock
from itomarkets.lib.pruning import Pruned, delete_in_batches
from itomarkets.records.models import IdempotentRequest, JobRun


def prune_records(*, now: datetime, dry_run: bool = False) -> list[Pruned]:
    """Delete old runs of jobs, but for the newest of each name and outcome, and answers that have expired."""
    newest = (
        JobRun.objects.order_by().values("name", "status").annotate(newest=Max("pk")).values_list("newest", flat=True)
    )
    old = JobRun.objects.filter(started_at__lt=now - timedelta(days=settings.RETENTION_DAYS["runs"]))
    runs = old.exclude(pk__in=list(newest.values_list("newest", flat=True))).exclude(
        status__in=(JobRun.Status.QUEUED, JobRun.Status.RUNNING)
    )
    answers = IdempotentRequest.objects.filter(expires_at__lte=clock.machine_now())
    if dry_run:
        return [Pruned("runs of jobs", runs.count()), Pruned("stored answers", answers.count())]
    return [Pruned("runs of jobs", delete_in_batches(runs)), Pruned("stored answers", delete_in_batches(answers))]
