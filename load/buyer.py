"""One order as a buyer lives it: place, wait, open the cashier, pay, leave."""

from collections.abc import Callable

import gevent

from ledger.clock import SECOND_NS
from load.acts import Acts, Order
from load.greenlets import guarded
from load.poller import Poller
from load.recorder import Recorder
from load.whims import Whims
from load.wire import Wire
from plan.run import Plan
from targets.storefront import Storefront


class Buyers:
    """All buyers of a process. Where the plan has no buyer fault, nothing is decided about any of them."""

    def __init__(
        self, plan: Plan, shop: Storefront, wire: Wire, poller: Poller, recorder: Recorder, now: Callable[[], int]
    ) -> None:
        self.here = 0
        self._plan = plan
        self._now = now
        self._acts = Acts(shop, wire, poller, recorder, now)
        self.whims = Whims(plan, shop, self._acts, poller, recorder, now)
        self._live = guarded(self._buy_and_leave)

    @property
    def is_over(self) -> bool:
        return self._acts.is_over

    def start(self, order: Order, due_t: int) -> gevent.Greenlet:
        """Sends a buyer off, who is counted from now on."""
        self.here += 1
        return gevent.spawn(self._live, order, due_t)

    def send_home(self) -> None:
        """The load was stopped: buyers who still wait to pay leave, and no one pays any more."""
        self._acts.end()

    def close(self) -> None:
        """Records the requests that nobody will hear the answer of."""
        self._acts.close()

    def _buy_and_leave(self, order: Order, due_t: int) -> None:
        try:
            if self.whims.are_armed and not order.warm_up:
                self.whims.buy(order, due_t)
            else:
                self._buy(order, due_t)
        finally:
            self.here -= 1

    def _buy(self, order: Order, due_t: int) -> None:
        acts = self._acts
        acts.set_out(order, due_t)
        placed = acts.place(order)
        if placed is None:
            return
        pay_t = self._now() + int(self._plan.wire_s(order.wish.pay_delay_s) * SECOND_NS)
        if order.warm_up or acts.wait_until(pay_t):
            acts.pay(order, placed.pay_url)
