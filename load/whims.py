"""What struck buyers do otherwise: every buyer fault put into effect, and journalled once something came of it.

Each is decided at the exchange it is about, when the buyer comes to it: placing (wrong entries, double clicks, a weak
net), paying (late, never, unheard, not submitted), cancelling, complaining, and placing once more. Further orders of a
wish (b00000042.2) are plain: nothing is decided about them.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias, TypeVar

import gevent
import msgspec

from faults.decide import Decider, Exchange
from faults.verdict import (
    BuyerEffect,
    Cancel,
    Complain,
    DoubleClick,
    EnterWrong,
    GiveUp,
    NotSubmitted,
    PayLate,
    Reorder,
    Verdict,
    WeakNet,
)
from ledger.clock import SECOND_NS
from ledger.events import Struck
from ledger.states import Code, Hop, Operation, Phase
from load.acts import Acts, Order
from load.greenlets import guarded
from load.poller import Poller
from load.recorder import Recorder
from plan.chance import draw
from plan.orders import Mix, Wish, again
from plan.run import Plan
from targets.storefront import Ask, Person, Placed, Storefront

NOT_SUBMITTED = "the payment request never left the buyer's device"

E = TypeVar("E", bound=BuyerEffect)
_Told: TypeAlias = list[tuple[BuyerEffect, str]]
"""Effects, each with what it has changed."""


class _Found(msgspec.Struct, frozen=True):
    """What was decided about one exchange of a buyer."""

    exchange: Exchange
    verdict: Verdict

    def all(self, kind: type[E]) -> list[E]:
        return [strike.effect for strike in self.verdict.strikes if isinstance(strike.effect, kind)]

    def first(self, kind: type[E]) -> E | None:
        return next(iter(self.all(kind)), None)

    def weak_net(self) -> WeakNet | None:
        """A weak net that breaks at this very operation."""
        return next((net for net in self.all(WeakNet) if net.operation == self.exchange.operation), None)


class Whims:
    """Decides about the buyers of a process, and journals what came of it."""

    def __init__(
        self, plan: Plan, shop: Storefront, acts: Acts, poller: Poller, recorder: Recorder, now: Callable[[], int]
    ) -> None:
        self.are_armed = any(fault.layer == "buyer" for fault in plan.faults)
        self.plan = plan
        self.shop = shop
        self.acts = acts
        self.poller = poller
        self.now = now
        self._recorder = recorder
        self._decider = Decider(plan, layers=("buyer",))

    def hear(self, phase: Phase, l0_t: int | None, beat_t: int | None) -> None:
        """What the harness says: the phase, the start of load, and its last heartbeat, from which the lease counts."""
        self._decider.begin(phase, l0_t)
        if beat_t is not None:
            self._decider.renew(beat_t)

    def in_force(self) -> list[str]:
        """The ids of the buyer faults that may strike now."""
        return self._decider.in_force(self.now())

    def buy(self, order: Order, due_t: int) -> None:
        """A buyer's life from setting out to leaving, whether anything strikes or not."""
        _Life(self, order).live(due_t)

    def decide(self, order: Order, hop: Hop, operation: Operation) -> _Found:
        """What strikes an exchange of this buyer; a cashier is that of the order's channel."""
        upstream = order.wish.channel if hop is Hop.BUYER_PAYMENT else None
        exchange = Exchange(hop, operation, order.wish.key, 1, upstream)
        return _Found(exchange, self._decider.verdict(exchange, self.now()))

    def struck(self, found: _Found, effect: BuyerEffect, changed: str) -> None:
        """Journals that the effect truly changed the exchange."""
        exchange = found.exchange
        self._recorder.append(
            Struck(
                t=self.now(),
                o=exchange.order_key,
                fault=next(strike.fault_id for strike in found.verdict.strikes if strike.effect is effect),
                hop=exchange.hashed_hop,
                operation=exchange.operation,
                attempt=exchange.attempt,
                changed=changed,
            )
        )

    def after(self, business_s: float) -> int:
        """So many business seconds from now, on the run's axis."""
        return self.now() + int(self.plan.wire_s(business_s) * SECOND_NS)


class _Life:
    """One buyer in a plan with buyer faults."""

    def __init__(self, whims: Whims, order: Order) -> None:
        self._whims = whims
        self._acts = whims.acts
        self._order = order
        self._orders = 1

    def live(self, due_t: int) -> None:
        placing = self._decide(Hop.BUYER_SHOP, Operation.PLACE)
        mistakes = self._enter(placing)
        self._acts.set_out(self._order, due_t)
        if (net := placing.weak_net()) is not None:
            if self._acts.send_unheard(self._order, self._order.ask, Operation.PLACE):
                self._tell_all(placing, [*mistakes, (net, "the answer to placing was never read")])
            return
        clicks = self._click_more(placing)
        placed = self._acts.place(self._order, written=lambda: self._tell_all(placing, mistakes))
        if placed is not None and self._comes_to_pay():
            self._pay(placed)
        gevent.joinall(clicks)

    # --- placing ------------------------------------------------------------------------------------------------
    def _enter(self, placing: _Found) -> _Told:
        """Fills the form in as this buyer does; his mistakes, each with what it changed."""
        mistakes: _Told = []
        order, plan = self._order, self._whims.plan
        first_of_each = {wrong.what: wrong for wrong in reversed(placing.all(EnterWrong))}
        for wrong in first_of_each.values():
            wish, who = enter_wrongly(wrong.what, plan.seed, plan.mix, order.wish, order.who)
            if changed := _difference(order, wish, who):
                order = self._filled(order, wish, who)
                mistakes.append((wrong, changed))
        self._order = order
        return mistakes

    def _filled(self, order: Order, wish: Wish, who: Person, *, is_again: bool = False) -> Order:
        ask = self._whims.shop.place(wish, who)
        return msgspec.structs.replace(order, wish=wish, who=who, ask=ask, again=is_again)

    def _click_more(self, placing: _Found) -> list[gevent.Greenlet]:
        """Sends the same form again while the first is under way. What strikes is told when the second has left."""
        double = placing.first(DoubleClick)
        if double is None:
            return []
        begun, click, greenlets = self._whims.now(), guarded(self._click), []
        for n in range(1, double.more + 1):
            told: _Told = [(double, f"sent {double.more + 1} times")] if n == 1 else []
            at_t = begun + int(n * double.gap_s * SECOND_NS)
            greenlets.append(gevent.spawn(click, self._another(), at_t, placing, told))
        return greenlets

    def _click(self, further: Order, at_t: int, placing: _Found, told: _Told) -> None:
        if self._acts.wait_until(at_t):
            self._acts.place(further, written=lambda: self._tell_all(placing, told))

    def _another(self) -> Order:
        """The next order of the same wish, with a key of its own in contact and account."""
        self._orders += 1
        wish, who = self._order.wish, self._order.who
        key = again(wish.key, self._orders)
        person = Person(who.name, who.contact.replace(wish.key, key, 1), again(who.account, self._orders))
        return self._filled(self._order, msgspec.structs.replace(wish, key=key), person, is_again=True)

    # --- paying -------------------------------------------------------------------------------------------------
    def _comes_to_pay(self) -> bool:
        """Waits; whether the buyer is still there when he would pay, which may be later, and has not given up."""
        paying = self._decide(Hop.BUYER_PAYMENT, Operation.PAY)
        given_up, late = paying.first(GiveUp), paying.first(PayLate)
        by_s = late.by_s if late is not None and given_up is None else 0.0
        if not self._acts.wait_until(self._whims.after(self._order.wish.pay_delay_s + by_s)):
            return False
        if given_up is not None:
            self._whims.struck(paying, given_up, "left without paying")
            return False
        if late is not None:
            self._whims.struck(paying, late, f"came to pay {by_s:g} s of business time later")
        return True

    def _pay(self, placed: Placed) -> None:
        """Pays, unless he cancels before it; and what he does after it."""
        cancelling = self._decide(Hop.BUYER_SHOP, Operation.CANCEL)
        ask = self._whims.shop.cancel(placed)
        cancel = cancelling.first(Cancel) if ask is not None else None
        when = cancel.when if cancel is not None else ""

        def leave() -> None:
            assert ask is not None
            assert cancel is not None
            told: _Told = [(cancel, f"asked to cancel {when} paying")]
            self._acts.cancel(self._order, ask, written=lambda: self._tell_all(cancelling, told))

        if when == "before":
            leave()
            return
        form = self._acts.open_cashier(self._order, placed.pay_url)
        if form is None:
            return
        if when == "during":
            leave()
        if not self._press(form):
            return
        later = [] if cancel is None or when != "after" else [(self._whims.after(cancel.after_s), leave)]
        self._live_on(form, later)

    def _press(self, form: Ask) -> bool:
        """Whether the buyer believes that he has paid."""
        if self._acts.is_over:
            return False
        paying = self._decide(Hop.BUYER_PAYMENT, Operation.PAY)
        if (lost := paying.first(NotSubmitted)) is not None:
            self._acts.fail(self._order, Operation.PAY, 0, NOT_SUBMITTED, Code.PAY_NOT_SUBMITTED)
            self._whims.struck(paying, lost, "the payment request was never sent")
            return True
        if (net := paying.weak_net()) is not None:
            if self._acts.send_unheard(self._order, form, Operation.PAY):
                self._whims.poller.may_be_paid(self._order.wish.key)
                self._whims.struck(paying, net, "the answer to paying was never read")
            return False
        return self._acts.press(self._order, form)

    def _live_on(self, form: Ask, todo: list[tuple[int, Callable[[], None]]]) -> None:
        """What is left to do after paying, each in its time, while the load goes on."""
        placing = self._decide(Hop.BUYER_SHOP, Operation.PLACE)
        if (reorder := placing.first(Reorder)) is not None:
            effect = reorder
            todo.append((self._whims.after(effect.after_s), lambda: self._order_again(placing, effect)))
        complaining = self._decide(Hop.BUYER_PAYMENT, Operation.COMPLAIN)
        if (complain := complaining.first(Complain)) is not None:
            what = complain
            todo.append((self._whims.after(what.after_s), lambda: self._complain(form, complaining, what)))
        for t, do in sorted(todo, key=lambda entry: entry[0]):
            if not self._acts.wait_until(t):
                return
            do()

    def _order_again(self, placing: _Found, reorder: Reorder) -> None:
        if not self._whims.poller.is_open(self._order.wish.key):
            return
        second = self._another()
        told: _Told = [(reorder, f"ordered the same again as {second.wish.key}")]
        placed = self._acts.place(second, written=lambda: self._tell_all(placing, told))
        if placed is not None:
            self._acts.pay(second, placed.pay_url)

    def _complain(self, form: Ask, complaining: _Found, complain: Complain) -> None:
        if not self._whims.poller.is_unserved(self._order.wish.key):
            return
        told: _Told = [(complain, f"complained after {complain.after_s:g} s of business time")]
        self._acts.complain(self._order, form, written=lambda: self._tell_all(complaining, told))

    def _decide(self, hop: Hop, operation: Operation) -> _Found:
        return self._whims.decide(self._order, hop, operation)

    def _tell_all(self, found: _Found, told: _Told) -> None:
        for effect, changed in told:
            self._whims.struck(found, effect, changed)


def enter_wrongly(what: str, seed: int, mix: Mix, wish: Wish, who: Person) -> tuple[Wish, Person]:
    """What the buyer enters instead: another region or product of the mix, or an account that nobody has. A pure
    function of seed and order; a mix that holds no other leaves him right."""
    match what:
        case "region":
            return msgspec.structs.replace(wish, region=_other(mix.region, wish.region, seed, wish.key)), who
        case "denomination":
            return msgspec.structs.replace(wish, product=_other(mix.product, wish.product, seed, wish.key)), who
        case "account":
            return wish, msgspec.structs.replace(who, account=f"nobody-{wish.key}")
    raise AssertionError(f"a buyer cannot enter a wrong {what}")


def _other(shares: Mapping[str, float], own: str, seed: int, key: str) -> str:
    others = sorted(name for name, share in shares.items() if name != own and share)
    return others[int(draw(seed, "wrong entry", key) * len(others))] if others else own


def _difference(order: Order, wish: Wish, who: Person) -> str:
    """What was entered instead of what; empty where it is the same."""
    pairs = (
        ("region", order.wish.region, wish.region),
        ("product", order.wish.product, wish.product),
        ("account", order.who.account, who.account),
    )
    return ", ".join(f"{name} {wrong} instead of {right}" for name, right, wrong in pairs if right != wrong)
