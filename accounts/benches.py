"""R13: what it costs to find a key and to count its request, against one question to Redis and its answer."""

from collections.abc import Iterable

from django.test.utils import override_settings
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from accounts import counting
from accounts.api.authentication import ApiKeyAuthentication
from accounts.api.throttling import BucketThrottle
from accounts.api_keys import create_key
from accounts.models import User
from itomarkets.lib import clock
from itomarkets.lib.bench import Bench, Row, ratio
from itomarkets.lib.scopes import Scope

REQUESTS = 2_000
REDIS_HERE = "redis://127.0.0.1:6379/0"


@ratio("R13", target=4)
def what_a_key_costs(bench: Bench) -> Iterable[Row]:
    """Authenticate and count as the API does, on one connection; the bench's names in Redis are gone afterwards."""
    redis_url = bench.redis_url or REDIS_HERE
    caches = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache", "KEY_PREFIX": "bench:"}}
    # More than are asked: what is measured are requests that are let in.
    with override_settings(
        REDIS_URL=redis_url, CACHES=caches, API_KEY_RATE_PER_HOUR=10**9, API_USER_RATE_PER_HOUR=10**9
    ):
        user = User.objects.create(username="bench-keys", email="bench-keys@example.com")
        created = create_key(user=user, name="bench", scopes=[Scope.BASKETS_READ], environment="test", now=clock.now())
        buckets = counting.redis_buckets()
        assert buckets is not None
        request = APIRequestFactory().get("/api/v1/baskets", HTTP_AUTHORIZATION=f"Bearer {created.secret}")
        authentication = ApiKeyAuthentication()

        def enter() -> None:
            for _ in range(REQUESTS):
                asked = Request(request)
                assert authentication.authenticate(asked) is not None
                asked.user = user
                assert BucketThrottle().allow_request(asked, None)

        def ping() -> None:
            for _ in range(REQUESTS):
                buckets.client.ping()

        try:
            timing = bench.alternate(enter, ping)
        finally:
            names = list(buckets.client.scan_iter("bench:*"))
            if names:
                buckets.client.delete(*names)
    each, bare = (seconds / REQUESTS * 1e6 for seconds in (timing.seconds, timing.yardstick_seconds))
    yield bench.row(
        seconds=timing.seconds,
        yardstick_seconds=timing.yardstick_seconds,
        n=REQUESTS,
        note=f"{each:.0f} µs a request, {bare:.0f} a ping",
    )
