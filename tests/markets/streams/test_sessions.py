"""Books by snapshot and change: whatever the line does, a book that stands is the venue's."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from markets.streams.books import BookError, Ladder
from markets.streams.kalshi import TICKERS_A_COMMAND, KalshiSession
from markets.streams.polymarket import PolymarketSession
from markets.streams.session import Patience, Session, StreamBroken, StreamSilent
from markets.venues.base import Level
from tests.markets.streams.venues import (
    FAULTS,
    KalshiVenue,
    Line,
    PolymarketVenue,
    kalshi_market,
    polymarket_market,
)

AT = datetime(2026, 8, 1, 12, tzinfo=UTC)
CHANGES = st.lists(
    st.tuples(st.integers(0, 1), st.booleans(), st.integers(1, 99), st.integers(0, 3), st.sampled_from(FAULTS)),
    max_size=40,
)

# How long an example takes says nothing here: the machine may be busy.
UNHURRIED = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


class Talk:
    """A session and a venue that talk; each exchange takes a second."""

    def __init__(self, session: Session, venue: KalshiVenue | PolymarketVenue) -> None:
        self.session, self.venue, self.seconds = session, venue, 0.0

    def deliver(self, fault: str = "none") -> None:
        for frame in self.venue.line.arrived():
            self.venue.hear(self.session.receive(frame, self.at, self.seconds), fault)
            self.check()

    def check(self) -> None:
        """What must hold after every message; each venue's test says it."""

    @property
    def at(self) -> datetime:
        return AT + timedelta(seconds=self.seconds)

    def settle(self) -> None:
        """Let the line be well for a while, without silence."""
        for _ in range(200):
            self.seconds += 1
            self.deliver()
            if all(book.stands for book in self.session.books.values()) and not self.venue.line.waiting:
                return
            self.venue.hear(self.session.tick(self.seconds))
        pytest.fail("the books did not come back")


class KalshiTalk(Talk):
    session: KalshiSession
    venue: KalshiVenue

    def check(self) -> None:
        """A standing book is the venue's as of the newest number that came."""
        due = self.session._next_seq
        for key, book in self.session.books.items():
            if book.stands and due is not None:
                assert {"yes": book.bids.sizes, "no": book.asks.sizes} == self.venue.at_seq[due - 1][key]


class PolymarketTalk(Talk):
    session: PolymarketSession
    venue: PolymarketVenue

    def check(self) -> None:
        """A standing book's best prices are the venue's as of its newest message."""
        for key, book in self.session.books.items():
            if book.stands and book.stamped_at is not None:
                stamp = round(book.stamped_at.timestamp() * 1000)
                best = tuple(None if one is None else one.price for one in (book.bids.best, book.asks.best))
                assert best == self.venue.best_at[stamp][key]


def kalshi_talk(count: int = 2, patience: Patience | None = None) -> KalshiTalk:
    markets = {pk: kalshi_market(pk) for pk in range(1, count + 1)}
    talk = KalshiTalk(KalshiSession(patience), KalshiVenue([market.native_id for market in markets.values()]))
    talk.session.want(markets, 0.0)
    talk.venue.hear(talk.session.opened(0.0))
    return talk


def polymarket_talk(patience: Patience | None = None) -> PolymarketTalk:
    market = polymarket_market(1)
    talk = PolymarketTalk(PolymarketSession(patience), PolymarketVenue([market.yes_token, market.no_token]))
    talk.session.want({1: market}, 0.0)
    talk.venue.hear(talk.session.opened(0.0))
    return talk


@UNHURRIED
@given(changes=CHANGES, answers=st.lists(st.sampled_from(FAULTS), max_size=8))
def test_a_kalshi_book_that_stands_is_the_venues_whatever_the_line_does(
    changes: list[tuple[int, bool, int, int, str]], answers: list[str]
) -> None:
    talk = kalshi_talk()
    for which, is_yes, cents, size, fault in changes:
        talk.venue.change(f"KX-{which + 1}", "yes" if is_yes else "no", cents, size, fault)
        talk.deliver(answers.pop() if answers else "none")
    # Something comes after: a loss is seen by what follows it.
    talk.venue.snapshot("KX-1")
    talk.settle()
    for key, book in talk.session.books.items():
        assert {"yes": book.bids.sizes, "no": book.asks.sizes} == talk.venue.books[key]


@UNHURRIED
@given(changes=CHANGES, answers=st.lists(st.sampled_from(FAULTS), max_size=8))
def test_a_polymarket_books_best_prices_are_the_venues_whatever_the_line_does(
    changes: list[tuple[int, bool, int, int, str]], answers: list[str]
) -> None:
    talk = polymarket_talk()
    for which, is_bid, cents, size, fault in changes:
        talk.venue.change(f"1{which + 1}", "BUY" if is_bid else "SELL", cents, size, fault)
        talk.deliver(answers.pop() if answers else "none")
    talk.settle()
    # What a lost message left behind below the best price, an audit finds.
    for key, book in talk.session.books.items():
        if {"BUY": book.bids.sizes, "SELL": book.asks.sizes} != talk.venue.books[key]:
            talk.seconds += 61
            talk.venue.hear(talk.session.doubt([key], "audit", talk.seconds))
    talk.settle()
    for key, book in talk.session.books.items():
        assert {"BUY": book.bids.sizes, "SELL": book.asks.sizes} == talk.venue.books[key]


@UNHURRIED
@given(changes=CHANGES)
def test_without_faults_nothing_is_asked_for_again(changes: list[tuple[int, bool, int, int, str]]) -> None:
    kalshi, polymarket = kalshi_talk(), polymarket_talk()
    for which, is_first, cents, size, _ in changes:
        kalshi.venue.change(f"KX-{which + 1}", "yes" if is_first else "no", cents, size)
        polymarket.venue.change(f"1{which + 1}", "BUY" if is_first else "SELL", cents, size)
    for talk in (kalshi, polymarket):
        talk.deliver()
        assert talk.session.reasked == 0
        assert all(book.stands for book in talk.session.books.values())


def test_a_gap_asks_for_every_book_of_the_subscription_at_once() -> None:
    talk = kalshi_talk()
    talk.deliver()
    talk.venue.change("KX-1", "yes", 40, 5, "lost")
    talk.venue.change("KX-2", "yes", 40, 5)
    talk.seconds += 1
    (frame,) = talk.venue.line.arrived()
    (asked,) = talk.session.receive(frame, talk.at, talk.seconds)
    assert orjson.loads(asked)["params"] == {"sids": [1], "action": "get_snapshot", "market_tickers": ["KX-1", "KX-2"]}
    assert talk.session.book(1) is talk.session.book(2) is None
    talk.venue.hear([asked])
    talk.settle()
    quote = talk.session.book(1)
    assert quote is not None
    assert (quote.yes.best_bid, quote.no.best_ask) == (
        Level(Decimal("0.4"), Decimal(5)),
        Level(Decimal("0.6"), Decimal(5)),
    )


@pytest.mark.parametrize("repeats", [True, False])
def test_replies_may_have_numbers_of_their_own_or_repeat_the_last(repeats: bool) -> None:
    talk = kalshi_talk(1)
    talk.deliver()
    for cents in (40, 41):
        if not repeats:
            talk.venue.seq += 1
            talk.venue.at_seq[talk.venue.seq] = talk.venue.at_seq[talk.venue.seq - 1]
        talk.venue.line.send({"type": "ok", "id": 9, "sid": 1, "seq": talk.venue.seq})
        talk.venue.change("KX-1", "yes", cents, 5)
        talk.deliver()
    assert talk.session.reasked == 0
    if repeats:
        # Then a reply that is one ahead tells of a loss.
        talk.venue.change("KX-1", "yes", 42, 5, "lost")
        talk.venue.line.send({"type": "ok", "id": 9, "sid": 1, "seq": talk.venue.seq})
        talk.deliver()
        talk.settle()
        assert talk.session.reasked == 1
    assert talk.session.books["KX-1"].bids.sizes == talk.venue.books["KX-1"]["yes"]


def test_kalshis_no_bids_are_yes_asks_and_counts_are_fractions() -> None:
    talk = kalshi_talk(1)
    talk.deliver()
    delta = {"market_ticker": "KX-1", "price_dollars": "0.5700", "delta_fp": "7.25", "side": "no"}
    for seq, change in enumerate(("7.25", "-0.05"), 2):
        message = {"type": "orderbook_delta", "sid": 1, "seq": seq, "msg": {**delta, "delta_fp": change}}
        talk.session.receive(orjson.dumps(message), AT, 1.0)
    book = talk.session.book(1)
    assert book is not None
    assert book.yes.best_ask == Level(Decimal("0.43"), Decimal("7.20"))
    assert book.no.best_bid == Level(Decimal("0.57"), Decimal("7.20"))


def test_a_change_that_leaves_less_than_nothing_is_not_believed() -> None:
    talk = kalshi_talk(1)
    talk.deliver()
    body = {"market_ticker": "KX-1", "price_dollars": "0.4000", "delta_fp": "-1.00", "side": "yes"}
    message = {"type": "orderbook_delta", "sid": 1, "seq": talk.venue.seq + 1, "msg": body}
    assert talk.session.receive(orjson.dumps(message), AT, 2.0)
    assert talk.session.book(1) is None


@pytest.mark.parametrize(
    ("told", "stands"),
    [({}, False), ({"best_bid": "0.6", "best_ask": "0.5"}, True), ({"best_bid": "0.6", "best_ask": "0.55"}, False)],
)
def test_a_polymarket_book_that_crosses_itself_is_believed_only_where_the_venue_says_so(
    told: dict[str, str], stands: bool
) -> None:
    talk = polymarket_talk()
    talk.venue.change("11", "SELL", 50, 5)
    talk.deliver()
    row = {"asset_id": "11", "price": "0.6", "size": "1", "side": "BUY", "hash": "0x", **told}
    event = {"event_type": "price_change", "market": "0x1", "price_changes": [row], "timestamp": "9"}
    talk.session.receive(orjson.dumps(event), AT, 1.0)
    assert talk.session.books["11"].stands is stands


def test_a_tick_size_change_is_a_new_book() -> None:
    talk = polymarket_talk()
    talk.venue.change("11", "BUY", 40, 5)
    talk.deliver()
    assert talk.session.book(1) is not None
    event = {
        "event_type": "tick_size_change", "asset_id": "11", "market": "0x1", "old_tick_size": "0.01",
        "new_tick_size": "0.001", "timestamp": "2",
    }  # fmt: skip
    asked = [orjson.loads(frame) for frame in talk.session.receive(orjson.dumps(event), AT, 1.0)]
    assert asked == [
        {"assets_ids": ["11"], "operation": "unsubscribe"},
        {"assets_ids": ["11"], "operation": "subscribe"},
    ]
    assert talk.session.book(1) is None
    talk.venue.hear([orjson.dumps(command).decode() for command in asked])
    talk.deliver()
    assert talk.session.book(1) is not None


def test_silence_is_probed_and_then_ends_the_connection_whatever_is_answered() -> None:
    for talk in (kalshi_talk(1, Patience(20, 10, 5)), polymarket_talk(Patience(20, 10, 5))):
        talk.deliver()
        session = talk.session
        assert [frame for frame in session.tick(19.0) if frame != "PING"] == []
        assert len([frame for frame in session.tick(20.0) if frame != "PING"]) in (1, 2)
        # An answer to a ping or a command is no data.
        session.receive("PONG" if isinstance(session, PolymarketSession) else b'{"type":"ok","id":3}', AT, 25.0)
        with pytest.raises(StreamSilent, match="no data for 30 s"):
            session.tick(30.0)


def test_the_answer_to_a_probe_ends_the_silence() -> None:
    for talk in (kalshi_talk(1), polymarket_talk()):
        talk.deliver()
        talk.venue.hear(talk.session.tick(20.0))
        talk.seconds = 21.0
        talk.deliver()
        talk.session.tick(40.0)
        assert talk.session.book(1) is not None


def test_a_book_that_does_not_come_is_asked_for_more_and_more_seldom() -> None:
    session = PolymarketSession(Patience(10_000, 10, 5))
    session.want({1: polymarket_market(1)}, 0.0)
    session.opened(0.0)
    asked = [second for second in range(1, 200) if any("11" in frame for frame in session.tick(float(second)))]
    assert asked == [5, 10, 20, 40, 80, 140]


def test_demands_that_come_and_go_change_the_subscription_only() -> None:
    talk = kalshi_talk(2)
    talk.deliver()
    frames = talk.session.want({2: kalshi_market(2), 3: kalshi_market(3)}, 1.0)
    commands = [orjson.loads(frame) for frame in frames]
    assert [(one["cmd"], one["params"].get("action"), one["params"]["market_tickers"]) for one in commands] == [
        ("update_subscription", "delete_markets", ["KX-1"]),
        ("update_subscription", "delete_markets", ["KX-1"]),
        ("subscribe", None, ["KX-3"]),
    ]
    assert {one["params"]["sids"][0] for one in commands[:2]} == {1, 2}
    assert talk.session.stands(2)
    assert not talk.session.stands(1)
    many = KalshiSession()
    many.want({pk: kalshi_market(pk) for pk in range(TICKERS_A_COMMAND + 1)}, 0.0)
    assert [len(orjson.loads(frame)["params"]["market_tickers"]) for frame in many.opened(2.0)] == [500, 1]


def test_a_market_dropped_before_its_subscription_was_numbered_is_dropped_after() -> None:
    talk = kalshi_talk(2)
    assert talk.session.want({2: kalshi_market(2)}, 1.0) == []
    talk.deliver()
    dropped = [orjson.loads(frame)["params"] for frame in talk.session.tick(1.0)]
    assert [one["market_tickers"] for one in dropped] == [["KX-1"], ["KX-1"]]
    assert talk.session.tick(2.0) == []


def test_a_new_connection_knows_nothing_until_its_snapshots_come() -> None:
    talk = kalshi_talk(1)
    talk.deliver()
    assert talk.session.take_changed().keys() == {1}
    talk.session.closed()
    assert talk.session.book(1) is None
    talk.session.opened(5.0)
    assert talk.session.take_changed() == {}


def test_what_could_not_be_stored_is_told_again_as_it_is_then() -> None:
    talk = polymarket_talk()
    talk.deliver()
    taken = talk.session.take_changed()
    talk.venue.change("11", "BUY", 40, 5)
    talk.deliver()
    talk.session.put_back([*taken, 99])
    (book,) = talk.session.take_changed().values()
    assert book.yes.best_bid == Level(Decimal("0.40"), Decimal(5))
    assert talk.session.take_changed() == {}


@pytest.mark.parametrize(
    ("frame", "error"),
    [
        (b"no json", "expected a JSON object"),
        (b"[1]", "expected a JSON object"),
        (b'{"type":"error","msg":{"code":25,"msg":"Subscription buffer overflow"}}', "25 Subscription buffer overflow"),
        (b'{"type":"orderbook_delta","sid":9,"seq":1,"msg":{}}', "a second subscription"),
        (b'{"type":"orderbook_delta","sid":1,"msg":{}}', "seq: expected a whole number, found None"),
    ],
)
def test_what_cannot_be_followed_ends_the_connection(frame: bytes, error: str) -> None:
    talk = kalshi_talk(1)
    talk.deliver()
    with pytest.raises(StreamBroken, match=error):
        talk.session.receive(frame, AT, 1.0)


def test_one_unreadable_message_puts_its_own_book_in_doubt_only() -> None:
    kalshi = kalshi_talk(2)
    kalshi.deliver()
    body = {"market_ticker": "KX-1", "price_dollars": "1.5", "delta_fp": "1", "side": "yes"}
    kalshi.session.receive(orjson.dumps({"type": "orderbook_delta", "sid": 1, "seq": 3, "msg": body}), AT, 1.0)
    assert [kalshi.session.stands(pk) for pk in (1, 2)] == [False, True]
    polymarket = polymarket_talk()
    polymarket.deliver()
    event = {"event_type": "price_change", "timestamp": "9", "price_changes": [{"asset_id": "11", "price": "x"}]}
    assert polymarket.session.receive(orjson.dumps(event), AT, 1.0)
    assert [polymarket.session.books[key].stands for key in ("11", "12")] == [False, True]


def test_the_last_trade_is_the_yes_tokens() -> None:
    talk = polymarket_talk()
    talk.deliver()
    for token, price in (("11", "0.41"), ("12", "0.58")):
        event = {"event_type": "last_trade_price", "asset_id": token, "price": price, "timestamp": "9"}
        talk.session.receive(orjson.dumps(event), AT, 1.0)
    book = talk.session.book(1)
    assert book is not None
    assert book.last_price == Decimal("0.41")


@UNHURRIED
@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 3)), max_size=40), st.booleans())
def test_a_ladder_knows_its_best_price(puts: list[tuple[int, int]], is_bid: bool) -> None:
    ladder, sizes = Ladder(is_bid=is_bid), {}
    for cents, size in puts:
        ladder.put(Decimal(cents), Decimal(size))
        sizes[Decimal(cents)] = Decimal(size)
        standing = {price: size for price, size in sizes.items() if size}
        best = (max if is_bid else min)(standing, default=None)
        assert ladder.best == (None if best is None else Level(best, standing[best]))
        assert [level.price for level in ladder.levels()] == sorted(standing, reverse=is_bid)
    with pytest.raises(BookError, match="leaves -1"):
        ladder.shift(Decimal(50), Decimal(-1))


def test_a_line_loses_doubles_and_swaps() -> None:
    line = Line()
    for message, fault in (("a", "late"), ("b", "lost"), ("c", "twice")):
        line.send(message, fault)
    assert line.arrived() == [b'"a"', b'"c"', b'"c"']
