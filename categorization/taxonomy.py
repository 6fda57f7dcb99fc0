"""Copy the taxonomy file into the database, for relations."""

from dataclasses import dataclass
from typing import Any

from django.db import models, transaction

from categorization.factors import TaxonomyError, parse_taxonomy, taxonomy
from categorization.models import RiskFactor, Theme


@dataclass(frozen=True)
class TaxonomyReport:
    """How many rows stand, and how many were written."""

    themes: int
    factors: int
    written: int


def load_taxonomy() -> TaxonomyReport:
    """Add and update themes and factors; a second run writes nothing, and nothing is ever deleted."""
    entries = taxonomy()
    written = 0
    with transaction.atomic():
        for position, theme in enumerate(entries.themes, start=1):
            values = {"name": theme.name, "about": theme.about, "up": theme.up, "position": position}
            written += _upsert(Theme.objects.filter(slug=theme.slug), slug=theme.slug, **values)
        ids = dict(Theme.objects.values_list("slug", "id"))
        for position, factor in enumerate(entries.factors, start=1):
            values = {
                "theme_id": ids[factor.theme],
                "name": factor.name,
                "up": factor.up,
                "sign": factor.sign,
                "position": position,
            }
            written += _upsert(RiskFactor.objects.filter(slug=factor.slug), slug=factor.slug, **values)
    return TaxonomyReport(themes=len(entries.themes), factors=len(entries.factors), written=written)


def _upsert(rows: models.QuerySet[Any], *, slug: str, **values: Any) -> int:
    row = rows.values(*values).first()
    if row is None:
        rows.model._default_manager.create(slug=slug, **values)
        return 1
    if row == values:
        return 0
    return rows.update(**values)


__all__ = ["TaxonomyError", "TaxonomyReport", "load_taxonomy", "parse_taxonomy"]
