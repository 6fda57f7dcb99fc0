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
        themes = {
            theme.slug: {"name": theme.name, "about": theme.about, "up": theme.up, "position": position}
            for position, theme in enumerate(entries.themes, start=1)
        }
        written += _upsert(Theme, themes)
        ids = dict(Theme.objects.values_list("slug", "id"))
        factors = {
            factor.slug: {
                "theme_id": ids[factor.theme],
                "name": factor.name,
                "up": factor.up,
                "sign": factor.sign,
                "position": position,
            }
            for position, factor in enumerate(entries.factors, start=1)
        }
        written += _upsert(RiskFactor, factors)
    return TaxonomyReport(themes=len(entries.themes), factors=len(entries.factors), written=written)


def _upsert(model: type[models.Model], entries: dict[str, dict[str, Any]]) -> int:
    """Write the entries that differ from what stands; one query tells that nothing does."""
    names = list(next(iter(entries.values())))
    standing = {row.pop("slug"): row for row in model._default_manager.values("slug", *names)}
    written = 0
    for slug, values in entries.items():
        if slug not in standing:
            model._default_manager.create(slug=slug, **values)
        elif standing[slug] != values:
            model._default_manager.filter(slug=slug).update(**values)
        else:
            continue
        written += 1
    return written


__all__ = ["TaxonomyError", "TaxonomyReport", "load_taxonomy", "parse_taxonomy"]
