"""Old fixings become fewer: of each minute, then on every fifth, then on the hour, which stay for ever, as days do.

A fixing stands for its instant, so that those which stay say what they always said, and a past value can be computed
again from them; nothing is averaged. The marks of a minute go with the fixings that they were added up to.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, Min, OuterRef, QuerySet
from django.db.models.functions import ExtractMinute

from baskets.legs import current_compositions
from baskets.models import Constituent, Mark, MinuteMark, PriceHistory
from baskets.snapshots import HISTORY_COLUMNS
from itomarkets.lib.pruning import Pruned, Say, slices

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def prune_fixings(*, now: datetime, dry_run: bool = False, say: Say = lambda text: None) -> list[Pruned]:
    """Delete the fixings between those that stay, an hour of the past a transaction.

    Before a day is thinned its last fixing of all becomes the day's, where it has none. A second run finds nothing to
    do. With `dry_run` rows are counted, and nothing is written.
    """
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    found = []
    for name, label, keep in (
        ("minutes", "fixings of a minute", range(0, 60, 5)),
        ("five_minutes", "fixings of five minutes", (0,)),
    ):
        until = today - settings.RETENTION_DAYS[name] * DAY
        rows = _between(PriceHistory.objects.filter(interval=PriceHistory.Interval.MINUTE), keep)
        marks = _between(MinuteMark.objects.all(), keep)
        deleted = written = 0
        if dry_run:
            found.append(Pruned(label, rows.filter(at__lt=until).count()))
            found.append(Pruned(f"marks of {label}", marks.filter(at__lt=until).count()))
            continue
        day = None
        for start in slices(lambda after, rows=rows: _oldest(rows, after), HOUR, until=until):  # type: ignore[misc]
            with transaction.atomic():
                if start.date() != day:
                    day = start.date()
                    written += _write_days(start.replace(hour=0))
                deleted += rows.filter(at__gte=start, at__lt=start + HOUR)._raw_delete(rows.db)
            say(f"fixings up to {start:%Y-%m-%d %H:%M}: {deleted:,} deleted")
        found.append(Pruned(label, deleted, written))
        deleted = 0
        for start in slices(lambda after, rows=marks: _oldest(rows, after), HOUR, until=until):  # type: ignore[misc]
            deleted += marks.filter(at__gte=start, at__lt=start + HOUR)._raw_delete(marks.db)
        found.append(Pruned(f"marks of {label}", deleted))
    forgotten = _unheld(now)
    found.append(Pruned("sides that no basket holds", forgotten.count() if dry_run else forgotten.delete()[0]))
    return found


def _unheld(now: datetime) -> QuerySet[Mark]:
    """Sides that no basket holds any more, and none took up within the last day: they need no price each minute."""
    holders = Constituent.objects.filter(
        market=OuterRef("market"),
        side=OuterRef("side"),
        composition__in=current_compositions(),
        composition__basket__is_active=True,
    )
    return Mark.objects.filter(~Exists(holders), at__lt=now - DAY)


def _between(rows: QuerySet[Any], keep: Collection[int]) -> QuerySet[Any]:
    """Those of the rows that stand for none of these minutes of their hour."""
    return rows.alias(minute=ExtractMinute("at")).exclude(minute__in=keep)


def _oldest(rows: QuerySet[Any], after: datetime) -> datetime | None:
    first: datetime | None = rows.filter(at__gte=after).aggregate(first=Min("at"))["first"]
    return first


def _write_days(day: datetime) -> int:
    """Have each basket's last fixing of a day as the day's."""
    fields = [PriceHistory._meta.get_field(name) for name in HISTORY_COLUMNS]
    columns = [str(field.column) for field in fields]  # type: ignore[union-attr]
    given = {"interval": f"{PriceHistory.Interval.DAY:d}", "at": "%s", "marks": _own_marks()}
    picked = ", ".join(given.get(name, f'"{name}"') for name in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    statement = f"""
        INSERT INTO baskets_pricehistory ({names})
        SELECT {picked} FROM (
            SELECT p.*, ROW_NUMBER() OVER (PARTITION BY basket_id ORDER BY "at" DESC) AS place
            FROM baskets_pricehistory p
            WHERE "interval" = {PriceHistory.Interval.MINUTE:d} AND "at" >= %s AND "at" < %s
        ) r WHERE place = 1 ON CONFLICT DO NOTHING
    """  # noqa: S608
    start, end = (connection.ops.adapt_datetimefield_value(moment) for moment in (day, day + DAY))
    with connection.cursor() as cursor:
        cursor.execute(statement, [start, start, end])
        return max(0, cursor.rowcount)


def _own_marks() -> str:
    """Return SQL for the marks of a fixing `r`: its own, or those of its minute."""
    collect, pair = {"postgresql": ("jsonb_agg", "jsonb_build_array")}.get(
        connection.vendor, ("json_group_array", "json_array")
    )
    return f"""
        CASE WHEN r.marks <> '[]' THEN r.marks ELSE COALESCE((
            SELECT {collect}({pair}(k.market_id, k.side, k.price, k.reason)) FROM (
                SELECT m.market_id, m.side, m.price, m.reason
                FROM baskets_constituent c
                JOIN baskets_minutemark m ON m."at" = r."at" AND m.market_id = c.market_id AND m.side = c.side
                WHERE c.composition_id = r.composition_id ORDER BY c.id
            ) k
        ), '[]') END
    """  # noqa: S608
