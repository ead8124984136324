"""The shop's database over a link that is cut or falls silent, against a real PostgreSQL behind a small relay."""

import asyncio
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from targets.cardshop import __main__ as cardshop
from targets.cardshop import serving
from targets.cardshop.database import DATABASE_AWAY, Database
from targets.cardshop.jobs import Jobs
from targets.cardshop.jobs import put as put_job
from targets.cardshop.store import Store
from targets.cardshop.tables import CARDS
from tests.targets import both
from tests.targets.test_cardshop_process import CHANNELS

pytestmark = [pytest.mark.usefixtures("postgresql"), pytest.mark.slow]
PATIENCE_S = 0.2


class Relay:
    """Hands bytes on, unless told to be silent; whoever is connected can be cut off."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._ends: list[asyncio.StreamWriter] = []
        self._taken: set[asyncio.Task[None] | None] = set()
        self.open = asyncio.Event()
        self.open.set()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._taken.add(asyncio.current_task())
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", make_url(self.url).port)
        self._ends += [writer, far_writer]
        async with asyncio.TaskGroup() as group:
            group.create_task(self._hand_on(reader, far_writer))
            group.create_task(self._hand_on(far_reader, writer))

    async def _hand_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                await self.open.wait()
                writer.write(data)
        writer.close()

    async def ended(self) -> None:
        """Until all that was taken has ended."""
        await asyncio.gather(*(task for task in self._taken if task))

    def cut(self) -> int:
        """Ends all connections; how many there were."""
        ends, self._ends = self._ends, []
        for writer in ends:
            writer.transport.abort()
        return len(ends) // 2


@asynccontextmanager
async def linked(
    server: str, *, timeout_s: float | None = PATIENCE_S, lock_wait_s: float = 5.0
) -> AsyncIterator[tuple[Database, Relay]]:
    relay = Relay(both.Databases(server).url(Path("link")))
    async with await asyncio.start_server(relay.take, "127.0.0.1", 0) as listener:
        here = make_url(relay.url).set(port=listener.sockets[0].getsockname()[1]).render_as_string(hide_password=False)
        database = Database(here, lock_wait_s=lock_wait_s, timeout_s=timeout_s)
        await Store(database).open(("card_10",), stock=3)
        yield database, relay
        relay.open.set()
        await database.close()
        relay.cut()
        await relay.ended()


async def test_a_link_that_falls_silent_is_a_database_that_is_away_until_it_speaks(postgresql: str) -> None:
    async with linked(postgresql, lock_wait_s=PATIENCE_S) as (database, relay):
        store = Store(database)
        assert await store.stock_left() == {"card_10": 3}
        relay.open.clear()
        for ask in (store.stock_left(), store.take_card("card_10", "1")):
            with pytest.raises(DATABASE_AWAY):
                await asyncio.wait_for(ask, 5)
        relay.cut()
        relay.open.set()
        assert await store.take_card("card_10", "2")
        assert await store.stock_left() == {"card_10": 2}


async def test_a_peer_that_never_says_hello_is_away_too(postgresql: str) -> None:
    async with linked(postgresql) as (database, relay):
        relay.open.clear()
        relay.cut()
        with pytest.raises(DATABASE_AWAY):
            await asyncio.wait_for(Store(database).stock_left(), 5)


@pytest.mark.parametrize(("timeout_s", "errors"), [(2.0, 0), (None, 1)])
async def test_only_a_shop_that_looks_first_never_uses_a_connection_that_was_cut(
    postgresql: str, timeout_s: float | None, errors: int
) -> None:
    async with linked(postgresql, timeout_s=timeout_s) as (database, relay):
        store = Store(database)
        await store.stock_left()
        assert relay.cut() == 2  # a writer and a reader
        await asyncio.sleep(0)
        found = 0
        for _ in range(3):
            try:
                await store.stock_left()
            except DATABASE_AWAY:
                found += 1
        assert found == errors


async def test_a_lock_is_waited_for_longer_than_a_silent_link_and_no_longer_than_told(postgresql: str) -> None:
    async with linked(postgresql, timeout_s=0.05, lock_wait_s=0.4) as (database, relay):
        store = Store(database)
        with both.locked(relay.url):
            begun = asyncio.get_running_loop().time()
            with pytest.raises(DATABASE_AWAY, match="lock timeout"):
                await store.take_card("card_10", "1")
            assert asyncio.get_running_loop().time() - begun >= 0.4
            assert await store.stock_left() == {"card_10": 3}  # who reads does not wait
        assert await store.take_card("card_10", "1")


async def test_a_transaction_that_a_silent_link_has_left_behind_gives_its_locks_back(postgresql: str) -> None:
    async with linked(postgresql, lock_wait_s=PATIENCE_S) as (database, relay):
        locked, change = asyncio.Event(), CARDS.update().values(product="card_50")

        async def left_behind(connection: AsyncConnection) -> None:
            await connection.execute(change)
            relay.open.clear()
            locked.set()
            await connection.execute(change)

        direct = Database(relay.url, lock_wait_s=5.0)
        async with asyncio.TaskGroup() as group:
            group.create_task(_away(database.write(left_behind)))
            await locked.wait()
            await direct.write(lambda connection: connection.execute(CARDS.delete()))
        await direct.close()
        relay.cut()
        relay.open.set()
        assert await Store(database).stock_left() == {}


async def _away(asked: Coroutine[object, object, None]) -> None:
    with pytest.raises(DATABASE_AWAY):
        await asked


@pytest.mark.parametrize("processes", [1, 3, 33])
async def test_all_processes_together_ask_for_no_more_connections_than_a_server_lets_in(processes: int) -> None:
    database = Database("postgresql+psycopg://u@h/d", lock_wait_s=1, processes=processes)
    pools = [engine.pool.size() for engine in (database._writer, database._reader)]  # type: ignore[attr-defined]
    assert min(pools) >= 1
    assert processes * sum(pools) <= 90


async def test_workers_that_claim_at_once_get_no_more_than_they_asked_for_and_none_twice(postgresql: str) -> None:
    async with linked(postgresql, timeout_s=2.0) as (database, _):
        for n in range(40):
            await database.write(lambda connection, n=n: put_job(connection, f"{n:02}", "c", due=float(n)))  # type: ignore[misc]
        jobs = Jobs(database)
        claims = [jobs.claim(f"w{n}", now=100.0, lease_s=6.0, most=7) for n in range(8)]
        claimed = await asyncio.gather(*claims)
        assert max(len(each) for each in claimed) <= 7
        assert sorted(number for each in claimed for number in each) == [f"{n:02}" for n in range(40)]


def test_a_shop_that_cannot_start_without_its_database_says_so_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(serving, "_START_S", 0.0)
    monkeypatch.setattr(sys, "argv", ["cardshop", "--port", "0", "--data", str(tmp_path)])
    monkeypatch.setenv("CARDSHOP_CHANNELS", CHANNELS)
    monkeypatch.setenv("CARDSHOP_DATABASE_URL", "postgresql+psycopg://u:hidden@127.0.0.1:1/d")
    assert cardshop.main() == cardshop.FAILED
    said = capsys.readouterr().err
    assert said.startswith("cardshop: CARDSHOP_DATABASE_URL: the database is away: ")
    assert said.count("\n") == 1
    assert "hidden" not in said
