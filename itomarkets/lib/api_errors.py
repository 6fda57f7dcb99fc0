"""Errors of the API that the library has no class for; `api_handler` writes them in the one shape."""

from rest_framework import exceptions, status


class Refusal(exceptions.APIException):
    """An answer that names its reason by a code, and where waiting helps, for how many seconds."""

    def __init__(self, detail: str | None = None, code: str | None = None, *, wait: int | None = None) -> None:
        super().__init__(detail, code)
        # The library writes Retry-After from it.
        self.wait = wait


class BadRequest(Refusal):
    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "bad_request"
    default_detail = "The request could not be read."


class Conflict(Refusal):
    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"
    default_detail = "The request does not fit the state that the resource is in."


class Unprocessable(Refusal):
    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "unprocessable"
    default_detail = "The request was understood, but cannot be carried out."


class Unavailable(Refusal):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "unavailable"
    default_detail = "This cannot be served for the moment; try again."
