"""A PostgreSQL of the run's own: made in a folder of its own, on a free loopback port, thrown away with the run.

The binaries are Debian's; the system's own cluster is neither used nor touched. As root it runs as another user, for
PostgreSQL refuses to run as root.
"""

import asyncio
import fcntl
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Self

import msgspec
import psutil
import psycopg

from harness.children import Child, ChildDied, Children, died
from harness.wiring import reserved_port

NAME, USER = "postgres", "shop"
READY_WITHIN_S, MADE_WITHIN_S = 20.0, 60.0
LOOK_EVERY_S = 0.05
VARIABLE = "PG_BIN"
MISSING = f"no PostgreSQL here: initdb and postgres are not found; install Debian's postgresql, or set {VARIABLE}"
UNPRIVILEGED = ("postgres", "nobody")
PREFIX = "orderjam-pg-"
"""What the folders are called; in each lies DATA, and HELD, which whoever made it holds locked while it lives."""
DATA, HELD = "data", "held"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",  # it is thrown away: what a power cut would lose is of no worth
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "dynamic_shared_memory_type": "mmap",  # in its own folder, so that a kill leaves nothing in /dev/shm
    "log_min_error_statement": "panic",  # statements and rows hold contacts and goods, which no log may
    "log_error_verbosity": "terse",
}


class Binaries(msgspec.Struct, frozen=True):
    """Where initdb and postgres are."""

    folder: Path

    @classmethod
    def find(cls) -> Self | None:
        """Those that $PG_BIN names and no others, else those on the path, else Debian's newest; None where there are
        none."""
        if VARIABLE in os.environ:
            folders = [Path(os.environ[VARIABLE])]
        else:
            on_path = shutil.which("postgres")
            folders = [Path(on_path).parent] if on_path else []
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
    """A server of ours, in a folder and at a port that are kept for it until it is removed."""

    def __init__(self, user: pwd.struct_passwd | None, folder: Path | None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder))
        self._held = _locked(self.folder)
        self._port = reserved_port()
        self._password = secrets.token_hex(16)
        self.address = f"127.0.0.1:{self.port}"
        if user is not None:
            os.chown(self.folder, user.pw_uid, user.pw_gid)

    @property
    def port(self) -> int:
        return int(self._port.getsockname()[1])

    def url(self, address: str = "") -> str:
        """What SQLAlchemy connects to, at its own address or at that of a proxy before it. It holds the password: for
        environments alone."""
        at = address or self.address
        # Without TLS, which it has not: a connection then begins with one exchange less.
        return f"postgresql+psycopg://{USER}:{self._password}@{at}/{USER}?sslmode=disable"

    async def initialise(self, binaries: Binaries, user: pwd.struct_passwd | None) -> None:
        """Makes its cluster; ChildDied with the last words of initdb where that fails."""
        words = self.folder / "password"
        words.touch(mode=0o600)
        words.write_text(self._password)
        if user is not None:
            os.chown(words, user.pw_uid, user.pw_gid)
        command = [*_as(user), str(binaries.folder / "initdb"), "-D", str(self.folder / DATA), "-U", USER]
        command += ["--pwfile", str(words), "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"]
        command += ["--wal-segsize=1"]  # a sixteenth of the usual: it is made in half a second
        try:
            process = await asyncio.create_subprocess_exec(
                *command, cwd=self.folder, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
            )
        except OSError as error:
            raise ChildDied(f"initdb cannot be started ({command[0]}: {error.strerror})") from None
        try:
            _, said = await asyncio.wait_for(process.communicate(), MADE_WITHIN_S)
        except TimeoutError:
            raise ChildDied(f"initdb did not end within {MADE_WITHIN_S:g} s") from None
        finally:
            words.unlink()
            if process.returncode is None:
                process.kill()
        if process.returncode:
            lines = said.decode(errors="replace").strip().splitlines()
            raise ChildDied(f"initdb exited with {process.returncode}: {lines[-1] if lines else '(it said nothing)'}")

    def command(self, binaries: Binaries, user: pwd.struct_passwd | None) -> list[str]:
        """What starts it."""
        words = [*_as(user), str(binaries.folder / "postgres"), "-D", str(self.folder / DATA), "-p", str(self.port)]
        return [*words, *(f"-c{name}={value}" for name, value in _SETTINGS.items())]

    async def wait_until_ready(self, child: Child) -> None:
        """Once it takes connections, its empty database is made."""
        loop = asyncio.get_running_loop()
        until = loop.time() + READY_WITHIN_S
        while not await asyncio.to_thread(self._made_database):
            if not child.is_running:
                raise died(child)
            if loop.time() > until:
                raise ChildDied(f"{NAME} took no connection within {READY_WITHIN_S:g} s: {child.last_lines()}")
            await asyncio.sleep(LOOK_EVERY_S)

    def _made_database(self) -> bool:
        try:
            with psycopg.connect(
                host="127.0.0.1", port=self.port, user=USER, password=self._password, dbname="postgres",
                sslmode="disable", connect_timeout=int(READY_WITHIN_S), autocommit=True,
            ) as connection:  # fmt: skip
                connection.execute(f"CREATE DATABASE {USER}")
        except psycopg.OperationalError:
            return False
        return True

    def remove(self) -> None:
        """Throws all of it away, once it has ended."""
        self._port.close()
        _remove(self.folder)
        os.close(self._held)


async def start(children: Children, folder: Path | None = None) -> Postgres:
    """A server with an empty database, a child of the run; ChildDied where it cannot be had. `folder`: where it keeps
    its own (default: a new one in the system's place for such). What killed harnesses have left there is removed."""
    binaries = Binaries.find()
    if binaries is None:
        raise ChildDied(MISSING)
    user = _unprivileged()
    sweep(folder or Path(tempfile.gettempdir()))
    server, child = Postgres(user, folder), None
    try:
        await server.initialise(binaries, user)
        child = await children.start(NAME, server.command(binaries, user), {}, cwd=server.folder)
        child.ends_by = signal.SIGINT  # a fast shutdown: SIGTERM would wait until everybody has hung up
        await server.wait_until_ready(child)
    except BaseException:
        if child is not None:
            await children.stop(child)
        server.remove()
        raise
    return server


def sweep(folder: Path) -> None:
    """Removes our servers whose harness was killed: nobody holds their folder any more."""
    for data in folder.glob(f"{PREFIX}*/{DATA}"):
        with suppress(OSError):  # held by a harness that lives
            held = os.open(data.parent / HELD, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(held).st_uid == os.geteuid() and not _is_running(data.parent):
                    _remove(data.parent)
            finally:
                os.close(held)


def _locked(folder: Path) -> int:
    held = os.open(folder / HELD, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(held, fcntl.LOCK_EX)
    return held


def _is_running(folder: Path) -> bool:
    lines = _pid_file(folder)
    try:
        return bool(lines) and psutil.Process(int(lines[0])).status() != psutil.STATUS_ZOMBIE
    except (ValueError, psutil.NoSuchProcess):
        return False


def _remove(folder: Path) -> None:
    lines = _pid_file(folder)  # it removes the file itself when it ends in order
    if len(lines) > 6:
        _remove_segment(lines[0], *lines[6].split())
    shutil.rmtree(folder, ignore_errors=True)


def _pid_file(folder: Path) -> list[str]:
    """Process number, then others, on the seventh line key and number of its shared memory: PostgreSQL,
    src/include/utils/pidfile.h, read for version 15."""
    try:
        return (folder / DATA / "postmaster.pid").read_text().split("\n")
    except OSError:
        return []


def _remove_segment(creator: str, key: str, number: str) -> None:
    """Of a server that was killed, 56 bytes of System V memory, if they are still those that this process made."""
    for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]:
        words = line.split()
        if (words[0], words[1], words[4]) == (key, number, creator):
            subprocess.run(["ipcrm", "-m", number], check=False, capture_output=True)


def _unprivileged() -> pwd.struct_passwd | None:
    """Whom it runs as instead of root; None: as whoever we are."""
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED:
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise ChildDied(f"PostgreSQL refuses to run as root, and there is no user {' or '.join(UNPRIVILEGED)}")


def _as(user: pwd.struct_passwd | None) -> list[str]:
    if user is None:
        return []
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"]
