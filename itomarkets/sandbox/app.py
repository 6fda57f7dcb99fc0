"""The sandbox's program: both exchanges and the control under one ASGI application."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route, WebSocketRoute

from . import control, kalshi, polymarket
from .engine import World
from .faults import FaultyConnections
from .kalshi_stream import KalshiStream
from .model import VENUES
from .polymarket_stream import PolymarketStream
from .streams import LOOK_SECONDS, Hub

TICK_SECONDS = 1.0
logger = logging.getLogger(__name__)


def create_app(world: World, *, ticking: bool = True, look_seconds: float = LOOK_SECONDS) -> FaultyConnections:
    """Build the application around a world; with `ticking` it closes, crosses and settles by itself each second.

    Sockets look at the books they tell of each `look_seconds`.
    """

    async def health(request: Request) -> Response:
        counts = {venue: len(world.feed.venue_markets(venue)) for venue in VENUES}
        body = {"status": "ok", "now": world.now().isoformat(), "markets": counts}
        return Response(orjson.dumps(body), media_type="application/json")

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(_tick(world)) if ticking else None
        yield
        if task is not None:
            task.cancel()
        world.store.close()

    inner = Starlette(lifespan=lifespan)
    app = FaultyConnections(inner, now=world.now, chain=world.chain)
    hub = Hub(world, look_seconds=look_seconds)
    inner.router.routes.extend(
        [
            WebSocketRoute("/trade-api/ws/v2", KalshiStream(world, app, hub).serve),
            WebSocketRoute("/ws/market", PolymarketStream(world, app, hub).serve),
            Route("/health", health),
            Mount("/trade-api/v2", routes=kalshi.routes(world)),
            Mount("/gamma", routes=polymarket.gamma_routes(world)),
            Mount("/clob", routes=polymarket.clob_routes(world)),
            Mount("/data", routes=polymarket.data_routes(world)),
            Mount("/control", routes=control.routes(world, app)),
        ]
    )
    return app


async def _tick(world: World) -> None:
    """Advance the world each second; one bad turn is logged and the next one tries again."""
    while True:
        try:
            world.advance()
        except Exception:
            logger.exception("The sandbox could not advance")
        await asyncio.sleep(TICK_SECONDS)
