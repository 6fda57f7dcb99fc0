from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from accounts.models import User
from accounts.people import person_of
from itomarkets.lib import clock
from itomarkets.lib.admin import ReadOnly
from trading.ledger import trial_balance
from trading.limits import MONEY_LIMITS, dollars, lift_personal_limit, set_personal_limit
from trading.models import (
    CashEntry,
    Fill,
    LedgerLine,
    Order,
    OrderEvent,
    PersonalLimit,
    Position,
    TicketQuote,
    Trade,
    TradingSwitch,
    VenueAccount,
    VenueState,
)
from trading.switch import set_switch


class OrderLines(ReadOnly, admin.TabularInline):
    model = Order
    fields = ("leg_no", "attempt_no", "market", "side", "count", "limit_price", "status", "reason", "account")
    show_change_link = True


class EventLines(ReadOnly, admin.TabularInline):
    model = OrderEvent
    fields = ("at", "old_status", "new_status", "reason", "evidence")


class FillLines(ReadOnly, admin.TabularInline):
    model = Fill
    fields = ("at", "venue_trade_id", "count", "price", "fee", "settlement")


@admin.register(Trade)
class TradeAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("created_at", "user", "basket", "action", "side", "mode", "amount", "status")
    list_filter = ("status", "mode", "action")
    list_select_related = ("user", "basket")
    search_fields = ("id", "user__username", "basket__name")
    inlines = (OrderLines,)


@admin.register(Order)
class OrderAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("created_at", "market", "side", "action", "count", "limit_price", "status", "account")
    list_filter = ("status", "account__mode", "account__kind")
    list_select_related = ("market", "account")
    search_fields = ("client_id", "venue_order_id", "order_hash")
    # Signed bytes stay out of pages.
    exclude = ("signed_payload",)
    inlines = (FillLines, EventLines)


@admin.register(Fill)
class FillAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("at", "account", "order", "count", "price", "fee", "settlement")
    list_filter = ("settlement", "account__kind")
    list_select_related = ("account", "order")


@admin.register(Position)
class PositionAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("account", "basket", "market", "side", "count", "cost", "realised", "settled_at")
    list_filter = ("account__mode", "side")
    list_select_related = ("account", "basket", "market")


class LedgerLines(ReadOnly, admin.TabularInline):
    model = LedgerLine
    fields = ("book", "basket", "side", "amount", "count")


@admin.register(CashEntry)
class CashEntryAdmin(ReadOnly, admin.ModelAdmin):
    """The journal: what each event moved in cash, and the lines that say what for."""

    list_display = ("at", "account", "kind", "amount", "reference")
    list_filter = ("kind", "account__mode")
    list_select_related = ("account",)
    search_fields = ("reference", "account__user__username")
    inlines = (LedgerLines,)


@admin.register(TicketQuote)
class TicketQuoteAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("created_at", "user", "basket", "action", "side", "mode", "amount", "worst_cost")
    list_select_related = ("user", "basket")


@admin.register(VenueAccount)
class VenueAccountAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("user", "kind", "mode", "key_hint", "is_enabled", "live_enabled", "cash", "checked_at")
    list_filter = ("kind", "mode", "is_enabled")
    list_select_related = ("user",)
    fields = (
        "user",
        "kind",
        "mode",
        "label",
        "key_hint",
        "key_version",
        "is_enabled",
        "live_enabled",
        "cash",
        "trial_balance",
        "checked_at",
        "cash_by_shard",
        "differences",
        "external",
        "findings",
        "examined_at",
        "created_at",
    )
    readonly_fields = ("trial_balance",)

    @admin.display(description="Trial balance")
    def trial_balance(self, account: VenueAccount) -> str:
        """Write the account's books in a line; their sum is zero where the ledger holds."""
        found = trial_balance(account)
        books = ", ".join(f"{book} {amount}" for book, amount in found.books.items() if amount)
        return f"cash {found.cash}, {books or 'no books'}: {found.total} together"


@admin.register(VenueState)
class VenueStateAdmin(ReadOnly, admin.ModelAdmin):
    """What each venue takes now, as it last said."""

    list_display = ("venue", "environment", "mode", "since", "until", "seen_at")
    list_filter = ("venue", "environment", "mode")


@admin.register(TradingSwitch)
class TradingSwitchAdmin(admin.ModelAdmin):
    """The kill switch. Leave person and venue empty for everybody; each change writes an audit line."""

    list_display = ("scope", "state", "reason", "changed_by", "changed_at")
    list_filter = ("state", "venue")
    list_select_related = ("user", "changed_by")
    fields = ("user", "venue", "state", "reason")
    raw_id_fields = ("user",)

    def get_readonly_fields(self, request: HttpRequest, obj: TradingSwitch | None = None) -> tuple[str, ...]:
        return ("user", "venue") if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: TradingSwitch, form: Any, change: bool) -> None:
        changed_by = request.user if isinstance(request.user, User) else None
        switch = set_switch(
            user=obj.user,
            venue=obj.venue,
            state=obj.state,
            reason=obj.reason,
            changed_by=changed_by,
            now=clock.now(),
            request_id=getattr(request, "request_id", ""),
        )
        obj.pk, obj.changed_at = switch.pk, switch.changed_at


class PersonalLimitForm(forms.ModelForm):
    """Which limit, and how low; the server's own is the highest that it can be."""

    name = forms.ChoiceField(choices=[(limit.name, limit.title) for limit in MONEY_LIMITS], label="Limit")

    class Meta:
        model = PersonalLimit
        fields = ("user", "name", "most", "reason")

    def clean(self) -> dict[str, Any] | None:
        given = super().clean()
        name, most = self.cleaned_data.get("name"), self.cleaned_data.get("most")
        if name is not None and most is not None and most > settings.TRADE_LIMITS[name]:
            self.add_error(
                "most",
                f"Expected at most {dollars(settings.TRADE_LIMITS[name])}, the server's own limit; found "
                f"{dollars(most)}. A person's limit can only be lower.",
            )
        return given


@admin.register(PersonalLimit)
class PersonalLimitAdmin(admin.ModelAdmin):
    """Lower limits of one person. Each change writes an audit line."""

    form = PersonalLimitForm
    list_display = ("user", "name", "most", "reason", "changed_by", "changed_at")
    list_filter = ("name",)
    list_select_related = ("user", "changed_by")
    raw_id_fields = ("user",)

    def get_readonly_fields(self, request: HttpRequest, obj: PersonalLimit | None = None) -> tuple[str, ...]:
        return ("user",) if obj else ()

    def save_model(self, request: HttpRequest, obj: PersonalLimit, form: Any, change: bool) -> None:
        set_personal_limit(
            user=obj.user,
            name=obj.name,
            most=obj.most,
            reason=obj.reason,
            changed_by=person_of(request),
            now=clock.now(),
            request_id=getattr(request, "request_id", ""),
        )
        obj.pk = PersonalLimit.objects.get(user=obj.user, name=obj.name).pk

    def delete_model(self, request: HttpRequest, obj: PersonalLimit) -> None:
        lift_personal_limit(limit=obj, changed_by=person_of(request), now=clock.now())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[PersonalLimit]) -> None:
        for limit in queryset:
            self.delete_model(request, limit)
