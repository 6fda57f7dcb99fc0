"""`/api/v1/status`: how old everything is, for programs that must know before they act."""

from typing import Any

from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from itomarkets.context import venue_health
from itomarkets.lib import clock
from itomarkets.lib.api_views import ApiView
from itomarkets.records.models import JobRun
from itomarkets.views import job_rows
from markets.models import QuoteStream
from markets.streams.desk import stream_statuses

Shape = serializers.Serializer[Any]


class VenueHealthShape(Shape):
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=["live", "stale", "dead"])
    says = serializers.CharField()


class QuotesShape(Shape):
    """How a venue's order books come: told over a socket, asked for, or not at all; `is_running` is false while no
    process does either, and the minute's polling is all there is."""

    name = serializers.CharField()
    state = serializers.ChoiceField(choices=QuoteStream.State.choices)
    is_running = serializers.BooleanField()
    reason = serializers.CharField(allow_blank=True)
    since = serializers.DateTimeField(allow_null=True)
    data_at = serializers.DateTimeField(allow_null=True)
    data_age_seconds = serializers.IntegerField(allow_null=True)
    markets = serializers.IntegerField()
    connections = serializers.IntegerField()


class JobShape(Shape):
    """A background job's newest run; null times while it has never run."""

    title = serializers.CharField()
    status = serializers.ChoiceField(choices=JobRun.Status.choices, allow_null=True)
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    late = serializers.BooleanField()


class StatusShape(Shape):
    """`ok` while every venue's prices are live and no job is late or has failed."""

    now = serializers.DateTimeField()
    status = serializers.ChoiceField(choices=["ok", "degraded"])
    venues = VenueHealthShape(many=True)
    quotes = QuotesShape(many=True)
    jobs = JobShape(many=True)


class StatusView(ApiView):
    """GET: the venues' newest prices and the jobs' newest runs. Any working key or session may ask."""

    permission_classes = [IsAuthenticated]
    answers = {"GET": StatusShape}

    def get(self, request: Request) -> Response:
        now = clock.now()
        venues = venue_health(now)
        jobs = job_rows(now)
        failing = any(venue.state != "live" for venue in venues) or any(job.late or job.failed for job in jobs)
        return Response(
            {
                "now": now,
                "status": "degraded" if failing else "ok",
                "venues": [{"name": venue.name, "state": venue.state, "says": venue.says} for venue in venues],
                "quotes": [
                    {
                        "name": row.venue.label,
                        "state": row.state,
                        "is_running": row.is_running,
                        "reason": row.reason,
                        "since": row.since,
                        "data_at": row.data_at,
                        "data_age_seconds": row.data_age_seconds(now),
                        "markets": row.markets,
                        "connections": row.connections,
                    }
                    for row in stream_statuses(now)
                ],
                "jobs": [
                    {
                        "title": job.title,
                        "status": job.run.status if job.run else None,
                        "started_at": job.run.started_at if job.run else None,
                        "finished_at": job.run.finished_at if job.run else None,
                        "late": job.late,
                    }
                    for job in jobs
                ],
            }
        )
