"""A game server says what became of a top-up."""

from collections.abc import Mapping

from targets.cardshop import supplying
from targets.cardshop.game import Notice, NoticeForged
from targets.cardshop.shop import Shop
from targets.cardshop.states import UNDELIVERED, State
from targets.cardshop.tables import Order
from targets.cardshop.upstreams import Unknown


async def hear(shop: Shop, server: str, headers: Mapping[str, str], body: bytes) -> int:
    """The HTTP status that answers a notice: 200 once it is written down, 401 where it is forged, 404 and 422 where it
    belongs to no order or says nothing; the server then tries again. Raises one of DATABASE_AWAY."""
    try:
        notice = shop.games[server].read_notice(headers, body)
    except NoticeForged:
        return 401
    order = await _order_of(shop, server, notice)
    if order is None:
        return 404
    is_waited_for = order.state in UNDELIVERED or order.state is State.MANUAL
    if not is_waited_for:
        return 200  # a repeat, or too late: what has ended stays as it ended
    if isinstance(notice.outcome, Unknown):
        return 422
    is_complete = notice.account and notice.region and notice.product
    if not shop.profile.match_by_order and not is_complete:
        return 422
    await supplying.take_in(shop, order, notice.outcome)
    return 200


async def _order_of(shop: Shop, server: str, notice: Notice) -> Order | None:
    """The order of a notice: by the shop's own number, or, for a shop that keeps the server's, by that."""
    number: str | None = notice.reference
    if not number and shop.profile.match_by_order and notice.topup_id:
        number = await shop.store.number_of(server, notice.topup_id)
    return await shop.lookups.find(number) if number else None
