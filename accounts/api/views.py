"""Keys, for our own pages: a session and CSRF, never a key, may mint a key."""

from datetime import timedelta

from django.shortcuts import get_object_or_404
from rest_framework import status
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import PageSessionAuthentication
from accounts.api.serializers import (
    ApiKeySerializer,
    NewKeySerializer,
    NewKeyShape,
    RotationSerializer,
    UsageShape,
)
from accounts.api_keys import CreatedKey, KeyRefused, create_key, revoke_key, rotate_key, usage_of
from accounts.models import ApiKey
from accounts.people import person_of
from accounts.stepup import needs_step_up
from itomarkets.lib import clock
from itomarkets.lib.api_errors import Conflict
from itomarkets.lib.api_views import ApiView


class StepUpNeeded(PermissionDenied):
    default_code = "step_up_needed"
    default_detail = (
        "A key that may trade needs a fresh sign-in: confirm it is you at /account/reauthenticate, then ask again."
    )


class _KeyView(ApiView):
    """Open to the pages' sessions alone."""

    authentication_classes = (PageSessionAuthentication,)
    permission_classes = (IsAuthenticated,)

    def own_key(self, request: Request, prefix: str) -> ApiKey:
        return get_object_or_404(ApiKey, user=person_of(request), prefix=prefix)


class ApiKeyList(_KeyView):
    """GET: the caller's keys, the newest first. POST: make one; its secret is in this answer and never again."""

    is_list = True
    answers = {"GET": ApiKeySerializer, "POST": NewKeyShape}
    accepts = {"POST": NewKeySerializer}

    def get(self, request: Request) -> Response:
        rows = ApiKey.objects.filter(user=person_of(request)).select_related("replaces")
        return Response({"results": ApiKeySerializer(rows, many=True).data, "next": None, "previous": None})

    def post(self, request: Request) -> Response:
        wanted = NewKeySerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        values = wanted.validated_data
        if needs_step_up(request._request, scopes=values["scopes"]):
            raise StepUpNeeded()
        try:
            created = create_key(
                user=person_of(request),
                now=clock.now(),
                request_id=getattr(request, "request_id", ""),
                **values,
            )
        except KeyRefused as error:
            raise ValidationError({"non_field_errors": [str(error)]}) from error
        return _shown_once(created)


class ApiKeyDetail(_KeyView):
    """DELETE: revoke a key; programs that use it get 401 from now on."""

    def delete(self, request: Request, prefix: str) -> Response:
        try:
            revoke_key(
                user=person_of(request), prefix=prefix, now=clock.now(), request_id=getattr(request, "request_id", "")
            )
        except ApiKey.DoesNotExist as error:
            raise NotFound() from error
        return Response(status=status.HTTP_204_NO_CONTENT)


class ApiKeyRotation(_KeyView):
    """POST: make the key that follows this one; both work until the overlap is over."""

    answers = {"POST": NewKeyShape}
    accepts = {"POST": RotationSerializer}

    def post(self, request: Request, prefix: str) -> Response:
        row = self.own_key(request, prefix)
        wanted = RotationSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        if needs_step_up(request._request, scopes=row.scopes):
            raise StepUpNeeded()
        try:
            created = rotate_key(
                user=person_of(request),
                prefix=prefix,
                overlap=timedelta(hours=wanted.validated_data["overlap_hours"]),
                now=clock.now(),
                request_id=getattr(request, "request_id", ""),
            )
        except KeyRefused as error:
            raise Conflict(str(error), "key_refused") from error
        return _shown_once(created)


class ApiKeyUse(_KeyView):
    """GET: how often a key was let in, in all and by day. Uses of the last minute may be missing."""

    answers = {"GET": UsageShape}

    def get(self, request: Request, prefix: str) -> Response:
        row = self.own_key(request, prefix)
        return Response(
            {
                "prefix": row.prefix,
                "total": row.use_count,
                "last_used_at": row.last_used_at,
                "days": [{"day": day, "count": count} for day, count in usage_of(row)],
            }
        )


def _shown_once(created: CreatedKey) -> Response:
    return Response({**ApiKeySerializer(created.row).data, "key": created.secret}, status=status.HTTP_201_CREATED)
