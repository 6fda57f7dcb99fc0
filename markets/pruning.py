"""Old prices become coarser: minutes give way to five minutes and to hours, which stay for ever, as days do."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max, QuerySet

from itomarkets.lib.pruning import Pruned, Say, bucket_sql, delete_in_batches, slices
from markets.history import POINT_COLUMNS
from markets.models import HistoryGap, HistoryWindow, Interval, SyncRun
from markets.venues.past import DAY, LIVE

HOUR = timedelta(hours=1)
FINE = int(Interval.HOUR)


def prune_prices(*, now: datetime, dry_run: bool = False, say: Say = lambda text: None) -> list[Pruned]:
    """Roll up and delete what is older than the settings keep, an hour or a day of the past a transaction.

    1. Every hour that has ended gets its hourly price from its minutes. 2. Minutes too old for themselves are replaced
    by five minutes. 3. Five minutes too old are deleted: their hours stand. What was seen live replaces what was
    fetched, never the other way. A second run finds nothing to do. With `dry_run` rows are counted, and nothing is
    written.
    """
    days = settings.RETENTION_DAYS
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    minutes_until, fives_until = (today - days[name] * DAY for name in ("minutes", "five_minutes"))
    old_runs = _old_runs(now - days["runs"] * DAY)
    windows = HistoryWindow.objects.filter(interval=Interval.MINUTE, covered_to__lt=minutes_until)
    gaps = HistoryGap.objects.filter(interval=Interval.MINUTE, end_at__lt=minutes_until)
    if dry_run:
        return [
            Pruned("prices of a minute", _count(Interval.MINUTE, minutes_until)),
            Pruned("prices of five minutes", _count(Interval.FIVE_MINUTES, fives_until)),
            Pruned("checkpoints and gaps of minutes", windows.count() + gaps.count()),
            Pruned("runs of the sync", old_runs.count()),
        ]
    hours = _roll_ended_hours(since=minutes_until, until=now.replace(minute=0, second=0, microsecond=0))
    written = deleted = 0
    for start in slices(lambda after: _oldest(Interval.MINUTE, after), HOUR, until=minutes_until):
        with transaction.atomic():
            _roll(Interval.MINUTE, Interval.HOUR, start, start + HOUR)
            written += _roll(Interval.MINUTE, Interval.FIVE_MINUTES, start, start + HOUR)
            deleted += _delete(Interval.MINUTE, start, start + HOUR)
        say(f"minutes up to {start:%Y-%m-%d %H:%M}: {deleted:,} prices rolled up into {written:,}")
    fives = 0
    for start in slices(lambda after: _oldest(Interval.FIVE_MINUTES, after), DAY, until=fives_until):
        with transaction.atomic():
            hours += _roll(Interval.FIVE_MINUTES, Interval.HOUR, start, start + DAY)
            fives += _delete(Interval.FIVE_MINUTES, start, start + DAY)
        say(f"five minutes up to {start:%Y-%m-%d}: {fives:,} prices deleted")
    return [
        Pruned("prices of a minute", deleted, written),
        Pruned("prices of five minutes", fives),
        Pruned("prices of an hour", 0, hours),
        Pruned("checkpoints and gaps of minutes", delete_in_batches(windows) + delete_in_batches(gaps)),
        Pruned("runs of the sync", delete_in_batches(old_runs)),
    ]


def _roll_ended_hours(*, since: datetime, until: datetime) -> int:
    """Write the hours that have ended and whose minutes are still kept."""
    written = 0
    for start in slices(lambda after: _oldest(Interval.MINUTE, max(after, since)), HOUR, until=until):
        with transaction.atomic():
            written += _roll(Interval.MINUTE, Interval.HOUR, start, start + HOUR)
    return written


def _fine(statement: str, interval: Interval, *moments: datetime) -> tuple[Any, int]:
    """Run a statement on points of one fine interval; returns its first value, and how many rows it touched.

    The second condition is the index's own, in the only words in which SQLite recognises it.
    """
    where = f'"interval" = {interval:d} AND "interval" < {FINE}'
    with connection.cursor() as cursor:
        cursor.execute(statement.format(where=where), [connection.ops.adapt_datetimefield_value(at) for at in moments])
        return (cursor.fetchone()[0] if cursor.description else None), max(0, cursor.rowcount)


def _count(interval: Interval, until: datetime) -> int:
    return int(_fine('SELECT COUNT(*) FROM markets_pricepoint WHERE {where} AND "at" < %s', interval, until)[0])


def _oldest(interval: Interval, after: datetime) -> datetime | None:
    found, _ = _fine('SELECT MIN("at") FROM markets_pricepoint WHERE {where} AND "at" >= %s', interval, after)
    # SQLite keeps instants as text, in UTC.
    return datetime.fromisoformat(found).replace(tzinfo=UTC) if isinstance(found, str) else found


def _delete(interval: Interval, start: datetime, end: datetime) -> int:
    statement = 'DELETE FROM markets_pricepoint WHERE {where} AND "at" >= %s AND "at" < %s'
    return _fine(statement, interval, start, end)[1]


def _roll(fine: Interval, coarse: Interval, start: datetime, end: datetime) -> int:
    """Write each market's coarse prices of a stretch: the last, the mean of the means, all that was traded.

    The mean is exact to a millionth of a dollar, a half rounded up.
    """
    names = ", ".join(f'"{name}"' for name in POINT_COLUMNS)
    kept = ", ".join(f'"{name}" = EXCLUDED."{name}"' for name in POINT_COLUMNS[3:])
    # Only our own names and numbers are put into the statement.
    statement = f"""
        INSERT INTO markets_pricepoint ({names})
        SELECT market_id, {coarse:d}, bucket, price, mean, bid, ask, traded, source, observed_at, received_at FROM (
            SELECT r.*, ROW_NUMBER() OVER (PARTITION BY market_id, bucket ORDER BY "at" DESC) AS place,
                (CAST(SUM(COALESCE(average, price)) OVER w AS bigint) * 2 + COUNT(*) OVER w)
                    / (COUNT(*) OVER w * 2) AS mean,
                CAST(SUM(volume) OVER w AS bigint) AS traded
            FROM (
                SELECT p.*, {bucket_sql(coarse)} AS bucket FROM markets_pricepoint p
                WHERE "interval" = {fine:d} AND "interval" < {FINE} AND "at" >= %s AND "at" < %s
            ) r WINDOW w AS (PARTITION BY market_id, bucket)
        ) s WHERE place = 1
        ON CONFLICT (market_id, "interval", "at") DO UPDATE SET {kept}
        WHERE markets_pricepoint.source <> '{LIVE}' AND EXCLUDED.source = '{LIVE}'
    """  # noqa: S608
    adapt = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        cursor.execute(statement, [adapt(start), adapt(end)])
        return max(0, cursor.rowcount)


def _old_runs(until: datetime) -> QuerySet[SyncRun]:
    """Runs of the sync from before then, but each venue's newest one of each kind and outcome."""
    newest = SyncRun.objects.order_by().values("venue", "is_full", "status").annotate(newest=Max("pk"))
    return SyncRun.objects.filter(started_at__lt=until).exclude(pk__in=list(newest.values_list("newest", flat=True)))
