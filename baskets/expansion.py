"""What new markets mean for baskets: which themes gained, and the baskets that need a rebuild for it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.db.models import Count

from baskets.demand import refresh_markets
from baskets.eligibility import HELD_STATUSES
from baskets.legs import current_compositions
from baskets.models import Basket, Constituent
from baskets.rebuild import BuildReport, Refresh, rebuild_baskets
from categorization.models import Classification
from itomarkets.records.models import JobRun
from markets.models import Market


@dataclass(frozen=True)
class MappingReport:
    """Open markets that were labelled since a time, by theme, and how many of them are siblings of held legs."""

    since: datetime
    by_theme: dict[str, int] = field(default_factory=dict)
    siblings: int = 0


def map_new_markets(*, since: datetime, now: datetime) -> MappingReport:
    """Count what categorization placed in each theme since a time, by the rows that it changed."""
    fresh = Classification.objects.filter(
        changed_at__gt=since,
        status__in=HELD_STATUSES,
        factor__isnull=False,
        market__in=Market.objects.open(now),
    )
    held_events = Constituent.objects.filter(
        composition__in=current_compositions(), market__event__isnull=False
    ).values("market__event")
    counts = fresh.order_by().values_list("factor__theme__slug").annotate(n=Count("pk"))
    return MappingReport(since, dict(counts), fresh.filter(market__event__in=held_events).count())


def expand_baskets(
    *, now: datetime, progress: Callable[[str], None] | None = None, refresh: Refresh = refresh_markets
) -> BuildReport:
    """Rebuild the system baskets that lost legs, drifted, or were told otherwise; siblings of lost legs come first."""
    last = JobRun.objects.filter(name="sync_pipeline", status=JobRun.Status.DONE).order_by("-started_at").first()
    mapping = map_new_markets(since=last.started_at if last else now - timedelta(days=1), now=now)
    baskets = Basket.objects.filter(kind=Basket.Kind.SYSTEM, is_active=True).select_related("theme")
    report = rebuild_baskets(list(baskets.order_by("theme__position")), now=now, progress=progress, refresh=refresh)
    return replace(report, mapped=mapping.by_theme, new_siblings=mapping.siblings)
