"""The published constants of the method, and how one basket may override them."""

from dataclasses import dataclass, fields, replace
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

METHOD_VERSION = "1.0"
# What a composition is worth when it is made; the divisor carries the level across.
BASE_VALUE = Decimal(100)

# Ages in seconds (methodology, section 6).
LIVE_SECONDS = 90
STALE_SECONDS = 900
LAST_TRADE_SECONDS = 86_400
CARRY_OFFICIAL_SECONDS = 3_600
CARRY_SECONDS = 86_400
# Spreads and prices in millionths of a dollar.
TIGHT_SPREAD = 100_000
WIDE_SPREAD = 300_000
GHOST_BID = 10_000
GHOST_ASK = 990_000
# Above this share of the weight that is stale, no fixing is published, whatever a basket's own rules say.
STALE_SHARE = Decimal("0.20")
# An official fixing needs this many minutes of the hour; in a gap, a minute's mark stands no longer than this.
OFFICIAL_LEAST_MINUTES = 30
OFFICIAL_STANDS_SECONDS = 300

# How raw parts of weights are found (baskets/weights.py), and what becomes of a decided leg (baskets/rolls.py).
SCHEMES = ("equal", "liquidity", "confidence", "volume")
ROLL_POLICIES = ("hold_cash", "redistribute", "roll_to_successor", "terminate")


@dataclass(frozen=True)
class Method:
    """The rules that make and keep a composition; shares are of one, prices are dollars of the held side."""

    leg_cap: Decimal = Decimal("0.20")
    event_cap: Decimal = Decimal("0.25")
    price_low: Decimal = Decimal("0.05")
    price_high: Decimal = Decimal("0.95")
    min_days_to_close: int = 14
    min_legs: int = 5
    max_legs: int = 12
    per_event: int = 1
    per_series: int = 3
    past_quarters: int = 4
    scheme: str = "liquidity"
    rebalance_days: int = 30
    drift_band: Decimal = Decimal("0.10")
    cash_limit: Decimal = Decimal("0.25")
    roll_policy: str = "hold_cash"
    # A change that turns over or costs a larger share of the value waits for a reviewer.
    auto_turnover: Decimal = Decimal("0.60")
    auto_cost: Decimal = Decimal("0.10")

    @property
    def time_to_close(self) -> timedelta:
        return timedelta(days=self.min_days_to_close)


DEFAULTS = Method()
CUSTOM_MAX_LEGS = 50
# The least and the most that a number may be; choices name theirs above.
BOUNDS: dict[str, tuple[Decimal, Decimal]] = {
    "leg_cap": (Decimal("0.01"), Decimal(1)),
    "event_cap": (Decimal("0.01"), Decimal(1)),
    "price_low": (Decimal("0.001"), Decimal("0.999")),
    "price_high": (Decimal("0.001"), Decimal("0.999")),
    "min_days_to_close": (Decimal(0), Decimal(365)),
    "min_legs": (Decimal(1), Decimal(CUSTOM_MAX_LEGS)),
    "max_legs": (Decimal(1), Decimal(CUSTOM_MAX_LEGS)),
    "per_event": (Decimal(1), Decimal(CUSTOM_MAX_LEGS)),
    "per_series": (Decimal(1), Decimal(CUSTOM_MAX_LEGS)),
    "past_quarters": (Decimal(0), Decimal(40)),
    "rebalance_days": (Decimal(1), Decimal(3_650)),
    "drift_band": (Decimal("0.01"), Decimal(1)),
    "cash_limit": (Decimal(0), Decimal(1)),
    "auto_turnover": (Decimal(0), Decimal(1)),
    "auto_cost": (Decimal(0), Decimal(1)),
}
CHOICES = {"scheme": SCHEMES, "roll_policy": ROLL_POLICIES}


class RuleError(ValueError):
    """A basket's rules name something that the method does not know."""


def method_of(rules: dict[str, Any]) -> Method:
    """Return the method with one basket's overrides, which come as decimal strings, whole numbers or names.

    Raises RuleError that names the rule and what it should look like.
    """
    changes: dict[str, Any] = {}
    known = {field.name: field for field in fields(Method)}
    for name, value in rules.items():
        if name not in known:
            raise RuleError(f"The rule {name!r} is unknown; expected one of {', '.join(sorted(known))}.")
        default = getattr(DEFAULTS, name)
        try:
            changes[name] = type(default)(str(value)) if not isinstance(default, str) else str(value)
        except (InvalidOperation, ValueError) as error:
            raise RuleError(f"The rule {name} is {value!r}; expected a value like {str(default)!r}.") from error
        _check(name, changes[name])
    method = replace(DEFAULTS, **changes)
    if method.min_legs > method.max_legs:
        raise RuleError(
            f"min_legs is {method.min_legs}, above max_legs, which is {method.max_legs}; lower one of them."
        )
    if method.price_low >= method.price_high:
        raise RuleError(f"price_low is {method.price_low}, not below price_high, which is {method.price_high}.")
    return method


def _check(name: str, value: Any) -> None:
    if name in CHOICES:
        if value not in CHOICES[name]:
            raise RuleError(f"The rule {name} is {value!r}; expected one of {', '.join(CHOICES[name])}.")
        return
    low, high = BOUNDS[name]
    # A NaN is in no order: it fails here too.
    if not (Decimal(value).is_finite() and low <= value <= high):
        raise RuleError(f"The rule {name} is {value}; expected {low} to {high}.")


def rules_in_force(method: Method) -> dict[str, str]:
    """Write all the rules out as a composition keeps them: its own digits, not today's defaults."""
    return {field.name: str(getattr(method, field.name)) for field in fields(method)}
