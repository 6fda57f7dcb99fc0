"""A market's id in the API: its venue and the id that it has there. It says nothing of our rows, and never changes."""

from collections.abc import Iterable

from django.db.models import Q

from itomarkets.lib.venues import Venue
from markets.models import Market

LONGEST_ID = 140


class UnknownMarkets(ValueError):
    """Some ids name no market; `ids` holds them."""

    def __init__(self, ids: list[str]) -> None:
        super().__init__(f"{len(ids)} ids name no market")
        self.ids = ids


def market_id(venue: str, native_id: str) -> str:
    return f"{venue}:{native_id}"


def parts_of(text: str) -> tuple[str, str] | None:
    """Return the venue and the id there, or None for a text that is no market's id."""
    venue, colon, native_id = text.partition(":")
    if not colon or not native_id or venue not in Venue.values or len(text) > LONGEST_ID or "\0" in text:
        return None
    return venue, native_id


def rows_by_id(ids: Iterable[str]) -> dict[str, int]:
    """Return the row of each id, in one statement.

    Raises UnknownMarkets naming those that name no market.
    """
    wanted = list(dict.fromkeys(ids))
    found: dict[str, int] = {}
    where = Q(pk__in=[])
    for venue in Venue.values:
        natives = [parts[1] for text in wanted if (parts := parts_of(text)) and parts[0] == venue]
        where |= Q(venue=venue, native_id__in=natives)
    for pk, venue, native_id in Market.objects.filter(where).values_list("pk", "venue", "native_id"):
        found[market_id(venue, native_id)] = pk
    unknown = [text for text in wanted if text not in found]
    if unknown:
        raise UnknownMarkets(unknown)
    return found


def ids_of(pks: Iterable[int]) -> dict[int, str]:
    """Return the id of each row, in one statement."""
    rows = Market.objects.filter(pk__in=list(pks)).values_list("pk", "venue", "native_id")
    return {pk: market_id(venue, native_id) for pk, venue, native_id in rows}
