"""Unpaid orders end when their life is over."""

import asyncio

from targets.cardshop.delivering import LOG
from targets.cardshop.shop import Shop
from targets.cardshop.store import DATABASE_AWAY


def sweep_interval_s(order_life_s: float) -> float:
    """How often to look: a sixtieth of an order's life, between 0.05 s and 5 s."""
    return min(max(order_life_s / 60, 0.05), 5.0)


async def expire_due(shop: Shop, now: float) -> int:
    """End the unpaid orders whose life is over at `now`; how many there were."""
    return await shop.store.expire(born_before=now - shop.settings.order_life_s, at=now)


async def keep_expiring(shop: Shop) -> None:
    """Sweep for ever; a database that is away is asked again at the next turn, any other failure ends the shop."""
    while True:
        await asyncio.sleep(sweep_interval_s(shop.settings.order_life_s))
        try:
            await expire_due(shop, shop.now())
        except DATABASE_AWAY as error:
            LOG.warning("expiring: database away (%s), trying again", type(error).__name__)
