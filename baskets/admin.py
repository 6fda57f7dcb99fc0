"""The reviewers' room: what is held, what was suggested, and their words about markets. Actions call the core."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from baskets import proposals, suggestions
from baskets.effects import Effect, effect_of, effect_of_targets
from baskets.method import RuleError, method_of
from baskets.models import (
    Basket,
    Composition,
    Constituent,
    MarketResult,
    MinuteMark,
    OfficialFixing,
    Override,
    PriceHistory,
    Proposal,
    Suggestion,
)
from baskets.rebuild import BuildReport, rebuild_baskets
from itomarkets.lib import clock
from itomarkets.lib.admin import ReadOnly
from itomarkets.lib.templatetags.figures import clean
from itomarkets.records.audit import record
from markets.models import Market


def say_report(request: HttpRequest, report: BuildReport) -> None:
    """Show what a rebuild did, a line a basket."""
    for line in report.lines:
        level = messages.SUCCESS if line.changed else messages.INFO
        messages.add_message(request, level, f"{line.slug}: {line.legs} legs; {line.reason}")


class RulesForm(forms.ModelForm):
    """How a basket is weighed and kept; the method says what a rule may be."""

    class Meta:
        model = Basket
        fields = ["mode", "allocation", "rules"]
        help_texts = {
            "rules": 'Only what differs from the method, as texts: {"leg_cap": "0.15", "roll_policy": "redistribute"}. '
            "The next composition is made by it and keeps it."
        }

    def clean_rules(self) -> dict[str, Any]:
        rules = self.cleaned_data["rules"] or {}
        if not isinstance(rules, dict):
            raise forms.ValidationError('Expected rules by name, like {"scheme": "equal"}.')
        try:
            method_of(rules)
        except RuleError as error:
            raise forms.ValidationError(str(error)) from error
        return {name: str(value) for name, value in rules.items()}


@admin.register(Basket)
class BasketAdmin(ReadOnly, admin.ModelAdmin):
    form = RulesForm
    readonly_fields = [
        "name",
        "slug",
        "description",
        "kind",
        "visibility",
        "theme",
        "owner",
        "is_active",
        "created_at",
        "ended_at",
        "ended_level",
    ]
    fields = [*readonly_fields, "mode", "allocation", "rules"]
    list_display = ["name", "kind", "visibility", "owner", "mode", "is_active", "created_at"]
    list_filter = ["kind", "visibility", "is_active"]
    list_select_related = ["owner"]
    search_fields = ["name", "slug"]
    actions = ["rebuild"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let a superuser, or who was given it, set a system basket's rules; a person's basket is that person's."""
        may = request.user.has_perm("baskets.change_basket")
        return may and (obj is None or obj.kind == Basket.Kind.SYSTEM)

    def save_model(self, request: HttpRequest, obj: Basket, form: Any, change: bool) -> None:
        names = ("mode", "allocation", "rules")
        before = Basket.objects.values(*names).get(pk=obj.pk)
        obj.save(update_fields=names)
        record(
            action="basket.rules",
            subject=f"basket:{obj.slug}",
            actor=request.user,
            before=before,
            after={name: getattr(obj, name) for name in names},
            request_id=getattr(request, "request_id", ""),
            at=clock.now(),
        )

    def has_rebuild_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("baskets.rebuild_basket")

    @admin.action(description="Rebuild now", permissions=["rebuild"])
    def rebuild(self, request: HttpRequest, queryset: QuerySet[Basket]) -> None:
        chosen = list(queryset.filter(kind=Basket.Kind.SYSTEM, is_active=True).select_related("theme"))
        if not chosen:
            messages.warning(request, "Only active system baskets can be rebuilt; none was chosen.")
            return
        say_report(request, rebuild_baskets(chosen, now=clock.now(), actor=request.user))


class ConstituentInline(ReadOnly, admin.TabularInline):
    model = Constituent
    fields = ["market", "side", "weight", "units", "mark", "mark_reason", "why"]


@admin.register(Composition)
class CompositionAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["basket", "version", "effective_at", "reason", "turnover", "cost", "created_by"]
    list_filter = ["basket__kind"]
    list_select_related = ["basket", "created_by"]
    search_fields = ["basket__name", "reason"]
    inlines = [ConstituentInline]


@admin.register(PriceHistory)
class PriceHistoryAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["basket", "interval", "at", "value", "gauge_sum", "quality", "source"]
    list_filter = ["interval", "source", "basket__kind"]
    list_select_related = ["basket"]


@admin.register(MinuteMark)
class MinuteMarkAdmin(ReadOnly, admin.ModelAdmin):
    """What fixings of a minute are sums of, the newest minute first."""

    list_display = ["at", "market", "side", "price", "reason", "age_seconds", "bid", "ask"]
    list_select_related = ["market"]
    ordering = ["-at", "market", "side"]


@admin.register(OfficialFixing)
class OfficialFixingAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["basket", "day", "value", "gauge_sum", "minutes", "stale_weight", "made_at"]
    list_filter = ["basket__kind"]
    list_select_related = ["basket"]
    search_fields = ["basket__name"]


@admin.register(MarketResult)
class MarketResultAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["market", "version", "payout", "seen_at"]
    list_filter = ["version"]
    list_select_related = ["market"]
    search_fields = ["market__title", "market__native_id"]


class NotesForm(ActionForm):
    """What a reviewer tells the person who asked."""

    notes = forms.CharField(required=False, max_length=2_000, label="Notes")


def show_effect(effect: Effect) -> SafeString:
    """Lay out a change: the sums in sentences, then each leg's weight before and after."""
    lines = [(clean(line.question), line.side.upper(), line.words) for line in effect.lines]
    table = format_html_join("", "<tr><td>{}</td><td>{}</td><td>{}</td></tr>", lines)
    sums = format_html_join("", "<p>{}</p>", [[sentence] for sentence in effect.sentences])
    return format_html("{}<table>{}</table>", sums, table)


DECISION = ["reviewer", "reviewed_at", "notes", "result"]


class DecidedAdmin(ReadOnly, admin.ModelAdmin):
    """What one reviewer approves or rejects, once, with notes."""

    action_form = NotesForm
    actions = ["approve", "reject"]
    # The module that decides, and what it raises where it refuses.
    rules: Any
    refusal: type[Exception]

    def named(self, row: Any) -> str:
        return f"{str(self.opts.model_name).capitalize()} {row.pk}"

    def has_review_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"baskets.review_{self.opts.model_name}")

    @admin.action(description="Approve, with the notes", permissions=["review"])
    def approve(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._decide(request, queryset, self.rules.approve, "approved")

    @admin.action(description="Reject, with the notes", permissions=["review"])
    def reject(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._decide(request, queryset, self.rules.reject, "rejected")

    def _decide(self, request: HttpRequest, queryset: QuerySet[Any], decide: Any, word: str) -> None:
        notes, name = request.POST.get("notes", ""), str(self.opts.model_name)
        done = 0
        for row in queryset.order_by("created_at"):
            try:
                decide(**{name: row}, reviewer=request.user, now=clock.now(), notes=notes)
            except self.refusal as error:
                messages.error(request, f"{self.named(row)}: {error}")
            else:
                done += 1
        if done:
            messages.success(request, f"{done} {name}{'s' if done != 1 else ''} {word}.")


@admin.register(Suggestion)
class SuggestionAdmin(DecidedAdmin):
    rules, refusal = suggestions, suggestions.SuggestionRefused
    list_display = ["id", "type", "target", "user", "status", "reason", "created_at", "reviewer", "reviewed_at"]
    list_display_links = ["id", "type"]
    list_filter = ["status", "type"]
    list_select_related = ["basket", "user", "reviewer"]
    search_fields = ["name", "reason", "user__username"]
    ordering = ["created_at"]
    fields = ["type", "target", "user", "status", "reason", "description", "diff", "effect", *DECISION]

    @admin.display(description="for")
    def target(self, row: Suggestion) -> str:
        return row.basket.name if row.basket is not None else f"new: {row.name}"

    @admin.display(description="what would change")
    def diff(self, row: Suggestion) -> SafeString | str:
        """List the legs: + comes in, − goes out, with what is held now beside it."""
        try:
            legs = suggestions.legs_of(row)
        except suggestions.SuggestionRefused as error:
            return str(error)
        markets = Market.objects.select_related("event").in_bulk([leg.market_id for leg in legs])
        held: dict[int, tuple[str, Any]] = {}
        newest = row.basket.compositions.order_by("-version").first() if row.basket is not None else None
        if newest is not None:
            held = {leg.market_id: (leg.side, leg.weight) for leg in newest.constituents.all()}
        lines = []
        for leg in legs:
            market = markets.get(leg.market_id)
            question = clean(market.question) if market is not None else f"market {leg.market_id}, no longer known"
            if row.type == Suggestion.Type.REMOVE:
                side, weight = held.get(leg.market_id, (leg.side, None))
                sign, note = "−", f"held at {weight:.2%}" if weight is not None else "not held"
            else:
                side = leg.side
                sign = "+"
                was = held.get(leg.market_id)
                note = f"held as {was[0].upper()} at {was[1]:.2%}" if was else "not held now"
            lines.append((sign, side.upper(), question, note))
        return format_html_join("", "<p>{} <strong>{}</strong> {} ({})</p>", lines)

    @admin.display(description="what an approval would do now")
    def effect(self, row: Suggestion) -> SafeString | str:
        """Show each leg's weight before and after, the gauge, and what the change would cost."""
        if row.status != Suggestion.Status.PENDING:
            return "decided"
        try:
            effect = effect_of(type=row.type, basket=row.basket, legs=suggestions.legs_of(row), now=clock.now())
        except suggestions.SuggestionRefused as error:
            return str(error)
        return show_effect(effect)


@admin.register(Proposal)
class ProposalAdmin(DecidedAdmin):
    rules, refusal = proposals, proposals.ProposalRefused
    list_display = ["basket", "status", "reason", "limit", "turnover", "cost", "created_at", "reviewer", "reviewed_at"]
    list_filter = ["status", "basket"]
    list_select_related = ["basket", "base", "reviewer"]
    search_fields = ["basket__name", "reason"]
    ordering = ["-created_at"]
    fields = ["basket", "base", "status", "reason", "limit", "turnover", "cost", "created_at", "effect", *DECISION]

    def named(self, row: Proposal) -> str:
        return row.basket.name

    @admin.display(description="what an approval would do now")
    def effect(self, row: Proposal) -> SafeString | str:
        if row.status != Proposal.Status.PENDING:
            return "decided"
        try:
            targets = proposals.legs_of(row)
        except proposals.ProposalRefused as error:
            return str(error)
        return show_effect(effect_of_targets(basket=row.basket, targets=targets, now=clock.now()))


class OverrideForm(forms.ModelForm):
    """An override of a system basket; a move names where to."""

    class Meta:
        model = Override
        fields = ["market", "basket", "action", "side", "target", "weight", "reason", "until"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("basket", "target"):
            if name in self.fields:
                choice: Any = self.fields[name]
                choice.queryset = Basket.objects.filter(kind=Basket.Kind.SYSTEM)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        action, target, weight = given.get("action"), given.get("target"), given.get("weight")
        if action == Override.Action.MOVE and (target is None or target == given.get("basket")):
            self.add_error("target", "Choose the other basket that shall hold the market.")
        if action != Override.Action.MOVE and target is not None:
            self.add_error("target", "Only a move has a target; leave this empty.")
        if weight is not None and not 0 < weight < 1:
            self.add_error("weight", "Expected a share of one between 0 and 1, like 0.10.")
        return given


@admin.register(Override)
class OverrideAdmin(admin.ModelAdmin):
    form = OverrideForm
    list_display = ["market", "action", "basket", "target", "side", "weight", "reason", "created_by", "until"]
    list_filter = ["action", "basket"]
    list_select_related = ["market", "basket", "target", "created_by"]
    search_fields = ["market__title", "market__native_id", "reason"]
    raw_id_fields = ["market"]
    actions = ["rebuild"]

    def save_model(self, request: HttpRequest, obj: Override, form: Any, change: bool) -> None:
        obj.created_by = request.user  # type: ignore[assignment]
        obj.created_at = clock.now()
        super().save_model(request, obj, form, change)
        _audit(request, "override.saved", obj)
        messages.info(
            request, "Saved. The next rebuild heeds it; the action “Rebuild their baskets now” does so at once."
        )

    def delete_model(self, request: HttpRequest, obj: Override) -> None:
        _audit(request, "override.deleted", obj)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Override]) -> None:
        for row in queryset:
            _audit(request, "override.deleted", row)
        super().delete_queryset(request, queryset)

    def has_rebuild_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("baskets.rebuild_basket")

    @admin.action(description="Rebuild their baskets now", permissions=["rebuild"])
    def rebuild(self, request: HttpRequest, queryset: QuerySet[Override]) -> None:
        ids = {pk for pair in queryset.values_list("basket_id", "target_id") for pk in pair if pk is not None}
        chosen = Basket.objects.filter(pk__in=ids, kind=Basket.Kind.SYSTEM, is_active=True).select_related("theme")
        say_report(request, rebuild_baskets(list(chosen), now=clock.now(), actor=request.user))


def _audit(request: HttpRequest, action: str, row: Override) -> None:
    record(
        action=action,
        subject=f"override:{row.market_id}:{row.basket_id}",
        actor=request.user,
        after={
            "action": row.action,
            "side": row.side,
            "target": row.target_id,
            "weight": str(row.weight) if row.weight is not None else None,
            "reason": row.reason,
        },
        request_id=getattr(request, "request_id", ""),
        at=clock.now(),
    )
