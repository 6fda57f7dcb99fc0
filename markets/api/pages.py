"""Pages of ranked markets by cursor: the last page costs what the first one costs."""

import base64
import binascii
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db.models import Q, QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from itomarkets.lib.pagination import BAD_CURSOR, link, read_limit


class RankedPage:
    """One page of what `search_markets` returns: by its rank where it has one, by volume, largest first, then by id.

    A cursor holds those of the row beside the page and the way to go from it. (DRF's own cursor counts through ties
    and loses its way in a thousand markets without volume.)
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.limit = read_limit(request.query_params.get("limit", ""))
        self.backward, self.position = read_cursor(request.query_params.get("cursor", ""))

    def rows(self, queryset: QuerySet[Any], fields: Sequence[str]) -> list[dict[str, Any]]:
        """Return this page's rows as dictionaries of `fields`, which must hold `volume` and `id`.

        Raises ValidationError for a cursor into another order than this one.
        """
        self.is_ranked = "rank" in queryset.query.annotations
        if self.position is not None:
            rank, volume, pk = self.position
            if (rank is not None) != self.is_ranked:
                raise ValidationError({"cursor": [BAD_CURSOR]})
            queryset = queryset.filter(*self._beyond(rank, volume, pk))
        if self.backward:
            queryset = queryset.reverse()
        found = list(queryset.values(*fields, *(["rank"] if self.is_ranked else []))[: self.limit + 1])
        self.has_more = len(found) > self.limit
        found = found[: self.limit]
        return found[::-1] if self.backward else found

    def _beyond(self, rank: int | None, volume: Decimal, pk: int) -> list[Q]:
        """Return what rows past the cursor fulfil. The first condition lets the database begin there in its index."""
        if self.backward:
            reach, past = Q(volume__gte=volume), Q(volume__gt=volume) | Q(id__lt=pk)
            return [reach, past] if rank is None else [Q(rank__lte=rank), Q(rank__lt=rank) | (reach & past)]
        reach, past = Q(volume__lte=volume), Q(volume__lt=volume) | Q(id__gt=pk)
        return [reach, past] if rank is None else [Q(rank__gte=rank), Q(rank__gt=rank) | (reach & past)]

    def body(self, rows: Sequence[dict[str, Any]], results: Sequence[Any]) -> dict[str, Any]:
        """Return the answer: results with links to the pages beside this one."""
        after = bool(rows) and (self.has_more or self.backward)
        before = bool(rows) and (self.has_more if self.backward else self.position is not None)
        return {
            "results": list(results),
            "next": self._link("n", rows[-1]) if after else None,
            "previous": self._link("p", rows[0]) if before else None,
        }

    def _link(self, way: str, row: dict[str, Any]) -> str:
        text = f"{way}|{row.get('rank', '')}|{row['volume']}|{row['id']}"
        cursor = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
        return link(self.request, cursor)


def read_cursor(text: str) -> tuple[bool, tuple[int | None, Decimal, int] | None]:
    """Return (backward, (rank or None, volume, id)); raises ValidationError for a cursor that we did not make."""
    if not text:
        return False, None
    try:
        way, rank, volume, pk = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().split("|")
        position = int(rank) if rank else None, Decimal(volume).quantize(Decimal("0.000001")), int(pk)
        if way not in ("n", "p") or not 0 <= position[1] < 10**13 or not 0 < position[2] < 2**63:
            raise ValueError(text)
        if position[0] is not None and not 0 <= position[0] < 100:
            raise ValueError(text)
    except (ValueError, InvalidOperation, binascii.Error) as error:
        raise ValidationError({"cursor": [BAD_CURSOR]}) from error
    return way == "p", position
