import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from harness.database import BUSY_S, Database
from harness.shop import HouseError
from tests.harness.housed import HOUSE, until
from tests.targets import both


@pytest.fixture
def shops(tmp_path: Path) -> sqlite3.Connection:
    """The shop's own connection, which never waits."""
    own = sqlite3.connect(tmp_path / "shop.db", timeout=0, isolation_level=None)
    own.execute("PRAGMA journal_mode=WAL")  # so that giving a lock back never waits for who asks for it
    own.execute("CREATE TABLE jobs (id INTEGER PRIMARY KEY, contact TEXT)")
    own.executemany("INSERT INTO jobs (contact) VALUES (?)", [(f"b{n:08d}@buyers.example",) for n in range(5)])
    return own


def a_database(folder: Path, **changed: Any) -> Database:
    return Database(msgspec.structs.replace(HOUSE, **changed), {"data": str(folder)})


def can_write(shops: sqlite3.Connection) -> bool:
    try:
        shops.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return False
    shops.execute("ROLLBACK")
    return True


async def test_nobody_writes_while_the_lock_is_held_and_all_may_afterwards(
    tmp_path: Path, shops: sqlite3.Connection
) -> None:
    async with a_database(tmp_path).write_lock(at_most_s=60) as taken:
        await asyncio.wait_for(taken.wait(), 5)
        assert not can_write(shops)
        assert shops.execute("SELECT count(*) FROM jobs").fetchone() == (5,)
    assert can_write(shops)


async def test_the_lock_is_taken_when_whoever_holds_it_gives_it_back(tmp_path: Path, shops: sqlite3.Connection) -> None:
    shops.execute("BEGIN IMMEDIATE")
    async with a_database(tmp_path).write_lock(at_most_s=60) as taken:
        await asyncio.to_thread(lambda: None)
        assert not taken.is_set()
        shops.execute("COMMIT")
        await asyncio.wait_for(taken.wait(), 5)
        assert not can_write(shops)


async def test_a_lock_that_never_came_is_no_longer_asked_for(tmp_path: Path, shops: sqlite3.Connection) -> None:
    shops.execute("BEGIN IMMEDIATE")
    async with a_database(tmp_path).write_lock(at_most_s=60) as taken:
        pass
    shops.execute("COMMIT")
    assert not taken.is_set()
    assert can_write(shops)


async def test_a_lock_ends_by_itself_when_nobody_gives_it_back(tmp_path: Path, shops: sqlite3.Connection) -> None:
    async with a_database(tmp_path).write_lock(at_most_s=0.01) as taken:
        await asyncio.wait_for(taken.wait(), 5)
        await until(lambda: can_write(shops))


async def test_an_exception_gives_the_lock_back(tmp_path: Path, shops: sqlite3.Connection) -> None:
    with pytest.raises(RuntimeError):
        async with a_database(tmp_path).write_lock(at_most_s=60) as taken:
            await asyncio.wait_for(taken.wait(), 5)
            raise RuntimeError
    assert can_write(shops)


async def test_lost_jobs_are_gone_and_told_by_their_text(tmp_path: Path, shops: sqlite3.Connection) -> None:
    database = a_database(tmp_path)
    assert await database.queued() == 5
    assert await database.lose(2) == ["b00000000@buyers.example", "b00000001@buyers.example"]
    assert await database.queued() == 3
    assert await database.lose(9) == [f"b0000000{n}@buyers.example" for n in (2, 3, 4)]
    assert await database.lose(1) == []


async def test_nothing_is_lost_while_the_database_is_busy(tmp_path: Path, shops: sqlite3.Connection) -> None:
    shops.execute("BEGIN IMMEDIATE")
    assert await a_database(tmp_path).lose(2) is None
    shops.execute("COMMIT")
    assert shops.execute("SELECT count(*) FROM jobs").fetchone() == (5,)


async def test_a_rehearsal_changes_nothing(tmp_path: Path, shops: sqlite3.Connection) -> None:
    await a_database(tmp_path).rehearse(lock=True, queue=True)
    assert shops.execute("SELECT count(*) FROM jobs").fetchone() == (5,)
    assert can_write(shops)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"database": "sqlite:///{data}/other.db"}, r"house.database: there is no SQLite file .*other.db"),
        ({"database": "sqlite://"}, r"house.database: there is no SQLite file None"),
        ({"database": "nosql://x"}, "house.database: Can't load plugin"),
        ({"database": "user:secret@host"}, "house.database: Could not parse"),
        ({"lock": ["BEGIN IMMEDIATELY"]}, "house.lock: near .IMMEDIATELY.: syntax error"),
        ({"lock": ["PRAGMA user_version"]}, "house.lock: cannot rollback - no transaction is active"),
        ({"queued": "SELECT count(*) FROM queue"}, "house.queued: no such table: queue"),
        ({"lose_jobs": "DELETE FROM jobs LIMIT :n RETURNING name"}, "house.lose_jobs: "),
        ({"lose_jobs": "DELETE FROM jobs WHERE id < :n - :m RETURNING contact"}, "house.lose_jobs: .*'m'"),
    ],
)
@pytest.mark.slow
async def test_what_the_shop_does_not_have_is_refused_before_the_load(
    tmp_path: Path, shops: sqlite3.Connection, changed: dict[str, Any], says: str
) -> None:
    with pytest.raises(HouseError, match=says) as refused:
        await a_database(tmp_path, **changed).rehearse(lock=True, queue=True)
    assert "secret" not in str(refused.value)


HOUSES: list[tuple[Callable[[], object], str]] = [
    (lambda: msgspec.structs.replace(HOUSE, database=""), "need database"),
    (lambda: msgspec.structs.replace(HOUSE, queued=""), "belong together"),
    (lambda: msgspec.structs.replace(HOUSE, lose_jobs="DELETE FROM jobs"), ":n must stand in it"),
]


@pytest.mark.parametrize(("made", "says"), HOUSES)
def test_half_a_house_is_refused(made: Callable[[], object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        made()


# --- of PostgreSQL -----------------------------------------------------------------------------------------------
@pytest.fixture
def server(postgresql: str, tmp_path: Path) -> str:
    """The address of an empty database in which the shop has five jobs."""
    url = both.Databases(postgresql).url(tmp_path)
    with psycopg.connect(plain(url)) as own:
        own.execute("CREATE TABLE jobs (id SERIAL PRIMARY KEY, contact TEXT)")
        own.execute(
            "INSERT INTO jobs (contact) SELECT 'b0000000' || n || '@buyers.example' FROM generate_series(0, 4) n"
        )
    return url


def plain(url: str) -> str:
    return url.replace("+psycopg", "")


def on_server(url: str, **changed: Any) -> Database:
    lock = ["BEGIN", "LOCK TABLE jobs IN EXCLUSIVE MODE"]
    house = msgspec.structs.replace(HOUSE, **{"database": "{database_direct}", "lock": lock} | changed)
    return Database(house, {"database_direct": url})


def writes(own: "psycopg.Connection[tuple[Any, ...]]") -> bool:
    """Whether a write gets through at once."""
    try:
        with own.transaction():
            own.execute("SET LOCAL lock_timeout = 1")
            own.execute("UPDATE jobs SET contact = contact")
    except psycopg.errors.LockNotAvailable:
        return False
    return True


async def test_on_a_server_nobody_writes_while_the_lock_is_held_and_all_may_read(server: str) -> None:
    with psycopg.connect(plain(server), autocommit=True) as own:
        async with on_server(server).write_lock(at_most_s=60) as taken:
            await asyncio.wait_for(taken.wait(), 5)
            assert not writes(own)
            assert own.execute("SELECT count(*) FROM jobs").fetchone() == (5,)
        assert writes(own)


@pytest.mark.slow
async def test_on_a_server_a_lock_that_somebody_holds_is_asked_for_again(server: str) -> None:
    with psycopg.connect(plain(server)) as own:
        own.execute("UPDATE jobs SET contact = contact")
        async with on_server(server).write_lock(at_most_s=60) as taken:
            with pytest.raises(TimeoutError):  # longer than one attempt lasts
                await asyncio.wait_for(taken.wait(), 1.5 * BUSY_S)
            own.commit()
            await asyncio.wait_for(taken.wait(), 5)
            assert not writes(own)


async def test_on_a_server_jobs_are_lost_and_told_by_their_text(server: str) -> None:
    database = on_server(server)
    await database.rehearse(lock=True, queue=True)
    assert await database.queued() == 5
    assert await database.lose(2) == ["b00000000@buyers.example", "b00000001@buyers.example"]
    assert await database.queued() == 3


@pytest.mark.slow
async def test_on_a_server_nothing_is_lost_while_its_jobs_are_locked(server: str) -> None:
    with psycopg.connect(plain(server)) as own:
        own.execute("LOCK TABLE jobs IN EXCLUSIVE MODE")
        assert await on_server(server).lose(2) is None
        assert await on_server(server).queued() == 5


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"lock": ["LOCK TABLE jobs IN EXCLUSIVE MODE"]}, "house.lock: LOCK TABLE can only be used in transaction"),
        ({"lock": ["BEGIN", "LOCK TABLE queue"]}, 'house.lock: relation "queue" does not exist'),
        ({"queued": "SELECT count(*) FROM queue"}, 'house.queued: relation "queue" does not exist'),
        ({"lose_jobs": "DELETE FROM jobs LIMIT :n RETURNING name"}, "house.lose_jobs: syntax error"),
        ({"database": "postgresql+psycopg://u:secret@127.0.0.1:1/d"}, "house.lock: .*Connection refused"),
    ],
)
async def test_what_a_server_does_not_have_is_refused_before_the_load(
    server: str, changed: dict[str, Any], says: str
) -> None:
    with pytest.raises(HouseError, match=says) as refused:
        await on_server(server, **changed).rehearse(lock=True, queue=True)
    assert "secret" not in str(refused.value)
