"""Past prices, as both venues' histories give them: what is asked for, what came, and the buckets of time. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from zoneinfo import ZoneInfo

from itomarkets.lib.venues import Venue

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
MICRO = Decimal("0.000001")
# Kalshi's days end at midnight here: 04:00 or 05:00 UTC.
EASTERN = ZoneInfo("America/New_York")

# Where a point came from.
LIVE = "live"
CANDLES = "candles"
CANDLES_ARCHIVED = "candles-historical"
PRICES = "prices-history"
PRICES_COARSE = "prices-history-coarse"
PRICES_CLOB = "clob-history"
TRADES = "trades"
TRADES_ARCHIVED = "trades-historical"


@dataclass(frozen=True, slots=True)
class PastPrice:
    """The price of one YES contract in a bucket; `at` is the bucket's start, `observed_at` the venue's time of it."""

    at: datetime
    price: Decimal
    source: str
    observed_at: datetime
    average: Decimal | None = None
    bid: Decimal | None = None
    ask: Decimal | None = None
    volume: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Want:
    """Buckets of one market, from `start` to before `end`, as its venue's history asks for them."""

    market_id: int
    native_id: str
    yes_token: str
    no_token: str
    condition_id: str
    # When it was settled; None while it is not.
    settled_at: datetime | None
    start: datetime
    end: datetime
    # Which stretch of the grid this is part of.
    window: datetime
    window_end: datetime
    # Buckets whose price stands already are asked for again, from here to before there, to see that they agree.
    overlap_start: datetime
    overlap_end: datetime

    def buckets(self, step: timedelta) -> list[datetime]:
        return [self.start + step * number for number in range((self.end - self.start) // step)]


@dataclass(slots=True)
class Answer:
    """What a history said of one want. With an `error` the want was not answered, and is asked for again next time."""

    prices: dict[datetime, PastPrice] = field(default_factory=dict)
    # Buckets with quotes that make no price.
    unpriced: set[datetime] = field(default_factory=set)
    # Why a bucket could not be read; rows that do not even say when they are stand under None.
    unreadable: dict[datetime | None, str] = field(default_factory=dict)
    error: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.prices or self.unpriced or self.unreadable)

    def joined(self, other: "Answer") -> "Answer":
        """Join the answers of two archives; where both know a bucket, the first is kept."""
        prices = {**other.prices, **self.prices}
        return Answer(
            prices=prices,
            unpriced={*self.unpriced, *other.unpriced} - prices.keys(),
            unreadable={at: why for at, why in {**other.unreadable, **self.unreadable}.items() if at not in prices},
            error=self.error or other.error,
        )


def bucket_of(venue: str, moment: datetime, step: timedelta) -> datetime:
    """Return the start of the bucket that a moment lies in; a day is its date in the venue's calendar, as midnight UTC.

    >>> bucket_of("kalshi", datetime(2026, 3, 9, 3, 59, tzinfo=UTC), DAY).date().isoformat()
    '2026-03-08'
    """
    if step == DAY and venue == Venue.KALSHI:
        return datetime.combine(moment.astimezone(EASTERN).date(), time(), UTC)
    return moment - (moment - EPOCH) % step


def bounds_of(venue: str, start: datetime, end: datetime, step: timedelta) -> tuple[datetime, datetime]:
    """Return the instants between which buckets lie: those of a venue with a calendar of its own are its midnights."""
    if step == DAY and venue == Venue.KALSHI:
        first, last = (datetime.combine(moment.date(), time(), EASTERN).astimezone(UTC) for moment in (start, end))
        return first, last
    return start, end


@dataclass(frozen=True, slots=True)
class Sample:
    """One price at an instant; `size` is what was traded at it, None where nothing is known of that."""

    at: datetime
    price: Decimal
    source: str
    size: Decimal | None = None


def bucketed(samples: Iterable[Sample], venue: str, step: timedelta) -> dict[datetime, PastPrice]:
    """Make the samples of each bucket one price: the last, with their mean, weighted by what was traded.

    The order in which samples came means nothing: of two at one instant the higher one is the last. A bucket of one
    sample without a size has no mean.
    """
    found: dict[datetime, list[Sample]] = {}
    for sample in samples:
        found.setdefault(bucket_of(venue, sample.at, step), []).append(sample)
    prices = {}
    for at in sorted(found):
        inside = found[at]
        last = max(inside, key=lambda sample: (sample.at, sample.price))
        sizes = [sample.size for sample in inside if sample.size is not None]
        prices[at] = PastPrice(
            at=at,
            price=last.price,
            source=last.source,
            observed_at=last.at,
            average=_mean(inside),
            volume=sum(sizes, Decimal(0)) if sizes else None,
        )
    return prices


def _mean(samples: Sequence[Sample]) -> Decimal | None:
    traded = [(sample.price, sample.size) for sample in samples if sample.size]
    if traded:
        total = sum((size for _, size in traded), Decimal(0))
        mean = sum((price * size for price, size in traded), Decimal(0)) / total
    elif len(samples) > 1:
        mean = sum((sample.price for sample in samples), Decimal(0)) / len(samples)
    else:
        return None
    return mean.quantize(MICRO, rounding=ROUND_HALF_EVEN)


def settled_at(status: str, resolved_at: datetime | None, close_at: datetime | None) -> datetime | None:
    """Return when a market was settled, as well as that is known."""
    return resolved_at or (close_at if status in ("resolved", "void") else None)


def row_error(raw: object, error: Exception) -> str:
    """Say in short what could not be read of a row."""
    shown = dict(raw) if isinstance(raw, Mapping) else raw
    return f"{type(error).__name__}: {error} In {str(shown)[:120]}"[:300]
