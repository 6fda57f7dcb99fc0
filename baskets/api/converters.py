"""How a basket's id looks in an address."""

from django.urls import register_converter
from django.urls.converters import StringConverter


class BasketIdConverter(StringConverter):
    """An id that the API gave out; nothing else reaches the database."""

    regex = "bas_[0-9A-Za-z]{14}"


register_converter(BasketIdConverter, "basket")
