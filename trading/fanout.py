"""Calls to venues side by side. The database stays with the thread that started them: one writer, nothing to lock."""

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

from django.db import connections

from itomarkets.lib.venues import VenueError
from trading.models import Order
from trading.venues.base import OrderClient, SignedOrder, SubmitResult

P = ParamSpec("P")
T = TypeVar("T")


class Calls:
    """Up to `threads` submits under way at once; each answer is stored by the thread that launched it.

    Launch only what is claimed and committed. One thread calls in line. Leaving waits for every
    answer and stores it; the first error of a call or of storing is raised after that.
    """

    def __init__(self, *, threads: int, store: Callable[[Order, SubmitResult], None]) -> None:
        self._threads = threads
        self._store = store
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="send") if threads > 1 else None
        self._under_way: dict[Future[SubmitResult], Order] = {}
        self._errors: list[Exception] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            self.land(leave=0)
        finally:
            if self._pool is not None:
                self._pool.shutdown()
        if self._errors and error is None:
            raise self._errors[0]

    def sign(self, signing: list[tuple[Order, OrderClient]]) -> dict[int, SignedOrder | VenueError]:
        """Sign orders side by side; gives the signed order, or the error, by order id."""
        if self._pool is None:
            return {order.pk: _sign(client, order) for order, client in signing}
        signed = {order.pk: self._pool.submit(_in_thread, _sign, client, order) for order, client in signing}
        return {order_id: future.result() for order_id, future in signed.items()}

    def launch(self, order: Order, client: OrderClient, signed: SignedOrder) -> None:
        """Send an order that is ours, without waiting for the answer where there are threads."""
        if self._pool is None:
            self._store(order, client.submit(order, signed))
            return
        future = self._pool.submit(_in_thread, client.submit, order, signed)
        self._under_way[future] = order

    def make_room(self) -> None:
        """Store what was answered, and wait until another call may start."""
        self.land(leave=self._threads - 1)

    def land(self, *, leave: int) -> None:
        """Store what was answered, and wait until no more than `leave` calls are under way."""
        while self._under_way:
            must_wait = len(self._under_way) > leave
            done, _ = wait(self._under_way, timeout=None if must_wait else 0, return_when=FIRST_COMPLETED)
            if not done:
                return
            for future in done:
                order = self._under_way.pop(future)
                try:
                    self._store(order, future.result())
                except Exception as error:
                    # Its order stays as it was sent, for reconciliation; the other answers are stored first.
                    self._errors.append(error)


def _sign(client: OrderClient, order: Order) -> SignedOrder | VenueError:
    try:
        return client.sign(order)
    except VenueError as error:
        return error


def _in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return work(*args, **kwargs)
    finally:
        # A connection that a client opened here belongs to nobody once the thread is gone.
        connections.close_all()
