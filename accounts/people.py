"""Who asks."""

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from rest_framework.request import Request

from accounts.models import User


def person_of(request: HttpRequest | Request) -> User:
    """Return the signed-in person of a view that lets nobody else in.

    Raises TypeError for a stranger: such a view has lost its guard.
    """
    user = request.user
    if isinstance(user, AnonymousUser) or not user.is_authenticated:
        raise TypeError("Expected a signed-in person, found a stranger; guard the view with login_required.")
    return user
