"""What a command tells a person to do when the markets are not there."""

from django.conf import settings

NO_MARKETS = "There are no markets yet; run sync_markets, then try again."


def unanswered(consequence: str) -> str:
    """Say that a venue did not answer, what follows from it, and where it was looked for."""
    text = f"Not every venue answered. {consequence}"
    if settings.VENUES == "sandbox":
        text += (
            f" Their stand-in is expected at {settings.SANDBOX_URL}; `manage.py sandbox` starts it, "
            "`manage.py up` starts everything."
        )
    return text
