"""What markets bear on, for apps above that may not look at labels themselves."""

from collections.abc import Iterable
from dataclasses import dataclass

from categorization.models import Classification


@dataclass(frozen=True, slots=True)
class FactorLine:
    """One market's risk factor and theme, and whether YES means more (1), less (-1) or neither (0) of the factor."""

    market_id: int
    factor_slug: str
    factor_name: str
    theme_slug: str
    theme_name: str
    direction: int
    status: str


def factors_of(market_ids: Iterable[int]) -> dict[int, FactorLine]:
    """Return the factor line of each market that has a factor, in one statement."""
    rows = Classification.objects.filter(market__in=list(market_ids), factor__isnull=False).values_list(
        "market_id", "factor__slug", "factor__name", "factor__theme__slug", "factor__theme__name", "direction", "status"
    )
    return {row[0]: FactorLine(*row) for row in rows}
