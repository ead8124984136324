"""The shop's processes: killed, stopped and told to end while orders are under way, as real processes."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from targets.cardshop.epay import signature
from tests.targets import both
from tests.targets.test_cardshop_world import FORM, JSON, KEY, PARAM, FakeEpay, FakeSupplier

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("database")]
ROOT = Path(__file__).parents[2]
SHORT = {
    "CARDSHOP_RETRY_S": "0.1", "CARDSHOP_QUERY_S": "0.3", "CARDSHOP_RECOVER_S": "0.5", "CARDSHOP_DELAYED_S": "0.4",
    "CARDSHOP_UPSTREAM_TIMEOUT_S": "1", "CARDSHOP_STOCK": "0",
}  # fmt: skip
WITHIN_S = 20.0


@dataclass
class Running:
    """A shop in processes of its own, in a group of its own, with a fake gateway and a fake supplier here."""

    epay: FakeEpay
    supplier: FakeSupplier
    session: aiohttp.ClientSession
    data: Path
    port: int
    environ: dict[str, str]
    web: asyncio.subprocess.Process | None = field(default=None)

    async def start(self, profile: str = "hardened") -> None:
        arguments = ["--port", str(self.port), "--data", str(self.data), "--profile", profile]
        self.web = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "targets.cardshop", *arguments,
            cwd=ROOT, env=self.environ, start_new_session=True,
        )  # fmt: skip
        await self.until(self._answers)
        if profile == "hardened":
            await self.until(self._has_two_workers)

    def pids(self, kind: str) -> list[int]:
        file = self.data / f"{kind}.pids"
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    def kill_group(self, number: signal.Signals) -> None:
        assert self.web is not None
        os.killpg(self.web.pid, number)

    async def pay(self) -> str:
        """The number of an order that was placed, paid and told of; the notice was acknowledged."""
        async with self.session.post(f"{self.url}/orders", data=FORM, headers=JSON) as placed:
            order_no = str((await placed.json())["order_no"])
        params = {"pid": "1001", "trade_no": "T1", "out_trade_no": order_no, "money": "10.00", "param": PARAM}
        params |= {"trade_status": "TRADE_SUCCESS"}
        params |= {"sign": signature(params, KEY), "sign_type": "MD5"}
        async with self.session.get(f"{self.url}/notify/epay/epay", params=params) as answer:
            assert await answer.text() == "success"
        return order_no

    async def page(self, order_no: str) -> dict[str, Any]:
        async with self.session.get(f"{self.url}/orders/{order_no}.json") as answer:
            page: dict[str, Any] = await answer.json()
            return page

    async def until_state(self, order_no: str, *states: str) -> dict[str, Any]:
        async def is_there() -> bool:
            return (await self.page(order_no))["state"] in states

        await self.until(is_there)
        return await self.page(order_no)

    async def until(self, is_true: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not await is_true():
                await asyncio.sleep(0.02)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _answers(self) -> bool:
        assert self.web is not None
        assert self.web.returncode is None
        try:
            async with self.session.get(f"{self.url}/healthz") as answer:
                return answer.status == 200
        except aiohttp.ClientConnectionError:
            return False

    async def _has_two_workers(self) -> bool:
        return len(self.pids("worker")) == 2


@asynccontextmanager
async def a_port() -> AsyncIterator[int]:
    """A port kept for the shop, also while it is dead: bound and never listening, it is given to nobody else."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


@asynccontextmanager
async def a_shop(data: Path) -> AsyncIterator[Running]:
    epay, supplier = FakeEpay(), FakeSupplier("a")
    upstream = web.Application()
    upstream.add_routes(
        [
            web.post("/epay/mapi.php", epay.mapi),
            web.get("/epay/api.php", epay.api),
            web.post("/a/shared/commodity/trade", supplier.trade),
            web.post("/a/shared/commodity/query", supplier.query),
        ]
    )
    async with TestServer(upstream) as server, aiohttp.ClientSession() as session, a_port() as port:
        channel = {"url": str(server.make_url("/epay/")), "pid": "1001", "key": KEY}
        environ = {name: value for name, value in os.environ.items() if not name.startswith("CARDSHOP_")}
        environ |= SHORT | {
            "CARDSHOP_CHANNELS": json.dumps({"epay": channel}),
            "CARDSHOP_DATABASE_URL": both.CHOSEN.url(data),
            "CARDSHOP_SUPPLIERS": json.dumps({"a": {"url": str(server.make_url("/a/")), "pid": "7", "key": KEY}}),
        }
        shop = Running(epay, supplier, session, data, port, environ)
        try:
            yield shop
        finally:
            if supplier.hang:
                supplier.hang.set()
            if shop.web is not None:
                if shop.web.returncode is None:
                    shop.kill_group(signal.SIGKILL)
                await shop.web.wait()


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_whole_shop_killed_while_it_buys_comes_back_and_delivers_once(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        await shop.start()
        shop.supplier.hang, shop.supplier.answers = asyncio.Event(), ["lose"]
        order_no = await shop.pay()
        await asyncio.wait_for(shop.supplier.was_asked.wait(), WITHIN_S)
        assert (await shop.page(order_no))["state"] in ("submitted", "delayed")
        old = shop.pids("web") + shop.pids("worker")
        assert len(old) == 3
        shop.kill_group(signal.SIGKILL)
        assert shop.web is not None
        await shop.web.wait()
        shop.supplier.hang.set()
        shop.supplier.hang = None
        shop.supplier.sold[order_no] = ["卡号 7"]  # the request was carried out, and nobody read the answer
        await shop.start()
        assert not set(old) & set(shop.pids("web") + shop.pids("worker"))
        page = await shop.until_state(order_no, "completed")
        assert (page["goods"], page["code"]) == (["卡号 7"], None)
        assert shop.supplier.bought == [order_no]


async def test_a_worker_that_is_killed_is_replaced_and_its_order_goes_on(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        await shop.start()
        shop.supplier.hang, shop.supplier.answers = asyncio.Event(), ["drop"]
        order_no = await shop.pay()
        await asyncio.wait_for(shop.supplier.was_asked.wait(), WITHIN_S)
        before = shop.pids("worker")
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        shop.supplier.hang.set()
        shop.supplier.hang = None
        await shop.until_state(order_no, "completed")
        assert len(shop.supplier.sold[order_no]) == 1

        async def are_two_others() -> bool:
            return len(shop.pids("worker")) == 2 and not set(before) & set(shop.pids("worker"))

        await shop.until(are_two_others)


async def test_while_workers_are_stopped_the_page_admits_it_and_afterwards_all_is_delivered(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        await shop.start()
        for pid in shop.pids("worker"):
            os.kill(pid, signal.SIGSTOP)
        numbers = [await shop.pay() for _ in range(3)]
        page = await shop.until_state(numbers[0], "delayed")
        assert (page["code"], shop.supplier.bought) == ("shop.overloaded", [])
        for pid in shop.pids("worker"):
            os.kill(pid, signal.SIGCONT)
        for number in numbers:
            await shop.until_state(number, "completed")
        assert sorted(shop.supplier.bought) == sorted(numbers)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_no_worker_outlives_the_web_process(tmp_path: Path, number: signal.Signals) -> None:
    async with a_shop(tmp_path) as shop:
        await shop.start()
        workers = shop.pids("worker")
        assert shop.web is not None
        shop.web.send_signal(number)
        await asyncio.wait_for(shop.web.wait(), WITHIN_S)
        assert shop.web.returncode == (0 if number is signal.SIGTERM else -signal.SIGKILL)

        async def are_gone() -> bool:
            return not any(_is_alive(pid) for pid in workers)

        await shop.until(are_gone)
        assert shop.pids("worker") == ([] if number is signal.SIGTERM else workers)


async def test_a_naive_shop_killed_while_it_buys_leaves_the_order_where_it_was(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        await shop.start("naive")
        assert shop.pids("worker") == []
        shop.supplier.hang = hang = asyncio.Event()
        order_no = await shop.pay()
        await asyncio.wait_for(shop.supplier.was_asked.wait(), WITHIN_S)
        shop.kill_group(signal.SIGKILL)
        assert shop.web is not None
        await shop.web.wait()
        hang.set()
        await shop.start("naive")
        assert (await shop.page(order_no))["state"] == "recharging"
        assert shop.supplier.bought == [order_no]


_A_CLOSING_WEB_PROCESS = """
import os, socket, sys
from pathlib import Path
from targets.cardshop.workers import fork_workers

file = Path(sys.argv[1])
workers = fork_workers(["a", "b"], lambda name, ear, is_first: os.read(ear, 1), pid_file=file, listener=socket.socket())
while len(file.read_text().split() if file.exists() else "") < 2:
    pass
began = file.read_text()
for pipe in workers.pokes:
    os.close(pipe)
os.waitpid(workers.nursery, 0)
assert os.read(workers.deaths, 100) == b"", "a worker that was let go counts as dead"
assert file.read_text() == began, "the file of a successor may stand there by now"
"""


def test_a_web_process_whose_pipes_close_before_it_is_gone_leaves_the_list_of_workers_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-c", _A_CLOSING_WEB_PROCESS, str(tmp_path / "worker.pids")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WITHIN_S, check=False,
                           env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
