from django.urls import URLPattern, path

import markets.api.converters  # noqa: F401
from markets.api.views import MarketHistory

urlpatterns: list[URLPattern] = [
    path("markets/<market:market_id>/history", MarketHistory.as_view(), name="api-market-history"),
]
