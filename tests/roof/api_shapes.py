"""Compare an answer with the serializer that declares it: no field too few, none too many, each of its kind."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from rest_framework import serializers


def misfits(field: Any, value: Any, at: str = "$") -> Iterator[str]:
    """Yield a sentence for each place where a value is not what its field says."""
    if value is None:
        if not field.allow_null:
            yield f"{at} is null"
    elif isinstance(field, serializers.ListSerializer | serializers.ListField):
        if not isinstance(value, list):
            yield f"{at} is no list: {value!r}"
            return
        for place, item in enumerate(value):
            yield from misfits(field.child, item, f"{at}[{place}]")
    elif isinstance(field, serializers.Serializer):
        if set(value) != set(field.fields):
            yield f"{at} has other fields: {sorted(set(value) ^ set(field.fields))}"
        for name in set(value) & set(field.fields):
            yield from misfits(field.fields[name], value[name], f"{at}.{name}")
    elif not fits(field, value):
        yield f"{at} is no {type(field).__name__}: {value!r}"


def fits(field: Any, value: Any) -> bool:
    if isinstance(field, serializers.DecimalField):
        return isinstance(value, str) and "E" not in value.upper() and is_read(Decimal, value)
    if isinstance(field, serializers.DateTimeField):
        return isinstance(value, str) and value.endswith("Z") and is_read(datetime.fromisoformat, value)
    if isinstance(field, serializers.UUIDField):
        return isinstance(value, str) and is_read(UUID, value)
    if isinstance(field, serializers.ChoiceField):
        return value in field.choices or (field.allow_blank and value == "")
    if isinstance(field, serializers.BooleanField):
        return isinstance(value, bool)
    if isinstance(field, serializers.IntegerField):
        return isinstance(value, int) and not isinstance(value, bool)
    assert isinstance(field, serializers.CharField), field
    return isinstance(value, str) and (value != "" or field.allow_blank)


def is_read(read: Any, text: str) -> bool:
    try:
        read(text)
    except (ValueError, InvalidOperation):
        return False
    return True
