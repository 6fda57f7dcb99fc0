"""Limits of API use: so many requests an hour for each key, and for each person's session."""

from django.conf import settings
from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.models import ApiKey
from itomarkets.lib import clock

HOUR_SECONDS = 3600


class KeyRateThrottle(BaseThrottle):
    """Count a caller's requests in the hour of the clock; the cache's `incr` is atomic, so racing ones all count."""

    retry_after_seconds: int | None = None

    def allow_request(self, request: Request, view: object) -> bool:
        if not (request.user and request.user.is_authenticated):
            return True
        if isinstance(request.auth, ApiKey):
            caller, limit = f"key:{request.auth.prefix}", request.auth.rate_limit_per_hour
        else:
            caller, limit = f"user:{request.user.pk}", settings.API_KEY_RATE_PER_HOUR
        hour, second = divmod(int(clock.now().timestamp()), HOUR_SECONDS)
        name = f"api-rate:{caller}:{hour}"
        # The entry also ends by the machine's time: under a stopped clock the limit still renews.
        cache.add(name, 0, timeout=HOUR_SECONDS)
        try:
            used = cache.incr(name)
        except ValueError:
            # The entry ended between the two calls; this request begins the next count.
            cache.set(name, 1, timeout=HOUR_SECONDS)
            used = 1
        if used <= limit:
            return True
        self.retry_after_seconds = max(HOUR_SECONDS - second, 1)
        return False

    def wait(self) -> float | None:
        return self.retry_after_seconds
