"""The connections: one writer whose line commits together, and readers that never wait for it."""

from contextlib import AbstractAsyncContextManager
from typing import Any

from sqlalchemy import Connection, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from targets.cardshop.commits import GroupCommit, Job, T

DATABASE_AWAY = (OperationalError, InterfaceError, PoolTimeout)
"""What is raised while the database is locked, gone or overrun."""

POOL_WAIT_S = 10.0
_READERS = 4
_POSTGRES_CONNECTIONS = 10
_CONNECT_S = 5


class Database:
    """Transactions and questions. Anything may raise one of DATABASE_AWAY."""

    def __init__(self, url: str, *, lock_wait_s: float) -> None:
        """`lock_wait_s`: how long a write waits while somebody else holds a lock that it needs."""
        is_sqlite = make_url(url).get_backend_name() == "sqlite"
        shared: dict[str, Any] = {"hide_parameters": True, "pool_timeout": POOL_WAIT_S, "max_overflow": 0}
        if is_sqlite:
            shared |= {"connect_args": {"timeout": lock_wait_s}}
        else:
            # A link that was cut is noticed before the first question, and a silent peer while it connects.
            waits = f"-c lock_timeout={lock_wait_s * 1000:.0f}"
            shared |= {"pool_pre_ping": True, "connect_args": {"connect_timeout": _CONNECT_S, "options": waits}}
        self._writer = create_async_engine(url, pool_size=1 if is_sqlite else _POSTGRES_CONNECTIONS, **shared)
        # One statement needs no transaction around it: without BEGIN and ROLLBACK a page costs half as much.
        self._reader = create_async_engine(
            url,
            pool_size=_READERS if is_sqlite else _POSTGRES_CONNECTIONS,
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
            **shared,
        )
        # SQLite has one writer: who stands in line commits together instead of polling the lock.
        self._commits = GroupCommit(self._writer) if is_sqlite else None
        if is_sqlite:
            event.listen(self._writer.sync_engine, "connect", _use_wal_and_our_own_begin)
            event.listen(self._writer.sync_engine, "begin", _begin_as_writer)
            event.listen(self._reader.sync_engine, "connect", _use_wal)

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
