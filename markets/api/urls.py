from django.urls import URLPattern, path

from markets.api.views import MarketSearchView

urlpatterns: list[URLPattern] = [path("markets/search", MarketSearchView.as_view(), name="api-market-search")]
