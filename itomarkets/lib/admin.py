"""Ledgers in the admin: pages to look at."""

from typing import Any

from django.http import HttpRequest


class ReadOnly:
    """What happened is looked at, never edited by hand; for an admin page and for lines within one."""

    list_per_page = 50
    # Counting a hundred thousand rows for a headline is not worth the wait.
    show_full_result_count = False
    extra = 0

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
