"""R4: a page of a hot list as the API serves it, by a key, scoped and counted, against the barest view of its rows."""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.http import HttpRequest, JsonResponse
from django.test import RequestFactory
from django.test.utils import override_settings

from accounts import counting
from accounts.api_keys import create_key
from accounts.models import User
from baskets.models import Basket, Composition
from itomarkets.lib import clock
from itomarkets.lib.bench import Bench, Row, ratio
from itomarkets.lib.scopes import Scope
from trading.api.serializers import FIELDS
from trading.api.views import TradeList
from trading.models import Trade

PAGE = 50
REQUESTS = 100
REDIS_HERE = "redis://127.0.0.1:6379/0"
# A page may take this much longer in the largest table than in the smallest.
MOST_GROWTH = 1.2


@ratio("R4", target=1.3)
def listing_trades(bench: Bench) -> Iterable[Row]:
    """Ask for a person's newest trades at growing sizes; the key is found and counted in Redis, as in production."""
    caches = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache", "KEY_PREFIX": "bench:"}}
    with override_settings(
        REDIS_URL=bench.redis_url or REDIS_HERE,
        CACHES=caches,
        API_KEY_RATE_PER_HOUR=10**9,
        API_USER_RATE_PER_HOUR=10**9,
        ALLOWED_HOSTS=["testserver"],
    ):
        user = User.objects.create(username="bench-lists", email="bench-lists@example.com")
        key = create_key(
            user=user, name="bench", scopes=[Scope.TRADES_READ], environment="live", now=clock.now()
        ).secret
        asked = RequestFactory().get("/api/v1/trades", {"limit": PAGE}, HTTP_AUTHORIZATION=f"Bearer {key}")
        view: Any = TradeList.as_view()

        def listed() -> None:
            for _ in range(REQUESTS):
                answer = view(asked).render()
                assert answer.status_code == 200

        def bare() -> None:
            for _ in range(REQUESTS):
                assert bare_list(asked, user).status_code == 200

        first = 0.0
        try:
            for size in (10_000, 100_000, 400_000) if bench.is_full else (10_000, 50_000):
                _fill(user, size)
                timing = bench.alternate(listed, bare)
                first = first or timing.seconds
                yield bench.row(
                    seconds=timing.seconds / REQUESTS,
                    yardstick_seconds=timing.yardstick_seconds / REQUESTS,
                    n=size,
                    also=timing.seconds <= first * MOST_GROWTH,
                    note=f"{PAGE} rows; {timing.seconds / first:.2f} of the smallest table's time",
                )
        finally:
            shared = counting.redis_buckets()
            names = list(shared.client.scan_iter("bench:*")) if shared is not None else []
            if shared is not None and names:
                shared.client.delete(*names)


def bare_list(request: HttpRequest, user: User) -> JsonResponse:
    rows = Trade.objects.filter(user=user).order_by("-created_at", "-id").values(*FIELDS)[:PAGE]
    return JsonResponse({"results": list(rows)})


def _fill(user: User, count: int) -> None:
    """Have this many trades of one person on one basket, a second apart; what an earlier size left is used."""
    now = clock.now()
    basket, _ = Basket.objects.get_or_create(
        slug="bench-list", defaults={"name": "Bench list", "created_at": now, "owner": user, "kind": Basket.Kind.CUSTOM}
    )
    composition, _ = Composition.objects.get_or_create(
        basket=basket,
        version=1,
        defaults={"effective_at": now, "reason": "bench", "divisor": 1, "divisor_net": 1, "value_after": 100},
    )
    have = Trade.objects.count()
    common: dict[str, Any] = {"user": user, "basket": basket, "composition": composition, "side": "yes"}
    common |= {"mode": "paper", "amount": Decimal(10), "worst_cost": Decimal(10)}
    Trade.objects.bulk_create(
        (
            Trade(**common, idempotency_key=uuid4().hex, created_at=now - timedelta(seconds=number))
            for number in range(have, count)
        ),
        batch_size=1_000,
    )
