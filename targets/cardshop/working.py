"""Works on the queue: claims what is due and takes a turn at each order, many at once."""

import asyncio

from targets.cardshop.database import DATABASE_AWAY
from targets.cardshop.delivering import LOG
from targets.cardshop.shop import Shop
from targets.cardshop.supplying import take_turn

POLL_S = 0.1
"""A worker looks so often although nobody pokes it: jobs become due, and a poked one may be stopped."""
AT_ONCE = 64
_GIVE_BACK_TIMES = 10


async def keep_working(shop: Shop, worker: str, poked: asyncio.Event) -> None:
    """Work for ever; cancelled, it finishes the turns that are under way."""
    free = asyncio.Semaphore(AT_ONCE)
    async with asyncio.TaskGroup() as turns:
        try:
            while True:
                try:
                    claimed = await _claim(shop, worker, most=AT_ONCE - _under_way(free))
                except DATABASE_AWAY as error:
                    LOG.warning("%s: database away (%s), trying again", worker, type(error).__name__)
                    claimed = []
                for order_no in claimed:
                    await free.acquire()
                    turns.create_task(_turn(shop, order_no, free), name=f"turn {order_no}")
                if not claimed:
                    await _wait(poked)
        except asyncio.CancelledError:
            LOG.info("%s: told to end", worker)


async def work_once(shop: Shop, worker: str) -> int:
    """Claim what is due and take one turn at each; how many there were."""
    claimed = await _claim(shop, worker, most=AT_ONCE)
    free = asyncio.Semaphore(0)
    async with asyncio.TaskGroup() as turns:
        for order_no in claimed:
            turns.create_task(_turn(shop, order_no, free))
    return len(claimed)


async def _claim(shop: Shop, worker: str, *, most: int) -> list[str]:
    now = shop.now()
    if most <= 0 or not await shop.jobs.are_due(now):
        return []
    return await shop.jobs.claim(worker, now=now, lease_s=shop.lease_s, most=most)


async def _turn(shop: Shop, order_no: str, free: asyncio.Semaphore) -> None:
    try:
        order = await shop.lookups.find(order_no)
        if order is not None:
            await take_turn(shop, order)
    except DATABASE_AWAY as error:
        LOG.error("order %s: database away (%s)", order_no, type(error).__name__)
        await _give_back(shop, order_no)
    finally:
        free.release()


async def _give_back(shop: Shop, order_no: str) -> None:
    """Put the job back as soon as the database is there again. The next turn goes on from what was written last; where
    the database stays away the lease runs out, and whoever recovers takes the order up."""
    for _ in range(_GIVE_BACK_TIMES):
        try:
            await shop.jobs.give_back(order_no, due=shop.now())
        except DATABASE_AWAY:
            await asyncio.sleep(POLL_S)
        else:
            return


async def _wait(poked: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(POLL_S):
            await poked.wait()
    except TimeoutError:
        pass
    poked.clear()


def _under_way(free: asyncio.Semaphore) -> int:
    return AT_ONCE - free._value
