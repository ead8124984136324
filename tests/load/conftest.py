"""The fake shop and the load of a test, started and ended."""

import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from plan.run import Plan
from tests.load.world import FakeShop, Load, make_plan


@pytest_asyncio.fixture
async def shop() -> AsyncIterator[FakeShop]:
    fake = FakeShop()
    runner = web.AppRunner(fake.app(), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield fake
    await runner.cleanup()


@pytest_asyncio.fixture
async def load(tmp_path: Path) -> AsyncIterator[Load]:
    driver = Load(tmp_path)
    yield driver
    for process in driver.processes:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()


@pytest.fixture
def plan_of() -> Callable[..., Plan]:
    return make_plan
