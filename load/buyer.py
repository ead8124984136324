"""One order as a buyer lives it: place, wait, open the cashier, pay, leave."""

from collections.abc import Callable

import gevent
import msgspec

from ledger.clock import SECOND_NS
from ledger.events import PaidAtCashier, Placed, PollFailed, Sent
from ledger.states import Code, Operation
from load.cashier import FORM, Jump, Send, next_step
from load.greenlets import guarded
from load.poller import Poller
from load.recorder import Recorder
from load.wire import Wire
from plan.orders import Wish
from plan.run import Plan
from targets.storefront import Ask, NotPlaced, Reply, Storefront

STEPS_MAX = 6
KEY_HEADER = "X-Orderjam-Order"
"""Carries the order key in the calls the buyer makes to the cashier."""
UNANSWERED = "no answer by the end of the run"


class Order(msgspec.Struct, frozen=True):
    """What a buyer needs to begin, made ready before it is due."""

    wish: Wish
    ask: Ask
    due_s: float = 0.0
    warm_up: bool = False


class Buyers:
    """All buyers of a process."""

    def __init__(
        self, plan: Plan, shop: Storefront, wire: Wire, poller: Poller, recorder: Recorder, now: Callable[[], int]
    ) -> None:
        self.here = 0
        self.is_over = False
        self._plan = plan
        self._shop = shop
        self._wire = wire
        self._poller = poller
        self._recorder = recorder
        self._now = now
        self._asking: dict[str, Operation] = {}
        self._waiting: set[gevent.Greenlet] = set()
        self._live = guarded(self._buy_and_leave)

    def start(self, order: Order, due_t: int) -> gevent.Greenlet:
        """Sends a buyer off, who is counted from now on."""
        self.here += 1
        return gevent.spawn(self._live, order, due_t)

    def _buy_and_leave(self, order: Order, due_t: int) -> None:
        try:
            self._buy(order, due_t)
        finally:
            self.here -= 1

    def send_home(self) -> None:
        """The load was stopped: buyers who still wait to pay leave, and no one pays any more."""
        self.is_over = True
        for buyer in list(self._waiting):
            buyer.kill(block=False)

    def close(self) -> None:
        """Records the requests that nobody will hear the answer of."""
        for key, operation in self._asking.items():
            self._recorder.append(PollFailed(t=self._now(), o=key, operation=operation, status=0, why=UNANSWERED))

    def _buy(self, order: Order, due_t: int) -> None:
        """`late_ns` of Sent ends where the driver begins to connect or to write: a slow accept is the shop's."""
        key, recorder = order.wish.key, self._recorder
        asked_t = self._now()
        recorder.append(Sent(t=asked_t, o=key, late_ns=max(asked_t - due_t, 0)))
        if not order.warm_up:
            recorder.status.sent += 1
            recorder.was_late(max(asked_t - due_t, 0))
        reply = self._ask(order, order.ask, Operation.PLACE)
        placed = self._shop.read_placed(reply)
        t = self._now()
        if isinstance(placed, NotPlaced):
            self._fail(order, Operation.PLACE, reply.status, placed.why, placed.code)
            return
        recorder.append(Placed(t=t, o=key, order_no=placed.order_no, ms=(t - asked_t) / 1e6))
        if not order.warm_up:
            recorder.status.placed += 1
        self._poller.follow(key, placed, warm_up=order.warm_up)
        if self._wait_to_pay(order, t):
            self._pay(order, placed.pay_url)

    def _wait_to_pay(self, order: Order, placed_t: int) -> bool:
        """Whether the buyer is still there when the pay delay has passed since the order was placed."""
        if order.warm_up:
            return True
        pay_t = placed_t + int(self._plan.wire_s(order.wish.pay_delay_s) * SECOND_NS)
        me = gevent.getcurrent()
        self._waiting.add(me)
        try:
            while not self.is_over and (left := pay_t - self._now()) > 0:
                gevent.sleep(left / SECOND_NS)
        except gevent.GreenletExit:
            return False
        finally:
            self._waiting.discard(me)
        return not self.is_over

    def _pay(self, order: Order, pay_url: str) -> None:
        """Opens the cashier's page as a browser would and presses its button."""
        headers = {KEY_HEADER: order.wish.key}
        ask = Ask("cashier", "GET", pay_url, headers)
        for _ in range(STEPS_MAX):
            reply = self._ask(order, ask, Operation.PAY)
            if why := _flaw(reply):
                self._fail(order, Operation.PAY, reply.status, why)
                return
            step = next_step(reply)
            if isinstance(step, Send) and not step.by_itself:
                self._press(order, step, headers)
                return
            if isinstance(step, Jump):
                ask = Ask("cashier", "GET", step.url, headers)
            elif isinstance(step, Send):
                ask = Ask("cashier", step.method, step.url, {**headers, "Content-Type": FORM}, step.body)
            else:
                self._press(order, Send("POST", step.url, b"", by_itself=False), headers)
                return
        self._fail(order, Operation.PAY, reply.status, "the cashier leads from page to page")

    def _press(self, order: Order, form: Send, headers: dict[str, str]) -> None:
        if self.is_over:
            return
        asked_t = self._now()
        typed = {**headers, "Content-Type": FORM}
        reply = self._ask(order, Ask("pay", form.method, form.url, typed, form.body), Operation.PAY)
        t = self._now()
        if why := _flaw(reply):
            self._fail(order, Operation.PAY, reply.status, why)
            return
        key = order.wish.key
        self._recorder.append(PaidAtCashier(t=t, o=key, channel=order.wish.channel, ms=(t - asked_t) / 1e6))
        if not order.warm_up:
            self._poller.was_paid(key, t)

    def _ask(self, order: Order, ask: Ask, operation: Operation) -> Reply:
        """One request, counted unless it belongs to the warm-up."""
        key = order.wish.key
        if not order.warm_up:
            self._asking[key] = operation
        asked_t = self._now()
        reply = self._wire.send(ask)
        if not order.warm_up:
            del self._asking[key]
            ms = (self._now() - asked_t) / 1e6
            self._recorder.answered(ask.name, ask.method, ms=ms, size=len(reply.body), why=_flaw(reply))
        return reply

    def _fail(self, order: Order, operation: Operation, status: int, why: str, code: Code = Code.UNKNOWN) -> None:
        if not order.warm_up:
            self._recorder.append(
                PollFailed(t=self._now(), o=order.wish.key, operation=operation, status=status, why=why, code=code)
            )


def _flaw(reply: Reply) -> str:
    """What is wrong with an answer, judged by its status alone; empty if nothing."""
    if reply.status == 0:
        return reply.why
    return f"status {reply.status}" if reply.status >= 400 else ""
