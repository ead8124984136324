"""From the payment on: the goods are put on the queue, or fetched while the notice waits for its answer."""

import logging
from dataclasses import replace
from typing import Any

from targets.cardshop import supplying
from targets.cardshop.gateway import Payment
from targets.cardshop.goods import wanted
from targets.cardshop.shop import Shop
from targets.cardshop.states import PAY, PAY_LATE, PAY_SHOWN, RECHARGE, ROLL_BACK, SUBMIT, Known, State, Step
from targets.cardshop.tables import Order

LOG = logging.getLogger("cardshop")


async def deliver(shop: Shop, order: Order, payment: Payment) -> bool:
    """See to it that a paid order gets its goods; whether its notice may be acknowledged.

    Raises one of DATABASE_AWAY.
    """
    now = shop.now()
    paid: dict[str, Any] = {
        "trade_no": payment.trade_no,
        "paid_fen": payment.fen,
        "paid_at": now,
        "code": None,
        "told": payment.told,
    }
    if shop.profile.queue_delivery:
        await shop.store.start(_step(shop, order, payment), order, at=now, due=now, **paid, **_UNASKED)
        shop.poke()
        return True
    if not shop.sources(order.product) and not shop.profile.compensate_late and order.state is not State.EXPIRED:
        await _from_stock(shop, order, paid)
        return True
    return await _inside_the_notice(shop, order, payment, paid)


_UNASKED: dict[str, Any] = {"known": Known.NOTHING.value, "tries": 0, "refusals": ""}


def _step(shop: Shop, order: Order, payment: Payment) -> Step:
    """The step that a payment takes; a page that is not honest says 充值中 from here on."""
    if order.state is State.EXPIRED:
        return PAY_LATE
    told = replace(order, told=payment.told)
    has_goods = not shop.sources(order.product) or wanted(told, match_by_order=shop.profile.match_by_order)
    return PAY if shop.profile.honest_page or not has_goods else PAY_SHOWN


async def _from_stock(shop: Shop, order: Order, paid: dict[str, Any]) -> None:
    """A card, or the apology where the stock is empty.

    Sold out after payment ends as completed with an apology for goods, as in real shops: measured; acg-faka#940.
    """
    if shop.profile.settle_once:
        await shop.store.settle(order.order_no, order.product, at=shop.now(), **paid)
    else:
        await _deliver_in_steps(shop, order, paid)


async def _deliver_in_steps(shop: Shop, order: Order, paid: dict[str, Any]) -> None:
    """Each step in a transaction of its own, and none asks whether it won.

    Two notices that both read the order as unpaid both come here: two cards for one order, measured 23 of 40. A crash
    between two steps leaves the order there for ever, for a repeat finds it no longer unpaid.
    """
    store, order_no = shop.store, order.order_no
    await store.move(PAY, order_no, at=shop.now(), **paid)
    await store.move(SUBMIT, order_no, at=shop.now())
    await store.move(RECHARGE, order_no, at=shop.now())
    has_card = await store.take_card(order.product, order_no)
    await store.complete(order_no, has_card=has_card, at=shop.now())


async def _inside_the_notice(shop: Shop, order: Order, payment: Payment, paid: dict[str, Any]) -> bool:
    """One turn at the order while its notice waits, the product locked as real shops lock its row.

    A slow upstream freezes one product, then the whole shop: measured, 8 orders 18 s; alf.io#1524. Where nothing came
    of it and nobody will look again, the payment is rolled back and the channel's next notice is the retry, with a
    number that the supplier may refuse to see twice: measured, 14 of 14.
    """
    step, now = _step(shop, order, payment), shop.now()
    due = now if shop.profile.keeps_jobs else None
    lease = now + shop.lease_s
    has_won = await shop.store.start(step, order, at=now, due=due, lease=lease, **paid, **_UNASKED)
    if not has_won and shop.profile.settle_once:
        return True
    unasked = replace(
        order, state=step.target, told=payment.told, paid_at=now, paid_fen=payment.fen, trade_no=payment.trade_no,
        code=None, known=Known.NOTHING, tries=0, refusals="", updated_at=now,
    )  # fmt: skip
    async with shop.product_locks[order.product]:
        is_seen_to = await supplying.take_turn(shop, unasked)
    if is_seen_to or not shop.profile.ack_after_commit:
        return True
    await shop.store.move(ROLL_BACK, order.order_no, at=shop.now())
    return False
