from django.contrib import admin
from django.urls import include, path

from itomarkets import views
from itomarkets.api_docs import views as api_docs

admin.site.site_header = admin.site.site_title = "Itô Markets"
admin.site.index_title = "Review and records"

urlpatterns = [
    path("health", views.health, name="health"),
    path("status", views.status, name="status"),
    path("methodology", views.methodology, name="methodology"),
    path("favicon.ico", views.favicon),
    path("admin/", admin.site.urls),
    path("api-docs", api_docs.api_docs, name="api-docs"),
    path("api-docs/try", api_docs.api_try, name="api-try"),
    path("api-docs/openapi.json", api_docs.openapi, name="openapi"),
    path("api/", include("itomarkets.api_urls")),
    path("", include("accounts.urls")),
    path("", include("markets.urls")),
    path("", include("categorization.urls")),
    path("", include("baskets.urls")),
    path("", include("trading.urls")),
]
handler400 = "itomarkets.views.bad_request"
handler403 = "itomarkets.views.forbidden"
handler404 = "itomarkets.views.not_found"
handler500 = "itomarkets.views.server_error"
