"""What both venues share below the apps: their names and the errors that say what to do."""

from django.db import models


class Venue(models.TextChoices):
    KALSHI = "kalshi", "Kalshi"
    POLYMARKET = "polymarket", "Polymarket"


class Side(models.TextChoices):
    """The side of a market that is held."""

    YES = "yes", "YES"
    NO = "no", "NO"

    @property
    def opposite(self) -> "Side":
        return Side.NO if self is Side.YES else Side.YES


class VenueError(Exception):
    """Anything that went wrong with a venue; the subclass says what to do."""

    def __init__(self, message: str, *, venue: str = "", status: int | None = None, code: str = "") -> None:
        super().__init__(message)
        self.venue = venue
        self.status = status
        self.code = code


class VenueUnavailable(VenueError):
    """No answer, or a 5xx: retry a read; for a write the outcome is unknown unless `sent` is False."""

    def __init__(self, message: str, *, sent: bool = True, **kwargs: object) -> None:
        super().__init__(message, **kwargs)  # type: ignore[arg-type]
        self.sent = sent


class VenueRateLimited(VenueError):
    """Too many requests: wait `retry_after` seconds (None: the venue did not say)."""

    def __init__(self, message: str, *, retry_after: float | None = None, **kwargs: object) -> None:
        super().__init__(message, **kwargs)  # type: ignore[arg-type]
        self.retry_after = retry_after


class VenueRejected(VenueError):
    """The venue said no, with a reason: do not retry the same thing."""


class VenueNotFound(VenueRejected):
    """The venue does not know this id (here, now)."""


class VenueAuthError(VenueError):
    """The key is wrong, revoked or lacks a scope: ask the user."""


class VenueProtocolError(VenueError):
    """The answer was not what the documents promise: ask us."""
