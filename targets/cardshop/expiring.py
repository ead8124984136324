"""Unpaid orders end when their life is over."""

import asyncio

from targets.cardshop.database import DATABASE_AWAY
from targets.cardshop.delivering import LOG
from targets.cardshop.gateway import GatewayError
from targets.cardshop.settling import settle_asked
from targets.cardshop.shop import Shop
from targets.cardshop.states import EXPIRE, Code

AT_ONCE = 32
_LIVES_MAX = 2
"""So many lives an order waits for a gateway that does not say whether it is paid."""


def sweep_interval_s(order_life_s: float) -> float:
    """How often to look: a sixtieth of an order's life, between 0.05 s and 5 s."""
    return min(max(order_life_s / 60, 0.05), 5.0)


async def expire_due(shop: Shop, now: float) -> int:
    """End the unpaid orders whose life is over at `now`; how many ended."""
    born_before = now - shop.settings.order_life_s
    if not shop.profile.query_before_expiry:
        return await shop.store.expire(born_before=born_before, at=now)
    free, ended = asyncio.Semaphore(AT_ONCE), list[str]()

    async def ask(order_no: str, channel: str, *, may_wait: bool) -> None:
        async with free:
            if await _is_unpaid(shop, order_no, channel, may_wait=may_wait) and await shop.store.move(
                EXPIRE, order_no, at=shop.now(), code=Code.EXPIRED.value
            ):
                ended.append(order_no)

    async with asyncio.TaskGroup() as asking:
        for order_no, channel, created_at in await shop.store.unpaid(born_before=born_before):
            may_wait = created_at > now - _LIVES_MAX * shop.settings.order_life_s
            asking.create_task(ask(order_no, channel, may_wait=may_wait), name=f"expire {order_no}")
    return len(ended)


async def _is_unpaid(shop: Shop, order_no: str, channel: str, *, may_wait: bool) -> bool:
    """Whether the gateway says so, or has not said anything for too long. A payment that it knows of is settled."""
    gateway = shop.gateways.get(channel)
    if gateway is None:
        return True
    try:
        payment = await gateway.query(order_no)
    except GatewayError as error:
        LOG.warning("expiry of %s: no answer (%s)", order_no, type(error).__name__)
        return not may_wait
    if payment is None:
        return True
    await settle_asked(shop, channel, payment)
    return False


async def keep_expiring(shop: Shop) -> None:
    """Sweep for ever; a database that is away is asked again at the next turn, any other failure ends the shop."""
    while True:
        await asyncio.sleep(sweep_interval_s(shop.settings.order_life_s))
        try:
            await expire_due(shop, shop.now())
        except* DATABASE_AWAY as errors:
            LOG.warning("expiring: database away (%s), trying again", type(errors.exceptions[0]).__name__)
