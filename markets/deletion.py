"""Deleting the mirror's rows: all or nothing where anything above stands on one of them, else a batch at a time."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.db.models import PROTECT, ForeignObjectRel, ProtectedError, QuerySet

from itomarkets.lib.locks import lease
from itomarkets.lib.venues import Venue
from itomarkets.records import audit
from markets.models import Event, Market, QuarantinedRow, SearchWord, SyncRun

BATCH = 500
# Rows named of one kind; the others are counted.
MOST_NAMED = 5
LEASE_SECONDS = 3600


class DeletionRefused(Exception):
    """Rows of upper apps stand on markets; the text names them. Nothing more is deleted."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """What stands to be deleted, or was, by kind: its name in the plural and how many."""

    counts: tuple[tuple[str, int], ...]

    @property
    def words(self) -> str:
        return ", ".join(f"{count:,} {name}" for name, count in self.counts if count) or "nothing"


def plan_deletion(*, venue: str = "") -> Deletion:
    """Count what would be deleted now: markets and events of a venue or of both, and what hangs on them."""
    markets = _of(Market, venue)
    counts = [("markets", markets.count())]
    for relation in _relations():
        rows = relation.related_model._base_manager.filter(**{f"{relation.field.name}__in": markets})
        counts.append((str(relation.related_model._meta.verbose_name_plural), rows.count()))
    counts.append(("events", _of(Event, venue).count()))
    counts.append(("sync runs", _of(SyncRun, venue).count()))
    return Deletion(tuple(counts))


def find_protectors(*, venue: str = "") -> list[str]:
    """Name the rows of upper apps that keep markets from being deleted: some of each kind, the others counted."""
    named = []
    for relation in _relations():
        if relation.on_delete is not PROTECT:
            continue
        held = f"{relation.field.name}__in"
        rows = relation.related_model._base_manager.filter(**{held: _of(Market, venue)}).order_by("pk")
        named += _named(relation.related_model, relation.field.name, rows)
    return named


def delete_markets(*, venue: str = "", now: datetime, progress: Callable[[str], None] | None = None) -> Deletion:
    """Delete the markets and events of a venue, or of both, with quotes, prices, labels and the record of syncs.

    Raises DeletionRefused before anything is deleted where a sync runs, or rows of upper apps stand on a market; where
    one came to stand there meanwhile, what was deleted until then stays deleted, and the text says so. A run that was
    cut off is made up for by the next. The audit trail says what was deleted.
    """
    with ExitStack() as held:
        # A sync that wrote meanwhile would fill what is being emptied, and an index would name what is gone.
        for name in [*(f"sync:{one}" for one in ([venue] if venue else Venue.values)), "search_index"]:
            if held.enter_context(lease(f"markets.{name}", seconds=LEASE_SECONDS)) is None:
                raise DeletionRefused(f"another run is at work ({name}); wait until it has ended")
        if protectors := find_protectors(venue=venue):
            raise DeletionRefused("; ".join(protectors))
        planned = plan_deletion(venue=venue)
        _delete_by_batch(venue, progress or (lambda line: None))
        with transaction.atomic():
            _of(Event, venue).delete()
            _of(QuarantinedRow, venue).delete()
            _of(SyncRun, venue).delete()
            if not Market.objects.exists():
                SearchWord.objects.all().delete()
            audit.record(action="markets.delete", subject=venue or "all", before=dict(planned.counts), at=now)
        return planned


def _delete_by_batch(venue: str, say: Callable[[str], None]) -> None:
    deleted = 0
    while keys := list(_of(Market, venue).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        try:
            with transaction.atomic():
                Market.objects.filter(pk__in=keys).delete()
        except ProtectedError as error:
            named = ", ".join(
                f"{row._meta.verbose_name} {row.pk}" for row in list(error.protected_objects)[:MOST_NAMED]
            )
            raise DeletionRefused(f"{named}; {deleted:,} markets were deleted before it was there") from error
        deleted += len(keys)
        say(f"{deleted:,} markets deleted so far")


def _of(model: type[models.Model], venue: str) -> QuerySet[Any]:
    rows: QuerySet[Any] = model._base_manager.all()
    return rows.filter(venue=venue) if venue else rows


def _relations() -> list[Any]:
    """Return the relations of all apps that point at a market, whatever they are called there."""
    found = Market._meta.get_fields(include_hidden=True)
    return [field for field in found if isinstance(field, ForeignObjectRel)]


def _named(model: type[models.Model], column: str, rows: QuerySet[Any]) -> list[str]:
    count = rows.count()
    if not count:
        return []
    texts = [
        f"{model._meta.verbose_name} {row.pk} (of {getattr(row, column)})"
        for row in rows.select_related(column)[:MOST_NAMED]
    ]
    more = f" and {count - MOST_NAMED:,} more" if count > MOST_NAMED else ""
    return [f"{', '.join(texts)}{more}"]
