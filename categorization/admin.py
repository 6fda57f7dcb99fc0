"""The reviewers' desk: themes and factors to read, classifications to confirm or correct, key by key."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST, require_safe

import categorization.pair_admin  # noqa: F401
from categorization import desk
from categorization.models import Classification, ModelVersion, Review, RiskFactor, Theme
from categorization.review import ReviewError, confirm, correct, decide_each, direction_under, queue, undo_last
from categorization.trail import stage_cards, would_change
from itomarkets.lib import clock
from itomarkets.lib.admin import ReadOnly
from itomarkets.lib.templatetags.figures import clean

DESK = "admin:categorization_classification_desk"


@admin.register(Theme)
class ThemeAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["name", "slug", "up", "position"]
    search_fields = ["name", "slug"]


@admin.register(RiskFactor)
class RiskFactorAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["name", "slug", "theme", "up", "sign"]
    list_filter = ["theme"]
    list_select_related = ["theme"]
    search_fields = ["name", "slug"]


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["digest", "created_at", "is_active"]


@admin.register(Review)
class ReviewAdmin(ReadOnly, admin.ModelAdmin):
    """Who decided what, newest first."""

    list_display = ["at", "reviewer", "question", "old_factor", "new_factor", "new_direction", "new_status", "note"]
    list_filter = ["new_status", "reviewer"]
    list_select_related = ["reviewer", "old_factor", "new_factor", "classification__market__event"]
    search_fields = ["classification__market__title", "note"]

    @admin.display(description="Question")
    def question(self, row: Review) -> str:
        return clean(row.classification.market.question)[:160]


class ConfidenceFilter(admin.SimpleListFilter):
    """Bands of confidence, least sure first."""

    title = "confidence"
    parameter_name = "confidence_band"
    BANDS = {"low": (0.0, 0.4), "middling": (0.4, 0.6), "fair": (0.6, 0.85), "high": (0.85, 1.01)}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, f"{name}: {low:.2f} to {min(high, 1):.2f}") for name, (low, high) in self.BANDS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Classification]) -> QuerySet[Classification]:
        if self.value() not in self.BANDS:
            return queryset
        low, high = self.BANDS[str(self.value())]
        return queryset.filter(confidence__gte=low, confidence__lt=high)


class ReviewInline(ReadOnly, admin.TabularInline):
    """Who decided what, newest first; appended by the core, never edited."""

    model = Review
    fields = ("at", "reviewer", "old_factor", "old_direction", "new_factor", "new_direction", "new_status", "note")
    readonly_fields = fields
    can_delete = False


class CorrectionForm(forms.ModelForm):
    """Factor, direction and a note: what a reviewer may say of a label."""

    note = forms.CharField(required=False, max_length=500, widget=forms.Textarea(attrs={"rows": 2}))

    class Meta:
        model = Classification
        fields = ["factor", "direction"]


@admin.register(Classification)
class ClassificationAdmin(admin.ModelAdmin):
    """All labels as a list, and the desk: where stages disagree first, then the most important, the least sure."""

    form = CorrectionForm
    change_list_template = "admin/categorization/change_list.html"
    list_display = ["question", "label", "second", "confidence", "is_disputed", "status", "importance"]
    list_filter = ["status", "is_disputed", "factor__theme", ConfidenceFilter, "market__venue"]
    list_select_related = ["market", "market__event", "factor", "runner_up"]
    list_per_page = 50
    show_full_result_count = False
    search_fields = ["market__title", "market__native_id"]
    ordering = ["-is_disputed", "-importance", "confidence", "id"]
    fields = [
        "question", "market_text", "factor", "direction", "note", "status", "confidence", "runner_up",
        "changes", "stages",
    ]  # fmt: skip
    readonly_fields = ["question", "market_text", "status", "confidence", "runner_up", "changes", "stages"]
    inlines = [ReviewInline]
    actions = ["confirm_labels", "take_runner_up", "reject_labels"]

    class Media:
        css = {"all": ["css/desk.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Classification]:
        # The trail is long; the list does not show it.
        rows = super().get_queryset(request)
        match = request.resolver_match
        return rows.defer("trail") if match and match.url_name and match.url_name.endswith("_changelist") else rows

    def get_urls(self) -> list[URLPattern]:
        own: list[tuple[str, Callable[..., HttpResponse], str]] = [
            ("desk/", require_safe(self.desk_page), "desk"),
            ("desk/cases/", require_safe(self.desk_cases), "cases"),
            ("desk/undo/", require_POST(self.desk_undo), "undo"),
            ("<int:pk>/decide/", require_POST(self.desk_decide), "decide"),
        ]
        named = [
            path(route, self.admin_site.admin_view(view), name=f"categorization_classification_{name}")
            for route, view, name in own
        ]
        return [*named, *super().get_urls()]

    @admin.display(description="Question", ordering="market__title")
    def question(self, row: Classification) -> str:
        return clean(row.market.question)[:160]

    @admin.display(description="Factor", ordering="factor")
    def label(self, row: Classification) -> str:
        return f"{row.factor.slug} {row.direction:+d}" if row.factor else "none"

    @admin.display(description="Runner-up", ordering="runner_up")
    def second(self, row: Classification) -> str:
        return row.runner_up.slug if row.runner_up else ""

    @admin.display(description="What the venue says")
    def market_text(self, row: Classification) -> SafeString:
        market = row.market
        event = market.event
        lines = [
            ("Market", f"{market.venue}:{market.native_id}"),
            ("Event", clean(event.title) if event else "none"),
            ("Category", market.category or (event.category if event else "")),
            ("Rules", clean(market.rules[:800])),
        ]
        return format_html_join("", "<p><b>{}</b> {}</p>", lines)

    @admin.display(description="What would change this")
    def changes(self, row: Classification) -> SafeString:
        return format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", [(line,) for line in would_change(row)]))

    @admin.display(description="Ten stages")
    def stages(self, row: Classification) -> SafeString:
        lines = []
        for card in stage_cards(row):
            sure = f" {card.confidence:.2f}" if card.confidence is not None else ""
            named = f"{card.label}{sure}" + (f", then {card.runner_up}" if card.runner_up else "") if card.label else ""
            lines.append((card.name, card.says, named, f"saw {clean(card.saw)[:300]}" if card.saw else ""))
        return format_html("<ol>{}</ol>", format_html_join("", "<li><b>{}</b>: {} <em>{}</em><br>{}</li>", lines))

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """Head the page with the market's question, not with its row's number."""
        answer = super().change_view(request, object_id, *args, **kwargs)
        context = getattr(answer, "context_data", None)
        if context is not None and context.get("original") is not None:
            context["subtitle"] = self.question(context["original"])
            context["title"] = "Label of a market"
        return answer

    @admin.action(description="Confirm the labels of the selected markets", permissions=["change"])
    def confirm_labels(self, request: HttpRequest, queryset: QuerySet[Classification]) -> None:
        now = clock.now()
        self._decide_each(
            request,
            queryset,
            lambda row: confirm(classification=row, reviewer=request.user, now=now),
            said="Confirmed {} labels.",
            refused="{} have no factor to confirm; open them and choose one.",
        )

    @admin.action(description="Give the selected markets their runner-up", permissions=["change"])
    def take_runner_up(self, request: HttpRequest, queryset: QuerySet[Classification]) -> None:
        now = clock.now()

        def decide(row: Classification) -> Review | None:
            if row.runner_up is None:
                raise ReviewError("There is no runner-up.")
            return correct(
                classification=row,
                reviewer=request.user,
                factor=row.runner_up,
                direction=direction_under(row, row.runner_up),
                now=now,
            )

        self._decide_each(
            request, queryset, decide, said="Corrected {} labels.", refused="{} have no runner-up; open them."
        )

    @admin.action(description="Reject: no factor fits the selected markets", permissions=["change"])
    def reject_labels(self, request: HttpRequest, queryset: QuerySet[Classification]) -> None:
        now = clock.now()
        self._decide_each(
            request,
            queryset,
            lambda row: correct(classification=row, reviewer=request.user, factor=None, direction=0, now=now),
            said="Rejected {} labels.",
            refused="{} could not be rejected.",
        )

    def _decide_each(self, request: HttpRequest, rows: Any, decide: Any, *, said: str, refused: str) -> None:
        stroke, refusals = decide_each(rows=rows, decide=decide)
        self.message_user(request, said.format(len(stroke.reviews)), messages.SUCCESS)
        if refusals:
            self.message_user(request, refused.format(len(refusals)), messages.WARNING)

    def save_model(self, request: HttpRequest, obj: Classification, form: forms.ModelForm, change: bool) -> None:
        """Hand the reviewer's choice to the core, which writes the row, its review and the audit entry."""
        try:
            review = correct(
                classification=obj,
                reviewer=request.user,
                factor=obj.factor,
                direction=obj.direction,
                now=clock.now(),
                note=form.cleaned_data.get("note", ""),
            )
        except ReviewError as error:
            self.message_user(request, str(error), messages.ERROR)
            return
        if review is None:
            self.message_user(request, "That label stood already; nothing was changed.", messages.INFO)

    def desk_page(self, request: HttpRequest) -> HttpResponse:
        """Show the queue's first cases; the script shows one at a time, without it they stand below each other."""
        context = self._queue(request)
        status = context["status"]
        context |= {
            **self.admin_site.each_context(request),
            "title": "Review desk",
            "waiting": queue(status=status).count(),
            "status_says": Classification.Status(status).label.lower(),
            "statuses": [choice for choice in Classification.Status.choices if choice[0] != "skipped"],
            "themes": Theme.objects.all(),
            "factors": RiskFactor.objects.all(),
        }
        return TemplateResponse(request, "admin/categorization/desk.html", context)

    def desk_cases(self, request: HttpRequest) -> HttpResponse:
        """Give the next cases, those that the page shows already left out."""
        return TemplateResponse(request, "admin/categorization/cases.html", self._queue(request))

    def _queue(self, request: HttpRequest) -> dict[str, Any]:
        if not self.has_change_permission(request):
            raise PermissionDenied
        status = request.GET.get("of", "")
        status = status if status in Classification.Status.values else Classification.Status.WAITING.value
        theme = request.GET.get("theme", "")[:50]
        without = {int(pk) for pk in request.GET.get("without", "").split(",") if pk.isdecimal() and len(pk) < 19}
        return {
            "status": status,
            "theme": theme,
            "cases": desk.cases(status=status, theme=theme, without=without),
        }

    def desk_decide(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Carry out one keystroke."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        rows = Classification.objects.select_related("market", "factor", "runner_up")
        row = get_object_or_404(rows, pk=pk)
        now = clock.now()
        return self._answer(
            request, lambda: desk.decide(given=request.POST.dict(), row=row, reviewer=request.user, now=now)
        )

    def desk_undo(self, request: HttpRequest) -> HttpResponse:
        """Take back the reviewer's last stroke."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        return self._answer(request, lambda: undo_last(reviewer=request.user, now=clock.now()))

    def _answer(self, request: HttpRequest, decide: Any) -> HttpResponse:
        """Answer the script in JSON, a form without script by going back to the desk."""
        wants_json = "application/json" in request.headers.get("Accept", "")
        try:
            stroke = decide()
        except ReviewError as error:
            if wants_json:
                return JsonResponse({"code": "refused", "detail": str(error)}, status=409)
            self.message_user(request, str(error), messages.ERROR)
        else:
            said = desk.said_of(stroke)
            if wants_json:
                decided = [review.classification_id for review in stroke.reviews]
                return JsonResponse({"said": said, "decided": decided})
            self.message_user(request, said, messages.SUCCESS)
        query = urlencode({"of": request.POST.get("of", "")[:12], "theme": request.POST.get("theme", "")[:50]})
        return HttpResponseRedirect(f"{reverse(DESK)}?{query}")
