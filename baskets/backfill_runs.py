"""Backfills that somebody asked for: a row says how far each is and what it made; a message is only a nudge."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q

from baskets.backfill import LONGEST_DAYS, Fetch, backfill_history
from baskets.models import BackfillRun, Basket
from itomarkets.lib import clock
from markets.history import backfill_prices

Status = BackfillRun.Status
ACTIVE = (Status.QUEUED, Status.RUNNING)
# A run that has not said a word for so long has died with its worker.
LOST_AFTER = timedelta(minutes=15)
TEXT_LENGTH = 300


class BackfillRefused(ValueError):
    """A backfill cannot be had; the text says why and what to do."""


def ask_for_backfill(*, user: Any, basket: Basket, days: int, now: datetime) -> tuple[BackfillRun, bool]:
    """Return the basket's run that is under way, else a new one; and whether it is new.

    One run at a time fills a basket's past, whoever asked for it. Raises BackfillRefused for a number of days that
    is not 1 to 3,650.
    """
    if not 1 <= days <= LONGEST_DAYS:
        raise BackfillRefused(f"Expected 1 to {LONGEST_DAYS:,} days, found {days}.")
    alive = clock.machine_now()
    BackfillRun.objects.filter(basket=basket, status__in=ACTIVE, alive_at__lte=alive - LOST_AFTER).update(
        status=Status.FAILED, finished_at=now, error="The run was cut off; ask for another one."
    )
    try:
        with transaction.atomic():
            return BackfillRun.objects.create(
                basket=basket, user=user, days=days, created_at=now, alive_at=alive, says="Waiting for a worker."
            ), True
    except IntegrityError:
        standing = BackfillRun.objects.filter(basket=basket, status__in=ACTIVE).first()
    if standing is None:
        raise BackfillRefused("A backfill of this basket ended in this moment; ask again.")
    return standing, False


def abandon(*, run: BackfillRun, now: datetime) -> None:
    """End a run that no worker can be told of."""
    BackfillRun.objects.filter(pk=run.pk, status=Status.QUEUED).update(
        status=Status.FAILED, finished_at=now, error="No worker could be told; ask again."
    )


def carry_out(*, run_id: UUID, fetch: Fetch = backfill_prices) -> dict[str, int]:
    """Carry a queued run out, once; a message that comes twice finds it taken and does nothing.

    A run whose worker died is taken up again. An error is stored with the run, and raised.
    """
    now, alive = clock.now(), clock.machine_now()
    can_be_taken = Q(status=Status.QUEUED) | Q(status=Status.RUNNING, alive_at__lte=alive - LOST_AFTER)
    rows = BackfillRun.objects.filter(pk=run_id)
    if not rows.filter(can_be_taken).update(status=Status.RUNNING, started_at=now, alive_at=alive):
        return {}
    run = rows.get()

    def say(text: str) -> None:
        rows.update(says=text[:TEXT_LENGTH], alive_at=clock.machine_now())

    try:
        report = backfill_history(
            baskets=Basket.objects.filter(pk=run.basket_id), days=run.days, now=now, progress=say, fetch=fetch
        )
    except BaseException as error:  # Ctrl-C, too: a run that has ended must not look as if it went on
        rows.update(status=Status.FAILED, finished_at=clock.now(), error=f"{type(error).__name__}: {error}"[:300])
        raise
    counts = {"written": report.written, "standing": report.standing, "gaps": report.gaps}
    rows.update(
        status=Status.DONE,
        finished_at=clock.now(),
        says=(" ".join(report.errors) or report.prices or "Done.")[:TEXT_LENGTH],
        **counts,
    )
    return counts
