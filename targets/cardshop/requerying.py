"""Switch requery_unpaid: the gateway is asked about unpaid orders, so that a lost notice is found."""

import asyncio

from targets.cardshop.database import DATABASE_AWAY
from targets.cardshop.delivering import LOG
from targets.cardshop.gateway import GatewayError
from targets.cardshop.settling import settle_asked
from targets.cardshop.shop import Shop

AT_ONCE = 32


async def requery_due(shop: Shop, now: float) -> int:
    """Ask once about every unpaid, unexpired order older than the interval; how many were asked about."""
    settings = shop.settings
    due = await shop.store.unpaid(born_before=now - settings.requery_s, born_after=now - settings.order_life_s)
    free = asyncio.Semaphore(AT_ONCE)

    async def ask(order_no: str, channel: str) -> None:
        async with free:
            await _ask(shop, order_no, channel)

    async with asyncio.TaskGroup() as asking:
        for order_no, channel, _ in due:
            asking.create_task(ask(order_no, channel), name=f"requery {order_no}")
    return len(due)


async def _ask(shop: Shop, order_no: str, channel: str) -> None:
    gateway = shop.gateways.get(channel)
    if gateway is None:  # the channel was taken out of the settings since
        return
    try:
        payment = await gateway.query(order_no)
        if payment is not None:
            await settle_asked(shop, channel, payment)
    except (GatewayError, *DATABASE_AWAY) as error:
        # No answer is no news: the order stays as it is and is asked about again.
        LOG.warning("requery of %s: no answer (%s)", order_no, type(error).__name__)


async def keep_requerying(shop: Shop) -> None:
    """Ask at every interval for ever; a database that is away is asked again at the next turn."""
    while True:
        await asyncio.sleep(shop.settings.requery_s)
        try:
            await requery_due(shop, shop.now())
        except DATABASE_AWAY as error:
            LOG.warning("requerying: database away (%s), trying again", type(error).__name__)
