"""One process of the shop: puts its parts together, runs what it must keep running, and ends all of it."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import aiohttp
from aiohttp import web

from targets.cardshop.app import build_app
from targets.cardshop.clients import gateways, suppliers
from targets.cardshop.database import DATABASE_AWAY, Database
from targets.cardshop.delivering import LOG
from targets.cardshop.expiring import keep_expiring
from targets.cardshop.game import TopUps
from targets.cardshop.hearing import tell_suppliers_where
from targets.cardshop.jobs import Jobs
from targets.cardshop.lookups import Lookups
from targets.cardshop.products import CARDS
from targets.cardshop.profiles import Profile
from targets.cardshop.requerying import keep_requerying
from targets.cardshop.settings import Settings
from targets.cardshop.shop import Shop, exchange_s
from targets.cardshop.store import Store
from targets.cardshop.sweeping import keep_sweeping, recover_all, release_of
from targets.cardshop.workers import Workers, write_pids
from targets.cardshop.working import keep_working

BACKLOG = 1024
_CONNECTIONS = 200
_GOODBYE_S = 3.0
_START_S, _AGAIN_S = 10.0, 0.2


@dataclass(frozen=True)
class Place:
    """Where the web process listens, `url` on this machine, and where it leaves its files."""

    listener: socket.socket
    url: str
    data: Path
    port_file: Path | None

    @property
    def worker_pids(self) -> Path:
        """The file of the workers' process numbers."""
        return self.data / "worker.pids"


async def serve(settings: Settings, profile: Profile, place: Place, workers: Workers) -> None:
    """The web process: serve until SIGTERM or SIGINT. What was acknowledged is delivered before it ends.

    One of DATABASE_AWAY where the database is so long away that the shop cannot start."""
    async with _database(settings, profile) as database:
        store = Store(database)
        await _once_it_is_there(partial(store.open, CARDS, stock=0 if settings.suppliers else settings.stock))
        await _serve(settings, profile, place, workers, store, database)


async def _serve(
    settings: Settings, profile: Profile, place: Place, workers: Workers, store: Store, database: Database
) -> None:
    told_to_end, poked = _told_to_end(), asyncio.Event()
    poke = workers.poke if profile.queue_delivery else poked.set
    async with asyncio.TaskGroup() as keepers:
        kept: list[asyncio.Task[None]] = []
        url = settings.public_url or place.url
        # The session is the last to go: what was acknowledged is still delivered while the shop ends.
        async with _session(settings, profile) as session, asyncio.TaskGroup() as deliveries:
            shop = assemble(settings, profile, url, store, database, session, poke=poke, spawn=deliveries.create_task)
            await tell_suppliers_where(shop)
            if profile.recover_after_crash:
                await _once_it_is_there(partial(recover_all, shop))
            workers.poke_all()
            kept += [keepers.create_task(keeper) for keeper in _keepers(shop, workers, poked)]
            if not profile.queue_delivery:
                write_pids(place.worker_pids, [])
            write_pids(place.data / "web.pids", [os.getpid()])
            await _answer_until(told_to_end, shop, place)
            for task in kept:
                task.cancel()
            await asyncio.gather(*kept, return_exceptions=True)
            await workers.end()


def _keepers(shop: Shop, workers: Workers, poked: asyncio.Event) -> list[Coroutine[object, object, None]]:
    """What the web process keeps running beside its answers."""
    profile = shop.profile
    keepers = [keep_expiring(shop), keep_sweeping(shop)]
    if profile.requery_unpaid:
        keepers.append(keep_requerying(shop))
    if profile.queue_delivery:
        keepers.append(workers.hear_of_deaths(partial(release_of, shop)))
    elif profile.keeps_jobs:
        keepers.append(keep_working(shop, "web", poked))
    return keepers


async def work(settings: Settings, profile: Profile, public_url: str, name: str, ear: int, *, is_first: bool) -> None:
    """A worker process: work on the queue until told to end, or until the web process is gone; then at once."""
    told_to_end, poked = _told_to_end(), asyncio.Event()
    await _listen_to_pokes(ear, poked)
    if is_first:
        await poked.wait()  # the web process makes the tables
    url = settings.public_url or public_url
    async with (
        _database(settings, profile) as database,
        _session(settings, profile) as session,
        asyncio.TaskGroup() as group,
    ):
        shop = assemble(
            settings, profile, url, Store(database), database, session, poke=poked.set, spawn=group.create_task
        )
        working = group.create_task(keep_working(shop, name, poked))
        await told_to_end.wait()
        working.cancel()
        await asyncio.wait([working], timeout=_GOODBYE_S)


def _session(settings: Settings, profile: Profile) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=_CONNECTIONS),
        timeout=aiohttp.ClientTimeout(total=exchange_s(settings, profile)),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def assemble(
    settings: Settings,
    profile: Profile,
    url: str,
    store: Store,
    database: Database,
    session: aiohttp.ClientSession,
    *,
    poke: Callable[[], None],
    spawn: Callable[[Coroutine[object, object, None]], asyncio.Task[None]],
    now: Callable[[], float] = time.time,
) -> Shop:
    """The shop of these parts; `url` is where the world finds it, `spawn` starts what outlives its request."""
    is_tolerant = profile.tolerant_reader
    return Shop(
        settings=settings,
        profile=profile,
        public_url=url,
        store=store,
        jobs=Jobs(database),
        lookups=Lookups(store),
        gateways=gateways(settings, profile, session),
        suppliers=suppliers(settings, profile, session, now),
        games={
            n: TopUps(peer, session, is_tolerant=is_tolerant, notify_url=f"{url}/notify/topup/{n}", now=now)
            for n, peer in settings.games.items()
        },
        now=now,
        spawn=spawn,
        poke=poke,
    )


async def _answer_until(told_to_end: asyncio.Event, shop: Shop, place: Place) -> None:
    runner = web.AppRunner(build_app(shop), access_log=None, shutdown_timeout=_GOODBYE_S)
    await runner.setup()
    try:
        await web.SockSite(runner, place.listener, backlog=BACKLOG).start()
        if place.port_file is not None:
            _write_port(place.port_file, place.listener.getsockname()[1])
        await told_to_end.wait()
    finally:
        await runner.cleanup()


def _told_to_end() -> asyncio.Event:
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    return told


async def _listen_to_pokes(ear: int, poked: asyncio.Event) -> None:
    class Ear(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            poked.set()

        def connection_lost(self, error: Exception | None) -> None:
            # Nobody is left to count this process: what it is at is found again by its lease.
            os._exit(1)

    await asyncio.get_running_loop().connect_read_pipe(Ear, os.fdopen(ear, "rb", buffering=0))


@asynccontextmanager
async def _database(settings: Settings, profile: Profile) -> AsyncIterator[Database]:
    database = Database(
        settings.database_url,
        lock_wait_s=settings.lock_wait_s,
        timeout_s=settings.database_timeout_s if profile.database_timeouts else None,
        processes=1 + settings.workers if profile.queue_delivery else 1,
    )
    try:
        yield database
    finally:
        await database.close()


async def _once_it_is_there(ask: Callable[[], Awaitable[None]]) -> None:
    """A database that is away while the shop starts is asked again for a while, then one of DATABASE_AWAY raised."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _START_S
    has_told = False
    while True:
        try:
            return await ask()
        except DATABASE_AWAY as error:
            if loop.time() > until:
                raise
            if not has_told:
                LOG.warning("starting: database away (%s), trying for %g s", type(error).__name__, _START_S)
            has_told = True
            await asyncio.sleep(_AGAIN_S)


def _write_port(port_file: Path, port: int) -> None:
    """Written beside and renamed, so that whoever waits for the file never reads half a number."""
    beside = port_file.with_name(port_file.name + ".part")
    beside.write_text(f"{port}\n")
    beside.replace(port_file)
