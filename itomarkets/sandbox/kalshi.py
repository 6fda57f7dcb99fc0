"""Kalshi's Trade API v2 as the sandbox serves it: all routes under /trade-api/v2."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .engine import World
from .kalshi_catalogue import Catalogue
from .kalshi_orders import Orders
from .kalshi_portfolio import Portfolio
from .kalshi_prices import Prices
from .kalshi_request import Gate, reply


def routes(world: World) -> list[Route]:
    """Return the routes; fixed paths come before those with a ticker in the same place."""
    gate = Gate(world.accounts)
    catalogue = Catalogue(world)
    return [
        *Prices(world, gate).routes(),
        *catalogue.routes(),
        *Orders(world, gate).routes(),
        *Portfolio(world, gate).routes(),
        *catalogue.late_routes(),
        Route("/{path:path}", _unknown, methods=["GET", "POST", "PUT", "DELETE"]),
    ]


async def _unknown(request: Request) -> Response:
    details = f"{request.method} {request.url.path}"
    return reply({"code": "not_found", "message": "page not found", "details": details}, 404)
