"""Pages of the roof: health, status, methodology and errors."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q, Subquery
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from baskets.published import published
from itomarkets.context import venue_health
from itomarkets.lib import clock
from itomarkets.records.models import JobRun
from markets.models import SyncRun
from markets.streams.desk import stream_statuses

# Each job of the schedule: its runs' name, what it is called for people, and how long it may be silent.
JOBS = (
    ("sync_pipeline", "Fetch markets from both venues and sort them into themes", timedelta(hours=26)),
    ("record_prices", "Record a price of every basket", timedelta(minutes=5)),
    ("trading.reconcile", "Ask the venues how open orders ended", timedelta(minutes=5)),
    ("trading.settle", "Pay out positions in decided markets", timedelta(minutes=15)),
)
OTHER_RUNS = 100


@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """Say that this process answers; a load balancer asks."""
    return JsonResponse({"status": "ok"})


@dataclass(frozen=True)
class JobRow:
    """A job's newest run, or None while it has never run."""

    title: str
    run: JobRun | None
    late: bool

    @property
    def failed(self) -> bool:
        return self.run is not None and self.run.status == JobRun.Status.FAILED


def job_rows(now: datetime) -> list[JobRow]:
    """List the scheduled jobs, those without a run too, then what else ran lately; empty before anything ran."""
    runs = JobRun.objects.exclude(status=JobRun.Status.SKIPPED)
    others = runs.exclude(name__in=[name for name, _, _ in JOBS]).order_by("-id")
    wanted = Q(pk__in=Subquery(others.values("pk")[:OTHER_RUNS]))
    for name, _, _ in JOBS:
        # However many runs other jobs have had since: one step in the index of names.
        wanted |= Q(pk=Subquery(runs.filter(name=name).order_by("-started_at").values("pk")[:1]))
    newest: dict[str, JobRun] = {}
    for run in runs.filter(wanted).order_by("-id"):
        newest.setdefault(run.name, run)
    if not newest:
        return []
    rows = []
    for name, title, limit in JOBS:
        known = newest.pop(name, None)
        rows.append(JobRow(title, known, late=known is not None and now - known.started_at > limit))
    return rows + [JobRow(name.replace("_", " "), run, late=False) for name, run in sorted(newest.items())]


@require_safe
@never_cache
def status(request: HttpRequest) -> HttpResponse:
    """Show how old everything is: prices, syncs, jobs."""
    now = clock.now()
    rows = job_rows(now)
    context = {
        "venues": venue_health(now),
        "quotes": stream_statuses(now),
        "jobs": rows,
        "syncs": list(SyncRun.objects.all()[:8]),
        "failing": any(row.late or row.failed for row in rows),
        "show_errors": request.user.is_authenticated and request.user.is_staff,
        "now": now,
    }
    return render(request, "roof/status.html", context)


@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    """Send pages without an icon of their own, the admin's, to ours."""
    return redirect(static("img/favicon.svg"))


@require_safe
def methodology(request: HttpRequest) -> HttpResponse:
    """Tell the method with its own numbers, and how the last nightly replay went."""
    replay = (
        JobRun.objects.filter(name="replay_sample", status__in=(JobRun.Status.DONE, JobRun.Status.FAILED))
        .order_by("-pk")
        .first()
    )
    context = {"limits": settings.TRADE_LIMITS, "method": published(), "replay": replay}
    return render(request, "roof/methodology.html", context)


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
