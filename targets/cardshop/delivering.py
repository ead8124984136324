"""From paid to goods: a card of the shop's own stock."""

import logging
from typing import Any

from targets.cardshop.gateway import Payment
from targets.cardshop.shop import Shop
from targets.cardshop.states import PAY, RECHARGE, SUBMIT
from targets.cardshop.tables import Order

LOG = logging.getLogger("cardshop")


async def deliver(shop: Shop, order: Order, payment: Payment) -> None:
    """Give a paid order its card, or the apology where the stock is empty; raises one of DATABASE_AWAY.

    Sold out after payment ends as completed with an apology for goods, as in real shops: measured; acg-faka#940.
    """
    now = shop.now()
    paid = {"trade_no": payment.trade_no, "paid_fen": payment.fen, "paid_at": now, "code": None}
    if shop.profile.settle_once:
        await shop.store.settle(order.order_no, order.product, at=now, **paid)
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
