"""Reads the environment; a value that cannot be meant is named, with what was expected."""

from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

FALSE_WORDS = ("false", "off", "n", "no", "0", "")


class Environment(environ.Env):
    """environ.Env takes every word but a few for "no" and says of a bad number only that it is one."""

    def bool(self, var: str, default: Any = environ.Env.NOTSET) -> bool:
        words = str(self.ENVIRON.get(var, "")).strip().lower()
        if words not in (*self.BOOLEAN_TRUE_STRINGS, *FALSE_WORDS):
            raise ImproperlyConfigured(f"{var} is {words!r}; expected 1 or 0.")
        return bool(super().bool(var, default=default))

    def count(self, var: str, *, default: int, least: int = 1) -> int:
        """Read a whole number of `least` or more."""
        text = str(self.ENVIRON.get(var, "")).strip()
        if not text:
            return default
        if not (text.isascii() and text.isdigit() and int(text) >= least):
            raise ImproperlyConfigured(f"{var} is {text!r}; expected a whole number of {least} or more.")
        return int(text)

    def dollars(self, var: str, *, default: str) -> Decimal:
        """Read an amount of money: 0 or more, in whole cents."""
        text = str(self.ENVIRON.get(var, "")).strip() or default
        try:
            amount = Decimal(text)
            fits = amount.is_finite() and amount >= 0 and amount == amount.quantize(Decimal("0.01"))
        except InvalidOperation:
            fits = False
        if not fits:
            raise ImproperlyConfigured(f"{var} is {text!r}; expected dollars such as {default} or 99.50.")
        return amount

    def web_address(self, var: str, *, default: str, schemes: tuple[str, ...] = ("http", "https")) -> str:
        """Read the address of a server, without a slash at its end."""
        text = str(self.ENVIRON.get(var, "")).strip() or default
        try:
            parts = urlsplit(text)
            fits = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
        except ValueError:
            fits = False
        if not fits:
            raise ImproperlyConfigured(f"{var} is {text!r}; expected an address such as {default}.")
        return text.rstrip("/")
