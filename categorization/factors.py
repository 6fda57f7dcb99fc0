"""The taxonomy as the stages use it: read from our file, needing no database."""

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

TAXONOMY_FILE = Path(__file__).resolve().parent / "taxonomy.toml"
# The class of markets that no factor fits.
NONE = "none"


@dataclass(frozen=True, slots=True)
class ThemeEntry:
    slug: str
    name: str
    about: str
    up: str


@dataclass(frozen=True, slots=True)
class FactorEntry:
    slug: str
    theme: str
    name: str
    up: str
    sign: int


@dataclass(frozen=True)
class Taxonomy:
    """Themes and factors in the file's order."""

    version: int
    themes: tuple[ThemeEntry, ...]
    factors: tuple[FactorEntry, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Every factor's slug, then `none`: the classes of the models, in order."""
        return (*(factor.slug for factor in self.factors), NONE)

    @property
    def theme_of(self) -> dict[str, str]:
        """Factor slug → theme slug; `none` is its own theme."""
        return {factor.slug: factor.theme for factor in self.factors} | {NONE: NONE}


class TaxonomyError(ValueError):
    """The taxonomy file does not say what a taxonomy must."""


def parse_taxonomy(text: str) -> Taxonomy:
    """Parse the taxonomy file.

    Raises TaxonomyError naming the first entry that is incomplete or named twice.
    """
    try:
        content = tomllib.loads(text)
        themes = []
        factors = []
        for basket in content["basket"]:
            themes.append(ThemeEntry(basket["slug"], basket["name"], basket["about"], basket["up"]))
            for entry in basket["factors"]:
                factors.append(FactorEntry(entry["id"], basket["slug"], entry["name"], entry["up"], int(entry["sign"])))
        version = int(content["version"])
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise TaxonomyError(
            f"The taxonomy file cannot be read: {error}; expected a version and [[basket]] tables with "
            "slug, name, about, up and factors (id, name, up, sign)."
        ) from error
    slugs = [factor.slug for factor in factors]
    twice = {slug for slug in slugs if slugs.count(slug) > 1}
    if twice:
        raise TaxonomyError(f"The taxonomy names {sorted(twice)[0]} twice; a factor belongs to one theme.")
    return Taxonomy(version=version, themes=tuple(themes), factors=tuple(factors))


@lru_cache(maxsize=1)
def taxonomy() -> Taxonomy:
    return parse_taxonomy(TAXONOMY_FILE.read_text(encoding="utf-8"))
