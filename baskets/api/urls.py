from django.urls import path

from baskets.api import views

urlpatterns = [
    path("baskets", views.BasketList.as_view(), name="api-basket-list"),
    path("baskets/<int:pk>", views.BasketDetail.as_view(), name="api-basket-detail"),
    path("baskets/<int:pk>/price", views.BasketPrice.as_view(), name="api-basket-price"),
]
