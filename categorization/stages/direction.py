"""Stage 9: say whether YES means more or less of the factor's `up`, by grammar and by the named side."""

from collections.abc import Callable
from dataclasses import dataclass

from categorization import grammar, sides
from categorization.reading import Reading
from categorization.stages.normalize import Text

NAME = "direction"


@dataclass(frozen=True, slots=True)
class Said:
    """+1, -1 or 0, and why."""

    value: int
    says: str


_LEVELS = (
    "fed-policy-rate ecb-policy-rate boe-policy-rate boj-policy-rate other-central-banks us-cpi world-inflation "
    "household-prices us-gdp us-jobs us-housing world-growth us-equity-indices world-equity-indices single-stocks "
    "equity-volatility us-treasury-yields us-dollar other-currencies bitcoin-price ether-price altcoin-prices "
    "crude-oil natural-gas gasoline gold industrial-metals agriculture us-approval-polls daily-temperature "
    "global-temperature rain-snow us-debt-deficit"
)
_NO_AXIS = (
    "ai-leaderboards american-football basketball baseball ice-hockey soccer tennis-golf combat-sports "
    "motorsport-cycling other-sports esports awards none"
)
_US_SIDES = "us-presidential-election us-senate-control us-house-control us-state-local-elections"
_WORLD_SIDES = (
    "europe-elections uk-politics latin-america-politics asia-pacific-politics canada-politics "
    "middle-east-africa-politics"
)
_CONFLICTS = (
    "russia-ukraine israel-palestine iran china-taiwan venezuela-latam-security other-conflicts nuclear-weapons"
)

Judge = Callable[[str, str, Reading], sides.Verdict]

# Every factor that is not named here is an event that happens or does not.
_JUDGES: dict[str, Judge] = {
    **dict.fromkeys(_LEVELS.split(), sides.level),
    **dict.fromkeys(_NO_AXIS.split(), sides.neither),
    **dict.fromkeys(_US_SIDES.split(), sides.us_side),
    **dict.fromkeys(_WORLD_SIDES.split(), sides.incumbent_side),
    **dict.fromkeys(_CONFLICTS.split(), sides.escalation),
    "film-tv": sides.films,
    "music": sides.music,
    "government-shutdown": sides.shutdown,
    "tariffs": sides.tariffs,
    "energy-supply": sides.supply,
    "us-investigations": sides.investigations,
    "us-immigration": sides.immigration,
    "us-appointments": sides.appointments,
    "crypto-adoption": sides.adoption,
    "taxes": sides.taxes,
    "tech-regulation": sides.technology,
    "earnings": sides.companies,
    "ipos": sides.listings,
    "fed-leadership": sides.leaders,
    "executives": sides.leaders,
}


def direction(reading: Reading, text: Text, factor: str) -> Said:
    """Judge one market under the factor that it was given."""
    judge = _JUDGES.get(factor, sides.happens)
    line = grammar.line_of(reading)
    if judge is not sides.neither and grammar.names_no_outcome(reading, line):
        return Said(0, "The question names no outcome.")
    value, why = judge(factor, line, reading)
    return Said(value, why)
