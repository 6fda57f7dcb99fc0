"""How numbers, prices and times are shown to people; built into every template."""

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from itomarkets.lib import clock

register = template.Library()
DASH = "–"
MINUS = "−"
# Marks that hide or reorder text: taken out of what people see, kept in what is stored.
HIDDEN = dict.fromkeys((*range(8203, 8208), *range(8234, 8239), *range(8288, 8298), 65279)) | dict.fromkeys(
    (*range(32), *range(127, 160)), " "
)


def _number(value: Any) -> Decimal | None:
    if value is None or value == "":
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


def _signed(text: str, number: Decimal) -> str:
    return f"+{text}" if number > 0 else text.replace("-", MINUS)


@register.filter
def cents(price: Any) -> str:
    """Show a price in dollars as cents with one decimal: 0.624 is 62.4¢."""
    number = _number(price)
    return DASH if number is None else f"{number * 100:.1f}¢"


@register.filter
def cents_change(change: Any) -> str:
    """Show a change of a price in dollars, signed: +1.2¢."""
    number = _number(change)
    return DASH if number is None else _signed(f"{number * 100:.1f}¢", number)


@register.filter
def money(amount: Any) -> str:
    """Show dollars with two decimals and thousands apart."""
    number = _number(amount)
    return DASH if number is None else f"{number:,.2f}".replace("-", MINUS)


@register.filter
def money_change(amount: Any) -> str:
    """Show a profit or loss in dollars, signed."""
    number = _number(amount)
    return DASH if number is None else _signed(f"{number:,.2f}", number)


@register.filter
def percent(share: Any, places: int = 1) -> str:
    """Show a share of one as a percentage."""
    number = _number(share)
    return DASH if number is None else f"{number * 100:.{int(places)}f}%".replace("-", MINUS)


@register.filter
def percent_change(share: Any) -> str:
    number = _number(share)
    return DASH if number is None else _signed(f"{number * 100:.1f}%", number)


@register.filter
def plain(value: Any, places: int = 2) -> str:
    """Show a number with a fixed number of decimals."""
    number = _number(value)
    return DASH if number is None else f"{number:,.{int(places)}f}".replace("-", MINUS)


@register.filter
def contracts(count: Any) -> str:
    """Show a count of contracts without trailing zeros."""
    number = _number(count)
    if number is None:
        return DASH
    text = f"{number:,.2f}".rstrip("0").rstrip(".")
    return text.replace("-", MINUS)


@register.filter
def compact(value: Any) -> str:
    """Show a large number shortly: 4,100,000 is 4.1M."""
    number = _number(value)
    if number is None:
        return DASH
    for unit, name in ((Decimal(10**9), "B"), (Decimal(10**6), "M"), (Decimal(10**3), "k")):
        if abs(number) >= unit:
            return f"{number / unit:.1f}{name}".replace("-", MINUS)
    return f"{number:.0f}".replace("-", MINUS)


@register.filter
def direction_class(change: Any) -> str:
    """Name the style of a change: up, down or nothing."""
    number = _number(change)
    if not number:
        return ""
    return "up" if number > 0 else "down"


def ago_words(seconds: float) -> str:
    """Say an age in words: 8 s, 3 min, 2 h, 5 d."""
    if seconds < 0:
        seconds = 0
    for limit, unit, name in ((90, 1, "s"), (5400, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / 86_400:.0f} d"


@register.filter
def age(moment: datetime | None) -> str:
    return DASH if moment is None else ago_words((clock.now() - moment).total_seconds())


@register.filter
def when(moment: datetime | None) -> str | SafeString:
    """Show a time as its distance from now, the exact UTC time in a tooltip."""
    if moment is None:
        return DASH
    seconds = (clock.now() - moment).total_seconds()
    words = f"{ago_words(seconds)} ago" if seconds >= 0 else f"in {ago_words(-seconds)}"
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', moment.isoformat(), f"{moment:%d %b %Y %H:%M:%S} UTC", words
    )


@register.filter
def clean(text: Any) -> str:
    """Take control and direction marks out of a venue's text; the template still escapes it."""
    return str(text or "").translate(HIDDEN).strip()
