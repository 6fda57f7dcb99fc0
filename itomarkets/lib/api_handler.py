"""One shape for every API error: `{code, detail, errors?, request_id}`."""

from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler

from itomarkets.lib.api_parsers import BodyTooLarge


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn DRF's and Django's exceptions into the one error shape; others become a 500 page."""
    if isinstance(error, RequestDataTooBig):
        error = BodyTooLarge()
    response = drf_exception_handler(error, context)
    if response is None:
        return None
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    request = context.get("request")
    body: dict[str, Any] = {
        "code": getattr(error, "default_code", "error"),
        "detail": "The request has errors; see `errors`.",
        "request_id": getattr(request, "request_id", "") if request is not None else "",
    }
    if isinstance(error, exceptions.ValidationError):
        body["code"] = "invalid"
        body["errors"] = error.detail if isinstance(error.detail, dict) else {"non_field_errors": error.detail}
    else:
        codes = error.get_codes() if isinstance(error, exceptions.APIException) else body["code"]
        body["code"] = codes if isinstance(codes, str) else body["code"]
        body["detail"] = str(getattr(error, "detail", error))
    response.data = body
    return response
