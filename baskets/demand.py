"""Which markets must be quoted for baskets, and fetching their quotes when something is about to be composed."""

import logging
from collections.abc import Sequence
from datetime import datetime

from baskets.legs import current_compositions
from baskets.models import Constituent
from itomarkets.lib.venues import VenueError
from markets.models import Market, QuoteDemand
from markets.quotes import demand_quotes, refresh_quotes

SOURCE = "baskets"
log = logging.getLogger(__name__)


def demand_held(*, now: datetime) -> int:
    """Ask for quotes of all that baskets hold and that is not decided, and of nothing else; returns how many change."""
    held = set(
        Constituent.objects.filter(
            composition__in=current_compositions().filter(basket__is_active=True), market__payout__isnull=True
        ).values_list("market_id", flat=True)
    )
    demanded = set(QuoteDemand.objects.filter(source=SOURCE).values_list("market_id", flat=True))
    new, old = held - demanded, demanded - held
    if new:
        demand_quotes(market_ids=sorted(new), source=SOURCE, until=None)
    if old:
        QuoteDemand.objects.filter(source=SOURCE, market__in=old).delete()
    return len(new) + len(old)


def refresh_markets(market_ids: Sequence[int], now: datetime) -> str:
    """Fetch quotes of these markets; an unreachable venue is reported, and what is stored is used."""
    ids = list(Market.objects.open(now).filter(pk__in=market_ids).values_list("pk", flat=True))
    try:
        report = refresh_quotes(now=now, market_ids=ids)
    except VenueError as error:
        log.warning("quotes could not be refreshed: %s", error)
        return f"quotes could not be refreshed: {error}"
    return report.sentence
