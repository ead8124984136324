"""A PostgreSQL of the run's own: who it runs as, who can reach it, and what is left of it however it ends."""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest
from sqlalchemy.engine import make_url

from harness import postgres
from harness.children import ChildDied, Children
from harness.postgres import DATA, HELD, MISSING, PREFIX, Binaries
from tests.harness.housed import until

needs_postgresql = pytest.mark.skipif(Binaries.find() is None, reason=MISSING)
SERVE = """
import asyncio, sys
from pathlib import Path
from harness import postgres
from harness.children import Children

async def main():
    async with Children(Path(sys.argv[1])) as children:
        server = await postgres.start(children)
        print(server.folder, server.url(), flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


def connect(url: str) -> "psycopg.Connection[tuple[object, ...]]":
    plain = make_url(url).set(drivername="postgresql")
    return psycopg.connect(plain.render_as_string(hide_password=False), autocommit=True)


def pid_of(folder: Path) -> int:
    return int((folder / DATA / "postmaster.pid").read_text().split("\n")[0])


def segment_of(folder: Path) -> list[str]:
    """Key and number of its System V memory."""
    return (folder / DATA / "postmaster.pid").read_text().split("\n")[6].split()


def has_segment(segment: list[str]) -> bool:
    return any(line.split()[:2] == segment for line in Path("/proc/sysvipc/shm").read_text().splitlines())


def is_running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@contextmanager
def binaries(folder: Path, **scripts: str) -> Iterator[None]:
    """Others than the real ones, as $PG_BIN names them."""
    folder.mkdir(exist_ok=True)
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PG_BIN", str(folder))
        yield


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder for an unprivileged user too; those of pytest are for whoever started it."""
    with tempfile.TemporaryDirectory(prefix="orderjam-test-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


# --- while it lives ----------------------------------------------------------------------------------------------
@needs_postgresql
@pytest.mark.slow
async def test_it_runs_unprivileged_behind_a_password_on_loopback_alone(tmp_path: Path) -> None:
    async with Children(tmp_path) as children:
        server = await postgres.start(children)
        process = psutil.Process(pid_of(server.folder))
        assert process.uids().real != 0
        assert {c.laddr.ip for c in process.net_connections() if c.status == psutil.CONN_LISTEN} == {"127.0.0.1"}
        assert server.folder.stat().st_mode & 0o077 == 0
        password = str(make_url(server.url()).password)
        assert password not in " ".join([*process.cmdline(), *process.environ().values()])
        assert not list(server.folder.glob("*password*"))
        with pytest.raises(psycopg.OperationalError, match="password"):
            connect(server.url().replace(password, "guessed"))
        with connect(server.url()) as open_connection:
            assert open_connection.execute("SELECT current_database()").fetchone() == ("shop",)
            with pytest.raises(psycopg.errors.UndefinedTable):
                open_connection.execute("SELECT 'b00000042@buyers.example' FROM nothing")
        folder, segment = server.folder, segment_of(server.folder)
        open_connection = connect(server.url())  # nobody waits for one who does not hang up
        (child,) = children.named(postgres.NAME)
        await children.stop(child, within_s=3)
        assert child.process.returncode == 0
        assert "fast shutdown" in child.log.read_text()
        assert "b00000042" not in child.log.read_text()
        assert password not in child.log.read_text()
    server.remove()
    assert not folder.exists()
    assert not has_segment(segment)


@needs_postgresql
@pytest.mark.slow
async def test_two_at_once_do_not_meet(tmp_path: Path) -> None:
    async with Children(tmp_path) as children:
        one, other = await asyncio.gather(postgres.start(children), postgres.start(children))
        with connect(one.url()) as connection:
            connection.execute("CREATE TABLE own (n int)")
        with connect(other.url()) as connection:
            assert connection.execute("SELECT to_regclass('own')").fetchone() == (None,)
        with pytest.raises(psycopg.OperationalError, match="password"):
            connect(one.url(other.address))
    for server in (one, other):
        server.remove()


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
@needs_postgresql
async def test_without_its_own_user_it_runs_as_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "UNPRIVILEGED", ("no-such-user", "nobody"))
    async with Children(tmp_path) as children:
        server = await postgres.start(children)
        assert psutil.Process(pid_of(server.folder)).username() == "nobody"
    server.remove()


# --- how it ends -------------------------------------------------------------------------------------------------
@needs_postgresql
@pytest.mark.slow
async def test_of_one_that_was_killed_nothing_is_left(tmp_path: Path) -> None:
    async with Children(tmp_path) as children:
        server = await postgres.start(children)
        segment = segment_of(server.folder)
        os.kill(pid_of(server.folder), signal.SIGKILL)
        with pytest.raises(ChildDied, match="postgres was killed by SIGKILL"):
            await asyncio.wait_for(children.watch(), 10)
        await until(lambda: not any(str(server.folder) in " ".join(p.cmdline()) for p in _processes()))
    postgres._remove_segment("1", *segment)
    assert has_segment(segment)  # this number another process may have by now
    server.remove()
    assert not has_segment(segment)
    assert not server.folder.exists()


def _processes() -> Iterator[psutil.Process]:
    for process in psutil.process_iter(["cmdline", "status"]):
        if process.info["status"] != psutil.STATUS_ZOMBIE:
            yield process


@needs_postgresql
@pytest.mark.slow
async def test_a_killed_harness_leaves_no_server_and_the_next_one_no_trace(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-c", SERVE, str(tmp_path)]
    harness = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert harness.stdout
    words = (await harness.stdout.readline()).decode().split()
    folder, pid = Path(words[0]), pid_of(Path(words[0]))
    with connect(words[1]) as busy:
        postgres.sweep(folder.parent)
        assert busy.execute("SELECT 1").fetchone() == (1,)
        segment = segment_of(folder)
        harness.kill()
        await harness.wait()
        await until(lambda: not is_running(pid))
    assert folder.exists()
    postgres.sweep(folder.parent)
    assert not folder.exists()
    assert not has_segment(segment)


async def test_a_sweep_touches_nothing_that_is_held_running_or_somebody_elses(tmp_path: Path) -> None:
    held, running, strange = (tmp_path / f"{PREFIX}{name}" for name in ("held", "running", "strange"))
    for folder in (held, running, strange):
        (folder / DATA).mkdir(parents=True)
    (running / HELD).touch()
    (running / DATA / "postmaster.pid").write_text(f"{os.getpid()}\n")
    lock = postgres._locked(held)
    postgres.sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([held, running, strange])
    os.close(lock)
    postgres.sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([running, strange])


# --- where it cannot be had --------------------------------------------------------------------------------------
async def test_without_binaries_the_debian_package_is_named(tmp_path: Path) -> None:
    with binaries(tmp_path, initdb="exit 0"):
        async with Children(tmp_path) as children:
            with pytest.raises(ChildDied, match=r"install Debian's postgresql, or set PG_BIN"):
                await postgres.start(children)


@pytest.mark.parametrize(
    ("scripts", "says"),
    [
        ({"initdb": "echo one >&2; echo no space left >&2; exit 3", "postgres": ""}, "initdb exited with 3: no space"),
        ({"initdb": "exit 3", "postgres": ""}, r"initdb exited with 3: \(it said nothing\)"),
        ({"initdb": "", "postgres": "echo FATAL: no config; exit 2"}, "postgres exited with 2.*FATAL: no config"),
    ],
)
@pytest.mark.slow
async def test_what_fails_is_told_in_its_own_words_and_leaves_no_folder(
    tmp_path: Path, reachable: Path, scripts: dict[str, str], says: str
) -> None:
    with binaries(reachable / "bin", **scripts):
        async with Children(tmp_path) as children:
            with pytest.raises(ChildDied, match=says):
                await postgres.start(children, reachable)
    assert [path.name for path in reachable.iterdir()] == ["bin"]


def test_binaries_that_are_named_are_the_only_ones_looked_for(tmp_path: Path) -> None:
    with binaries(tmp_path, initdb=""):
        assert Binaries.find() is None
    with binaries(tmp_path, postgres=""):
        assert Binaries.find() == Binaries(tmp_path)
