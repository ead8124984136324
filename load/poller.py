"""Follows every placed order until its end: reads its page in its own rhythm, with a bound on how many at once.

A paid order whose page ended without goods or refund is looked at further, if not as often: the shop may yet refund.
"""

from collections.abc import Callable

import gevent

from ledger.clock import SECOND_NS
from ledger.states import State
from load.greenlets import guarded
from load.recorder import Recorder
from load.watch import Watched, Watchlist, phase_share
from load.wire import POLL_S, Wire
from plan.run import Plan
from targets.storefront import Placed, Storefront, Unread

AT_ONCE_MAX = 4_000
"""High, for a shop that hangs holds every poll for POLL_S: a low bound would make us look like the bottleneck."""
WARM_UP_FOR_S = 3.0
LOST_EVERY_S = 1.0
"""Wire seconds between two looks at the page of a paid order that ended without goods or refund."""
_TICK_S = 0.005
_SLICE = 256


class Poller:
    """One of these follows all orders of a process."""

    def __init__(self, plan: Plan, shop: Storefront, wire: Wire, recorder: Recorder, now: Callable[[], int]) -> None:
        self.followed: dict[str, Watched] = {}
        self.warming: set[str] = set()
        self._unserved: dict[str, Watched] = {}
        self._shop = shop
        self._wire = wire
        self._recorder = recorder
        self._now = now
        self._seed = plan.seed
        self._interval = int(plan.poll_every * SECOND_NS)
        self._stuck_after = {s: int(plan.wire_s(after) * SECOND_NS) for s, after in plan.stuck_after.items()}
        self._list = Watchlist(self._interval)
        self._polling = 0
        self._at_once = min(AT_ONCE_MAX, wire.open_max // 2)
        self._poll = guarded(self._read_page)
        self._is_closed = False

    def follow(self, key: str, placed: Placed, *, warm_up: bool = False) -> None:
        """From now on, until the order ends or `close`; orders of the warm-up only for a short while."""
        t = self._now()
        due = t + int(phase_share(self._seed, key) * self._interval)
        until = t + int(WARM_UP_FOR_S * SECOND_NS) if warm_up else None
        order = Watched(key=key, ask=self._shop.poll(placed), due=due, until=until, warm_up=warm_up)
        (self.warming.add(key) if warm_up else self.followed.__setitem__(key, order))
        self._list.put(order)

    def is_open(self, key: str) -> bool:
        """Whether an order that was followed has shown no end yet."""
        return key in self.followed

    def is_unserved(self, key: str) -> bool:
        """Whether an order that was followed has shown no end yet, or was paid and ended without goods or refund."""
        return key in self.followed or key in self._unserved

    def was_paid(self, key: str, t: int) -> None:
        """The buyer of a followed order paid at the cashier, perhaps after the order's end."""
        self._recorder.status.paid += 1
        if (order := self.followed.get(key)) is not None:
            order.paid_t = t
        elif (order := self._unserved.get(key)) is not None:
            order.paid_t = t
            self._look_on(order, t)

    def may_be_paid(self, key: str) -> None:
        """The payment of an order was sent, and nobody heard what came of it."""
        if (order := self.followed.get(key)) is not None:
            order.may_be_paid = True

    def run(self) -> None:
        """Polls what is due, until `close`."""
        while not self._is_closed:
            t = self._now()
            while self._polling < self._at_once and (order := self._list.pop_due(t)) is not None:
                self._polling += 1
                gevent.spawn(self._poll, order)
            gevent.sleep(self._pause_s())

    def _pause_s(self) -> float:
        due = self._list.next_due()
        if due is None or self._polling >= self._at_once:
            return _TICK_S
        return min(max((due - self._now()) / SECOND_NS, 0.0), _TICK_S)

    def _read_page(self, order: Watched) -> None:
        asked_t = self._now()
        try:
            if not order.warm_up and self._list.is_late(order, asked_t):
                self._recorder.polled_late()
            reply = self._wire.browse(order.ask, within_s=POLL_S)
            t = self._now()
            page = self._shop.read_page(reply)
        finally:
            self._polling -= 1
        if self._is_closed:
            return
        unread = page if isinstance(page, Unread) else None
        if not order.warm_up:
            self._recorder.answered(
                "poll",
                order.ask.method,
                ms=(t - asked_t) / 1e6,
                size=len(reply.body),
                why=unread.why if unread else "",
            )
        events = (
            order.failed(page, status=404 if page.gone else reply.status, t=t)
            if isinstance(page, Unread)
            else order.saw(page, asked_t=asked_t, t=t)
        )
        if not order.warm_up:
            for event in events:
                self._recorder.append(event)
        self._go_on(order, t)

    def _go_on(self, order: Watched, t: int) -> None:
        if not (order.is_over or (order.until is not None and t >= order.until)):
            if self._unserved.pop(order.key, None) is not None:  # the shop has taken it up again, to refund it
                self.followed[order.key] = order
                self._recorder.status.ended -= 1
            self._list.plan_next(order, t)
            self._list.put(order)
            return
        self.warming.discard(order.key)
        if self.followed.pop(order.key, None) is not None:
            self._recorder.status.ended += 1
        if order.warm_up or not order.is_unserved:
            self._unserved.pop(order.key, None)
            return
        self._unserved[order.key] = order
        if order.paid_t is not None:
            self._look_on(order, t)

    def _look_on(self, order: Watched, t: int) -> None:
        order.due = t + int(LOST_EVERY_S * SECOND_NS)
        self._list.put(order)

    def count(self) -> None:
        """Brings the status up to date; yields between slices, for a sale may have many thousand open orders."""
        by_state: dict[State, int] = {}
        n_open = overdue = 0
        for number, order in enumerate(list(self.followed.values())):
            if number % _SLICE == _SLICE - 1:
                gevent.sleep(0)
            if order.paid_t is None or order.is_over:
                n_open += order.may_be_paid and not order.is_over
                continue
            n_open += 1
            by_state[order.state] = by_state.get(order.state, 0) + 1
            limit = self._stuck_after.get(order.state)
            overdue += limit is not None and self._now() - order.paid_t > limit
        status = self._recorder.status
        status.open, status.overdue = n_open, overdue
        status.lost = sum(order.paid_t is not None for order in self._unserved.values())
        status.by_state = {str(state): n for state, n in sorted(by_state.items())}

    def close(self) -> None:
        """Ends polling and records, for every order still open, what its page showed last."""
        self._is_closed = True
        t = self._now()
        for order in (*self.followed.values(), *self._unserved.values()):
            for event in order.close(t):
                self._recorder.append(event)
