"""From paid to goods: one turn at an order asks one upstream one question, and writes down what came of it."""

import json
import math
from dataclasses import replace
from typing import Any

from targets.cardshop import refunding
from targets.cardshop.deciding import (
    EMPTY_HANDED,
    Buy,
    GiveUp,
    HandOut,
    HandOver,
    Next,
    Query,
    Refund,
    Rest,
    StartRefund,
    next_step,
    refusals,
)
from targets.cardshop.goods import wanted
from targets.cardshop.products import PRODUCTS, Kind
from targets.cardshop.shop import Shop
from targets.cardshop.states import COMPLETE, DELAY, FAIL, HAND_OVER, RECHARGE, REFUND, Code, Known, State
from targets.cardshop.store import APOLOGY
from targets.cardshop.tables import Order
from targets.cardshop.upstreams import Accepted, Delivered, Nothing, Outcome, Refused, Unknown


async def take_turn(shop: Shop, order: Order) -> bool:
    """Do what is due about a paid order; False where it is stranded: neither settled nor to be looked at again.

    Raises one of DATABASE_AWAY; the job then keeps its lease, and whoever finds it goes on from what is written.
    """
    step = _next(shop, order)
    if step.at > shop.now():
        return await _wait(shop, order, step)
    match step.action:
        case Buy(upstream=name):
            return await _buy(shop, order, name)
        case HandOut():
            handed_out = await shop.store.hand_out(order, at=shop.now())
            return handed_out or await give_up(shop, order, Code.SOLD_OUT)
        case Query():
            return await _query(shop, order)
        case StartRefund():
            return await start_refund(shop, order, order.code or Code.TIMEOUT)
        case Refund():
            return await refunding.refund(shop, order)
        case HandOver():
            code = order.code or Code.UNKNOWN_RESULT
            await shop.store.turn(HAND_OVER, order, at=shop.now(), due=None, code=code.value)
            return True
        case GiveUp(code=code):
            return await give_up(shop, order, code)
        case Rest():
            return await _wait(shop, order, step)


async def take_in(shop: Shop, order: Order, outcome: Outcome) -> bool:
    """Write down what an upstream said, in an answer or in a notice; as `take_turn`."""
    match outcome:
        case Delivered():
            await _complete(shop, order, outcome)
            return True
        case Accepted(receipt=receipt):
            return await _accept(shop, order, receipt)
        case Nothing() if order.known is Known.ACCEPTED:
            return await _stay_unclear(shop, order, Code.UNKNOWN_RESULT)  # it has said otherwise before
        case Nothing():
            return await _note_refusal(shop, order, order.code or Code.UNKNOWN_RESULT, is_final=False)
        case Refused(code=code, is_certain=False):
            return await give_up(shop, order, code)
        case Refused(code=code, is_final=is_final):
            return await _note_refusal(shop, order, code, is_final=is_final or code in EMPTY_HANDED)
        case Unknown(code=code):
            return await _stay_unclear(shop, order, code)


async def give_up(shop: Shop, order: Order, code: Code) -> bool:
    """The goods will never come: the money goes back, or the order ends as it does in shops that keep it."""
    if shop.profile.compensate_late:
        return await start_refund(shop, order, code)
    at, store = shop.now(), shop.store
    if code is Code.SOLD_OUT:
        # Sold out after payment ends as completed with an apology for goods: measured; acg-faka#940.
        await store.turn(COMPLETE, order, at=at, due=None, code=code.value, apology=APOLOGY)
        return True
    if _is_topup(order) and code is not Code.IDENTIFIERS_MISSING:
        await store.turn(FAIL, order, at=at, due=None, code=code.value)
        return True
    delay = DELAY if shop.profile.honest_page and order.state is not State.DELAYED else None
    await store.turn(delay, order, at=at, due=None, code=code.value, known=order.known.value)
    # Nothing to match the goods by: the notice was read and is done with, and the order stays where it is.
    return code is Code.IDENTIFIERS_MISSING


async def start_refund(shop: Shop, order: Order, code: Code) -> bool:
    """The order is refunded from now on, whatever comes."""
    await shop.store.turn(REFUND, order, at=shop.now(), due=shop.now(), code=code.value, tries=0)
    shop.poke()
    return True


async def _buy(shop: Shop, order: Order, name: str) -> bool:
    want = wanted(order, match_by_order=shop.profile.match_by_order)
    if want is None:
        return await give_up(shop, order, Code.IDENTIFIERS_MISSING)
    upstream = shop.sources(order.product).get(name)
    if upstream is None:  # taken out of the settings since
        return await give_up(shop, order, Code.REFUSED)
    # Written before it is sent: after a crash nobody else knows that there may be something under this number.
    at = shop.now()
    if not await shop.store.ask_goods(order.order_no, name, at=at):
        await shop.jobs.leave(order.order_no, order.contact, due=at)
        return True
    state = State.SUBMITTED if order.state is State.PAID else order.state
    asked = replace(order, state=state, upstream=name, known=Known.OPEN, tries=order.tries + 1, updated_at=at)
    return await take_in(shop, asked, await upstream.buy(want))


async def _query(shop: Shop, order: Order) -> bool:
    want = wanted(order, match_by_order=shop.profile.match_by_order)
    upstream = shop.sources(order.product).get(order.upstream)
    if want is None or upstream is None:
        return await give_up(shop, order, Code.IDENTIFIERS_MISSING if want is None else Code.REFUSED)
    outcome = await upstream.query(want)
    has_failed = isinstance(outcome, Unknown) and order.known is not Known.ACCEPTED
    tries = order.tries + 1 if has_failed else order.tries
    return await take_in(shop, replace(order, tries=tries), outcome)


async def _complete(shop: Shop, order: Order, delivered: Delivered) -> None:
    cards = [{"product": order.product, "order_no": order.order_no, "text": text} for text in delivered.cards]
    await shop.store.turn(
        COMPLETE,
        order,
        at=shop.now(),
        due=None,
        cards=cards,
        # Two notices that both bought bring both their cards: measured, 23 of 40; dujiaoka#97, #328.
        is_guarded=shop.profile.settle_once,
        code=None,
        receipt=delivered.receipt or order.receipt,
    )


async def _accept(shop: Shop, order: Order, receipt: str) -> bool:
    was_accepted = order.known is Known.ACCEPTED
    step = None if was_accepted or order.state is State.RECHARGING else RECHARGE
    values: dict[str, Any] = {"known": Known.ACCEPTED.value, "receipt": receipt or order.receipt}
    if not was_accepted:
        values |= {"code": None}
    return await _write(shop, step, replace(order, known=Known.ACCEPTED), values) or True  # its notice will come


async def _note_refusal(shop: Shop, order: Order, code: Code, *, is_final: bool) -> bool:
    refused = {**refusals(order), order.upstream: is_final}
    written = json.dumps(refused)
    values = {"known": Known.REFUSED.value, "code": code.value, "refusals": written, "tries": order.tries}
    after = replace(order, known=Known.REFUSED, code=code, refusals=written, updated_at=shop.now())
    step = _next(shop, after)
    if isinstance(step.action, GiveUp):
        return await give_up(shop, after, code)
    if step.at > shop.now():  # else another upstream is asked at once, and nobody need be alarmed
        return await _write(shop, _delay(shop, order), after, values)
    return await _write(shop, None, after, values)


async def _stay_unclear(shop: Shop, order: Order, code: Code) -> bool:
    known = Known.ACCEPTED if order.known is Known.ACCEPTED else Known.UNCLEAR
    values = {"known": known.value, "code": code.value, "tries": order.tries}
    return await _write(shop, _delay(shop, order), replace(order, known=known, code=code), values)


async def _write(shop: Shop, step: Any, after: Order, values: dict[str, Any]) -> bool:
    """Keep what is known and come back when the next action is due; False where none ever is."""
    at = shop.now()
    upcoming = _next(shop, replace(after, updated_at=at))
    due = None if math.isinf(upcoming.at) else upcoming.at
    await shop.store.turn(step, after, at=at, due=due, **values)
    if due is not None and due <= at:
        shop.poke()
    return due is not None


async def _wait(shop: Shop, order: Order, step: Next) -> bool:
    due = None if math.isinf(step.at) else step.at
    await shop.jobs.leave(order.order_no, order.contact, due=due)
    return due is not None


def _next(shop: Shop, order: Order) -> Next:
    names = list(shop.sources(order.product))
    return next_step(order, upstreams=names, profile=shop.profile, settings=shop.settings, now=shop.now())


def _delay(shop: Shop, order: Order) -> Any:
    """The step that admits that nothing moves; None where the page admits nothing or has done so."""
    return DELAY if shop.profile.honest_page and order.state is not State.DELAYED else None


def _is_topup(order: Order) -> bool:
    return order.product in PRODUCTS and PRODUCTS[order.product].kind is Kind.TOPUP
