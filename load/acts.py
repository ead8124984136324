"""What a buyer can do: place, wait, open the cashier, pay, cancel. Each is counted and journalled; who does what, and
when, is said in buyer.py and whims.py."""

from collections.abc import Callable
from urllib.parse import urlencode

import gevent
import msgspec

from ledger.clock import SECOND_NS
from ledger.events import CancelAsked, PaidAtCashier, Placed, PollFailed, Sent
from ledger.states import Code, Operation
from load.cashier import FORM, Jump, Send, next_step
from load.poller import Poller
from load.recorder import Recorder
from load.wire import Wire
from plan.orders import Wish
from targets import storefront
from targets.storefront import Ask, NotPlaced, Person, Reply, Storefront

STEPS_MAX = 6
KEY_HEADER = "X-Orderjam-Order"
"""Carries the order key in the calls the buyer makes to the cashier."""
REASON = "付款后一直没有收到商品 (paid, and nothing came)"
UNANSWERED = "no answer by the end of the run"
UNREAD = "the buyer's link broke before the answer"

Written = Callable[[], None]
"""Called as soon as a request has left the driver."""


class Order(msgspec.Struct, frozen=True):
    """What a buyer needs to begin, made ready before it is due. `again`: a further order of a wish, beside the plan."""

    wish: Wish
    who: Person
    ask: Ask
    due_s: float = 0.0
    warm_up: bool = False
    again: bool = False


class Acts:
    """All that is done by the buyers of a process. Requests of the warm-up are counted nowhere."""

    def __init__(
        self, shop: Storefront, wire: Wire, poller: Poller, recorder: Recorder, now: Callable[[], int]
    ) -> None:
        self.is_over = False
        self._shop = shop
        self._wire = wire
        self._poller = poller
        self._recorder = recorder
        self._now = now
        self._asking: dict[str, Operation] = {}
        self._waiting: set[gevent.Greenlet] = set()

    def end(self) -> None:
        """The load was stopped: who still waits leaves, and nobody pays, cancels or orders again any more."""
        self.is_over = True
        for buyer in list(self._waiting):
            buyer.kill(block=False)

    def close(self) -> None:
        """Records the requests that nobody will hear the answer of."""
        for key, operation in self._asking.items():
            self._recorder.append(
                CancelAsked(t=self._now(), o=key, status=0, done=False, words=UNANSWERED)
                if operation is Operation.CANCEL
                else PollFailed(t=self._now(), o=key, operation=operation, status=0, why=UNANSWERED)
            )

    def wait_until(self, t: int) -> bool:
        """Whether the load still goes on at t, on the run's axis; returns then, or as soon as it has ended."""
        me = gevent.getcurrent()
        self._waiting.add(me)
        try:
            while not self.is_over and (left := t - self._now()) > 0:
                gevent.sleep(left / SECOND_NS)
        except gevent.GreenletExit:
            return False
        finally:
            self._waiting.discard(me)
        return not self.is_over

    # --- placing ------------------------------------------------------------------------------------------------
    def set_out(self, order: Order, due_t: int) -> None:
        """`late_ns` of Sent ends where the driver begins to connect or to write: a slow accept is the shop's."""
        t = self._now()
        self._recorder.append(Sent(t=t, o=order.wish.key, late_ns=max(t - due_t, 0)))
        if not order.warm_up:
            self._recorder.status.sent += 1
            self._recorder.was_late(max(t - due_t, 0))

    def place(self, order: Order, *, written: Written | None = None) -> storefront.Placed | None:
        """Where to pay and where to look, once the shop has taken the order, whose page is followed from then on."""
        key, asked_t = order.wish.key, self._now()
        reply = self._ask(order, order.ask, Operation.PLACE, written)
        placed = self._shop.read_placed(reply)
        t = self._now()
        if isinstance(placed, NotPlaced):
            self.fail(order, Operation.PLACE, reply.status, placed.why, placed.code)
            return None
        self._recorder.append(Placed(t=t, o=key, order_no=placed.order_no, ms=(t - asked_t) / 1e6))
        if order.again:
            self._recorder.status.again += 1
        elif not order.warm_up:
            self._recorder.status.placed += 1
        self._poller.follow(key, placed, warm_up=order.warm_up)
        return placed

    # --- paying -------------------------------------------------------------------------------------------------
    def pay(self, order: Order, pay_url: str) -> bool:
        """Whether the buyer has paid, as far as he can see."""
        form = self.open_cashier(order, pay_url)
        return form is not None and self.press(order, form)

    def open_cashier(self, order: Order, pay_url: str) -> Ask | None:
        """What pressing the cashier's button would send; follows the pages before it as a browser would."""
        headers = {KEY_HEADER: order.wish.key}
        ask = Ask("cashier", "GET", pay_url, headers)
        for _ in range(STEPS_MAX):
            reply = self._ask(order, ask, Operation.PAY)
            if why := _flaw(reply):
                self.fail(order, Operation.PAY, reply.status, why)
                return None
            step = next_step(reply)
            if isinstance(step, Jump):
                ask = Ask("cashier", "GET", step.url, headers)
                continue
            typed = {**headers, "Content-Type": FORM}
            if not isinstance(step, Send):
                return Ask("pay", "POST", step.url, typed)
            if not step.by_itself:
                return Ask("pay", step.method, step.url, typed, step.body)
            ask = Ask("cashier", step.method, step.url, typed, step.body)
        self.fail(order, Operation.PAY, reply.status, "the cashier leads from page to page")
        return None

    def press(self, order: Order, form: Ask) -> bool:
        """Whether the cashier said yes; an order whose payment was not answered may be paid all the same."""
        if self.is_over:
            return False
        key, asked_t = order.wish.key, self._now()
        reply = self._ask(order, form, Operation.PAY)
        t = self._now()
        if why := _flaw(reply):
            self.fail(order, Operation.PAY, reply.status, why)
            if not reply.status:
                self._poller.may_be_paid(key)
            return False
        self._recorder.append(PaidAtCashier(t=t, o=key, channel=order.wish.channel, ms=(t - asked_t) / 1e6))
        if not order.warm_up:
            self._poller.was_paid(key, t)
        return True

    # --- what only struck buyers do -----------------------------------------------------------------------------
    def cancel(self, order: Order, ask: Ask, *, written: Written) -> None:
        """Asks the shop to cancel; what it says to that is journalled."""
        reply = self._ask(order, ask, Operation.CANCEL, written)
        said = self._shop.read_cancelled(reply)
        self._recorder.append(
            CancelAsked(t=self._now(), o=order.wish.key, status=reply.status, done=said.done, words=said.words)
        )

    def complain(self, order: Order, form: Ask, *, written: Written) -> bool:
        """Complains at the cashier that the buyer has paid at: whether the channel took it."""
        body = b"&".join(filter(None, (form.body, urlencode({"complain": REASON}).encode())))
        ask = msgspec.structs.replace(form, name="complain", method="POST", body=body)
        reply = self._ask(order, ask, Operation.COMPLAIN, written)
        if why := _flaw(reply):
            self.fail(order, Operation.COMPLAIN, reply.status, why)
        return not why

    def send_unheard(self, order: Order, ask: Ask, operation: Operation) -> bool:
        """Whether the request left; its answer is never read, so that it is in no count of answers."""
        why = self._wire.send_unheard(ask)
        self.fail(order, operation, 0, why or UNREAD)
        return not why

    def fail(self, order: Order, operation: Operation, status: int, why: str, code: Code = Code.UNKNOWN) -> None:
        """The buyer did not get what he asked for."""
        if not order.warm_up:
            self._recorder.append(
                PollFailed(t=self._now(), o=order.wish.key, operation=operation, status=status, why=why, code=code)
            )

    def _ask(self, order: Order, ask: Ask, operation: Operation, written: Written | None = None) -> Reply:
        """One request, counted unless it belongs to the warm-up."""
        key = order.wish.key
        if not order.warm_up:
            self._asking[key] = operation
        asked_t = self._now()
        reply = self._wire.send(ask, written=written)
        if not order.warm_up:
            del self._asking[key]
            ms = (self._now() - asked_t) / 1e6
            self._recorder.answered(ask.name, ask.method, ms=ms, size=len(reply.body), why=_flaw(reply))
        return reply


def _flaw(reply: Reply) -> str:
    """What is wrong with an answer, judged by its status alone; empty if nothing."""
    if reply.status == 0:
        return reply.why
    return f"status {reply.status}" if reply.status >= 400 else ""
