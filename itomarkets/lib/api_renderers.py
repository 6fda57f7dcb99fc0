"""How an answer becomes bytes: decimals as plain strings, times in UTC with a Z."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson
from rest_framework.renderers import BaseRenderer


class JsonRenderer(BaseRenderer):
    """JSON by orjson: several times as quick as the standard library on a page of rows."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        if data is None:
            return b""
        try:
            return orjson.dumps(data, default=plain, option=orjson.OPT_UTC_Z)
        except TypeError:
            # Errors of a list are told by the place in it: a number, which JSON's keys must write as a text.
            return orjson.dumps(data, default=plain, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)


def plain(value: Any) -> Any:
    """Write what JSON has no word for: a decimal is never a number, which a client would read as a float."""
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
