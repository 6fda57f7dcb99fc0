"""How a market's id looks in an address."""

from django.urls import register_converter
from django.urls.converters import StringConverter


class MarketIdConverter(StringConverter):
    """A venue and the id that a market has there; nothing else reaches the database."""

    regex = r"(?:kalshi|polymarket):[^/\x00]{1,120}"


register_converter(MarketIdConverter, "market")
