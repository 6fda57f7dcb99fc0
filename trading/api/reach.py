"""What a caller can reach: a test key sees and moves nothing but paper and the sandbox, whatever is asked of it.

Every queryset of trades, quotes and accounts in this room starts here, and so does every mode that may be named.
"""

from typing import Any

from django.db.models import Q, QuerySet
from rest_framework.request import Request

from accounts.models import ApiKey
from accounts.people import person_of
from baskets.models import Basket
from baskets.reading import reachable_by
from trading.accounts import allowed_modes
from trading.models import Position, TicketQuote, Trade, VenueAccount

MODES = tuple(VenueAccount.Mode.values)


def modes_of(request: Request) -> tuple[str, ...]:
    """Return the modes within reach: a session's are its person's, a key's those of its environment.

    What authenticated in another way than these two reaches what a test key does.
    """
    if request.auth is None:
        return MODES
    environment = request.auth.environment if isinstance(request.auth, ApiKey) else ApiKey.Environment.TEST.value
    allowed = allowed_modes(environment)
    return tuple(mode for mode in MODES if mode in allowed)


def trades_of(request: Request) -> QuerySet[Trade]:
    return Trade.objects.filter(user=person_of(request), mode__in=modes_of(request))


def accounts_of(request: Request) -> QuerySet[VenueAccount]:
    return VenueAccount.objects.filter(user=person_of(request), mode__in=modes_of(request))


def quotes_of(request: Request) -> QuerySet[TicketQuote]:
    return TicketQuote.objects.filter(user=person_of(request), mode__in=modes_of(request))


def baskets_of(request: Request, *, action: str) -> QuerySet[Basket]:
    """Return the baskets that can be bought; to sell, also those that are held and not seen any more."""
    seen = Q(pk__in=reachable_by(request.user).values("pk"))
    if action == "sell":
        held: Any = Position.objects.filter(
            account__user=person_of(request), account__mode__in=modes_of(request), count__gt=0
        )
        seen |= Q(pk__in=held.values("basket"))
    return Basket.objects.filter(seen)
