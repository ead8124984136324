"""Sends each order when it is due: an open loop that waits for nobody, fed by a look-ahead that dresses buyers up."""

from collections import deque
from collections.abc import Callable, Iterator

import gevent

from ledger.clock import SECOND_NS
from ledger.events import Planned, Unsent
from ledger.states import Phase
from load.acts import Order
from load.buyer import Buyers
from load.people import person
from load.recorder import Recorder
from load.wire import Wire
from plan.arrivals import Schedule
from plan.orders import order_key, wish
from plan.run import Plan
from targets.storefront import Storefront

BUYERS_MAX = 20_000
AHEAD = 2_000
"""Orders kept ready: more than a second's worth at the highest rate one process is good for."""
STOPPED = "stopped early"
_LOOK_S = 0.05


def make_order(plan: Plan, shop: Storefront, n: int, *, due_s: float = 0.0, warm_up: bool = False) -> Order:
    """Order n, dressed up: wish, person and the request that places it."""
    wanted = wish(plan.seed, n, plan.mix, warm_up=warm_up)
    who = person(plan.seed, wanted.key)
    return Order(wanted, who, shop.place(wanted, who), due_s, warm_up)


class Arrivals:
    """The own orders of one worker: those whose number leaves its index when divided by the number of workers."""

    def __init__(
        self,
        plan: Plan,
        shop: Storefront,
        wire: Wire,
        buyers: Buyers,
        recorder: Recorder,
        now: Callable[[], int],
        *,
        index: int,
        workers: int,
    ) -> None:
        self.is_done = False
        self.is_awaited = False
        self._plan = plan
        self._shop = shop
        self._wire = wire
        self._buyers = buyers
        self._recorder = recorder
        self._now = now
        self._own = range(index, plan.load.orders, workers)
        self._schedule = Schedule(plan.load, plan.seed)
        self._next = 0
        self._coming = self._make()
        self._ahead: deque[Order] = deque()
        self._l0_t: int | None = None
        self._stopped = False

    def _make(self) -> Iterator[Order]:
        for n in self._own:
            yield make_order(self._plan, self._shop, n, due_s=self._schedule.due_s(n))

    def prepare(self) -> None:
        """Makes the first orders ready, before anything is due."""
        while len(self._ahead) < AHEAD and (order := next(self._coming, None)) is not None:
            self._ahead.append(order)

    def keep_ahead(self) -> None:
        """Makes later orders ready, one at a time between other work, until all are."""
        while not self.is_done:
            if len(self._ahead) >= AHEAD:
                gevent.sleep(_LOOK_S / 5)
                continue
            order = next(self._coming, None)
            if order is None:
                return
            self._ahead.append(order)
            gevent.sleep(0)

    def begin(self, l0_t: int) -> None:
        """Load starts at l0_t."""
        self._l0_t = l0_t

    def stop(self) -> None:
        """No order is sent any more; those whose turn had not come are recorded as unsent."""
        if self.is_done:
            return
        self._stopped = self.is_done = True
        t = self._now()
        for n in self._own[self._next :]:
            self._recorder.append(Unsent(t=t, o=order_key(n), why=STOPPED))
            self._recorder.status.unsent += 1

    def run(self) -> None:
        """Sends every own order once. Called by Locust's user; a second caller in the process finds nothing to do."""
        if self.is_awaited:
            return
        self.is_awaited = True
        try:
            self._run()
        finally:  # Locust may kill its user, when its master has gone: what was not sent is said so
            self.stop()

    def _run(self) -> None:
        while self._l0_t is None and not self._stopped:
            gevent.sleep(_LOOK_S / 5)
        while not self._stopped and self._next < len(self._own):
            order = self._ahead.popleft() if self._ahead else next(self._coming)
            assert self._l0_t is not None
            due_t = self._l0_t + int(order.due_s * SECOND_NS)
            if self._is_due(due_t):
                self._send(order, due_t)
        if not self._stopped:
            self.is_done = True

    def _is_due(self, due_t: int) -> bool:
        """Waits; False if the load was stopped meanwhile. Always lets others run, also when it is behind."""
        while True:
            left = due_t - self._now()
            gevent.sleep(min(max(left / SECOND_NS, 0.0), _LOOK_S))
            if self._stopped:
                return False
            if self._now() >= due_t:
                return True

    def _send(self, order: Order, due_t: int) -> None:
        self._next += 1
        key = order.wish.key
        self._recorder.append(Planned(t=self._now(), o=key, n=order.wish.n, due_t=due_t))
        self._recorder.status.planned += 1
        if why := self._too_many():
            self._recorder.append(Unsent(t=self._now(), o=key, why=why))
            self._recorder.status.unsent += 1
            return
        self._buyers.start(order, due_t)

    def _too_many(self) -> str:
        if self._buyers.here >= BUYERS_MAX:
            return "too many buyers at once"
        return "too many connections at once" if self._wire.open_now >= self._wire.open_max else ""


def over(phase: Phase) -> bool:
    """Whether a phase comes after the load."""
    return phase in (Phase.HEAL, Phase.SETTLE, Phase.COLLECT)
