"""Best prices of the markets that somebody needs, from both venues' order books."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import models, transaction
from django.db.models import Q

from itomarkets.lib.rounding import quantize
from itomarkets.lib.venues import Venue, VenueError
from markets.models import Market, Quote, QuoteDemand
from markets.upsert import RowWriter, plain, plain_columns
from markets.venues.base import Level, OrderBook
from markets.venues.clients import read_client
from markets.venues.kalshi import KalshiReads
from markets.venues.polymarket import PolymarketReads

LIVE_FOR = timedelta(seconds=90)
STALE_FOR = timedelta(minutes=15)
# A market maker's placeholder: a bid of a cent or less and an offer of 99 or more say nothing.
GHOST_BID = Decimal("0.01")
GHOST_ASK = Decimal("0.99")
QUOTED_STATUSES = (Market.Status.OPEN, Market.Status.PAUSED, Market.Status.DISPUTED)
COLUMNS = [
    "market_id",
    "yes_bid",
    "yes_bid_size",
    "yes_ask",
    "yes_ask_size",
    "no_bid",
    "no_bid_size",
    "no_ask",
    "no_ask_size",
    "last_price",
    "last_at",
    "observed_at",
    "received_at",
]


class Condition(models.TextChoices):
    """What a quote is worth as a source of a price."""

    TWO_SIDED = "two_sided", "Two-sided"
    ONE_SIDED = "one_sided", "One-sided"
    EMPTY = "empty", "Empty"
    CROSSED = "crossed", "Crossed"
    GHOST = "ghost", "Ghost"


@dataclass(frozen=True)
class QuoteReport:
    """What one refresh did; `missing` markets were asked for and not served, their old quotes age on."""

    asked: int
    refreshed: int
    missing: int
    crossed: int
    ghosts: int
    errors: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        text = (
            f"{self.refreshed:,} of {self.asked:,} quotes refreshed, {self.missing:,} not served, "
            f"{self.crossed:,} crossed, {self.ghosts:,} ghosts."
        )
        return " ".join([text, *self.errors])


def freshness(quote: Quote, now: datetime) -> Quote.Freshness:
    """Say how far a quote can be trusted by its age.

    Counted from when we received it: a venue's own stamp tells when a quiet book last changed, and a
    quiet book is still true.
    """
    age = now - quote.received_at
    if age <= LIVE_FOR:
        return Quote.Freshness.LIVE
    return Quote.Freshness.STALE if age <= STALE_FOR else Quote.Freshness.DEAD


def condition(bid: Decimal | None, ask: Decimal | None) -> Condition:
    """Name the state of one side's best bid and ask."""
    if bid is None and ask is None:
        return Condition.EMPTY
    if bid is None or ask is None:
        return Condition.ONE_SIDED
    if bid >= ask:
        return Condition.CROSSED
    if bid <= GHOST_BID and ask >= GHOST_ASK:
        return Condition.GHOST
    return Condition.TWO_SIDED


def demand_quotes(*, market_ids: Iterable[int], source: str, until: datetime | None) -> int:
    """Ask that these markets be kept quoted until then (None: until told otherwise); replaces this source's wish.

    Returns how many markets were asked for. Markets that do not exist are left out.
    """
    wanted = set(market_ids)
    found = list(Market.objects.filter(pk__in=wanted).values_list("pk", flat=True))
    with transaction.atomic():
        QuoteDemand.objects.bulk_create(
            [QuoteDemand(market_id=pk, source=source, until=until) for pk in sorted(found)],
            update_conflicts=True,
            unique_fields=["market", "source"],
            update_fields=["until"],
        )
    return len(found)


def refresh_quotes(
    *,
    now: datetime,
    market_ids: Sequence[int] | None = None,
    client: Callable[[Venue], KalshiReads | PolymarketReads] = read_client,
) -> QuoteReport:
    """Fetch the order books of these markets, or of all with a live demand, and store their best prices.

    A venue that does not answer is reported and the other goes on. A market without a book keeps its
    old quote, which grows old; nothing is filled in.
    """
    markets = Market.objects.filter(status__in=QUOTED_STATUSES, vanished_at__isnull=True)
    if market_ids is None:
        live = QuoteDemand.objects.filter(Q(until__isnull=True) | Q(until__gt=now)).values("market_id")
        markets = markets.filter(pk__in=live)
    else:
        markets = markets.filter(pk__in=list(market_ids))
    asked = list(markets.only("pk", "venue", "native_id", "yes_token", "no_token", "condition_id").order_by("pk"))
    books: dict[int, OrderBook] = {}
    errors = []
    for venue in Venue:
        of_venue = [market for market in asked if market.venue == venue]
        if not of_venue:
            continue
        reads = client(venue)
        try:
            books |= reads.fetch_books(of_venue)
        except VenueError as trouble:
            errors.append(str(trouble))
        finally:
            reads.close()
    store_books(books)
    states = [condition(_price(book.yes.best_bid), _price(book.yes.best_ask)) for book in books.values()]
    return QuoteReport(
        asked=len(asked),
        refreshed=len(books),
        missing=len(asked) - len(books),
        crossed=states.count(Condition.CROSSED),
        ghosts=states.count(Condition.GHOST),
        errors=tuple(errors),
    )


def store_books(books: dict[int, OrderBook]) -> None:
    """Store the best prices of books by market id, replacing each market's quote."""
    makers = plain_columns(Quote, COLUMNS)
    writer = RowWriter(Quote, COLUMNS, key=["market_id"])
    with transaction.atomic():
        # A market may have been deleted while its book was on the way.
        standing = set(Market.objects.filter(pk__in=list(books)).values_list("pk", flat=True))
        writer.write(plain(_quote_values(pk, book), makers) for pk, book in books.items() if pk in standing)


def _quote_values(pk: int, book: OrderBook) -> list[object]:
    values: list[object] = [pk]
    for level in (book.yes.best_bid, book.yes.best_ask, book.no.best_bid, book.no.best_ask):
        values += [_price(level), None if level is None else quantize(level.size, 6)]
    return [
        *values,
        book.last_price,
        None if book.last_price is None else book.observed_at,
        book.observed_at,
        book.received_at,
    ]


def _price(level: Level | None) -> Decimal | None:
    return None if level is None else quantize(level.price, 6)
