"""The connections: writers, of SQLite one whose line commits together, and readers that never wait for them."""

import math
from contextlib import AbstractAsyncContextManager
from typing import Any

from sqlalchemy import Connection, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from targets.cardshop.commits import GroupCommit, Job, T
from targets.cardshop.link import impatient, look_before_use

DATABASE_AWAY = (OperationalError, InterfaceError, PoolTimeout)
"""What is raised while the database is locked, gone or overrun."""

POOL_WAIT_S = 10.0
_READERS = 4
_POSTGRES_CONNECTIONS = 90
"""Of all processes together: a PostgreSQL as it is installed lets in 100."""
_EACH_MAX = 10


class Database:
    """Transactions and questions. Anything may raise one of DATABASE_AWAY."""

    def __init__(self, url: str, *, lock_wait_s: float, timeout_s: float | None = None, processes: int = 1) -> None:
        """`lock_wait_s`: how long a write waits while somebody else holds a lock that it needs. `timeout_s`: how long
        a server may take to answer beside that; None: as long as it likes. `processes` of the shop share its server.
        """
        self._commits: GroupCommit | None = None
        if make_url(url).get_backend_name() == "sqlite":
            self._writer, self._reader = _sqlite(url, lock_wait_s)
            # SQLite has one writer: who stands in line commits together instead of polling the lock.
            self._commits = GroupCommit(self._writer)
        else:
            self._writer, self._reader = _postgresql(url, lock_wait_s, timeout_s, processes)

    async def write(self, job: Job[T]) -> T:
        """What a job returned, once its transaction is committed."""
        if self._commits is not None:
            return await self._commits.run(job)
        async with self._writer.begin() as connection:
            return await job(connection)

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection to ask questions with."""
        return self._reader.connect()

    async def ping(self) -> None:
        """Ask the database for a sign of life."""
        async with self.read() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Let go of all connections."""
        await self._reader.dispose()
        await self._writer.dispose()


_SHARED: dict[str, Any] = {"hide_parameters": True, "pool_timeout": POOL_WAIT_S, "max_overflow": 0}
# One statement needs no transaction around it: without BEGIN and ROLLBACK a page costs half as much.
_READS: dict[str, Any] = {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}


def _sqlite(url: str, lock_wait_s: float) -> tuple[AsyncEngine, AsyncEngine]:
    """The writer, and the readers."""
    shared = _SHARED | {"connect_args": {"timeout": lock_wait_s}}
    writer = create_async_engine(url, pool_size=1, **shared)
    reader = create_async_engine(url, pool_size=_READERS, **_READS, **shared)
    event.listen(writer.sync_engine, "connect", _use_wal_and_our_own_begin)
    event.listen(writer.sync_engine, "begin", _begin_as_writer)
    event.listen(reader.sync_engine, "connect", _use_wal)
    return writer, reader


def _postgresql(
    url: str, lock_wait_s: float, timeout_s: float | None, processes: int
) -> tuple[AsyncEngine, AsyncEngine]:
    """The writers, and the readers; these never wait for a lock."""
    each = max(1, min(_EACH_MAX, _POSTGRES_CONNECTIONS // (2 * processes)))

    options = f"-c lock_timeout={lock_wait_s * 1000:.0f}"
    if timeout_s is not None:
        # What a broken link leaves behind at the server's end must not keep its locks.
        options += f" -c idle_in_transaction_session_timeout={timeout_s * 1000:.0f}"

    def engine(waits_s: float, **more: Any) -> AsyncEngine:
        given: dict[str, Any] = {"options": options}
        if timeout_s is not None:
            given |= {"async_creator_fn": impatient(waits_s + timeout_s), "connect_timeout": math.ceil(timeout_s)}
        made = create_async_engine(url, pool_size=each, connect_args=given, **_SHARED, **more)
        if timeout_s is not None:
            look_before_use(made)
        return made

    return engine(lock_wait_s), engine(0.0, **_READS)


def _use_wal(connection: Any, _record: object) -> None:
    """Pages are read while an order is written, and a commit need not wait for the disk."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def _use_wal_and_our_own_begin(connection: Any, record: object) -> None:
    _use_wal(connection, record)
    connection.isolation_level = None  # else the driver begins by itself, and only before the first change


def _begin_as_writer(connection: Connection) -> None:
    """The write lock is taken before the first question, so that its answer still holds when the change comes."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
