"""`/api/cron/…`: a scheduler outside asks for a job by one shared secret, and polls how it went."""

import hmac
import logging
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.shortcuts import get_object_or_404
from kombu.exceptions import OperationalError
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from baskets.tasks import record_prices_task
from itomarkets import tasks
from itomarkets.lib import clock
from itomarkets.lib.api_errors import Unavailable
from itomarkets.lib.api_views import ApiView
from itomarkets.records.jobs import ask_for_run
from itomarkets.records.models import JobRun

logger = logging.getLogger(__name__)

# What may be asked for: the path's last part, the job's name, and how its worker is told.
JOBS: Mapping[str, tuple[str, Callable[[int], Any]]] = {
    "sync-markets": ("sync_pipeline", lambda run_id: tasks.sync_pipeline.delay(full=True, run_id=run_id)),
    "record-prices": ("record_prices", lambda run_id: record_prices_task.delay(run_id=run_id)),
}


class CronRunShape(serializers.ModelSerializer[JobRun]):
    """A run that was asked for. `report` is what the job counted, `error` why it failed."""

    class Meta:
        model = JobRun
        fields = ("id", "name", "status", "started_at", "finished_at", "report", "error")


class _CronView(ApiView):
    """Open to whoever sends `Authorization: Bearer CRON_SECRET`; closed where none is set."""

    authentication_classes = ()
    permission_classes = ()

    def check_permissions(self, request: Request) -> None:
        require_secret(request)

    def get_authenticate_header(self, request: Request) -> str:
        return "Bearer"


class CronJobView(_CronView):
    """POST: run a job now. 202 with its run; the one that is queued or under way where there is one."""

    answers = {"POST": CronRunShape}

    def post(self, request: Request, job: str) -> Response:
        name, tell = JOBS[job]
        run, is_new = ask_for_run(name, now=clock.now())
        if is_new:
            try:
                tell(run.pk)
            except (OperationalError, OSError) as error:
                logger.error("%s: no worker could be told: %s", name, error)
                JobRun.objects.filter(pk=run.pk, status=JobRun.Status.QUEUED).update(
                    status=JobRun.Status.FAILED, finished_at=clock.now(), error="No worker could be told."
                )
                raise Unavailable("The queue of jobs cannot be reached. Try again in a minute.", wait=60) from error
        answer = Response(CronRunShape(run).data, status=202)
        answer["Location"] = f"/api/cron/runs/{run.pk}"
        return answer


class CronRunView(_CronView):
    """GET: how a run stands."""

    answers = {"GET": CronRunShape}

    def get(self, request: Request, run_id: int) -> Response:
        names = [name for name, _ in JOBS.values()]
        return Response(CronRunShape(get_object_or_404(JobRun, pk=run_id, name__in=names)).data)


def require_secret(request: Request) -> None:
    """Raise unless the request carries the secret; compared in constant time, as bytes."""
    if not settings.CRON_SECRET:
        raise Unavailable("Cron endpoints are closed: this server has no CRON_SECRET. Set one, then call again.")
    scheme, _, told = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not told:
        raise NotAuthenticated("Expected the header `Authorization: Bearer` with the server's CRON_SECRET.")
    if not hmac.compare_digest(told.encode("utf-8", "surrogateescape"), settings.CRON_SECRET.encode()):
        raise AuthenticationFailed("This is not the server's CRON_SECRET.")
