"""The method as the public page tells it: each number read from the code that uses it, each sum done by it."""

from dataclasses import dataclass
from decimal import Decimal

from baskets import method
from baskets.arithmetic import divisor_after, gauge, implied_weights, level, market_value, units_of
from baskets.method import BASE_VALUE, DEFAULTS, METHOD_VERSION, Method
from baskets.models import Basket
from baskets.weights import TILT
from itomarkets.lib.rounding import ONE

MILLION = Decimal(10**6)


@dataclass(frozen=True, slots=True)
class ExampleLeg:
    """One leg of the worked example; prices of the held side."""

    name: str
    side: str
    weight: Decimal
    first: Decimal
    units: Decimal
    second: Decimal


@dataclass(frozen=True, slots=True)
class ExampleStep:
    """A moment of the worked example, and both numbers at it."""

    says: str
    gauge: Decimal
    level: Decimal
    divisor: Decimal

    @property
    def points(self) -> Decimal:
        """The gauge as the charts show it, 0 to 100."""
        return self.gauge * 100


@dataclass(frozen=True, slots=True)
class ModeLine:
    """What the same weights become in a mode: contracts and money in each leg."""

    name: str
    units: list[Decimal]
    money: list[Decimal]


@dataclass(frozen=True, slots=True)
class Example:
    legs: list[ExampleLeg]
    steps: list[ExampleStep]
    modes: list[ModeLine]
    # What forgetting the decided leg would have shown, and what it did.
    naive_before: Decimal
    naive_after: Decimal
    naive_gain: Decimal
    real_gain: Decimal


@dataclass(frozen=True, slots=True)
class Published:
    """Everything that the methodology page prints."""

    version: str
    rules: Method
    tight: Decimal
    wide: Decimal
    live_seconds: int
    last_trade_hours: int
    carry_minutes: int
    carry_hours: int
    stale_share: Decimal
    official_minutes: int
    base: Decimal
    tilt: Decimal
    example: Example


def published() -> Published:
    """Read the method as it runs."""
    return Published(
        version=METHOD_VERSION,
        rules=DEFAULTS,
        tight=method.TIGHT_SPREAD / MILLION,
        wide=method.WIDE_SPREAD / MILLION,
        live_seconds=method.LIVE_SECONDS,
        last_trade_hours=method.LAST_TRADE_SECONDS // 3_600,
        carry_minutes=method.CARRY_OFFICIAL_SECONDS // 60,
        carry_hours=method.CARRY_SECONDS // 3_600,
        stale_share=method.STALE_SHARE,
        official_minutes=method.OFFICIAL_LEAST_MINUTES,
        base=BASE_VALUE,
        tilt=TILT,
        example=example(),
    )


def example() -> Example:
    """Do the sums of a small basket: prices move, a question is decided, and the basket is rebalanced."""
    weights = [Decimal("0.40"), Decimal("0.35"), Decimal("0.25")]
    first = [Decimal("0.62"), Decimal("0.68"), Decimal("0.25")]
    second = [Decimal("0.70"), Decimal("0.60"), Decimal("0.30")]
    decided = [*second[:2], ONE]
    units = units_of(mode="dollar", weights=weights, prices=first, value=BASE_VALUE)
    cash = BASE_VALUE - market_value(units, first)
    values = [market_value(units, prices, cash) for prices in (first, second, decided)]
    halves, new = [Decimal("0.5")] * 2, [Decimal("0.70"), Decimal("0.40")]
    new_units = units_of(mode="dollar", weights=halves, prices=new, value=BASE_VALUE)
    new_cash = BASE_VALUE - market_value(new_units, new)
    divisor = divisor_after(divisor=ONE, value_before=values[2], value_after=BASE_VALUE)
    last = [Decimal("0.75"), Decimal("0.38")]
    steps = [
        ExampleStep("It begins", gauge(weights, first), level(values[0], ONE), ONE),
        ExampleStep("Prices move", gauge(weights, second), level(values[1], ONE), ONE),
        ExampleStep("C is decided: YES pays 1 dollar", gauge(weights, decided), level(values[2], ONE), ONE),
        ExampleStep("Rebalanced into A and D, half each", gauge(halves, new), level(BASE_VALUE, divisor), divisor),
        ExampleStep(
            "Prices move again", gauge(halves, last), level(market_value(new_units, last, new_cash), divisor), divisor
        ),
    ]
    before, after = gauge(weights, second), gauge(weights[:2], second[:2])
    return Example(
        legs=[
            ExampleLeg(name, side, *numbers)
            for name, side, *numbers in zip("ABC", ("yes", "no", "yes"), weights, first, units, second, strict=True)
        ],
        steps=steps,
        modes=[_mode(str(label), mode, weights, first) for mode, label in Basket.Mode.choices],
        naive_before=before,
        naive_after=after,
        naive_gain=after / before - ONE,
        real_gain=values[2] / values[1] - ONE,
    )


def _mode(label: str, mode: str, weights: list[Decimal], prices: list[Decimal]) -> ModeLine:
    units = units_of(mode=mode, weights=weights, prices=prices, value=BASE_VALUE)
    return ModeLine(label, units, implied_weights(mode="dollar", units=units, prices=prices))
