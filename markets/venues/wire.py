"""Reading a venue's JSON: exact numbers, aware times, lists that come inside strings. Pure functions.

Each raises VenueProtocolError that names the field, what was expected and what was found.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

import orjson

from itomarkets.lib.venues import VenueProtocolError

ONE = Decimal(1)
ZERO = Decimal(0)
MICRO = Decimal("0.000001")
# What a MoneyField holds; a larger figure is a venue's mistake.
LARGEST = Decimal(10) ** 12


def text_of(row: Mapping[str, Any], *names: str, longest: int | None = None) -> str:
    """Return the first of the fields that holds text, without the characters that PostgreSQL refuses."""
    for name in names:
        value = row.get(name)
        if value is not None and value != "":
            text = str(value).replace("\x00", "").strip()
            if text:
                return text if longest is None else text[:longest]
    return ""


def key_of(row: Mapping[str, Any], name: str, longest: int = 120) -> str:
    """Return an id that must be there."""
    value = row.get(name)
    key = "" if value is None else str(value).strip()
    if not key or len(key) > longest or "\x00" in key:
        raise VenueProtocolError(f"{name}: expected an id of 1 to {longest} characters, found {value!r}.")
    return key


def decimal_of(row: Mapping[str, Any], name: str) -> Decimal | None:
    """Return a number exactly as it was written; None where the venue gave none.

    JSON numbers arrive as floats; their shortest text is what stood on the wire.
    """
    value = row.get(name)
    if value is None or value == "":
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or isinstance(value, bool):
        raise VenueProtocolError(f"{name}: expected a decimal number, found {value!r}.")
    return number


def money_of(row: Mapping[str, Any], *names: str) -> Decimal | None:
    """Return the first amount given, at six places; figures below zero count as zero."""
    for name in names:
        number = decimal_of(row, name)
        if number is not None:
            if number > LARGEST:
                raise VenueProtocolError(f"{name}: expected an amount below {LARGEST:f}, found {number}.")
            return max(ZERO, number).quantize(MICRO, rounding=ROUND_HALF_EVEN)
    return None


def price_of(row: Mapping[str, Any], name: str) -> Decimal | None:
    """Return a price strictly between 0 and 1 at six places; None where there is none.

    0 and 1 are how both venues write "nobody quotes this side" and "never traded".
    """
    number = decimal_of(row, name)
    if number is None or number in (ZERO, ONE):
        return None
    if not ZERO < number < ONE:
        raise VenueProtocolError(f"{name}: expected a price from 0 to 1 dollars, found {number}.")
    rounded = number.quantize(MICRO, rounding=ROUND_HALF_EVEN)
    return rounded if ZERO < rounded < ONE else None


def instant_of(row: Mapping[str, Any], *names: str) -> datetime | None:
    """Return the first time given, aware, in UTC; a bare date is its midnight in UTC.

    Year 1 is how Go programs write "never".
    """
    for name in names:
        value = row.get(name)
        if value is None or value == "":
            continue
        try:
            instant = datetime.fromisoformat(str(value))
        except ValueError as error:
            raise VenueProtocolError(f"{name}: expected a time as in RFC 3339, found {value!r}.") from error
        if instant.year == 1:
            continue
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    return None


def list_of(row: Mapping[str, Any], name: str) -> list[Any]:
    """Return a list that may come as a list, as a string that holds JSON, as null or as ""."""
    value = row.get(name)
    if isinstance(value, str):
        if not value.strip():
            return []
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise VenueProtocolError(f"{name}: expected a list, found {value[:80]!r}.") from error
    if value is None:
        return []
    if not isinstance(value, list):
        raise VenueProtocolError(f"{name}: expected a list, found {str(value)[:80]!r}.")
    return value


def one_of(row: Mapping[str, Any], name: str, known: Mapping[str, Any], default: str = "") -> Any:
    """Translate a word of the venue; a word that we do not know is named in the error."""
    value = row.get(name)
    word = default if value is None else str(value)
    if word not in known:
        expected = ", ".join(repr(item) for item in known)
        raise VenueProtocolError(f"{name}: expected one of {expected}; found {word!r}. Teach the parser this word.")
    return known[word]


def mapping_of(value: Any, what: str) -> Mapping[str, Any]:
    """Return a JSON object, or say that it is none."""
    if not isinstance(value, dict):
        raise VenueProtocolError(f"{what}: expected a JSON object, found {str(value)[:80]!r}.")
    return value


def rows_of(body: Any, name: str) -> list[Any]:
    """Return the list that an answer promises under `name`; null is an empty list."""
    value = mapping_of(body, "answer").get(name, ...)
    if value is None:
        return []
    if not isinstance(value, list):
        found = "nothing" if value is ... else str(value)[:80]
        raise VenueProtocolError(f"answer: expected a list under {name!r}, found {found!r}.")
    return value
