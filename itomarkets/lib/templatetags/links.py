"""Links to the venues: built from ids on fixed https hosts, never taken from a venue's text."""

import re
from typing import Any

from django import template
from django.conf import settings

register = template.Library()
SAFE = re.compile(r"^[A-Za-z0-9._-]{1,300}$")


@register.filter
def venue_link(market: Any) -> str:
    """Return the address of a market's page at its venue, or nothing: the stand-in exchanges have no pages."""
    if settings.VENUES != "live":
        return ""
    event = market.event
    if market.venue == "kalshi":
        series = event.series_key if event else ""
        return f"https://kalshi.com/markets/{series.lower()}" if SAFE.match(series) else ""
    slug = event.slug if event else ""
    return f"https://polymarket.com/event/{slug}" if SAFE.match(slug) else ""
