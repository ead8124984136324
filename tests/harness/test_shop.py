import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from harness.children import PYTHON, ChildDied
from harness.shop import HouseError, Shop
from tests.harness.housed import a_shop, a_target, pid_of, state_of, until

pytestmark = pytest.mark.slow


def stop(shop: Shop) -> None:
    with shop.stopped("worker"):
        pass


async def test_a_killed_shop_comes_back_at_its_port_with_its_data_and_nothing_of_the_old_one_runs(
    tmp_path: Path,
) -> None:
    async with a_shop(tmp_path) as shop:
        url, web, worker = shop.url, pid_of(shop, "web"), pid_of(shop, "worker")
        (shop.data / "kept").write_text("1")
        await shop.kill()
        assert not shop.up.is_set()
        assert {state_of(web), state_of(worker)} <= {"X", "Z"}
        await shop.restart()
        assert shop.up.is_set()
        assert (shop.url, shop.restarts) == (url, 1)
        assert pid_of(shop, "web") != web
        assert (shop.data / "kept").exists()


async def test_nobody_who_asks_for_any_port_is_given_that_of_a_killed_shop(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        await shop.kill()
        port, given = int(shop.url.rpartition(":")[2]), list[socket.socket]()
        try:
            for _ in range(200):  # the kernel tries next where it looked last: in its own order, not at random
                given.append(socket.create_server(("127.0.0.1", 0)))
            assert port not in {taken.getsockname()[1] for taken in given}
        finally:
            for taken in given:
                taken.close()
        await shop.restart()


async def test_a_stopped_shop_can_be_killed_too(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        with shop.stopped("web"):
            await shop.kill()
            await shop.restart()
        assert state_of(pid_of(shop, "web")) in "RS"


async def test_a_planned_kill_is_no_death_and_the_next_death_is(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        watching = asyncio.get_running_loop().create_task(shop.children.watch())
        await shop.kill()
        await shop.restart()
        assert not watching.done()
        shop.child.signal_group(signal.SIGKILL)
        with pytest.raises(ChildDied, match="shop was killed by SIGKILL"):
            await asyncio.wait_for(watching, 10)


async def test_a_shop_that_had_died_by_itself_is_not_taken_for_a_kill(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        os.kill(shop.child.pid, signal.SIGTERM)
        await until(lambda: state_of(shop.child.pid) in "ZX")
        with pytest.raises(ChildDied, match="shop exited with 0"):
            await shop.kill()


@pytest.mark.parametrize(
    ("flag", "says"),
    [("broken", "its last lines .*the database is damaged"), ("wanders", "came up at .*; legal: start it at {port}")],
)
async def test_a_shop_that_does_not_come_back_is_told_with_its_reason(tmp_path: Path, flag: str, says: str) -> None:
    async with a_shop(tmp_path) as shop:
        await shop.kill()
        (shop.data / flag).write_text("")
        with pytest.raises(ChildDied, match=says):
            await shop.restart()


async def test_processes_stand_still_until_the_last_who_stopped_them_leaves(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        worker = pid_of(shop, "worker")
        with shop.stopped("worker") as pids:
            assert pids == (worker,)
            with shop.stopped("worker"):
                await until(lambda: state_of(worker) == "T")
            assert state_of(worker) == "T"
            assert state_of(pid_of(shop, "web")) in "RS"
        await until(lambda: state_of(worker) in "RS")


async def test_an_exception_lets_stopped_processes_go_on(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        with pytest.raises(RuntimeError), shop.stopped("web"):
            raise RuntimeError
        await until(lambda: state_of(pid_of(shop, "web")) in "RS")


async def test_a_kind_of_process_that_does_not_run_is_nobody(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        (shop.data / "worker.pid").write_text("\n")
        for name in ("worker", "none", "unheard_of"):
            with shop.stopped(name) as pids:
                assert pids == ()


@pytest.mark.parametrize("content", ["web", "-5", "1", "0", "1.5", "１２"])
async def test_a_process_file_that_holds_no_process_numbers_is_refused(tmp_path: Path, content: str) -> None:
    async with a_shop(tmp_path) as shop:
        (shop.data / "worker.pid").write_text(content, encoding="utf-8")
        with pytest.raises(HouseError, match=r"house.processes.worker: .* legal: process numbers, one a line"):
            stop(shop)


async def test_a_process_that_is_not_the_shops_is_never_stopped(tmp_path: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
    try:
        async with a_shop(tmp_path) as shop:
            (shop.data / "worker.pid").write_text(f"{stranger.pid}\n")
            with pytest.raises(HouseError, match=f"process {stranger.pid} is not of the group"):
                stop(shop)
            assert state_of(stranger.pid) in "RS"
    finally:
        stranger.kill()
        stranger.wait()


OWNER = """
import asyncio, pathlib, signal, sys
from harness.database import Database
from tests.harness.housed import a_shop, pid_of

async def own(folder):
    async with a_shop(folder) as shop:
        database = Database(shop.house, shop.values)
        with shop.stopped("web"):
            async with database.write_lock(at_most_s=600) as taken:
                await taken.wait()
                (folder / "holding").write_text(f"{pid_of(shop, 'web')} {pid_of(shop, 'worker')}")
                await asyncio.Event().wait()

asyncio.run(own(pathlib.Path(sys.argv[1])))
"""


async def test_a_killed_harness_leaves_nothing_stopped_and_nothing_locked(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])
    owner = subprocess.Popen([PYTHON[0], "-c", OWNER, str(tmp_path)], cwd=root, start_new_session=True)
    try:
        await until((tmp_path / "holding").exists)
        await until(lambda: len((tmp_path / "holding").read_text().split()) == 2)
        pids = [int(word) for word in (tmp_path / "holding").read_text().split()]
        database = sqlite3.connect(tmp_path / "shop" / "shop.db", timeout=0, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            database.execute("BEGIN IMMEDIATE")
        assert state_of(pids[0]) == "T"
    finally:
        owner.kill()
        owner.wait()
    await until(lambda: {state_of(pid) for pid in pids} <= {"X", "Z"})
    database.execute("BEGIN IMMEDIATE")
    database.close()


def test_a_house_without_a_port_to_come_back_to_is_refused() -> None:
    with pytest.raises(ValueError, match=r"start needs \{port\}"):
        a_target(["shop", "--port", "8000"])
