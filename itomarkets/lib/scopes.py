"""Scopes of API keys, and the permission that every API view checks."""

from typing import Any

from django.db import models
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request


class Scope(models.TextChoices):
    BASKETS_READ = "baskets:read", "Read baskets, prices and history"
    BASKETS_WRITE = "baskets:write", "Create and change own baskets"
    MARKETS_READ = "markets:read", "Search and read markets"
    TRADES_READ = "trades:read", "Read own trades and positions"
    TRADES_WRITE = "trades:write", "Quote and place trades"


class HasScope(BasePermission):
    """Allow a signed-in session, or a key with the scope that the view names for this method.

    A view sets `required_scopes = {"GET": Scope.BASKETS_READ, ...}`; a method that is not in the
    table is refused to keys, so a new view is closed until somebody opens it.
    """

    message = "This key does not have the scope that this endpoint needs."

    def has_permission(self, request: Request, view: Any) -> bool:
        if not (request.user and request.user.is_authenticated):
            return False
        scopes = getattr(request.auth, "scopes", None)
        if scopes is None:
            return True
        method = "GET" if request.method == "HEAD" else request.method
        if request.method not in view.allowed_methods:
            raise MethodNotAllowed(str(request.method))
        needed = getattr(view, "required_scopes", {}).get(method)
        return needed is not None and needed in scopes
