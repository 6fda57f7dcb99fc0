"""The mirror in the admin: what the venues said is read, not edited."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from itomarkets.lib import clock
from itomarkets.lib.admin import ReadOnly
from itomarkets.lib.templatetags.figures import age, cents, compact
from markets.models import (
    Event,
    HistoryGap,
    HistoryWindow,
    Market,
    MarketChange,
    PriceConflict,
    PricePoint,
    QuarantinedRow,
    Quote,
    QuoteDemand,
    SyncRun,
)
from markets.quotes import freshness


@admin.register(Event)
class EventAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("title_or_id", "venue", "native_id", "series_key", "category", "mutually_exclusive", "neg_risk")
    list_filter = ("venue", "mutually_exclusive", "neg_risk", "category")
    search_fields = ("title", "native_id", "series_key")
    ordering = ("-id",)

    @admin.display(description="Title", ordering="title")
    def title_or_id(self, event: Event) -> str:
        return str(event)


@admin.register(Market)
class MarketAdmin(ReadOnly, admin.ModelAdmin):
    list_display = (
        "question",
        "venue",
        "native_id",
        "status",
        "result",
        "bid",
        "ask",
        "traded",
        "close_at",
        "last_changed_at",
        "vanished_at",
    )
    list_filter = ("venue", "status", "result", "is_combo", ("vanished_at", admin.EmptyFieldListFilter))
    search_fields = ("title", "native_id", "slug", "event__title")
    date_hierarchy = "close_at"
    list_select_related = ("event",)
    ordering = ("-volume", "id")

    @admin.display(description="Bid", ordering="yes_bid")
    def bid(self, market: Market) -> str:
        return cents(market.yes_bid)

    @admin.display(description="Ask", ordering="yes_ask")
    def ask(self, market: Market) -> str:
        return cents(market.yes_ask)

    @admin.display(description="Volume", ordering="volume")
    def traded(self, market: Market) -> str:
        return compact(market.volume)


@admin.register(MarketChange)
class MarketChangeAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("market", "field", "before", "after", "at")
    list_filter = ("field", "market__venue")
    search_fields = ("market__title", "market__native_id")
    list_select_related = ("market",)


@admin.register(Quote)
class QuoteAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("market", "bid", "ask", "condition", "reason", "freshness", "age", "received_at")
    list_filter = ("condition", "market__venue")
    search_fields = ("market__title", "market__native_id")
    list_select_related = ("market",)
    ordering = ("received_at",)

    @admin.display(description="YES bid", ordering="yes_bid")
    def bid(self, quote: Quote) -> str:
        return cents(quote.yes_bid)

    @admin.display(description="YES ask", ordering="yes_ask")
    def ask(self, quote: Quote) -> str:
        return cents(quote.yes_ask)

    @admin.display(description="Freshness")
    def freshness(self, quote: Quote) -> str:
        return freshness(quote, clock.now()).label

    @admin.display(description="Age", ordering="-received_at")
    def age(self, quote: Quote) -> str:
        return age(quote.received_at)


@admin.register(QuoteDemand)
class QuoteDemandAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("market", "source", "until")
    list_filter = ("source",)
    search_fields = ("market__title", "market__native_id")
    list_select_related = ("market",)


@admin.register(PricePoint)
class PricePointAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("market", "interval", "at", "price", "average", "bid", "ask", "source", "received_at")
    list_filter = ("interval", "source")
    search_fields = ("market__native_id",)
    list_select_related = ("market",)
    ordering = ("-id",)


@admin.register(PriceConflict)
class PriceConflictAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("market", "interval", "at", "price", "source", "other_price", "other_source", "found_at")
    list_filter = ("interval", "source", "other_source", "market__venue")
    search_fields = ("market__native_id", "market__title")
    list_select_related = ("market",)
    date_hierarchy = "at"
    ordering = ("-id",)


@admin.register(HistoryGap)
class HistoryGapAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("market", "interval", "start_at", "end_at", "missing", "reason", "detail", "found_at")
    list_filter = ("interval", "reason", "market__venue")
    search_fields = ("market__native_id", "market__title")
    list_select_related = ("market",)
    ordering = ("-id",)


@admin.register(HistoryWindow)
class HistoryWindowAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("market", "interval", "covered_from", "covered_to", "checked_at")
    list_filter = ("interval", "market__venue")
    search_fields = ("market__native_id",)
    list_select_related = ("market",)
    ordering = ("-id",)


@admin.register(SyncRun)
class SyncRunAdmin(ReadOnly, admin.ModelAdmin):
    list_display = (
        "started_at",
        "venue",
        "status",
        "is_full",
        "pages",
        "seen",
        "added",
        "updated",
        "repriced",
        "unchanged",
        "gone",
        "quarantined",
        "error",
    )
    list_filter = ("venue", "status", "is_full")
    date_hierarchy = "started_at"


@admin.register(QuarantinedRow)
class QuarantinedRowAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("native_id", "venue", "run", "error")
    list_filter = ("venue",)
    search_fields = ("native_id", "error")
    list_select_related = ("run",)
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[QuarantinedRow]:
        # The raw row may be large: it is read on its own page, not in the list.
        rows = super().get_queryset(request)
        return rows if request.resolver_match and "object_id" in request.resolver_match.kwargs else rows.defer("raw")
