"""Polymarket's three services as the sandbox mounts them: /gamma, /clob and /data."""

from starlette.routing import Route

from . import polymarket_clob, polymarket_data, polymarket_gamma, polymarket_private
from .engine import World
from .polymarket_keys import open_keys

__all__ = ["clob_routes", "data_routes", "gamma_routes", "open_keys"]


def gamma_routes(world: World) -> list[Route]:
    """Return the listing service's routes."""
    return polymarket_gamma.routes(world)


def clob_routes(world: World) -> list[Route]:
    """Return the order book's routes, public and private."""
    return [*polymarket_clob.routes(world), *polymarket_private.routes(world)]


def data_routes(world: World) -> list[Route]:
    """Return the Data API's routes."""
    return polymarket_data.routes(world)
