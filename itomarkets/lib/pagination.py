"""Cursor pages: no counts, and a deep page costs what the first one costs."""

from typing import Any

from django.core.exceptions import ValidationError
from rest_framework import exceptions
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.response import Response

DEFAULT_LIMIT = 50
LARGEST_LIMIT = 200
BAD_CURSOR = "Expected the cursor of a `next` or `previous` link; start again without it."


def read_limit(text: str) -> int:
    """Read the number of rows of a page; raises ValidationError for what is none."""
    if not text:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= LARGEST_LIMIT and len(text) <= 6):
        raise exceptions.ValidationError(
            {"limit": [f"Expected a whole number from 1 to {LARGEST_LIMIT}, found {text[:20]!r}."]}
        )
    return int(text)


class CursorPages(CursorPagination):
    page_size = DEFAULT_LIMIT
    max_page_size = LARGEST_LIMIT
    page_size_query_param = "limit"
    ordering = "-id"

    def paginate_queryset(self, queryset: Any, request: Any, view: Any = None) -> list[Any] | None:
        try:
            return super().paginate_queryset(queryset, request, view=view)
        except (NotFound, ValueError, ValidationError) as error:
            # The library answers 404 to a cursor that it cannot read, and breaks on one whose position is no id.
            raise exceptions.ValidationError({"cursor": [BAD_CURSOR]}) from error

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"results": data, "next": self.get_next_link(), "previous": self.get_previous_link()})
