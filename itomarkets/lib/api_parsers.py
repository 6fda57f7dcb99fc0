"""What the API reads of a body: JSON of a bounded size and depth."""

from collections.abc import Mapping
from io import BytesIO
from typing import IO, Any

from django.conf import settings
from rest_framework import exceptions, parsers, status


class BodyTooLarge(exceptions.APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"
    default_detail = f"Expected a body of at most {settings.DATA_UPLOAD_MAX_MEMORY_SIZE:,} bytes."


class JsonParser(parsers.JSONParser):
    """The library's parser reads bodies of any size, and breaks on brackets nested too deep."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(most + 1)
        if len(body) > most:
            raise BodyTooLarge()
        try:
            return super().parse(BytesIO(body), media_type=media_type, parser_context=parser_context)
        except RecursionError as error:
            raise exceptions.ParseError("The JSON is nested too deep.") from error
