"""Pages of the roof: health, status, methodology and errors."""

from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from itomarkets.context import venue_health
from itomarkets.lib import clock
from itomarkets.records.models import JobRun
from markets.models import SyncRun

# Each job of the schedule: what it is called for people, and how long it may be silent.
JOBS = (
    ("sync_pipeline", "Fetch markets from both venues and sort them into themes", timedelta(hours=26)),
    ("record_prices", "Record a price of every basket", timedelta(minutes=5)),
    ("reconcile", "Ask the venues how open orders ended", timedelta(minutes=5)),
    ("settle", "Pay out positions in decided markets", timedelta(minutes=15)),
)


@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """Say that this process answers; a load balancer asks."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def status(request: HttpRequest) -> HttpResponse:
    """Show how old everything is: prices, syncs, jobs."""
    now = clock.now()
    newest: dict[str, JobRun] = {}
    for run in JobRun.objects.exclude(status=JobRun.Status.SKIPPED).order_by("-id")[:400]:
        newest.setdefault(run.name, run)
    known = {suffix: (title, limit) for suffix, title, limit in JOBS}
    rows = []
    for name, run in sorted(newest.items()):
        title, limit = known.get(name.rpartition(".")[2], (name.rpartition(".")[2].replace("_", " "), None))
        late = limit is not None and now - run.started_at > limit
        rows.append({"title": title, "name": name, "run": run, "late": late})
    context = {
        "venues": venue_health(now),
        "jobs": rows,
        "syncs": list(SyncRun.objects.all()[:8]),
        "failing": any(row["late"] or row["run"].status == JobRun.Status.FAILED for row in rows),  # type: ignore[attr-defined]
        "show_errors": request.user.is_authenticated and request.user.is_staff,
        "now": now,
    }
    return render(request, "roof/status.html", context)


@require_safe
def methodology(request: HttpRequest) -> HttpResponse:
    return render(request, "roof/methodology.html", {"limits": settings.TRADE_LIMITS})


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, 400, "bad_request", "The request could not be read.")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, 403, "permission_denied", "This is not open to you.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, 404, "not_found", "There is nothing here.")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return _error(request, 403, "csrf", "The CSRF token is missing or wrong.", page="403_csrf.html")


def _error(request: HttpRequest, status: int, code: str, detail: str, *, page: str = "") -> HttpResponse:
    """Answer a person with a page and a program, under /api/, with the one error shape."""
    if request.path.startswith("/api/"):
        return api_error(request, status, code, detail)
    return render(request, page or f"{status}.html", status=status)


def api_error(request: HttpRequest, status: int, code: str, detail: str) -> JsonResponse:
    body = {"code": code, "detail": detail, "request_id": getattr(request, "request_id", "")}
    return JsonResponse(body, status=status)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer after a fault of ours: no context processor, no database, nothing that can fail again."""
    if request.path.startswith("/api/"):
        return api_error(request, 500, "error", "Something broke on our side; name the request id if you write to us.")
    page = render_to_string("500.html", {"reference": getattr(request, "request_id", "")})
    return HttpResponse(page, status=500)
