"""Parameters of the API read strictly: each refusal names the parameter, what was expected, and what was found."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from rest_framework.exceptions import ValidationError

SHOWN = 40
SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")


def read_choice(query: Mapping[str, str], name: str, choices: Iterable[str], *, default: str = "") -> str:
    """Return one of the choices, or the default where the parameter is not given."""
    text = query.get(name, "")
    known = list(choices)
    if text and text not in known:
        raise ValidationError({name: [f"Expected one of {', '.join(known)}; found {text[:SHOWN]!r}."]})
    return text or default


def read_text(query: Mapping[str, str], name: str, *, longest: int) -> str:
    text = query.get(name, "")
    if len(text) > longest:
        raise ValidationError({name: [f"Expected at most {longest} characters, found {len(text)}."]})
    if "\0" in text:
        raise ValidationError({name: ["Expected a text, found a zero byte in it."]})
    return text


def read_slug(query: Mapping[str, str], name: str) -> str:
    text = query.get(name, "")
    if text and not SLUG.fullmatch(text):
        raise ValidationError({name: [f"Expected a slug such as monetary-policy; found {text[:SHOWN]!r}."]})
    return text


def read_instant(query: Mapping[str, str], name: str) -> datetime | None:
    """Return an instant in UTC, or None where it is not given; a date is its midnight, a time needs its zone."""
    text = query.get(name, "")
    if not text:
        return None
    try:
        # A plus sign that was not escaped arrives as a space.
        moment = datetime.fromisoformat(text[:SHOWN].replace(" ", "+") + ("T00:00Z" if len(text) == 10 else ""))
        if moment.tzinfo is None or len(text) > SHOWN:
            raise ValueError(text)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValidationError(
            {name: [f"Expected an instant with its zone such as 2026-08-01T00:00:00Z; found {text[:SHOWN]!r}."]}
        ) from error


def read_count(query: Mapping[str, str], name: str, *, default: int, largest: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= largest):
        raise ValidationError({name: [f"Expected a whole number from 1 to {largest}; found {text[:SHOWN]!r}."]})
    return int(text)
