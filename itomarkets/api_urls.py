from django.urls import include, path

urlpatterns = [
    path("internal/", include("accounts.api.urls")),
    path("v1/", include("markets.api.urls")),
    path("v1/", include("baskets.api.urls")),
    path("v1/", include("trading.api.urls")),
]
