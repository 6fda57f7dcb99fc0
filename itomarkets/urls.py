from django.contrib import admin
from django.urls import include, path

from itomarkets import views

urlpatterns = [
    path("health", views.health, name="health"),
    path("admin/", admin.site.urls),
    path("api/", include("itomarkets.api_urls")),
    path("", include("accounts.urls")),
    path("", include("markets.urls")),
    path("", include("categorization.urls")),
    path("", include("baskets.urls")),
    path("", include("trading.urls")),
]
