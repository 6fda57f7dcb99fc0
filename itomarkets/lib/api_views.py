"""What every view of `/api/v1` shares: parameters that are known, scopes, and conditional answers."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import orjson
from django.utils.cache import patch_vary_headers
from django.utils.http import parse_etags
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from itomarkets.lib.api_renderers import plain
from itomarkets.lib.scopes import Scope

NAME_SHOWN = 80
# What runs on while nothing happens: it does not make an answer another one.
MOVING = frozenset({"age_seconds", "worst_age_seconds", "price.at", "now"})
MOVING_IN_BYTES = tuple(f'"{name.rpartition(".")[2]}":'.encode() for name in sorted(MOVING))


class ApiView(APIView):
    """A view that names parameters which nobody would read, and answers 304 to whoever has the answer already.

    `parameters` holds the known query parameters by method; a method without an entry knows none.
    """

    required_scopes: ClassVar[dict[str, Scope]] = {}
    parameters: ClassVar[dict[str, tuple[str, ...]]] = {}
    # What a method reads and what it answers (of a list: one row), for the schema and for the tests.
    accepts: ClassVar[dict[str, type[Serializer[Any]]]] = {}
    answers: ClassVar[dict[str, type[Serializer[Any]]]] = {}
    # Whether GET answers rows, as `results` with links to the pages beside them.
    is_list: ClassVar[bool] = False
    # The methods that move money: closed while they cannot be counted.
    moves_money: ClassVar[tuple[str, ...]] = ()

    def perform_authentication(self, request: Request) -> None:
        """Find who asks and count the request, whatever comes of it: a guessed key costs as much as a good one."""
        try:
            super().perform_authentication(request)
        finally:
            self._count(request)

    def _count(self, request: Request) -> None:
        super().check_throttles(request)

    def check_throttles(self, request: Request) -> None:
        """Nothing is left to do: the request was counted when it was found out who asks."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method in self.allowed_methods or request.method == "HEAD":
            refuse_parameters(request, self.known_parameters(request))

    def known_parameters(self, request: Request) -> tuple[str, ...]:
        return self.parameters.get("GET" if request.method == "HEAD" else str(request.method), ())

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        tag = ""
        # A page shows more than the answer: it is never the same one.
        is_page = getattr(getattr(request, "accepted_renderer", None), "format", "") == "html"
        if request.method in ("GET", "HEAD") and response.status_code == 200 and not is_page:
            tag = etag_of(response.data)
            asked = parse_etags(request.headers.get("If-None-Match", ""))
            # The weak comparison (RFC 9110, 8.8.3.2): gzip on the way may have weakened what was strong.
            if "*" in asked or tag.removeprefix("W/") in {one.removeprefix("W/") for one in asked}:
                response = Response(status=304)
        response = super().finalize_response(request, response, *args, **kwargs)
        taken = getattr(request, "taken", None)
        for name, value in (taken.headers if taken is not None else {}).items():
            response[name] = value
        response["Cache-Control"] = "private, no-cache" if tag else "no-store"
        if tag:
            response["ETag"] = tag
        patch_vary_headers(response, ("Authorization", "Cookie"))
        return response


def refuse_parameters(request: Request, known: Iterable[str]) -> None:
    """Raise ValidationError naming each query parameter that is unknown, or given twice."""
    known = list(known)
    expected = ", ".join(known) or "none"
    errors = {
        name[:NAME_SHOWN]: [f"Unknown parameter; expected some of: {expected}."]
        for name in sorted(request.query_params)
        if name not in known
    }
    for name in known:
        if len(request.query_params.getlist(name)) > 1:
            errors[name] = ["Expected this parameter once; found it more than once."]
    if errors:
        raise ValidationError(errors)


def etag_of(content: Any) -> str:
    """Return a weak tag of an answer; ages and the instant of asking do not count."""
    options = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
    body = orjson.dumps(content, default=plain, option=options)
    # Most lists hold nothing that moves: looking for it in the bytes is much quicker than walking every row.
    if any(name in body for name in MOVING_IN_BYTES):
        body = orjson.dumps(_still(content, ""), default=plain, option=options)
    return f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'


def _still(value: Any, parent: str) -> Any:
    if isinstance(value, Mapping):
        return {
            key: _still(item, str(key))
            for key, item in value.items()
            if key not in MOVING and f"{parent}.{key}" not in MOVING
        }
    if isinstance(value, (list, tuple)):
        return [_still(item, parent) for item in value]
    return value
