from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from accounts.models import User
from itomarkets.lib import clock
from trading.models import (
    CashEntry,
    Fill,
    Order,
    OrderEvent,
    Position,
    TicketQuote,
    Trade,
    TradingSwitch,
    VenueAccount,
)
from trading.switch import set_switch


class Ledger(admin.ModelAdmin):
    """A page to read: what happened is not edited."""

    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class LedgerLines(admin.TabularInline):
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class OrderLines(LedgerLines):
    model = Order
    fields = ("leg_no", "market", "side", "count", "limit_price", "status", "reason", "account")
    show_change_link = True


class EventLines(LedgerLines):
    model = OrderEvent
    fields = ("at", "old_status", "new_status", "reason", "evidence")


class FillLines(LedgerLines):
    model = Fill
    fields = ("at", "venue_trade_id", "count", "price", "fee", "settlement")


@admin.register(Trade)
class TradeAdmin(Ledger):
    list_display = ("created_at", "user", "basket", "action", "side", "mode", "amount", "status")
    list_filter = ("status", "mode", "action")
    list_select_related = ("user", "basket")
    search_fields = ("id", "user__username", "basket__name")
    inlines = (OrderLines,)


@admin.register(Order)
class OrderAdmin(Ledger):
    list_display = ("created_at", "market", "side", "action", "count", "limit_price", "status", "account")
    list_filter = ("status", "account__mode", "account__kind")
    list_select_related = ("market", "account")
    search_fields = ("client_id", "venue_order_id", "order_hash")
    # Signed bytes stay out of pages.
    exclude = ("signed_payload",)
    inlines = (FillLines, EventLines)


@admin.register(Fill)
class FillAdmin(Ledger):
    list_display = ("at", "account", "order", "count", "price", "fee", "settlement")
    list_filter = ("settlement", "account__kind")
    list_select_related = ("account", "order")


@admin.register(Position)
class PositionAdmin(Ledger):
    list_display = ("account", "basket", "market", "side", "count", "cost", "realised", "settled_at")
    list_filter = ("account__mode", "side")
    list_select_related = ("account", "basket", "market")


@admin.register(CashEntry)
class CashEntryAdmin(Ledger):
    list_display = ("at", "account", "kind", "amount", "reference")
    list_filter = ("kind", "account__mode")
    list_select_related = ("account",)


@admin.register(TicketQuote)
class TicketQuoteAdmin(Ledger):
    list_display = ("created_at", "user", "basket", "action", "side", "mode", "amount", "worst_cost")
    list_select_related = ("user", "basket")


@admin.register(VenueAccount)
class VenueAccountAdmin(Ledger):
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
        "checked_at",
        "differences",
        "created_at",
    )


@admin.register(TradingSwitch)
class TradingSwitchAdmin(admin.ModelAdmin):
    """The kill switch. Leave the person empty for everybody; each change writes an audit line."""

    list_display = ("__str__", "state", "reason", "changed_by", "changed_at")
    fields = ("user", "state", "reason")
    raw_id_fields = ("user",)

    def get_readonly_fields(self, request: HttpRequest, obj: TradingSwitch | None = None) -> tuple[str, ...]:
        return ("user",) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: TradingSwitch, form: Any, change: bool) -> None:
        changed_by = request.user if isinstance(request.user, User) else None
        switch = set_switch(user=obj.user, state=obj.state, reason=obj.reason, changed_by=changed_by, now=clock.now())
        obj.pk, obj.changed_at = switch.pk, switch.changed_at
