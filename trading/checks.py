"""What `check --deploy` says about the keys that seal venue credentials."""

from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

from trading.credentials import key_ring


def credential_keys_are_set(**_: Any) -> list[CheckMessage]:
    """Name a missing or malformed CREDENTIAL_KEYS before the first account is connected."""
    try:
        key_ring()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="trading.E001")]
    return []
