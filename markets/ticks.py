"""Which prices and counts a market takes: its own grid, not a guess from its price. Pure arithmetic."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from itomarkets.lib.rounding import ceil_to, floor_to
from markets.models import Market

ZERO = Decimal(0)
ONE = Decimal(1)
CENT = Decimal("0.01")
# Both venues count contracts in hundredths: Kalshi on every market since April 2026, Polymarket's shares.
COUNT_STEP = Decimal("0.01")
# What Kalshi takes in every structure, and Polymarket in most markets, where the listing names no grid.
WHOLE_CENTS = ({"start": "0", "end": "1", "step": "0.01"},)


@dataclass(frozen=True, slots=True)
class Band:
    """Prices start, start + step, ... up to end."""

    start: Decimal
    end: Decimal
    step: Decimal

    def holds(self, price: Decimal) -> bool:
        # Steps of 0.005 and 0.002 exist, so counting decimal places would not do.
        return self.start <= price <= self.end and (price - self.start) % self.step == 0


@dataclass(frozen=True, slots=True)
class PriceGrid:
    """The prices that a market takes, strictly between 0 and 1 dollars."""

    bands: tuple[Band, ...]

    @classmethod
    def of(cls, market: Market) -> "PriceGrid":
        return cls.from_ranges(market.price_ranges)

    @classmethod
    def from_ranges(cls, ranges: Iterable[Mapping[str, str]]) -> "PriceGrid":
        """Read `[{start, end, step}]` of decimal strings; whole cents where it is empty."""
        bands = tuple(
            Band(Decimal(part["start"]), Decimal(part["end"]), Decimal(part["step"]))
            for part in (list(ranges) or WHOLE_CENTS)
        )
        return cls(bands=tuple(sorted(bands, key=lambda band: band.start)))

    def is_on_grid(self, price: Decimal) -> bool:
        return ZERO < price < ONE and any(band.holds(price) for band in self.bands)

    @property
    def lowest(self) -> Decimal:
        """The lowest price that an order may name."""
        return min(self._inside(band.start if band.start > 0 else band.start + band.step for band in self.bands))

    @property
    def highest(self) -> Decimal:
        """The highest price that an order may name."""
        tops = []
        for band in self.bands:
            top = band.start + floor_to(band.end - band.start, band.step)
            tops.append(top if top < ONE else top - band.step)
        return max(self._inside(tops))

    def floor(self, price: Decimal) -> Decimal:
        """Return the largest price of the grid that is not above `price`; the lowest where there is none."""
        below = [
            band.start + floor_to(min(price, band.end) - band.start, band.step)
            for band in self.bands
            if band.start <= price
        ]
        return min(max([*below, self.lowest]), self.highest)

    def ceil(self, price: Decimal) -> Decimal:
        """Return the smallest price of the grid that is not below `price`; the highest where there is none."""
        above = []
        for band in self.bands:
            if price <= band.start:
                above.append(band.start)
                continue
            candidate = band.start + ceil_to(price - band.start, band.step)
            if candidate <= band.end:
                above.append(candidate)
        return max(min([*above, self.highest]), self.lowest)

    @staticmethod
    def _inside(prices: Iterable[Decimal]) -> list[Decimal]:
        return [price for price in prices if ZERO < price < ONE] or [CENT]


def count_step(market: Market) -> Decimal:
    """Return the smallest difference between two counts of contracts."""
    return COUNT_STEP


def minimum_count(market: Market) -> Decimal:
    """Return the fewest contracts that an order may be for.

    Polymarket names it (5 shares as a rule, for orders that rest); Kalshi names none, so one step.
    """
    return market.min_size if market.min_size else COUNT_STEP
