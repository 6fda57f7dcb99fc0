"""Cursor pages: no counts, no offsets, and a deep page costs what the first one costs."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import orjson
from django.db.models import Q, QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

DEFAULT_LIMIT = 50
LARGEST_LIMIT = 200
LONGEST_CURSOR = 1_000
BAD_CURSOR = "Expected the cursor of a `next` or `previous` link; start again without it."
PAGE_PARAMETERS = ("cursor", "limit")


def read_limit(text: str, *, default: int = DEFAULT_LIMIT, largest: int = LARGEST_LIMIT) -> int:
    """Read the number of rows of a page; raises ValidationError for what is none."""
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= largest):
        raise ValidationError({"limit": [f"Expected a whole number from 1 to {largest}, found {text[:20]!r}."]})
    return int(text)


def link(request: Request, cursor: str) -> str:
    """Return this request's address with another cursor."""
    parameters = [(key, value) for key, value in request.query_params.items() if key != "cursor"]
    return request.build_absolute_uri(f"{request.path}?{urlencode([*parameters, ('cursor', cursor)])}")


def write_cursor(parts: Sequence[str]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(list(parts))).decode().rstrip("=")


def read_cursor(text: str, length: int) -> list[str]:
    """Return a cursor's parts; raises ValidationError for one that we did not make."""
    try:
        if len(text) > LONGEST_CURSOR:
            raise ValueError(text)
        parts = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if not isinstance(parts, list) or len(parts) != length or not all(isinstance(part, str) for part in parts):
            raise ValueError(text)
        if any("\0" in part for part in parts):
            raise ValueError(text)
    except (ValueError, binascii.Error) as error:
        raise ValidationError({"cursor": [BAD_CURSOR]}) from error
    return parts


def instant_of(text: str) -> datetime:
    """Read an instant of a cursor; raises ValueError for another text."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment.astimezone(UTC)


class KeysetPage:
    """One page of rows ordered by one column and then by a unique one that tells nobody a count.

    `sorts` maps what `?sort=` may say to the column and how to read its value from a cursor; a leading minus turns
    it round. A cursor holds the sort, the way, and the two values of the row beside the page.
    """

    def __init__(
        self,
        request: Request,
        *,
        sorts: Mapping[str, tuple[str, Callable[[str], Any]]],
        default: str,
        unique: tuple[str, Callable[[str], Any]],
    ) -> None:
        self.request = request
        self.limit = read_limit(request.query_params.get("limit", ""))
        self.sort = request.query_params.get("sort", "") or default
        known = [*sorts, *[f"-{name}" for name in sorts]]
        if self.sort not in known:
            raise ValidationError({"sort": [f"Expected one of {', '.join(known)}; found {self.sort[:40]!r}."]})
        self.column, self._read = sorts[self.sort.removeprefix("-")]
        self.unique, self._read_unique = unique
        self.is_falling = self.sort.startswith("-")
        self.is_backward, self.position = self._position(request.query_params.get("cursor", ""))
        self.has_more = False

    def _position(self, cursor: str) -> tuple[bool, tuple[Any, Any] | None]:
        if not cursor:
            return False, None
        sort, way, value, key = read_cursor(cursor, 4)
        try:
            if sort != self.sort or way not in ("n", "p"):
                raise ValueError(cursor)
            return way == "p", (self._read(value), self._read_unique(key))
        except (ValueError, ArithmeticError) as error:
            raise ValidationError({"cursor": [BAD_CURSOR]}) from error

    def rows(self, queryset: QuerySet[Any], fields: Sequence[Any]) -> list[dict[str, Any]]:
        """Return this page's rows as dictionaries of `fields`, which must hold the two columns of the order."""
        falls = self.is_falling != self.is_backward
        if self.position is not None:
            value, key = self.position
            than = "lt" if falls else "gt"
            # The first half lets the database walk its index; the second one keeps ties apart.
            queryset = queryset.filter(
                Q(**{f"{self.column}__{than}e": value}),
                Q(**{f"{self.column}__{than}": value}) | Q(**{f"{self.unique}__{than}": key}),
            )
        sign = "-" if falls else ""
        found = list(
            queryset.order_by(f"{sign}{self.column}", f"{sign}{self.unique}").values(*fields)[: self.limit + 1]
        )
        self.has_more = len(found) > self.limit
        found = found[: self.limit]
        return found[::-1] if self.is_backward else found

    def body(self, rows: Sequence[Mapping[str, Any]], results: Sequence[Any]) -> dict[str, Any]:
        """Return the one shape of lists: results with links to the pages beside this one."""
        after = bool(rows) and (self.has_more or self.is_backward)
        before = bool(rows) and (self.has_more if self.is_backward else self.position is not None)
        return {
            "results": list(results),
            "next": self._link("n", rows[-1]) if after else None,
            "previous": self._link("p", rows[0]) if before else None,
        }

    def _link(self, way: str, row: Mapping[str, Any]) -> str:
        return link(self.request, write_cursor([self.sort, way, _text(row[self.column]), _text(row[self.unique])]))


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def uuid_of(text: str) -> UUID:
    return UUID(text)


def decimal_of(text: str) -> Decimal:
    """Read a decimal of a cursor; raises ArithmeticError or ValueError for another text."""
    number = Decimal(text)
    if not number.is_finite():
        raise ValueError(text)
    return number


def whole_list(results: Sequence[Any]) -> dict[str, Any]:
    """Return a list that fits on one page, in the one shape of lists."""
    return {"results": list(results), "next": None, "previous": None}
