"""The databases that the shop's tests run on: a file of SQLite, and a PostgreSQL that the session starts once."""

import asyncio
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import sqlalchemy
from sqlalchemy.engine import URL, make_url

SQLITE, POSTGRESQL = "sqlite", "postgresql"
LOCK = {SQLITE: ["BEGIN IMMEDIATE"], POSTGRESQL: ["BEGIN", "LOCK TABLE orders, jobs, cards IN EXCLUSIVE MODE"]}
_numbers = itertools.count(1)


class Databases:
    """Gives each test a database of its own; `server` is the address of an empty one of PostgreSQL, or empty."""

    def __init__(self, server: str = "") -> None:
        self.server = server
        self._made: dict[Path, str] = {}

    def url(self, data: Path) -> str:
        """As the shop's own setting has it, the same for the same folder."""
        if not self.server:
            return f"sqlite+aiosqlite:///{data}/shop.db"
        if data not in self._made:
            self._made[data] = self._create()
        return self._made[data]

    def _create(self) -> str:
        """A user whose tables lie in a schema of his own: a database of 300 files for each test takes ten times as
        long to make, and half a minute to remove."""
        server, name = make_url(self.server), f"t{os.getpid()}_{next(_numbers)}"
        with psycopg.connect(_plain(server), autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {name} SUPERUSER LOGIN PASSWORD '{server.password}'")
            connection.execute(f"CREATE SCHEMA AUTHORIZATION {name}")
        return server.set(username=name).render_as_string(hide_password=False)


def _plain(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


CHOSEN = Databases()
"""What the running test has; set by the fixture `database` of conftest.py."""


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Somebody else holds the shop's write lock."""
    plain = make_url(url).set(drivername=make_url(url).drivername.replace("+aiosqlite", ""))
    engine = sqlalchemy.create_engine(plain, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        own = connection.execution_options(isolation_level="AUTOCOMMIT")
        for statement in LOCK[plain.get_backend_name()]:
            own.exec_driver_sql(statement)
        yield
        own.exec_driver_sql("ROLLBACK")


@contextmanager
def server(logs: Path) -> Iterator[str]:
    """The address of a PostgreSQL, in a process that ends it when its input does."""
    command = [sys.executable, "-m", "tests.targets.both", str(logs)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url, "PostgreSQL did not start: see the traceback above"
        yield url
        process.stdin.close()


async def _serve(logs: Path) -> None:
    from harness import postgres
    from harness.children import Children

    async with Children(logs) as children:
        started = await postgres.start(children)
        print(started.url(), flush=True)
        await asyncio.to_thread(sys.stdin.read)
    started.remove()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
