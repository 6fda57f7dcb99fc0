"""The market filters with theme and factor: the search that pages and the API of upper apps serve."""

import django_filters
from django.db.models import QuerySet

from categorization.models import Classification, RiskFactor, Theme
from markets.filters import MarketFilter
from markets.models import Market

# Labels that are decided; what waits for a reviewer is not found by theme.
DECIDED = (Classification.Status.ASSIGNED, Classification.Status.CONFIRMED, Classification.Status.CORRECTED)


class ClassifiedMarketFilter(MarketFilter):
    """Narrow a market search to a theme or a factor, by slug."""

    FACETS = {**MarketFilter.FACETS, "theme": "classification__factor__theme__slug"}

    theme = django_filters.ModelChoiceFilter(
        queryset=Theme.objects.all(), to_field_name="slug", method="in_theme", label="Theme"
    )
    factor = django_filters.ModelChoiceFilter(
        queryset=RiskFactor.objects.all(), to_field_name="slug", method="in_factor", label="Risk factor"
    )

    def in_theme(self, queryset: QuerySet[Market], name: str, value: Theme | None) -> QuerySet[Market]:
        if value is None:
            return queryset
        return queryset.filter(classification__factor__theme=value, classification__status__in=DECIDED)

    def in_factor(self, queryset: QuerySet[Market], name: str, value: RiskFactor | None) -> QuerySet[Market]:
        if value is None:
            return queryset
        return queryset.filter(classification__factor=value, classification__status__in=DECIDED)
