"""How Polymarket's three services word replies and refusals, and read queries."""

import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .engine import World
from .model import PRICE_UNITS

END_CURSOR = "LTE="  # base64 of -1: the order book's "no more pages"
START_CURSOR = "MA=="  # base64 of 0

Handler = Callable[[Request], Awaitable[Any]]
Row = TypeVar("Row")


class WireError(Exception):
    """A refusal with the status and body that the venue gives."""

    def __init__(self, status: int, error: str, **more: Any) -> None:
        super().__init__(error)
        self.status = status
        self.body: dict[str, Any] = {**more, "error": error}


def invalid(error: str) -> WireError:
    """Return Gamma's answer to a query that it cannot read."""
    return WireError(422, error, type="validation error")


def reply(data: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(data), status, media_type="application/json")


def route(path: str, handler: Handler, *, method: str = "GET") -> Route:
    """Make a route of a handler that returns plain data and raises WireError."""

    async def endpoint(request: Request) -> Response:
        try:
            answer = await handler(request)
        except WireError as error:
            return reply(error.body, error.status)
        return answer if isinstance(answer, Response) else reply(answer)

    return Route(path, endpoint, methods=[method])


async def read_json(request: Request, error: str) -> Any:
    """Return the parsed body; refuse with the venue's sentence for a body that is not JSON."""
    try:
        return orjson.loads(await request.body())
    except orjson.JSONDecodeError as fault:
        raise WireError(400, error) from fault


def plain(value: Decimal) -> str:
    """Return a decimal without exponent or trailing zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


# Prices as Gamma writes them, by price units: made once, because a full listing needs each of them often.
UNIT_TEXT = [plain(Decimal(units).scaleb(-4)) for units in range(PRICE_UNITS + 1)]


def iso(moment: datetime) -> str:
    return moment.isoformat()[:19] + "Z"


def unix(moment: datetime) -> int:
    return int(moment.timestamp())


def milliseconds(moment: datetime) -> str:
    return str(int(moment.timestamp() * 1000))


def encode_cursor(value: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).decode()


def decode_cursor(text: str) -> Any:
    """Return what `encode_cursor` packed; None for a token that is not ours."""
    try:
        return orjson.loads(base64.urlsafe_b64decode(text))
    except (binascii.Error, ValueError):
        return None


def clob_page(rows: Sequence[Row], cursor: str, limit: int, render: Callable[[Row], Any]) -> dict[str, Any]:
    """Return a page of the order book's listings: its cursor is the base64 of an offset, LTE= the end."""
    start = clob_offset(cursor)
    page = rows[start : start + limit]
    end = start + len(page)
    following = END_CURSOR if end >= len(rows) else base64.b64encode(str(end).encode()).decode()
    return {"limit": limit, "count": len(page), "next_cursor": following, "data": [render(row) for row in page]}


def clob_offset(cursor: str) -> int:
    if cursor in ("", START_CURSOR):
        return 0
    try:
        offset = int(base64.b64decode(cursor, validate=True))
    except (binascii.Error, ValueError) as error:
        raise WireError(400, "invalid next_cursor") from error
    if offset < 0:
        raise WireError(400, "invalid next_cursor")
    return offset


class Query:
    """A request's query, with refusals in one service's manner."""

    def __init__(self, request: Request, refuse: Callable[[str], WireError] = invalid) -> None:
        self._query = request.query_params
        self._refuse = refuse

    def __contains__(self, name: str) -> bool:
        return name in self._query

    def items(self) -> list[tuple[str, str]]:
        return list(self._query.multi_items())

    def text(self, name: str) -> str:
        return self._query.get(name, "")

    def many(self, name: str) -> list[str]:
        """Return a repeated or comma-separated parameter."""
        return [part for value in self._query.getlist(name) for part in value.split(",") if part]

    def flag(self, name: str) -> bool | None:
        value = self._query.get(name)
        if value is None or value == "":
            return None
        if value.lower() not in ("true", "false", "1", "0"):
            raise self._refuse(f"{name} is {value!r}; expected true or false")
        return value.lower() in ("true", "1")

    def whole(self, name: str, default: int, *, least: int = 0, most: int | None = None) -> int:
        """Return a whole number; one above `most` counts as `most`, as at the venue."""
        value = self._query.get(name)
        if value is None or value == "":
            return default
        try:
            number = int(value)
        except ValueError as error:
            raise self._refuse(f"{name} is {value!r}; expected a whole number") from error
        if number < least:
            raise self._refuse(f"{name} is {number}; expected at least {least}")
        return number if most is None else min(number, most)

    def number(self, name: str) -> float | None:
        value = self._query.get(name)
        if value is None or value == "":
            return None
        try:
            return float(value)
        except ValueError as error:
            raise self._refuse(f"{name} is {value!r}; expected a number") from error

    def seconds(self, name: str) -> int | None:
        """Return Unix seconds."""
        return None if self.text(name) == "" else self.whole(name, 0)

    def instant(self, name: str) -> datetime | None:
        value = self._query.get(name)
        if value is None or value == "":
            return None
        text = value.replace("Z", "+00:00")
        if "T" in text:
            text = text.replace(" ", "+")  # a plus that came unescaped
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise self._refuse(f"{name} is {value!r}; expected a time like 2026-08-01T00:00:00Z") from error
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Service:
    """What the handlers of one service share."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.feed = world.feed
