"""The reviewers' desk: themes and factors to read, classifications to confirm or correct."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from categorization.explain import stage_lines
from categorization.models import Classification, ModelVersion, Review, RiskFactor, Theme
from categorization.review import ReviewError, confirm, correct
from itomarkets.lib import clock


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows that people look at and never edit here."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Theme)
class ThemeAdmin(ReadOnlyAdmin):
    list_display = ["name", "slug", "up", "position"]
    search_fields = ["name", "slug"]


@admin.register(RiskFactor)
class RiskFactorAdmin(ReadOnlyAdmin):
    list_display = ["name", "slug", "theme", "up", "sign"]
    list_filter = ["theme"]
    list_select_related = ["theme"]
    search_fields = ["name", "slug"]


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    list_display = ["digest", "created_at", "is_active"]


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


class ReviewInline(admin.TabularInline):
    """Who decided what, newest first; appended by the core, never edited."""

    model = Review
    fields = ("at", "reviewer", "old_factor", "old_direction", "new_factor", "new_direction", "note")
    readonly_fields = fields
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class CorrectionForm(forms.ModelForm):
    """Factor, direction and a note: what a reviewer may say of a label."""

    note = forms.CharField(required=False, max_length=500, widget=forms.Textarea(attrs={"rows": 2}))

    class Meta:
        model = Classification
        fields = ["factor", "direction"]


@admin.register(Classification)
class ClassificationAdmin(admin.ModelAdmin):
    """The review queue: the most important first, then the least sure."""

    form = CorrectionForm
    list_display = ["question", "venue", "factor", "direction", "confidence", "runner_up", "status", "importance"]
    list_editable = ["factor", "direction"]
    list_filter = ["status", "factor__theme", ConfidenceFilter, "market__venue"]
    list_select_related = ["market", "market__event", "factor", "runner_up"]
    list_per_page = 50
    show_full_result_count = False
    search_fields = ["market__title", "market__native_id"]
    ordering = ["-importance", "confidence", "id"]
    fields = ["question", "market_text", "factor", "direction", "note", "status", "confidence", "runner_up", "stages"]
    readonly_fields = ["question", "market_text", "status", "confidence", "runner_up", "stages"]
    inlines = [ReviewInline]
    actions = ["confirm_labels"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Classification]:
        # The trail is long; the list does not show it.
        rows = super().get_queryset(request)
        match = request.resolver_match
        return rows.defer("trail") if match and match.url_name and match.url_name.endswith("_changelist") else rows

    @admin.display(description="Question")
    def question(self, row: Classification) -> str:
        return row.market.question[:160]

    @admin.display(description="Venue")
    def venue(self, row: Classification) -> str:
        return row.market.get_venue_display()

    @admin.display(description="What the venue says")
    def market_text(self, row: Classification) -> SafeString:
        market = row.market
        event = market.event
        lines = [
            ("Market", f"{market.venue}:{market.native_id}"),
            ("Event", event.title if event else "none"),
            ("Category", market.category or (event.category if event else "")),
            ("Rules", market.rules[:800]),
        ]
        return format_html_join("", "<p><b>{}</b> {}</p>", lines)

    @admin.display(description="Ten stages")
    def stages(self, row: Classification) -> SafeString:
        lines = [(line.name, line.says) for line in stage_lines(row)]
        return format_html("<ol>{}</ol>", format_html_join("", "<li><b>{}</b>: {}</li>", lines))

    @admin.action(description="Confirm the labels of the selected markets", permissions=["change"])
    def confirm_labels(self, request: HttpRequest, queryset: QuerySet[Classification]) -> None:
        now = clock.now()
        confirmed = refused = 0
        for row in queryset:
            try:
                confirmed += confirm(classification=row, reviewer=request.user, now=now) is not None
            except ReviewError:
                refused += 1
        self.message_user(request, f"Confirmed {confirmed} labels.", messages.SUCCESS)
        if refused:
            self.message_user(
                request, f"{refused} have no factor to confirm; open them and choose one.", messages.WARNING
            )

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
