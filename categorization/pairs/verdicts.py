"""What a comparison says: how each aspect compares, what was found, and what follows."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Relation(StrEnum):
    IDENTICAL = "identical"
    COMPLEMENT = "complement"
    SUBSET = "subset"
    OVERLAPS = "overlaps"
    RELATED = "related"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one stage found: its words, and the words or figures that agree, that only one side has, that are unsaid."""

    stage: str
    says: str
    agrees: tuple[str, ...] = ()
    kalshi: tuple[str, ...] = ()
    polymarket: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = {"stage": self.stage, "says": self.says}
        for name in ("agrees", "kalshi", "polymarket", "missing"):
            if getattr(self, name):
                found[name] = list(getattr(self, name))
        return found


@dataclass(frozen=True, slots=True)
class Verdict:
    """How two questions stand to each other. `narrower` is the venue whose YES implies the other's, for a subset."""

    relation: Relation
    confidence: float
    narrower: str = ""
    findings: tuple[Finding, ...] = field(default=(), repr=False)

    @property
    def evidence(self) -> list[dict[str, Any]]:
        return [finding.as_dict() for finding in self.findings]


class Match(StrEnum):
    """How one aspect of the two compares; FIRST and SECOND name the narrower one."""

    SAME = "same"
    OPPOSITE = "opposite"
    FIRST = "first"
    SECOND = "second"
    OVERLAP = "overlap"
    APART = "apart"
    UNKNOWN = "unknown"
