"""Keys in `Authorization: Bearer bkt_…`; a key in the query string is never read."""

from typing import Any

from rest_framework.authentication import BaseAuthentication, SessionAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.door import let_in
from itomarkets.lib import clock
from itomarkets.lib.addresses import address_of

LONGEST_KEY = 128


class ApiKeyAuthentication(BaseAuthentication):
    """Let a program in by its key; a request that carries one is never judged by its cookies.

    The request is counted here, in the same step that finds the key; the throttle reads what became of it.
    """

    keyword = "Bearer"

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != self.keyword.lower().encode():
            return None
        if len(parts) != 2 or len(parts[1]) > LONGEST_KEY:
            raise AuthenticationFailed("Expected one key: `Authorization: Bearer bkt_…`.")
        entered = let_in(parts[1].decode("ascii", "replace"), address=address_of(request), now=clock.now())
        if entered is None:
            raise AuthenticationFailed(
                "This key does not work; it may be mistyped, revoked, expired, or not for the address you ask from."
            )
        row, request.taken = entered  # type: ignore[attr-defined]
        return row.user, row

    def authenticate_header(self, request: Request) -> str:
        return f'{self.keyword} realm="api"'


class PageSessionAuthentication(SessionAuthentication):
    """The session of our own pages, with CSRF; says 401 instead of 403 to a stranger."""

    def authenticate_header(self, request: Request) -> str:
        return "Session"
