"""What nobody is at: jobs whose worker is gone, orders that fell between two steps, pages that promise too much.

Switches recover_after_crash, query_supplier, compensate_late and honest_page; each looks after its own.
"""

import asyncio

from targets.cardshop.database import DATABASE_AWAY
from targets.cardshop.delivering import LOG
from targets.cardshop.shop import Shop

_INTERVAL_S_MAX = 2.0


def sweep_interval_s(delayed_s: float) -> float:
    """How often to look: a quarter of the time after which the page must admit a delay, between 0.05 s and 2 s."""
    return min(max(delayed_s / 4, 0.05), _INTERVAL_S_MAX)


async def recover_all(shop: Shop) -> None:
    """At the start nobody can be at work: every lease is one of a process that is gone."""
    now = shop.now()
    await shop.jobs.release("all", now=now)
    await shop.jobs.put_missing("between_steps", since=now, now=now, forgive=True)


async def release_of(shop: Shop, worker: str) -> None:
    """A worker has died; what it held is free again, where crashes are recovered from at all."""
    LOG.error("%s died, another was started", worker)
    if not shop.profile.recover_after_crash:
        return
    try:
        await shop.jobs.release("worker", now=shop.now(), worker=worker)
    except DATABASE_AWAY as error:  # its leases run out by themselves
        LOG.warning("%s: database away (%s)", worker, type(error).__name__)
    shop.poke()


async def sweep(shop: Shop, now: float) -> int:
    """Once over everything; how many orders somebody will see to again."""
    settings, profile, jobs = shop.settings, shop.profile, shop.jobs
    found = 0
    if profile.recover_after_crash:
        since = now - settings.recover_s
        found += await jobs.release("expired", now=now)
        found += await jobs.put_missing("between_steps", since=since, now=now, forgive=True)
        if profile.compensate_late:  # a refusal that is final would have been sent back: this job was lost
            found += await jobs.put_missing("refused", since=since, now=now, forgive=False)
    if profile.query_supplier:
        found += await jobs.put_missing("without_result", since=now - settings.query_s, now=now, forgive=False)
    if profile.compensate_late:
        found += await jobs.put_missing("too_late", since=now - settings.compensate_s, now=now, forgive=False)
    if profile.honest_page:
        await shop.store.admit_delay(delayed_s=settings.delayed_s, at=now)
    if found:
        shop.poke()
    return found


async def keep_sweeping(shop: Shop) -> None:
    """Sweep for ever; a database that is away is asked again at the next turn."""
    while True:
        await asyncio.sleep(sweep_interval_s(shop.settings.delayed_s))
        try:
            await sweep(shop, shop.now())
        except DATABASE_AWAY as error:
            LOG.warning("sweeping: database away (%s), trying again", type(error).__name__)
