"""What the buyer's page showed of each order, and whose page is due next. Pure: no I/O, no clock."""

import heapq

import msgspec

from ledger.events import Event, PollFailed, Seen, goods_hash
from ledger.states import Code, Operation, State
from plan.chance import draw
from targets.storefront import Ask, Page, Unread

UNSERVED = frozenset({State.FAILED, State.EXPIRED, State.CANCELLED})
_Shown = tuple[State, tuple[str, ...], Code | None, str]


def phase_share(seed: int, key: str) -> float:
    """Where in the poll interval an order is polled, in [0, 1): orders placed together are not polled together."""
    return draw(seed, "poll", key)


class Watched(msgspec.Struct, kw_only=True):
    """One placed order as its page showed it so far. `due` is when the page is read next, on the run's axis."""

    key: str
    ask: Ask
    due: int
    until: int | None = None
    warm_up: bool = False
    paid_t: int | None = None
    may_be_paid: bool = False
    shown: _Shown | None = None
    good_asked_t: int | None = None
    good_t: int | None = None
    failures: int = 0
    last_failure: PollFailed | None = None

    @property
    def state(self) -> State:
        """The state last shown; created where no page could be read yet."""
        return self.shown[0] if self.shown else State.CREATED

    @property
    def is_over(self) -> bool:
        return self.state.is_terminal

    @property
    def is_unserved(self) -> bool:
        """Whether the page ended without goods and without the money given back."""
        return self.state in UNSERVED and not (self.shown and self.shown[1])

    def saw(self, page: Page, *, asked_t: int, t: int) -> list[Event]:
        """A page was asked for at one time and read at another: the facts that are new by it."""
        events = self._end_of_failures(t)
        goods = tuple(goods_hash(text) for text in page.goods)
        shown = (page.state, goods, page.code, page.words)
        if shown != self.shown:
            # The old state was true when its last poll left, the new one when this answer came: the change is between.
            events.append(self._seen(t, shown, last_old_t=self.good_asked_t))
        self.shown, self.good_asked_t, self.good_t = shown, asked_t, t
        return events

    def failed(self, unread: Unread, *, status: int, t: int) -> list[Event]:
        """A page could not be read; the first of a row is a fact at once, the rest when the row ends."""
        self.failures += 1
        self.last_failure = PollFailed(
            t=t, o=self.key, operation=Operation.POLL, status=status, why=unread.why, code=unread.code
        )
        return [self.last_failure] if self.failures == 1 else []

    def close(self, t: int) -> list[Event]:
        """Nobody follows this order any more: its row of failures, and for an open order its last good page."""
        events = self._end_of_failures(t)
        if self.shown is not None and not self.is_over:
            assert self.good_t is not None
            final = self._seen(self.good_t, self.shown, last_old_t=None)
            events.append(msgspec.structs.replace(final, final=True))
        return events

    def _seen(self, t: int, shown: _Shown, *, last_old_t: int | None) -> Seen:
        state, goods, code, words = shown
        return Seen(t=t, o=self.key, state=state, words=words, goods=goods, code=code, last_old_t=last_old_t)

    def _end_of_failures(self, t: int) -> list[Event]:
        count, self.failures = self.failures, 0
        if count < 2:
            return []
        assert self.last_failure is not None
        return [msgspec.structs.replace(self.last_failure, t=t, count=count)]


class Watchlist:
    """Orders by the time their page is due. An order that is being polled is out of the heap until `put` again."""

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self._heap: list[tuple[int, int, Watched]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, order: Watched) -> None:
        self._count += 1
        heapq.heappush(self._heap, (order.due, self._count, order))

    def next_due(self) -> int | None:
        return self._heap[0][0] if self._heap else None

    def pop_due(self, t: int) -> Watched | None:
        """The order whose page has been due longest by t; None if none is."""
        if self._heap and self._heap[0][0] <= t:
            return heapq.heappop(self._heap)[2]
        return None

    def is_late(self, order: Watched, t: int) -> bool:
        """Whether its page should have been read a whole interval ago."""
        return t - order.due > self.interval

    def plan_next(self, order: Watched, t: int) -> None:
        """Its next turn after t in its own rhythm; turns that were missed are not made up for."""
        missed = max(t - order.due, 0) // self.interval
        order.due += (missed + 1) * self.interval
