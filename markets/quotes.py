"""Best prices of the markets that somebody needs, from both venues' order books."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Q, QuerySet

from itomarkets.lib.rounding import quantize
from itomarkets.lib.venues import Venue, VenueError
from markets.models import GHOST_ASK, GHOST_BID, Market, Quote, QuoteDemand
from markets.upsert import RowWriter, plain, plain_columns
from markets.venues.base import Level, OrderBook
from markets.venues.clients import read_client
from markets.venues.kalshi import KalshiReads
from markets.venues.polymarket import PolymarketReads

LIVE_FOR = timedelta(seconds=90)
STALE_FOR = timedelta(minutes=15)
Condition = Quote.Condition
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
    "source",
]
# A stream confirms each of its books more often than this; polling need not ask for them.
STREAMED_FOR = timedelta(seconds=60)
# What was received so much later is newer, whatever two of a venue's interfaces stamp on the same book.
SURELY_LATER = timedelta(seconds=10)
# A row from so far ahead was written by a clock that has been put right since.
SURELY_WRONG = timedelta(minutes=5)


@dataclass(frozen=True)
class QuoteReport:
    """What one refresh did; `missing` markets were asked for and not served, their old quotes age on.

    `streamed` ones were not asked for: a stream keeps them.
    """

    asked: int
    refreshed: int
    missing: int
    crossed: int
    ghosts: int
    errors: tuple[str, ...] = ()
    streamed: int = 0

    @property
    def sentence(self) -> str:
        text = (
            f"{self.refreshed:,} of {self.asked:,} quotes refreshed, {self.missing:,} not served, "
            f"{self.crossed:,} crossed, {self.ghosts:,} ghosts."
        )
        if self.streamed:
            text += f" {self.streamed:,} more are streamed."
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

    What a stream has just told or confirmed is not asked for, unless it is named. A venue that does not
    answer is reported and the other goes on. A market without a book keeps its old quote, which grows
    old; nothing is filled in.
    """
    markets = demanded_markets(now) if market_ids is None else _quoted().filter(pk__in=list(market_ids))
    asked = list(markets)
    streamed = 0
    if market_ids is None:
        recent = Quote.objects.filter(source=Quote.Source.STREAMED, received_at__range=(now - STREAMED_FOR, now))
        told = set(recent.values_list("pk", flat=True))
        streamed = len(asked)
        asked = [market for market in asked if market.pk not in told]
        streamed -= len(asked)
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
        streamed=streamed,
    )


def demanded_markets(now: datetime) -> QuerySet[Market]:
    """Return the markets with a live demand that can have a book, with what both clients need to know of them."""
    live = QuoteDemand.objects.filter(Q(until__isnull=True) | Q(until__gt=now)).values("market_id")
    return _quoted().filter(pk__in=live)


def _quoted() -> QuerySet[Market]:
    markets = Market.objects.filter(status__in=QUOTED_STATUSES, vanished_at__isnull=True)
    return markets.only("pk", "venue", "native_id", "yes_token", "no_token", "condition_id").order_by("pk")


def store_books(books: dict[int, OrderBook], *, source: Quote.Source = Quote.Source.POLLED) -> None:
    """Store the best prices of books by market id; a quote that is newer stays as it is.

    A book that tells no last price leaves the one that stands.
    """
    makers = plain_columns(Quote, COLUMNS)
    remember = ["last_price", "last_at"]
    replaced = RowWriter(Quote, COLUMNS, key=["market_id"], remember=remember)
    # Two writers may bring a market's first quote at once: no lock stands between them.
    added = RowWriter(Quote, COLUMNS, key=["market_id"], remember=remember, not_older=["observed_at", "received_at"])
    with transaction.atomic():
        # A market may have been deleted while its book was on the way.
        known = sorted(Market.objects.filter(pk__in=list(books)).values_list("pk", flat=True))
        locked = Quote.objects.select_for_update().filter(pk__in=known).order_by("pk")
        standing = {quote.pk: quote for quote in locked.only("pk", "observed_at", "received_at")}
        rows = {pk: plain(_quote_values(pk, books[pk], source), makers) for pk in known}
        replaced.write(rows[pk] for pk, quote in standing.items() if supersedes(books[pk], quote))
        added.write(rows[pk] for pk in known if pk not in standing)


def supersedes(book: OrderBook, quote: Quote) -> bool:
    """Say whether a book is to replace the quote that stands: polling and a stream write side by side.

    By the venue's stamps, then by receipt. The interfaces of a venue may stamp the same book apart by a little, so
    that receipt alone decides over longer times.
    """
    if quote.received_at > book.received_at + SURELY_WRONG or book.received_at >= quote.received_at + SURELY_LATER:
        return True
    return (book.observed_at, book.received_at) >= (quote.observed_at, quote.received_at)


def _quote_values(pk: int, book: OrderBook, source: Quote.Source) -> list[object]:
    values: list[object] = [pk]
    for level in (book.yes.best_bid, book.yes.best_ask, book.no.best_bid, book.no.best_ask):
        values += [_price(level), None if level is None else quantize(level.size, 6)]
    return [
        *values,
        book.last_price,
        None if book.last_price is None else book.observed_at,
        book.observed_at,
        book.received_at,
        source,
    ]


def _price(level: Level | None) -> Decimal | None:
    return None if level is None else quantize(level.price, 6)
