"""Keys, for our own pages: a session and CSRF, never a key, may mint a key."""

from rest_framework import status
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.authentication import PageSessionAuthentication
from accounts.api.serializers import ApiKeySerializer, NewKeySerializer
from accounts.api_keys import KeyRefused, create_key, revoke_key
from accounts.models import ApiKey
from accounts.people import person_of
from accounts.stepup import needs_step_up
from itomarkets.lib import clock


class StepUpNeeded(PermissionDenied):
    default_code = "step_up_needed"
    default_detail = (
        "A key that may trade needs a fresh sign-in: confirm it is you at /account/reauthenticate, then ask again."
    )


class ApiKeyList(APIView):
    authentication_classes = [PageSessionAuthentication]
    permission_classes = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        rows = ApiKey.objects.filter(user=person_of(request))
        return Response({"results": ApiKeySerializer(rows, many=True).data})

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
        body = {**ApiKeySerializer(created.row).data, "key": created.secret}
        return Response(body, status=status.HTTP_201_CREATED)


class ApiKeyDetail(APIView):
    authentication_classes = [PageSessionAuthentication]
    permission_classes = [IsAuthenticated]

    def delete(self, request: Request, prefix: str) -> Response:
        try:
            revoke_key(
                user=person_of(request), prefix=prefix, now=clock.now(), request_id=getattr(request, "request_id", "")
            )
        except ApiKey.DoesNotExist as error:
            raise NotFound() from error
        return Response(status=status.HTTP_204_NO_CONTENT)
