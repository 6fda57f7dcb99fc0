from django.urls import URLPattern, path

import baskets.api.converters  # noqa: F401
from trading.api import views

urlpatterns: list[URLPattern] = [
    path("baskets/<basket:basket_id>/quotes", views.QuoteList.as_view(), name="api-basket-quotes"),
    path("baskets/<basket:basket_id>/trades", views.BasketTrades.as_view(), name="api-basket-trades"),
    path("trades", views.TradeList.as_view(), name="api-trade-list"),
    path("trades/<uuid:trade_id>", views.TradeDetail.as_view(), name="api-trade-detail"),
    path("trades/<uuid:trade_id>/choices", views.TradeChoices.as_view(), name="api-trade-choices"),
    path("accounts/<str:kind>/<str:mode>/cash", views.AccountCash.as_view(), name="api-account-cash"),
    path("positions", views.PositionList.as_view(), name="api-position-list"),
    path("exposure", views.ExposureView.as_view(), name="api-exposure"),
]
