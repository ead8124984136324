"""A PostgreSQL of the run's own: made in a folder of its own, on a free loopback port, thrown away with the run.

The binaries are Debian's; the system's own cluster is neither used nor touched. As root it runs as another user, for
PostgreSQL refuses to run as root.
"""

import asyncio
import os
import pwd
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import Self

import msgspec
import psycopg

from harness.children import Child, ChildDied, Children, died
from harness.wiring import free_port

NAME, USER = "postgres", "shop"
READY_WITHIN_S, MADE_WITHIN_S = 20.0, 60.0
LOOK_EVERY_S = 0.05
VARIABLE = "PG_BIN"
MISSING = f"no PostgreSQL here: initdb and postgres are not found; install Debian's postgresql, or set {VARIABLE}"
UNPRIVILEGED = ("postgres", "nobody")
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "fsync": "off",  # it is thrown away: what a power cut would lose is of no worth
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "dynamic_shared_memory_type": "mmap",  # in its own folder, so that a kill leaves nothing in /dev/shm
}


class Binaries(msgspec.Struct, frozen=True):
    """Where initdb and postgres are, and which version they say they are."""

    folder: Path

    @classmethod
    def find(cls) -> Self | None:
        """Those that $PG_BIN names, else on the path, else Debian's newest; None where there are none."""
        on_path = shutil.which("postgres")
        folders = [Path(os.environ[VARIABLE])] if VARIABLE in os.environ else []
        folders += [Path(on_path).parent] if on_path else []
        folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
        has_both = (f for f in folders if (f / "initdb").is_file() and (f / "postgres").is_file())
        found = next(has_both, None)
        return None if found is None else cls(found)


def _version(folder: Path) -> float:
    try:
        return float(folder.parent.name)
    except ValueError:
        return 0.0


class Postgres:
    """A server that answers. `url` is what SQLAlchemy connects to, with its password: for environments alone."""

    def __init__(self, port: int, password: str, folder: Path) -> None:
        self.address = f"127.0.0.1:{port}"
        self._password, self._folder = password, folder

    def url(self, address: str = "") -> str:
        """At its own address, or at that of a proxy before it."""
        return f"postgresql+psycopg://{USER}:{self._password}@{address or self.address}/{USER}"

    def remove(self) -> None:
        """Throws its folder away, once it has ended."""
        shutil.rmtree(self._folder, ignore_errors=True)


async def start(children: Children, folder: Path | None = None) -> Postgres:
    """A server with an empty database, a child of the run; ChildDied where it cannot be had. `folder`: where it keeps
    its own (default: a new one in the system's place for such)."""
    binaries = Binaries.find()
    if binaries is None:
        raise ChildDied(MISSING)
    user = _unprivileged()
    made = Path(tempfile.mkdtemp(prefix="orderjam-pg-", dir=folder))
    password, port = secrets.token_hex(16), free_port()
    try:
        await _initialise(binaries, user, made, password)
        command = [*_as(user), str(binaries.folder / "postgres"), "-D", str(made / "data"), "-p", str(port)]
        command += ["-k", str(made), *(f"-c{name}={value}" for name, value in _SETTINGS.items())]
        child = await children.start(NAME, command, {}, cwd=made)
        server = Postgres(port, password, made)
        await _until_ready(child, port, password)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return server


def _unprivileged() -> pwd.struct_passwd | None:
    """Whom it runs as instead of root; None: as whoever we are."""
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ChildDied(f"PostgreSQL refuses to run as root, and there is no user {' or '.join(UNPRIVILEGED)}")


def _as(user: pwd.struct_passwd | None) -> list[str]:
    if user is None:
        return []
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"]


async def _initialise(binaries: Binaries, user: pwd.struct_passwd | None, folder: Path, password: str) -> None:
    words = folder / "password"
    words.touch(mode=0o600)
    words.write_text(password)
    if user is not None:
        for path in (folder, words):
            os.chown(path, user.pw_uid, user.pw_gid)
    command = [*_as(user), str(binaries.folder / "initdb"), "-D", str(folder / "data"), "-U", USER]
    command += ["--pwfile", str(words), "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"]
    try:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=folder, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
        _, said = await asyncio.wait_for(process.communicate(), MADE_WITHIN_S)
    except OSError as error:
        raise ChildDied(f"initdb cannot be started ({command[0]}: {error.strerror})") from None
    except TimeoutError:
        process.kill()
        raise ChildDied(f"initdb did not end within {MADE_WITHIN_S:g} s") from None
    words.unlink()
    if process.returncode:
        lines = said.decode(errors="replace").strip().splitlines()
        raise ChildDied(f"initdb exited with {process.returncode}: {lines[-1] if lines else '(it said nothing)'}")


async def _until_ready(child: Child, port: int, password: str) -> None:
    """Once it takes connections, its empty database is made."""
    loop = asyncio.get_running_loop()
    until = loop.time() + READY_WITHIN_S
    while not await asyncio.to_thread(_made_database, port, password):
        if not child.is_running:
            raise died(child)
        if loop.time() > until:
            raise ChildDied(f"{NAME} took no connection within {READY_WITHIN_S:g} s: {child.last_lines()}")
        await asyncio.sleep(LOOK_EVERY_S)


def _made_database(port: int, password: str) -> bool:
    try:
        with psycopg.connect(
            host="127.0.0.1", port=port, user=USER, password=password, dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(f"CREATE DATABASE {USER}")
    except psycopg.OperationalError:
        return False
    return True
