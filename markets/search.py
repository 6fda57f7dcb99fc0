"""Search over both venues' markets. One function for pages, the API and commands."""

from datetime import datetime
from decimal import Decimal

from django.db.models import F, Q, QuerySet

from markets.models import Market

TEXT_LENGTH = 200
WORDS = 8
# What a person asks for, and the statuses that answer it. `open` is more: it also looks at the clock.
STATUS_WORDS: dict[str, tuple[str, ...]] = {
    "open": (Market.Status.OPEN,),
    "closed": (Market.Status.PAUSED, Market.Status.CLOSED, Market.Status.DISPUTED),
    "resolved": (Market.Status.RESOLVED, Market.Status.VOID),
    "all": tuple(Market.Status.values),
}


def search_markets(
    *,
    text: str = "",
    venue: str = "",
    category: str = "",
    status: str = "open",
    closes_before: datetime | None = None,
    closes_after: datetime | None = None,
    min_volume: Decimal | None = None,
    now: datetime,
) -> QuerySet[Market]:
    """Return markets that hold every word of `text` in title, outcome or event, busiest first.

    Letter case does not matter. `status` is a key of STATUS_WORDS. Volume is dollars at Polymarket and
    contracts at Kalshi. Ties are ordered by id, so that pages by cursor never skip a row.
    """
    if status not in STATUS_WORDS:
        raise ValueError(f"status: expected one of {', '.join(STATUS_WORDS)}, found {status!r}")
    markets = Market.objects.all()
    if status == "open":
        markets = markets.open(now)
    elif status != "all":
        markets = markets.filter(status__in=STATUS_WORDS[status])
    if venue:
        markets = markets.filter(venue=venue)
    if category:
        markets = markets.filter(category__iexact=category)
    if closes_before is not None:
        markets = markets.filter(close_at__lt=closes_before)
    if closes_after is not None:
        markets = markets.filter(close_at__gte=closes_after)
    if min_volume is not None:
        markets = markets.filter(volume__gte=min_volume)
    # PostgreSQL takes no zero byte in a text; no question holds one either.
    for word in text[:TEXT_LENGTH].replace("\0", " ").split()[:WORDS]:
        markets = markets.filter(
            Q(title__icontains=word) | Q(subtitle__icontains=word) | Q(event__title__icontains=word)
        )
    return markets.order_by(F("volume").desc(), "id")
