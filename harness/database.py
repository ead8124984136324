"""The harness's own connections to the shop's database: to lock it, and to lose jobs from its queue.

Every call runs in a thread, so that the loop goes on; a lock ends with its connection, also when the harness is killed.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

from harness.shop import HouseError
from targets import webshop

AGAIN_S = 0.02
"""Between two attempts at a lock that somebody else holds."""
BUSY_S = 0.2
"""How long one attempt at a lock waits; short, so that healing never does."""
CONNECT_S = 5
ATTEMPTS = 5

T = TypeVar("T")


class Database:
    """The database of a target's house. Every method raises HouseError where its SQL cannot be carried out."""

    def __init__(self, house: webshop.House, values: dict[str, str]) -> None:
        self._house = house
        self._engine = _engine(webshop.filled(house.database, values))

    async def rehearse(self, *, lock: bool, queue: bool) -> None:
        """Tries what faults will need, and changes nothing."""
        asks: dict[str, Callable[[Connection], object]] = {}
        if lock:
            asks["house.lock"] = self._try_lock
        if queue:
            asks |= {"house.queued": self._count, "house.lose_jobs": lambda connection: self._take(connection, 0)}
        for place, ask in asks.items():
            for _ in range(ATTEMPTS - 1):  # a shop that has just started may hold a lock for a moment
                if await self._unless_busy(place, ask) is not None:
                    break
            else:
                await self._run(place, ask)

    async def queued(self) -> int | None:
        """How many jobs wait; None where the database was busy."""
        return await self._unless_busy("house.queued", self._count)

    async def lose(self, n: int) -> list[str] | None:
        """Takes up to n jobs out of the queue: for each the text that carries its order key; None where the database
        was busy, and nothing taken."""
        return await self._unless_busy("house.lose_jobs", lambda connection: self._take(connection, n))

    @asynccontextmanager
    async def write_lock(self, *, at_most_s: float) -> AsyncIterator[asyncio.Event]:
        """Asks for the write lock: the event is set once it is held. Given back when the context is left, and at the
        latest so many seconds after it was taken, should nobody be there to leave."""
        loop = asyncio.get_running_loop()
        taken, release = asyncio.Event(), threading.Event()

        def tell() -> None:
            loop.call_soon_threadsafe(taken.set)

        holding = loop.run_in_executor(None, self._hold, release, tell, at_most_s)
        try:
            yield taken
        finally:
            release.set()
            try:
                await holding
            except SQLAlchemyError as error:
                raise HouseError(f"house.lock: {_words(error)}") from None

    # --- in a thread ---------------------------------------------------------------------------------------------
    async def _run(self, place: str, ask: Callable[[Connection], T]) -> T:
        def connected() -> T:
            with self._engine.connect() as connection:
                return ask(connection)

        try:
            return await asyncio.to_thread(connected)
        except (SQLAlchemyError, ModuleNotFoundError) as error:
            raise HouseError(f"{place}: {_words(error)}") from error

    async def _unless_busy(self, place: str, ask: Callable[[Connection], T]) -> T | None:
        """The same after a rehearsal: an operational error then means that somebody else holds a lock."""
        try:
            return await self._run(place, ask)
        except HouseError as error:
            if isinstance(error.__cause__, OperationalError):
                return None
            raise

    def _count(self, connection: Connection) -> int:
        return int(connection.execute(text(self._house.queued)).scalar_one())

    def _take(self, connection: Connection, n: int) -> list[str]:
        with connection.begin():
            return [str(row[0]) for row in connection.execute(text(self._house.lose_jobs), {"n": n}).all()]

    def _try_lock(self, connection: Connection) -> bool:
        own = connection.execution_options(isolation_level="AUTOCOMMIT")
        for statement in self._house.lock:
            own.exec_driver_sql(statement)
        own.exec_driver_sql("ROLLBACK")
        return True

    def _hold(self, release: threading.Event, tell: Callable[[], None], at_most_s: float) -> None:
        with self._engine.connect() as connection:
            own = connection.execution_options(isolation_level="AUTOCOMMIT")
            while not release.is_set():
                try:
                    for statement in self._house.lock:
                        own.exec_driver_sql(statement)
                except OperationalError:  # somebody else holds it
                    with suppress(OperationalError):  # of a lock in several steps, perhaps none was taken
                        own.exec_driver_sql("ROLLBACK")
                    release.wait(AGAIN_S)
                    continue
                tell()
                release.wait(at_most_s)
                own.exec_driver_sql("ROLLBACK")
                return


def _engine(address: str) -> Engine:
    try:
        url = make_url(address)
        sqlite = url.get_backend_name() == "sqlite"
        engine = create_engine(url, poolclass=NullPool, connect_args=_short_waits(url))
    except (ArgumentError, SQLAlchemyError, ModuleNotFoundError) as error:
        raise HouseError(f"house.database: {_words(error)}") from None
    file = engine.url.database
    if sqlite and not (file and Path(file).is_file()):  # SQLite would make an empty one, and lock that
        raise HouseError(f"house.database: there is no SQLite file {file}; legal: the file that the shop writes to")
    return engine


def _short_waits(url: URL) -> dict[str, Any]:
    """What makes a driver that we know give a lock up after BUSY_S, and a silent server before long."""
    if url.get_backend_name() == "sqlite":
        return {"timeout": BUSY_S}
    if url.drivername in ("postgresql", "postgresql+psycopg", "postgresql+psycopg2"):
        return {"options": f"-c lock_timeout={BUSY_S * 1000:.0f}", "connect_timeout": CONNECT_S}
    return {}


def _words(error: Exception) -> str:
    """The first line of what a driver says, without the address: that may hold a password."""
    own = getattr(error, "orig", None) or error
    return " ".join(str(own).splitlines()[:1]) or type(own).__name__
