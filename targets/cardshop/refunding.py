"""The way back: the gateway is asked to give the money back, until it has, or a person must see to it."""

from dataclasses import replace

from targets.cardshop.deciding import gap_s
from targets.cardshop.gateway import Gateway, GatewayError, RefundRefused
from targets.cardshop.shop import Shop
from targets.cardshop.states import FINISH_REFUND, HAND_OVER, Code
from targets.cardshop.tables import Order


async def refund(shop: Shop, order: Order) -> bool:
    """One attempt at a refund; always True, for it ends, is tried again, or is handed over. Raises DATABASE_AWAY."""
    gateway, at = shop.gateways.get(order.channel), shop.now()
    if gateway is None or not order.paid_fen:
        await _hand_over(shop, order, order.code or Code.REFUSED)
        return True
    try:
        is_done = await _ask(gateway, order, order.paid_fen, shop.notify_url(gateway.channel))
    except GatewayError as error:
        # No answer: it may have been given back. The gateway is asked about the trade before it is told again.
        waiting = replace(order, tries=order.tries + 1)
        due = at + gap_s(waiting, shop.settings)
        code = (order.code or error.code).value
        await shop.store.turn(None, order, at=at, due=due, tries=waiting.tries, code=code)
        return True
    if is_done:
        await shop.store.turn(FINISH_REFUND, order, at=shop.now(), due=None)
    else:
        await _hand_over(shop, order, Code.REFUSED)
    return True


async def _ask(gateway: Gateway, order: Order, fen: int, notify_url: str) -> bool:
    """Whether the money is given back; False where the gateway has refused. GatewayError where nobody can tell."""
    if order.tries and await gateway.is_refunded(order.order_no):
        return True
    try:
        await gateway.refund(order.order_no, trade_no=order.trade_no, fen=fen, notify_url=notify_url)
    except RefundRefused:
        return await gateway.is_refunded(order.order_no)
    return True


async def _hand_over(shop: Shop, order: Order, code: Code) -> None:
    await shop.store.turn(HAND_OVER, order, at=shop.now(), due=None, code=code.value)
