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
    stale_limit: Decimal = Decimal("0.20")
    roll_policy: str = "hold_cash"

    @property
    def time_to_close(self) -> timedelta:
        return timedelta(days=self.min_days_to_close)


DEFAULTS = Method()
CUSTOM_MAX_LEGS = 50


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
    return replace(DEFAULTS, **changes)
