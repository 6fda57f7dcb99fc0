"""People and keys in the admin; a key's hash is nobody's business, and keys are made by their owners."""

from typing import Any

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as StockUserAdmin
from django.http import HttpRequest
from rest_framework_api_key.models import APIKey as StockApiKey

from accounts.api_keys import change_key
from accounts.models import ApiKey, User
from accounts.people import person_of
from itomarkets.lib import clock

# The library's own key model is not used; an empty list of it would only mislead.
admin.site.unregister(StockApiKey)
# The stock pages show what signs in as somebody else: a second factor's secret, a session's key.
admin.site.unregister([Authenticator, UserSession])


class SignInMeans(admin.ModelAdmin):
    """A second factor or a session: an administrator may look and take it away, not make one or read its secret."""

    list_select_related = ["user"]
    search_fields = ["user__username"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Authenticator)
class AuthenticatorAdmin(SignInMeans):
    list_display = ["user", "type", "created_at", "last_used_at"]
    fields = ["user", "type", "created_at", "last_used_at"]
    list_filter = ["type"]


@admin.register(UserSession)
class UserSessionAdmin(SignInMeans):
    list_display = ["user", "created_at", "last_seen_at", "ip", "user_agent"]
    fields = ["user", "created_at", "last_seen_at", "ip", "user_agent"]


@admin.register(User)
class UserAdmin(StockUserAdmin):
    list_display = ["username", "email", "is_active", "is_staff", "created_at", "last_login"]
    list_filter = ["is_active", "is_staff", "groups"]
    date_hierarchy = "created_at"
    readonly_fields = ["created_at", "last_login", "date_joined"]
    fieldsets = [*(StockUserAdmin.fieldsets or []), ("History", {"fields": ["created_at"]})]
    add_fieldsets = [(None, {"classes": ["wide"], "fields": ["username", "email", "password1", "password2"]})]


@admin.register(ApiKey)
class ApiKeyAdmin(admin.ModelAdmin):
    list_display = ["shown_prefix", "name", "user", "environment", "state", "use_count", "last_used_at", "created"]
    list_filter = ["environment", "revoked"]
    list_select_related = ["user"]
    search_fields = ["prefix", "name", "user__username"]
    fields = FIELDS = (
        "shown_prefix",
        "name",
        "user",
        "environment",
        "scopes",
        "rate_limit_per_hour",
        "allowed_networks",
        "replaces",
        "state",
        "revoked",
        "expiry_date",
        "use_count",
        "last_used_at",
        "created",
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        editable = {"rate_limit_per_hour"}
        if obj is not None and not obj.revoked:
            editable.add("revoked")
        return [name for name in self.FIELDS if name not in editable]

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        change_key(
            row=obj,
            revoked=obj.revoked,
            rate_limit_per_hour=obj.rate_limit_per_hour,
            changed_by=person_of(request),
            now=clock.now(),
            request_id=getattr(request, "request_id", ""),
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
