"""Whose address a request comes from."""

from ipaddress import IPv6Address, ip_address, ip_network

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

# What one line at home or one server is given; the addresses in it are all the same caller's.
IPV6_NETWORK_BITS = 64


def address_of(request: HttpRequest | Request) -> str:
    """Return the caller's address: the one that the outermost of our own proxies saw (REST_FRAMEWORK's NUM_PROXIES).

    What a caller writes into X-Forwarded-For itself stands before that and is not read.
    """
    return BaseThrottle().get_ident(request)  # type: ignore[arg-type]


def caller_network(address: str) -> str:
    """Return what counts as one caller: an IPv4 address, or the network that one IPv6 customer is given."""
    try:
        found = ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ip_network((found, IPV6_NETWORK_BITS), strict=False))
    return str(found)
