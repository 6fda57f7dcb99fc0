from django.urls import path

import baskets.api.converters  # noqa: F401
from baskets.api import views

urlpatterns = [
    path("baskets", views.BasketList.as_view(), name="api-basket-list"),
    path("baskets/<basket:basket_id>", views.BasketDetail.as_view(), name="api-basket-detail"),
    path("baskets/<basket:basket_id>/price", views.BasketPrice.as_view(), name="api-basket-price"),
    path("baskets/<basket:basket_id>/history", views.BasketHistory.as_view(), name="api-basket-history"),
    path("baskets/<basket:basket_id>/composition", views.BasketComposition.as_view(), name="api-basket-composition"),
    path("baskets/<basket:basket_id>/backfill", views.BasketBackfill.as_view(), name="api-basket-backfill"),
    path("backfills/<uuid:run_id>", views.BackfillDetail.as_view(), name="api-backfill"),
]
