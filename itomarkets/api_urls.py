from django.urls import include, path

from itomarkets.api import StatusView
from itomarkets.cron import JOBS, CronJobView, CronRunView

urlpatterns = [
    *(path(f"cron/{job}", CronJobView.as_view(), {"job": job}, name=f"cron-{job}") for job in JOBS),
    path("cron/runs/<int:run_id>", CronRunView.as_view(), name="cron-run"),
    path("internal/", include("accounts.api.urls")),
    path("suggestions/", include("baskets.api.suggestion_urls")),
    path("v1/", include("markets.api.urls")),
    path("v1/", include("categorization.api.urls")),
    path("v1/", include("baskets.api.urls")),
    path("v1/", include("trading.api.urls")),
    path("v1/status", StatusView.as_view(), name="api-status"),
]
