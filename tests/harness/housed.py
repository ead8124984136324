"""Shops with a house, for the tests of what the harness breaks."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from harness.children import Children
from harness.shop import Shop
from harness.wiring import Command
from targets import webshop
from targets.house import House
from targets.webshop import Start, Target

FAKE_SHOP = Path(__file__).with_name("fake_shop.py")
HOUSE = House(
    processes={"web": "{data}/web.pid", "worker": "{data}/worker.pid", "none": "{data}/none.pid"},
    database="sqlite:///{data}/shop.db",
    lock=["BEGIN IMMEDIATE"],
    queued="SELECT count(*) FROM jobs",
    lose_jobs="DELETE FROM jobs WHERE id IN (SELECT id FROM jobs ORDER BY id LIMIT :n) RETURNING contact",
)
WITHIN_S = 10.0


def a_target(command: list[str], house: House = HOUSE) -> Target:
    """cardshop, but started otherwise."""
    shop = webshop.load(webshop.find("cardshop"))
    return msgspec.structs.replace(shop, start=Start(command, ready="/"), house=house)


@asynccontextmanager
async def a_shop(folder: Path, house: House = HOUSE) -> AsyncIterator[Shop]:
    """The fake shop, started; everything of it ends with the context."""
    target = a_target([sys.executable, str(FAKE_SHOP), "{port}", "{port_file}", "{data}"], house)
    async with Children(folder) as children:
        shop = Shop(
            target,
            children,
            folder,
            lambda own: Command([webshop.filled(part, own) for part in target.start.command], {}),
        )
        await shop.start()
        try:
            yield shop
        finally:
            shop.close()


async def until(what: Callable[[], object], *, within_s: float = WITHIN_S) -> None:
    """Returns as soon as that is true; fails the test if it never is."""
    end = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < end, f"waited {within_s:g} s in vain"
        await asyncio.sleep(0.005)


def pid_of(shop: Shop, name: str) -> int:
    return int((shop.data / f"{name}.pid").read_text())


def state_of(pid: int) -> str:
    """What the kernel says of a process: R or S (it runs), T (stopped), Z (dead, not reaped), X (gone)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"
