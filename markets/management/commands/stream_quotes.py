"""Stream quotes until told to stop."""

import asyncio
import signal
from argparse import ArgumentParser
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from itomarkets.lib.venues import Venue, VenueError
from markets.streams.running import VenueStream, run_streams
from markets.streams.wires import stream_of


class Command(BaseCommand):
    help = (
        "Keep the quotes of all demanded markets from both venues' sockets, polling where there is none, "
        "until Ctrl-C or SIGTERM. A second one waits, and takes over when the first has ended."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--venue", choices=Venue.values, help="only this venue (default: both)")

    def handle(self, *args: Any, **options: Any) -> None:
        venues = [Venue(options["venue"])] if options["venue"] else list(Venue)
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="database") as in_database:
            try:
                streams = [stream_of(venue, in_database) for venue in venues]
            except VenueError as error:
                raise CommandError(str(error)) from error
            for stream in streams:
                how = stream.wire.url if stream.wire else f"polled. {stream.why_polled}"
                self.stdout.write(f"{stream.venue.label}: {how}.")
            self.stdout.flush()
            asyncio.run(_until_told(streams))
            # The thread's own connection, which `connection` is only there.
            in_database.submit(lambda: connection.close()).result()
        self.stdout.write("Stopped.")


async def _until_told(streams: list[VenueStream]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def tell(*_: Any) -> None:
        loop.call_soon_threadsafe(stop.set)

    before = {number: signal.signal(number, tell) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        await run_streams(streams, stop)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
