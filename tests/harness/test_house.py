import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from faults.decide import Exchange
from faults.verdict import HouseEffect, Kill, LockDatabase, LoseJobs, Pause, Strike
from harness.house import House, HouseFault, kill_times
from harness.shop import Shop
from ledger.clock import SECOND_NS, Epoch, ManualClock, RunClock
from ledger.events import Struck
from ledger.states import Hop, Operation
from mocks.tripwire import Tripped, Tripwire
from plan.faults import FaultPlan, Label
from plan.units import Window
from targets import house as target_files
from tests.harness.housed import HOUSE, a_shop, pid_of, state_of, until

L0_T = 5 * SECOND_NS
LOAD_S = 60.0


def a_fault(
    effect: HouseEffect, window: str | None = "10 s..40 s", id: str = "broken", hop: Hop = Hop.SHOP
) -> HouseFault:
    bounds = Window.parse(window) if window else None
    return HouseFault(FaultPlan(id, id, (hop,), Label(id, id), "cause", window=bounds, layer="house"), effect)


class FakeShop(Shop):
    """What a house does to its shop, written down. It comes up again as soon as `may_come_up` is set."""

    def __init__(self, clock: ManualClock, folder: Path) -> None:
        self.clock, self.data, self.done = clock, folder, list[tuple[str, float]]()
        self.up, self.may_come_up = asyncio.Event(), asyncio.Event()
        self.up.set()
        self.may_come_up.set()
        self.processes = {"web": (11,), "worker": (12, 13)}

    @property
    def house(self) -> target_files.House:
        return HOUSE

    @property
    def values(self) -> dict[str, str]:
        return {"data": str(self.data)}

    def note(self, what: str) -> None:
        self.done.append((what, (self.clock.t() - L0_T) / SECOND_NS))

    async def kill(self) -> None:
        self.up.clear()
        self.note("killed")

    async def restart(self) -> None:
        self.note("started")
        await self.may_come_up.wait()
        self.up.set()

    @contextmanager
    def stopped(self, name: str) -> Iterator[tuple[int, ...]]:
        self.note(f"stop {name}")
        try:
            yield self.processes.get(name, ())
        finally:
            self.note(f"go on {name}")


class World:
    """A house under load, a clock that the test moves, and what was journalled."""

    def __init__(self, folder: Path, faults: Sequence[HouseFault]) -> None:
        self.clock = ManualClock()
        self.shop = FakeShop(self.clock, folder)
        self.struck: list[Struck] = []
        self.said: list[str] = []
        self.house = House(faults, self.shop, self.clock, self.struck.append, self.said.append)
        self.playing: asyncio.Task[None] | None = None

    async def at(self, load_s: float) -> None:
        """Moves the clock there, stopping wherever somebody waits for a time before."""
        target = L0_T + int(load_s * SECOND_NS)
        await turn()
        while (due := self.clock.next_due()) is not None and due <= target:
            self.clock.move_to(max(due, self.clock.t()))
            await turn()
        self.clock.move_to(target)
        await turn()

    async def until_struck(self) -> None:
        """Moves the clock on until something is struck: what waits for the database does so in a thread."""
        while not self.struck:
            await self.on()

    async def on(self) -> None:
        """A tenth of a second later; the database's threads have their share of real time meanwhile."""
        await self.at((self.clock.t() - L0_T) / SECOND_NS + 0.1)
        await asyncio.sleep(0.005)

    async def strikes_are(self, n: int) -> None:
        await until(lambda: len(self.struck) == n)

    def is_over(self) -> bool:
        return self.playing is not None and self.playing.done()

    @property
    def strikes(self) -> list[tuple[float, str, str | None, int]]:
        return [((s.t - L0_T) / SECOND_NS, s.changed, s.o, s.attempt) for s in self.struck]


async def turn() -> None:
    """Lets everything run that can."""
    for _ in range(30):
        await asyncio.sleep(0)


@asynccontextmanager
async def under_load(folder: Path, *faults: HouseFault) -> AsyncIterator[World]:
    """Healed and played to its end when the test leaves."""
    world = World(folder, faults)
    await world.house.rehearse()
    async with asyncio.TaskGroup() as group:
        world.playing = group.create_task(world.house.play(L0_T, LOAD_S))
        yield world
        world.house.heal()


# --- killed ------------------------------------------------------------------------------------------------------
async def test_a_kill_comes_at_the_windows_start_and_the_shop_is_started_again_in_time(tmp_path: Path) -> None:
    async with under_load(tmp_path, a_fault(Kill(2.0, None, 1))) as world:
        await world.at(9.9)
        assert world.shop.done == []
        await world.at(11)
        assert world.house.in_force == ["broken"]
        await world.at(30)
        assert world.shop.done == [("killed", 10.0), ("started", 12.0)]
        assert world.strikes == [(10.0, "shop killed", None, 1)]
        assert world.house.in_force == []
        (struck,) = world.struck
        assert (struck.hop, str(struck.operation), struck.fault) == ("shop", "house", "broken")


@pytest.mark.parametrize(
    ("window", "times", "due_s"),
    [
        ("10 s..40 s", 1, [10.0]),
        ("10 s..40 s", 3, [10.0, 20.0, 30.0]),
        ("50 s..100 s", 2, [50.0, 55.0]),
        (None, 1, [30.0]),
        (None, 3, [15.0, 30.0, 45.0]),
    ],
)
def test_kills_are_spread_over_their_time(window: str | None, times: int, due_s: list[float]) -> None:
    fault = a_fault(Kill(1.0, None, times), window)
    assert [(t - L0_T) / SECOND_NS for t in kill_times(fault, times, L0_T, LOAD_S)] == due_s


async def test_a_kill_that_falls_into_a_restart_is_left_out(tmp_path: Path) -> None:
    """Killed at 10, the shop needs until 25: the kill of 20 is left out, that of 30 is not; numbers are as planned."""
    async with under_load(tmp_path, a_fault(Kill(2.0, None, 3))) as world:
        world.shop.may_come_up.clear()
        await world.at(25)
        world.shop.may_come_up.set()
        await world.at(40)
        assert [(s, n) for s, _, _, n in world.strikes] == [(10.0, 1), (30.0, 3)]


async def test_two_faults_never_kill_one_shop_twice(tmp_path: Path) -> None:
    same = [a_fault(Kill(2.0, None, 1), id=id) for id in ("one", "two")]
    async with under_load(tmp_path, *same) as world:
        await world.at(30)
        assert [what for what, _ in world.shop.done] == ["killed", "started"]
        assert [s.fault for s in world.struck] == ["one"]


async def test_healing_starts_a_killed_shop_at_once(tmp_path: Path) -> None:
    async with under_load(tmp_path, a_fault(Kill(25.0, None, 1))) as world:
        await world.at(15)
    assert world.shop.done == [("killed", 10.0), ("started", 15.0)]
    assert world.shop.up.is_set()


# --- killed after an acknowledgement -----------------------------------------------------------------------------
def acked(n: int, after_ack_s: float = 0.0) -> Tripped:
    return Tripped("broken", f"b{n:08d}", "payment>shop", 1, after_ack_s)


async def test_the_shop_is_killed_so_long_after_it_has_acknowledged_and_no_more_than_so_many_times(
    tmp_path: Path,
) -> None:
    async with under_load(tmp_path, a_fault(Kill(1.0, 0.0, 2))) as world:
        await world.at(12)
        for n in (3, 4):  # the second comes from the shop that is about to die
            world.house.trip(acked(n, 0.05))
        await world.at(20)
        world.house.trip(acked(5, 0.02))
        await world.at(25)
        world.house.trip(acked(6))
        await world.at(30)
        assert world.strikes == [(12.05, "shop killed", "b00000003", 1), (20.02, "shop killed", "b00000005", 1)]


async def test_what_is_acknowledged_outside_of_the_window_or_of_another_fault_kills_nobody(tmp_path: Path) -> None:
    async with under_load(tmp_path, a_fault(Kill(1.0, 0.0, 9))) as world:
        await world.at(5)
        world.house.trip(acked(1))
        await world.at(20)
        world.house.trip(Tripped("another", "b00000002", "payment>shop", 1, 0.0))
        await world.at(45)
        world.house.trip(acked(3))
        await world.at(50)
        assert world.shop.done == []


async def test_the_payment_mocks_line_in_the_pipe_is_heard(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    async with under_load(tmp_path, a_fault(Kill(1.0, 0.0, 1))) as world:
        assert world.house.listens
        await world.at(12)
        async with asyncio.TaskGroup() as group:
            group.create_task(world.house.listen(reading))
            notice = Exchange(Hop.PAYMENT_SHOP, Operation.NOTICE, "b00000008", 3, "epay")
            Tripwire(writing)(Strike("broken", Kill(1.0, 0.0, 1)), notice, "b00000008")
            await until(lambda: world.struck)
            os.close(writing)
        assert world.strikes == [(12.0, "shop killed", "b00000008", 3)]


# --- stopped -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("window", "from_s", "to_s"), [("10 s..40 s", 10.0, 40.0), (None, 0.0, LOAD_S)])
async def test_processes_stand_still_for_the_window_or_all_of_the_load(
    tmp_path: Path, window: str | None, from_s: float, to_s: float
) -> None:
    async with under_load(tmp_path, a_fault(Pause("worker"), window)) as world:
        await world.at(59.9 if window is None else 39.9)
        assert world.shop.done == [("stop worker", from_s)]
        assert world.house.in_force == ["broken"]
        await world.at(LOAD_S)
        assert world.shop.done == [("stop worker", from_s), ("go on worker", to_s)]
        assert world.strikes == [(from_s, "worker stopped: 2 of its processes", None, 1)]


async def test_healing_lets_them_go_on(tmp_path: Path) -> None:
    async with under_load(tmp_path, a_fault(Pause("web"))) as world:
        await world.at(15)
    assert world.shop.done == [("stop web", 10.0), ("go on web", 15.0)]


async def test_a_second_interrupt_lets_them_go_on_too(tmp_path: Path) -> None:
    async with under_load(tmp_path, a_fault(Pause("web"))) as world:
        await world.at(15)
        assert world.playing is not None
        world.playing.cancel()
        await turn()
        assert world.shop.done == [("stop web", 10.0), ("go on web", 15.0)]


async def test_who_has_no_such_process_is_told_so_and_nothing_is_journalled(tmp_path: Path) -> None:
    async with under_load(tmp_path, a_fault(Pause("worker"))) as world:
        world.shop.processes = {}
        await world.at(45)
        assert world.struck == []
        assert world.said == ["broken: the shop runs no process 'worker'; nothing was stopped"]


async def test_a_shop_that_is_down_is_stopped_once_it_is_up(tmp_path: Path) -> None:
    async with under_load(tmp_path, a_fault(Pause("web"))) as world:
        world.shop.up.clear()
        await world.at(20)
        assert world.struck == []
        world.shop.up.set()
        await world.at(21)
        assert [s for s, *_ in world.strikes] == [20.0]


# --- lost and locked ---------------------------------------------------------------------------------------------
@pytest.fixture
def shops(tmp_path: Path) -> sqlite3.Connection:
    """The shop's own connection, which never waits."""
    own = sqlite3.connect(tmp_path / "shop.db", timeout=0, isolation_level=None)
    own.execute("PRAGMA journal_mode=WAL")  # so that giving a lock back never waits for who asks for it
    own.execute("CREATE TABLE jobs (id INTEGER PRIMARY KEY, contact TEXT)")
    return own


def queue(shops: sqlite3.Connection, *keys: int) -> None:
    shops.executemany("INSERT INTO jobs (contact) VALUES (?)", [(f"b{n:08d}@buyers.example",) for n in keys])


def can_write(shops: sqlite3.Connection) -> bool:
    try:
        shops.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return False
    shops.execute("ROLLBACK")
    return True


async def test_jobs_vanish_behind_stopped_workers_once_so_many_wait(tmp_path: Path, shops: sqlite3.Connection) -> None:
    async with under_load(tmp_path, a_fault(LoseJobs(2, 20.0))) as world:
        queue(shops, 1)
        await world.at(12)
        await until(lambda: world.clock.next_due() is not None)
        assert world.struck == []
        queue(shops, 2, 3)
        await world.until_struck()
        assert [(s.o, s.changed, s.attempt) for s in world.struck] == [
            ("b00000001", "job lost", 1),
            ("b00000002", "job lost", 2),
        ]
        assert shops.execute("SELECT contact FROM jobs").fetchall() == [("b00000003@buyers.example",)]
        assert [what for what, _ in world.shop.done] == ["stop worker", "go on worker"]


async def test_what_waits_when_the_time_is_over_is_lost_and_no_more(tmp_path: Path, shops: sqlite3.Connection) -> None:
    queue(shops, 7)
    async with under_load(tmp_path, a_fault(LoseJobs(5, 3.0))) as world:
        await world.at(10)
        await world.until_struck()
        assert [s.o for s in world.struck] == ["b00000007"]
        assert world.clock.t() - L0_T >= 13 * SECOND_NS


async def test_a_queue_that_stays_empty_is_told_when_the_time_is_over(
    tmp_path: Path, shops: sqlite3.Connection
) -> None:
    async with under_load(tmp_path, a_fault(LoseJobs(5, 3.0))) as world:
        await world.at(10)
        while not world.said:
            await world.on()
        await until(world.is_over)
        assert world.said == ["broken: no job was queued within 3 s; none was lost"]
        assert world.clock.t() - L0_T < 14 * SECOND_NS
        assert world.shop.done[-1][0] == "go on worker"


async def test_a_busy_database_lets_the_workers_go_on_before_it_is_asked_again(
    tmp_path: Path, shops: sqlite3.Connection
) -> None:
    queue(shops, 1, 2)
    async with under_load(tmp_path, a_fault(LoseJobs(2, 20.0))) as world:
        shops.execute("BEGIN IMMEDIATE")
        await world.at(10)
        await until(lambda: len(world.shop.done) == 2)
        assert [what for what, _ in world.shop.done] == ["stop worker", "go on worker"]
        assert world.struck == []
        shops.execute("COMMIT")
        await world.on()
        await until(lambda: world.struck)
        assert [s.o for s in world.struck] == ["b00000001", "b00000002"]


@pytest.mark.slow
async def test_jobs_of_a_real_queue_are_lost_before_its_worker_can_take_them(tmp_path: Path) -> None:
    """The worker of this shop empties the queue every 20 ms, and goes on doing so afterwards."""
    struck: list[Struck] = []
    async with a_shop(tmp_path) as shop:
        clock = RunClock(Epoch.now())
        house = House([a_fault(LoseJobs(3, 30.0), None)], shop, clock, struck.append, print)
        await house.rehearse()
        own = sqlite3.connect(shop.data / "shop.db", isolation_level=None)
        async with asyncio.TaskGroup() as group:
            group.create_task(house.play(clock.t(), LOAD_S))
            await until(lambda: state_of(pid_of(shop, "worker")) == "T")
            queue(own, 1, 2, 3, 4)
            await until(lambda: len(struck) == 3)
        await until(lambda: own.execute("SELECT count(*) FROM jobs").fetchone() == (0,))
        assert [s.o for s in struck] == ["b00000001", "b00000002", "b00000003"]


async def test_no_job_is_lost_from_an_empty_queue_nor_once_all_is_healed(
    tmp_path: Path, shops: sqlite3.Connection
) -> None:
    async with under_load(tmp_path, a_fault(LoseJobs(5, 3.0))) as world:
        await world.at(10)
        await until(lambda: world.shop.done)
        queue(shops, 1)
    assert world.struck == []
    assert world.said == ["broken: no job was queued within 3 s; none was lost"]
    assert shops.execute("SELECT count(*) FROM jobs").fetchone() == (1,)


async def test_the_write_lock_is_held_for_its_share_of_the_window(tmp_path: Path, shops: sqlite3.Connection) -> None:
    fault = a_fault(LockDatabase(held_s=1.0, every_s=4.0), "10 s..20 s", hop=Hop.SHOP_DB)
    async with under_load(tmp_path, fault) as world:
        for n, begin_s in enumerate((10.0, 14.0, 18.0), 1):
            await world.at(begin_s)
            await world.strikes_are(n)
            assert not can_write(shops)
            await world.at(begin_s + 0.9)
            assert not can_write(shops)
            await world.at(begin_s + 1.1)
            await until(lambda: can_write(shops))
        await world.at(30)
        await until(world.is_over)
        assert world.strikes == [(s, "write lock taken", None, n) for n, s in enumerate((10.0, 14.0, 18.0), 1)]
        assert {s.hop for s in world.struck} == {"shop>db"}


async def test_a_lock_as_long_as_its_period_is_one_lock_to_the_windows_end(
    tmp_path: Path, shops: sqlite3.Connection
) -> None:
    async with under_load(tmp_path, a_fault(LockDatabase(held_s=1.0, every_s=1.0))) as world:
        await world.at(10)
        await until(lambda: world.struck)
        await world.at(39.9)
        assert not can_write(shops)
        await world.at(40)
        await until(lambda: can_write(shops))
        assert len(world.struck) == 1


@pytest.mark.parametrize("every_s", [0.0, 86_400.0])
async def test_a_lock_that_does_not_come_again_is_held_once_for_its_time(
    tmp_path: Path, shops: sqlite3.Connection, every_s: float
) -> None:
    async with under_load(tmp_path, a_fault(LockDatabase(held_s=5.0, every_s=every_s))) as world:
        await world.at(10)
        await until(lambda: world.struck)
        await world.at(14.9)
        assert not can_write(shops)
        await world.at(15)
        await until(lambda: can_write(shops))
        await world.at(50)
        await until(world.is_over)
        assert len(world.struck) == 1


async def test_healing_gives_the_lock_back(tmp_path: Path, shops: sqlite3.Connection) -> None:
    async with under_load(tmp_path, a_fault(LockDatabase(held_s=1.0, every_s=1.0))) as world:
        await world.at(10)
        await until(lambda: world.struck)
    assert can_write(shops)


async def test_a_lock_that_cannot_be_had_is_told_and_not_journalled(tmp_path: Path, shops: sqlite3.Connection) -> None:
    async with under_load(tmp_path, a_fault(LockDatabase(held_s=1.0, every_s=1.0))) as world:
        shops.execute("BEGIN IMMEDIATE")
        await world.at(10)
        await world.at(40)
        await until(world.is_over)
        assert world.struck == []
        assert world.said == ["broken: the write lock could not be had"]
