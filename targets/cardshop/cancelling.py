"""The buyer wants to go back."""

from enum import Enum, auto

from targets.cardshop.shop import Shop
from targets.cardshop.states import CANCEL, UNPAID, Code, Known, State
from targets.cardshop.tables import Order


class Answer(Enum):
    """What a buyer is told who wants to cancel."""

    CANCELLED = auto()
    REFUNDING = auto()
    TOO_LATE = auto()


async def cancel(shop: Shop, order: Order) -> Answer:
    """Cancel an order that is unpaid, or paid while nobody was asked for its goods and the shop gives money back.

    The trade stays open at the channel, which has no way to close it: a payment may still come, paid but 已取消
    (sub2api#6525). Raises one of DATABASE_AWAY.
    """
    now = shop.now()
    if await shop.store.move(CANCEL, order.order_no, at=now, code=Code.CANCELLED.value):
        return Answer.CANCELLED
    if shop.profile.compensate_late and await shop.store.take_back(order, at=now):
        shop.poke()
        return Answer.REFUNDING
    return Answer.TOO_LATE


def may_cancel(order: Order, *, compensates: bool) -> bool:
    """Whether a button for it makes sense; the database has the last word."""
    is_untouched = order.state in (State.PAID, State.DELAYED) and order.known is Known.NOTHING
    return order.state in UNPAID or (compensates and is_untouched)
