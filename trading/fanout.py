"""Calls to venues side by side. The database stays with the thread that started them: one writer, nothing to lock."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import ParamSpec, Self, TypeVar, cast

from django.conf import settings
from django.db import connections

from itomarkets.lib.venues import VenueError
from trading.models import Order
from trading.venues.base import OrderClient, Sighting, SignedOrder, SubmitResult, SubmitsMany

P = ParamSpec("P")
T = TypeVar("T")
# What goes out in one request, and what came of it.
Letter = Sequence[tuple[Order, SignedOrder]]
Answers = list[tuple[Order, SubmitResult]]
Ready = tuple[Order, OrderClient]


class Calls:
    """Up to `threads` requests under way at once; each answer is stored by the thread that launched it.

    Launch only what is claimed and committed. One thread calls in line. Leaving waits for every
    answer and stores it; the first error of a call or of storing is raised after that.
    """

    def __init__(self, *, threads: int, store: Callable[[Answers], None]) -> None:
        self._threads = threads
        self._store = store
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="send") if threads > 1 else None
        self._under_way: set[Future[Answers]] = set()
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

    @property
    def room(self) -> int:
        """How many more requests may start now."""
        return self._threads - len(self._under_way)

    def sign(self, signing: Sequence[Ready]) -> dict[int, SignedOrder | VenueError]:
        """Sign orders side by side; gives the signed order, or the error, by order id."""
        if self._pool is None:
            return {order.pk: _sign(client, order) for order, client in signing}
        signed = {order.pk: self._pool.submit(_in_thread, _sign, client, order) for order, client in signing}
        return {order_id: future.result() for order_id, future in signed.items()}

    def launch(self, client: OrderClient, letter: Letter) -> None:
        """Send orders that are ours, without waiting for the answer where there are threads."""
        if self._pool is None:
            self._store(_send(client, letter))
            return
        self._under_way.add(self._pool.submit(_in_thread, _send, client, letter))

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
            self._under_way -= done
            answers: Answers = []
            for future in done:
                try:
                    answers += future.result()
                except Exception as error:
                    # Its orders stay as they were sent, for reconciliation; the other answers are stored first.
                    self._errors.append(error)
            try:
                self._store(answers)
            except Exception as error:
                self._errors.append(error)


def letters_of(due: Sequence[Ready], *, room: int) -> list[list[Ready]]:
    """Share orders out to at most `room` requests, in their order: what does not fit waits for the next round.

    Few orders at an account go each by itself, so that one lost answer leaves one order unknown. More
    than ORDERS_SENT_SINGLY go together where the venue takes several at once.
    """
    by_account: dict[int, list[Ready]] = {}
    for ready in due:
        by_account.setdefault(ready[0].account_id, []).append(ready)
    letters: list[list[Ready]] = []
    for own in by_account.values():
        client = own[0][1]
        size = 1
        if len(own) > settings.ORDERS_SENT_SINGLY and isinstance(client, SubmitsMany):
            size = client.most_at_once
        letters += [own[start : start + size] for start in range(0, len(own), size)]
    return letters[:room]


def look_up_all(looking: Sequence[Ready], *, threads: int) -> dict[int, Sighting | VenueError]:
    """Look orders up side by side; gives the sighting, or the error, by order id."""
    if threads < 2 or len(looking) < 2:
        return {order.pk: _look_up(client, order) for order, client in looking}
    # Paper's venue is our own database: it is asked from this thread, after the others were sent off.
    away = [(order, client) for order, client in looking if not order.account.is_paper]
    with ThreadPoolExecutor(threads, thread_name_prefix="look") as pool:
        asked = {order.pk: pool.submit(_in_thread, _look_up, client, order) for order, client in away}
        here = {order.pk: _look_up(client, order) for order, client in looking if order.account.is_paper}
        return here | {order_id: future.result() for order_id, future in asked.items()}


def _send(client: OrderClient, letter: Letter) -> Answers:
    if len(letter) == 1:
        order, signed = letter[0]
        return [(order, client.submit(order, signed))]
    results = cast(SubmitsMany, client).submit_many(letter)
    return [(order, results[order.pk]) for order, _ in letter]


def _sign(client: OrderClient, order: Order) -> SignedOrder | VenueError:
    try:
        return client.sign(order)
    except VenueError as error:
        return error


def _look_up(client: OrderClient, order: Order) -> Sighting | VenueError:
    try:
        return client.look_up(order)
    except VenueError as error:
        return error


def _in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return work(*args, **kwargs)
    finally:
        # A connection that a client opened here belongs to nobody once the thread is gone.
        connections.close_all()
