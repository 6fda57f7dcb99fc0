"""Limits of API use: so many requests an hour for each key, and for each person's session."""

import logging
import threading

from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.models import ApiKey
from itomarkets.lib import clock
from itomarkets.lib.api_errors import Unavailable

HOUR_SECONDS = 3600
RETRY_SECONDS = 5
log = logging.getLogger(__name__)


class LocalCounts:
    """Counts of this process for the hour that runs: what is left to count with while Redis is gone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hour = 0
        self._counts: dict[str, int] = {}

    def add(self, caller: str, hour: int) -> int:
        with self._lock:
            if hour != self._hour:
                self._hour, self._counts = hour, {}
            self._counts[caller] = self._counts.get(caller, 0) + 1
            return self._counts[caller]


local_counts = LocalCounts()


class KeyRateThrottle(BaseThrottle):
    """Count a caller's requests in the hour of the clock; the cache's `incr` is atomic, so racing ones all count.

    Where the cache cannot be asked, a view that moves money (`moves_money` names its methods) is closed: it must not
    run uncounted. Every other one goes on with the counts of its process.
    """

    retry_after_seconds: int | None = None

    def allow_request(self, request: Request, view: object) -> bool:
        if not (request.user and request.user.is_authenticated):
            return True
        if isinstance(request.auth, ApiKey):
            caller, limit = f"key:{request.auth.prefix}", request.auth.rate_limit_per_hour
        else:
            caller, limit = f"user:{request.user.pk}", settings.API_KEY_RATE_PER_HOUR
        hour, second = divmod(int(clock.now().timestamp()), HOUR_SECONDS)
        try:
            used = _count(f"api-rate:{caller}:{hour}")
        except (RedisError, OSError) as error:
            log.error("API use cannot be counted: %s", error)
            if request.method in getattr(view, "moves_money", ()):
                raise Unavailable(
                    "Requests that move money are closed while they cannot be counted. Nothing was sent; try again.",
                    wait=RETRY_SECONDS,
                ) from error
            used = local_counts.add(caller, hour)
        if used <= limit:
            return True
        self.retry_after_seconds = max(HOUR_SECONDS - second, 1)
        return False

    def wait(self) -> float | None:
        return self.retry_after_seconds


def _count(name: str) -> int:
    # The entry also ends by the machine's time: under a stopped clock the limit still renews.
    cache.add(name, 0, timeout=HOUR_SECONDS)
    try:
        return int(cache.incr(name))
    except ValueError:
        # The entry ended between the two calls; this request begins the next count.
        cache.set(name, 1, timeout=HOUR_SECONDS)
        return 1
