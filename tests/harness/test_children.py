import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from harness import guard
from harness.children import PYTHON, WATCH_EVERY_S, ChildDied, Children, wait_for_file

SLEEPER = [sys.executable, "-c", "import signal; signal.pause()"]
DEAF = [
    sys.executable,
    "-c",
    "import pathlib, signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "pathlib.Path(sys.argv[1]).write_text('1'); signal.pause()",
]


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


async def gone(pid: int, *, within_s: float) -> bool:
    until = time.monotonic() + within_s
    while is_alive(pid) and time.monotonic() < until:
        await asyncio.sleep(0.02)
    return not is_alive(pid)


async def test_leaving_the_context_ends_every_child(tmp_path: Path) -> None:
    async with Children(tmp_path) as children:
        child = await children.start("sleeper", SLEEPER, {})
        assert is_alive(child.pid)
    assert not is_alive(child.pid)


async def test_an_exception_ends_every_child_also_a_stopped_one(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        async with Children(tmp_path) as children:
            child = await children.start("sleeper", SLEEPER, {})
            os.kill(child.pid, signal.SIGSTOP)
            raise RuntimeError
    assert not is_alive(child.pid)


async def test_a_child_that_dies_unasked_is_told_with_its_last_lines(tmp_path: Path) -> None:
    async with Children(tmp_path) as children:
        await children.start("talker", [sys.executable, "-c", "print('first'); exit('no such stock')"], {})
        with pytest.raises(ChildDied, match=r"talker exited with 1; its last lines .*no such stock"):
            await asyncio.wait_for(children.watch(), 10)


async def test_a_child_that_was_killed_is_told_by_the_signals_name(tmp_path: Path) -> None:
    async with Children(tmp_path) as children:
        child = await children.start("sleeper", SLEEPER, {})
        os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(ChildDied, match="sleeper was killed by SIGKILL"):
            await asyncio.wait_for(children.watch(), 10)


async def test_a_child_that_was_started_while_the_others_were_watched_is_watched_too(tmp_path: Path) -> None:
    async with Children(tmp_path) as children:
        await children.start("first", SLEEPER, {})
        watching = asyncio.get_running_loop().create_task(children.watch())
        second = await children.start("second", SLEEPER, {})
        os.kill(second.pid, signal.SIGKILL)
        with pytest.raises(ChildDied, match="second was killed by SIGKILL"):
            await asyncio.wait_for(watching, 10)


async def test_children_that_were_asked_to_end_are_no_deaths(tmp_path: Path) -> None:
    async with Children(tmp_path) as children:
        stopped, killed = [await children.start(name, SLEEPER, {}) for name in ("stopped", "killed")]
        await children.stop(stopped)
        await children.kill(killed)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(children.watch(), 3 * WATCH_EVERY_S)


async def test_a_guard_that_was_killed_is_told_for_it_guards_no_more(tmp_path: Path) -> None:
    async with Children(tmp_path) as children:
        (pid,) = [p.pid for p in psutil.Process().children() if "harness.guard" in p.cmdline()]
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(ChildDied, match="guard was killed by SIGKILL: nobody would end the children"):
            await asyncio.wait_for(children.watch(), 10)


async def test_a_command_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    async with Children(tmp_path) as children:
        with pytest.raises(ChildDied, match="shop: cannot be started"):
            await children.start("shop", [str(tmp_path / "nothing")], {})


async def test_a_child_that_stays_silent_is_told_after_its_time(tmp_path: Path) -> None:
    async with Children(tmp_path) as children:
        child = await children.start("sleeper", SLEEPER, {})
        with pytest.raises(ChildDied, match="did not give its port within"):
            await wait_for_file(child, tmp_path / "port", within_s=0.05)


@pytest.mark.slow
async def test_the_guard_ends_what_a_killed_owner_left_also_stopped_and_deaf_ones(tmp_path: Path) -> None:
    watching = subprocess.Popen([*PYTHON, "harness.guard"], stdin=subprocess.PIPE, text=True, start_new_session=True)
    flag = tmp_path / "deaf"
    deaf = subprocess.Popen([*DEAF, str(flag)], start_new_session=True)
    stopped = subprocess.Popen(SLEEPER, start_new_session=True)
    kept = subprocess.Popen(SLEEPER, start_new_session=True)
    try:
        while not flag.exists():
            await asyncio.sleep(0.01)
        os.kill(stopped.pid, signal.SIGSTOP)
        assert watching.stdin is not None
        for sign, child in (("+", deaf), ("+", stopped), ("+", kept), ("-", kept)):
            watching.stdin.write(f"{sign} {child.pid}\n")
        watching.stdin.close()  # as the kernel does when the harness is killed
        assert await gone(deaf.pid, within_s=10)
        assert await gone(stopped.pid, within_s=10)
        assert is_alive(kept.pid)
    finally:
        for child in (deaf, stopped, kept):
            child.kill()
            child.wait()
        watching.kill()
        watching.wait()


@pytest.mark.parametrize(
    ("lines", "left"), [([], set()), (["+ 5\n"], {5}), (["+ 5\n", "- 5\n"], set()), (["+ 5\n", "+ 6\n", "- 5\n"], {6})]
)
def test_the_guard_knows_who_is_left(lines: list[str], left: set[int]) -> None:
    assert guard.watch(lines) == left


def test_a_guard_that_was_told_that_all_have_ended_looks_for_nobody() -> None:
    with pytest.raises(SystemExit):
        guard.watch(["+ 5\n", ".\n"])


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="only Linux shows the environment of others")
async def test_the_guard_ends_a_child_that_nobody_had_the_time_to_tell_of() -> None:
    marked = subprocess.Popen(SLEEPER, env={**os.environ, guard.MARK: "mine"}, start_new_session=True)
    others = subprocess.Popen(SLEEPER, env={**os.environ, guard.MARK: "other"}, start_new_session=True)
    command = [*PYTHON, "harness.guard", "mine"]
    watching = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, start_new_session=True)
    try:
        watching.communicate()  # at once the end of the file, as when the harness is killed
        assert await gone(marked.pid, within_s=10)
        assert is_alive(others.pid)
    finally:
        for child in (marked, others):
            child.kill()
            child.wait()
