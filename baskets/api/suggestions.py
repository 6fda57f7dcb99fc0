"""`/api/suggestions/baskets`: what people ask to change for everybody. Sessions alone send and decide, never a key."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import reverse
from rest_framework import serializers
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import PageSessionAuthentication
from accounts.people import person_of
from baskets import suggestions
from baskets.api.inputs import LegInput, drafts_of
from baskets.editing import DESCRIPTION_LENGTH, NAME_LENGTH
from baskets.method import CUSTOM_MAX_LEGS
from baskets.models import Basket, Suggestion
from baskets.reading import visible_to
from baskets.suggestions import REASON_LENGTH, SuggestionRefused
from itomarkets.lib import clock
from itomarkets.lib.api_errors import Conflict, Unprocessable
from itomarkets.lib.api_fields import DecimalText, StrictSerializer
from itomarkets.lib.api_reading import read_choice
from itomarkets.lib.api_views import ApiView
from itomarkets.lib.pagination import PAGE_PARAMETERS, KeysetPage, instant_of, uuid_of
from itomarkets.lib.venues import Side
from markets.api.ids import ids_of

REVIEW = "baskets.review_suggestion"
FIELDS = (
    "public_id", "user__username", "type", "basket__public_id", "name", "description", "legs", "reason", "status",
    "notes", "result__public_id", "created_at", "reviewed_at",
)  # fmt: skip


class SuggestionInput(StrictSerializer):
    type = serializers.ChoiceField(choices=Suggestion.Type.choices)
    basket_id = serializers.CharField(max_length=40, allow_null=True, default=None)
    name = serializers.CharField(max_length=NAME_LENGTH, allow_blank=True, default="")
    description = serializers.CharField(max_length=DESCRIPTION_LENGTH, allow_blank=True, default="")
    legs = LegInput(many=True, allow_empty=False, max_length=CUSTOM_MAX_LEGS)  # type: ignore[call-arg]
    reason = serializers.CharField(max_length=REASON_LENGTH)


class DecisionInput(StrictSerializer):
    notes = serializers.CharField(max_length=REASON_LENGTH, allow_blank=True, default="")


class SuggestedLegShape(serializers.Serializer[Any]):
    market_id = serializers.CharField(allow_null=True)
    side = serializers.ChoiceField(choices=Side.choices)
    weight = DecimalText()


class SuggestionShape(serializers.Serializer[Any]):
    """A suggestion; `result_id` is the basket that came of it."""

    id = serializers.UUIDField()
    user = serializers.CharField()
    type = serializers.ChoiceField(choices=Suggestion.Type.choices)
    basket_id = serializers.CharField(allow_null=True)
    name = serializers.CharField(allow_blank=True)
    description = serializers.CharField(allow_blank=True)
    legs = SuggestedLegShape(many=True)
    reason = serializers.CharField()
    status = serializers.ChoiceField(choices=Suggestion.Status.choices)
    notes = serializers.CharField(allow_blank=True)
    result_id = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    reviewed_at = serializers.DateTimeField(allow_null=True)


def show(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of FIELDS in the shape of SuggestionShape; one statement for the markets of all."""
    markets = ids_of({leg["market"] for row in rows for leg in row["legs"]})
    return [
        {
            "id": str(row["public_id"]),
            "user": row["user__username"],
            "basket_id": row["basket__public_id"],
            "result_id": row["result__public_id"],
            "legs": [
                {"market_id": markets.get(leg["market"]), "side": leg["side"], "weight": leg["weight"]}
                for leg in row["legs"]
            ],
            **{
                name: row[name]
                for name in ("type", "name", "description", "reason", "status", "notes", "created_at", "reviewed_at")
            },
        }
        for row in rows
    ]


class _SuggestionView(ApiView):
    authentication_classes = (PageSessionAuthentication,)
    permission_classes = (IsAuthenticated,)

    def own(self, request: Request) -> QuerySet[Suggestion]:
        return Suggestion.objects.filter(user=person_of(request))

    def shown(self, row: Suggestion, **more: Any) -> Response:
        return Response(show(list(Suggestion.objects.filter(pk=row.pk).values(*FIELDS)))[0], **more)

    def require_reviewer(self, request: Request) -> None:
        if not person_of(request).has_perm(REVIEW):
            raise PermissionDenied("Only reviewers may do this.")


class SuggestionList(_SuggestionView):
    """GET: the caller's suggestions, the newest first; a reviewer's `whose=all` are everybody's. POST: send one."""

    is_list = True
    parameters = {"GET": ("status", "whose", "sort", *PAGE_PARAMETERS)}
    answers = {"GET": SuggestionShape, "POST": SuggestionShape}
    accepts = {"POST": SuggestionInput}

    def get(self, request: Request) -> Response:
        query, found = request.query_params, self.own(request)
        if read_choice(query, "whose", ("me", "all"), default="me") == "all":
            self.require_reviewer(request)
            found = Suggestion.objects.all()
        if status := read_choice(query, "status", Suggestion.Status.values):
            found = found.filter(status=status)
        page = KeysetPage(
            request,
            sorts={"created_at": ("created_at", instant_of)},
            default="-created_at",
            unique=("public_id", uuid_of),
        )
        rows = page.rows(found, FIELDS)
        return Response(page.body(rows, show(rows)))

    def post(self, request: Request) -> Response:
        wanted = SuggestionInput(data=request.data)
        wanted.is_valid(raise_exception=True)
        values = wanted.validated_data
        basket: Basket | None = None
        if values["basket_id"] is not None:
            basket = visible_to(request.user).filter(public_id=values["basket_id"]).first()
            if basket is None:
                raise ValidationError({"basket_id": ["There is no such basket; take an id from /api/v1/baskets."]})
        try:
            row = suggestions.submit(
                user=person_of(request),
                type=values["type"],
                basket=basket,
                name=values["name"],
                description=values["description"],
                legs=drafts_of(values["legs"]),
                reason=values["reason"],
                now=clock.now(),
            )
        except SuggestionRefused as error:
            raise Unprocessable(str(error), "suggestion_refused") from error
        where = request.build_absolute_uri(reverse("suggestion-of-basket", args=[row.public_id]))
        return self.shown(row, status=201, headers={"Location": where})


class SuggestionDetail(_SuggestionView):
    """GET: an own suggestion. DELETE: withdraw it, while nobody has decided; it stays in the list."""

    answers = {"GET": SuggestionShape}

    def get(self, request: Request, suggestion_id: UUID) -> Response:
        return self.shown(get_object_or_404(self.own(request), public_id=suggestion_id))

    def delete(self, request: Request, suggestion_id: UUID) -> Response:
        row = get_object_or_404(self.own(request), public_id=suggestion_id)
        try:
            suggestions.withdraw(suggestion=row, user=person_of(request), now=clock.now())
        except SuggestionRefused as error:
            raise Conflict(str(error), "suggestion_refused") from error
        return Response(status=204)


class SuggestionDecision(_SuggestionView):
    """POST: approve, and make what was suggested, or reject; the notes are told to the person who asked."""

    answers = {"POST": SuggestionShape}
    accepts = {"POST": DecisionInput}

    def post(self, request: Request, suggestion_id: UUID, decision: str) -> Response:
        self.require_reviewer(request)
        row = Suggestion.objects.filter(public_id=suggestion_id).first()
        if row is None:
            raise NotFound()
        wanted = DecisionInput(data=request.data)
        wanted.is_valid(raise_exception=True)
        decide = suggestions.approve if decision == "approve" else suggestions.reject
        try:
            decided = decide(
                suggestion=row, reviewer=person_of(request), now=clock.now(), notes=wanted.validated_data["notes"]
            )
        except SuggestionRefused as error:
            raise Conflict(str(error), "suggestion_refused") from error
        return self.shown(decided)
