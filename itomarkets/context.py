"""What the frame of every page needs."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def frame(request: HttpRequest) -> dict[str, Any]:
    return {"VENUES": settings.VENUES, "request_id": getattr(request, "request_id", "")}
