"""Limits of API use: a token bucket for each key, each person, and each address that nobody vouches for."""

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts import counting
from accounts.door import person_limit
from itomarkets.lib.addresses import address_of, caller_network
from itomarkets.lib.api_errors import Unavailable
from itomarkets.lib.buckets import Limit, Taken

RETRY_SECONDS = 5


class BucketThrottle(BaseThrottle):
    """Count a request, or read how it was counted when its key was found.

    Where Redis cannot be asked, a view that moves money (`moves_money` names its methods) is closed: it must not run
    uncounted. Every other one goes on with the buckets of its process.
    """

    def __init__(self) -> None:
        self._taken: Taken | None = None

    def allow_request(self, request: Request, view: object) -> bool:
        self._taken = getattr(request, "taken", None) or counting.take([_limit_of(request)])
        # The view writes the headers from it.
        request.taken = self._taken  # type: ignore[attr-defined]
        is_closed = settings.REDIS_URL and not self._taken.is_shared
        if is_closed and request.method in getattr(view, "moves_money", ()):
            raise Unavailable(
                "Requests that move money are closed while they cannot be counted. Nothing was sent; try again.",
                wait=RETRY_SECONDS,
            )
        return self._taken.allowed

    def wait(self) -> float | None:
        return None if self._taken is None else self._taken.wait_seconds


def _limit_of(request: Request) -> Limit:
    if request.user is not None and request.user.is_authenticated:
        return person_limit(request.user.pk)
    network = caller_network(address_of(request))
    return Limit(f"address:{network}", "address", settings.API_ADDRESS_RATE_PER_HOUR)
