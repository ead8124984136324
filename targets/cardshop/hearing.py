"""A supplier that delivers later says that an order has ended; what it is worth, it tells who asks."""

from targets.cardshop import supplying
from targets.cardshop.delivering import LOG
from targets.cardshop.fulu import Fulu, NoticeForged
from targets.cardshop.goods import wanted
from targets.cardshop.shop import Shop
from targets.cardshop.states import UNDELIVERED, State
from targets.cardshop.upstreams import Unknown

_ENDED = ("success", "failed")


async def tell_suppliers_where(shop: Shop) -> None:
    """Enter the shop's address at suppliers that send notices. Whoever does not take it is asked, and never heard."""
    for name, supplier in shop.suppliers.items():
        if isinstance(supplier, Fulu) and not await supplier.tell_where(shop.notify_url(supplier.peer)):
            LOG.warning("supplier %s: its console does not take the address of notices", name)


async def hear(shop: Shop, name: str, body: bytes) -> bool:
    """Whether a notice is taken: it is this supplier's, and what it speaks of is written down. Raises DATABASE_AWAY."""
    supplier = shop.suppliers.get(name)
    if not isinstance(supplier, Fulu):
        return False
    try:
        notice = supplier.read_notice(body)
    except NoticeForged:
        return False
    order = await shop.lookups.find(notice.number) if notice.number else None
    if order is None or notice.status not in _ENDED:
        return False
    if order.upstream != name or (order.state not in UNDELIVERED and order.state is not State.MANUAL):
        return True  # a repeat, or too late: what has ended stays as it ended
    want = wanted(order, match_by_order=shop.profile.match_by_order)
    if want is None:
        return False
    # The cards are not in the notice, and whoever reads the platform's own books need not believe its state either.
    outcome = await supplier.query(want)
    if isinstance(outcome, Unknown):
        return False
    await supplying.take_in(shop, order, outcome)
    return True
