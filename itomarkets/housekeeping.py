"""What is done once a day so that the database does not grow for ever, and next month's prices have a place."""

from dataclasses import dataclass, field
from datetime import datetime

from baskets.pruning import prune_fixings
from itomarkets.lib.partitions import ensure_partitions, months_ahead
from itomarkets.lib.pruning import Pruned, Say
from itomarkets.records.pruning import prune_records
from markets.models import PricePoint
from markets.pruning import prune_prices

PARTITIONED = (PricePoint,)


@dataclass(frozen=True)
class PruneReport:
    """What was deleted, what was written to stand for it, and how many partitions were made."""

    partitions: int = 0
    is_dry: bool = False
    kinds: list[Pruned] = field(default_factory=list)

    @property
    def sentences(self) -> list[str]:
        verb = "would be deleted" if self.is_dry else "deleted"
        lines = [
            f"{kind.rows}: {kind.deleted:,} {verb}" + (f", {kind.written:,} written" if kind.written else "") + "."
            for kind in self.kinds
        ]
        return [*lines, *([f"Monthly partitions: {self.partitions} made."] if self.partitions else [])]


def prune_history(*, now: datetime, dry_run: bool = False, say: Say = lambda text: None) -> PruneReport:
    """Make partitions ahead, then roll up and delete what the settings do not keep; see RETENTION_DAYS."""
    made = 0 if dry_run else make_partitions(now=now)
    kinds = [
        *prune_prices(now=now, dry_run=dry_run, say=say),
        *prune_fixings(now=now, dry_run=dry_run, say=say),
        *prune_records(now=now, dry_run=dry_run),
    ]
    return PruneReport(partitions=made, is_dry=dry_run, kinds=kinds)


def make_partitions(*, now: datetime) -> int:
    """Have a partition for this month and for the next ones."""
    tables = [model._meta.db_table for model in PARTITIONED]
    return sum(ensure_partitions(table, start=now, end=months_ahead(now)) for table in tables)
