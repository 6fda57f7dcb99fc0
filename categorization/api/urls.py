from django.urls import URLPattern, path

import markets.api.converters  # noqa: F401
from categorization.api import views

urlpatterns: list[URLPattern] = [
    path("markets/search", views.MarketSearch.as_view(), name="api-market-search"),
    path("markets/facets", views.MarketFacets.as_view(), name="api-market-facets"),
    path("markets/<market:market_id>", views.MarketDetail.as_view(), name="api-market-detail"),
    path(
        "markets/<market:market_id>/classification",
        views.MarketClassification.as_view(),
        name="api-market-classification",
    ),
    path("themes", views.ThemeList.as_view(), name="api-theme-list"),
    path("factors", views.FactorList.as_view(), name="api-factor-list"),
]
