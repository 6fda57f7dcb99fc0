"""What `check --deploy` says about the keys that seal venue credentials."""

from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

from trading.credentials import require_fit_keys


def credential_keys_are_set(**_: Any) -> list[CheckMessage]:
    """Name a missing, malformed or guessable CREDENTIAL_KEYS before the first account is connected."""
    try:
        require_fit_keys()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="trading.E001")]
    return []
