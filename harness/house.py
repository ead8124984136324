"""The shop's house, broken on purpose while the load is on: its processes killed or stopped, its jobs lost, its
database locked. Whatever is done here is undone here, however it ends; what a killed harness leaves, the guard ends.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from faults.catalog import catalog
from faults.verdict import HouseEffect, Kill, LockDatabase, LoseJobs, Pause
from harness.database import Database
from harness.shop import Shop
from ledger.clock import SECOND_NS, Clock
from ledger.events import Struck
from ledger.states import Hop, Operation
from mocks.tripwire import Tripped
from plan.faults import FaultPlan
from plan.orders import find_key
from plan.run import LEASE_S, Plan
from plan.units import from_text

LOOK_EVERY_S = 0.05
WORKER = "worker"
"""What a target's house calls the processes that take jobs out of the queue."""


class HouseFault(msgspec.Struct, frozen=True):
    """A fault of the plan and what the harness has to do."""

    plan: FaultPlan
    effect: HouseEffect

    def span(self, l0_t: int, load_s: float) -> tuple[int, int]:
        """From when to when it may be in force: its window, or all of the load; cut at the end of the load."""
        low, high = (self.plan.window.low, self.plan.window.high) if self.plan.window else (0.0, load_s)
        return l0_t + _ns(low), l0_t + _ns(min(high, load_s))


def house_faults(plan: Plan) -> list[HouseFault]:
    """The faults of a plan that the harness applies."""
    found = []
    for fault in plan.faults:
        if fault.layer == "house":
            entry = catalog()[fault.fault]
            params = msgspec.convert(fault.params, entry.params, dec_hook=from_text)
            # What is drawn for each notice, the payment mock draws; it tells with the acknowledgement.
            effect = entry.effect(params) if entry.effect else entry.drawn(params, 0.0) if entry.drawn else None
            assert isinstance(effect, HouseEffect)
            found.append(HouseFault(fault, effect))
    return found


def kill_times(fault: HouseFault, times: int, l0_t: int, load_s: float) -> list[int]:
    """When the shop is to be killed: in a window from its start on, evenly; without one evenly inside the load, so
    that one kill comes in its middle."""
    low, high = fault.span(l0_t, load_s)
    if fault.plan.window is not None:
        return [low + (high - low) * i // times for i in range(times)]
    return [low + (high - low) * (i + 1) // (times + 1) for i in range(times)]


class House:
    """Applies the house faults of one run. `heal` ends them, and `play` returns when all is undone."""

    def __init__(
        self,
        faults: Sequence[HouseFault],
        shop: Shop,
        clock: Clock,
        append: Callable[[Struck], None],
        show: Callable[[str], None],
    ) -> None:
        self._faults, self._shop, self._clock = faults, shop, clock
        self._append, self._show = append, show
        self._healed = asyncio.Event()
        self._database: Database | None = None
        self._tripped = {
            f.plan.id: asyncio.Queue[Tripped](1)
            for f in faults
            if isinstance(f.effect, Kill) and f.effect.after_ack_s is not None
        }
        self._up_t = 0
        self.in_force: list[str] = []

    @property
    def listens(self) -> bool:
        """Whether a fault waits for the shop to acknowledge something."""
        return bool(self._tripped)

    async def rehearse(self) -> None:
        """Tries, on a shop that is ready, what the faults will need of its database; HouseError where that fails."""
        lock = any(isinstance(f.effect, LockDatabase) for f in self._faults)
        queue = any(isinstance(f.effect, LoseJobs) for f in self._faults)
        if lock or queue:
            self._database = Database(self._shop.house, self._shop.values)
            await self._database.rehearse(lock=lock, queue=queue)

    async def listen(self, fd: int) -> None:
        """Reads what the payment mock tells until its end of the pipe is closed. Takes the descriptor over."""
        reader = asyncio.StreamReader()
        with os.fdopen(fd, "rb") as pipe:
            transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), pipe
            )
            try:
                while line := await reader.readline():
                    self.trip(msgspec.json.decode(line, type=Tripped))
            finally:
                transport.close()

    def trip(self, tripped: Tripped) -> None:
        """A struck notice was acknowledged. Nothing comes of it while its fault still has another in hand."""
        queue = self._tripped.get(tripped.fault)
        if queue is not None and not queue.full():
            queue.put_nowait(tripped)

    def heal(self) -> None:
        """Ends every fault now."""
        self._healed.set()

    async def play(self, l0_t: int, load_s: float) -> None:
        """Applies each fault in its time; returns when all are over and undone. HouseError where the target's house
        does not fit the shop, ChildDied where it does not come up again."""
        async with asyncio.TaskGroup() as group:
            for fault in self._faults:
                group.create_task(self._apply(fault, l0_t, load_s), name=f"fault {fault.plan.id}")

    async def _apply(self, fault: HouseFault, l0_t: int, load_s: float) -> None:
        begin_t, end_t = fault.span(l0_t, load_s)
        match fault.effect:
            case Kill(after_ack_s=None, times=times) as effect:
                await self._kill_at(fault, effect, kill_times(fault, times, l0_t, load_s))
                return
            case Kill() as effect:
                doing = self._kill_after_acks(fault, effect, end_t)
            case Pause() as effect:
                doing = self._pause(fault, effect, end_t)
            case LoseJobs() as effect:
                doing = self._lose_jobs(fault, effect, end_t)
            case LockDatabase() as effect:
                doing = self._lock(fault, effect, end_t)
        await self._in_time(begin_t, doing)

    async def _in_time(self, begin_t: int, doing: Coroutine[Any, Any, None]) -> None:
        if await self._until(begin_t):
            await doing
        else:
            doing.close()

    # --- killed --------------------------------------------------------------------------------------------------
    async def _kill_at(self, fault: HouseFault, effect: Kill, times: list[int]) -> None:
        for n, t in enumerate(times, 1):
            if not await self._until(t):
                return
            if t >= self._up_t:  # a kill that was due while the shop came up again is left out
                await self._kill(fault, effect, None, n)

    async def _kill_after_acks(self, fault: HouseFault, effect: Kill, end_t: int) -> None:
        queue, killed = self._tripped[fault.plan.id], 0
        while not queue.empty():  # told before its window
            queue.get_nowait()
        while killed < effect.times and (tripped := await self._before(end_t, queue.get())):
            if tripped.after_ack_s and not await self._until(self._clock.t() + _ns(tripped.after_ack_s)):
                return
            killed += await self._kill(fault, effect, tripped.o, tripped.attempt)
            while not queue.empty():  # acknowledged by the shop that is dead
                queue.get_nowait()

    async def _kill(self, fault: HouseFault, effect: Kill, o: str | None, attempt: int) -> bool:
        """Kills the shop and starts it again; whether it was there to be killed."""
        if self._healed.is_set() or not self._shop.up.is_set():
            return False
        with self._forced(fault):
            await self._shop.kill()
            self._struck(fault, "shop killed", o=o, attempt=attempt)
            await self._until(self._clock.t() + _ns(effect.restart_after_s))
            await self._shop.restart()
            self._up_t = self._clock.t()
        return True

    # --- stopped -------------------------------------------------------------------------------------------------
    async def _pause(self, fault: HouseFault, effect: Pause, end_t: int) -> None:
        if not await self._before(end_t, self._shop.up.wait()):
            return
        with self._shop.stopped(effect.processes) as pids, self._forced(fault):
            if not pids:
                self._show(f"{fault.plan.id}: the shop runs no process {effect.processes!r}; nothing was stopped")
                return
            self._struck(fault, f"{effect.processes} stopped: {len(pids)} of its processes")
            await self._until(end_t)

    # --- jobs lost -----------------------------------------------------------------------------------------------
    async def _lose_jobs(self, fault: HouseFault, effect: LoseJobs, end_t: int) -> None:
        """While its workers stand still the queue grows; then jobs vanish from it."""
        end_t = min(end_t, self._clock.t() + _ns(effect.within_s))
        with self._forced(fault):
            while await self._before(end_t, self._shop.up.wait()):
                lost = await self._lose_behind_stopped_workers(effect, end_t)
                for n, words in enumerate(lost or [], 1):
                    self._struck(fault, "job lost", o=find_key(words), attempt=n)
                if lost:
                    return
                await self._until(self._clock.t() + _ns(LOOK_EVERY_S))
        self._show(f"{fault.plan.id}: no job was queued within {effect.within_s:g} s; none was lost")

    async def _lose_behind_stopped_workers(self, effect: LoseJobs, end_t: int) -> list[str] | None:
        """What was lost. None where the database is busy: a worker may have been stopped in the middle of a write, and
        must go on first."""
        assert self._database is not None
        with self._shop.stopped(WORKER):
            while (waiting := await self._database.queued()) is not None:
                if waiting >= effect.jobs or self._clock.t() >= end_t:
                    return await self._database.lose(effect.jobs)
                if not await self._until(min(end_t, self._clock.t() + _ns(LOOK_EVERY_S))):
                    return []
        return None

    # --- locked --------------------------------------------------------------------------------------------------
    async def _lock(self, fault: HouseFault, effect: LockDatabase, end_t: int) -> None:
        """One hold in each `every_s`; one to the end where it lasts as long, a single one where that is 0."""
        assert self._database is not None
        n, due_t = 1, self._clock.t()
        while due_t < end_t and await self._until(due_t):
            held_ns = end_t - due_t if effect.held_s >= effect.every_s > 0 else _ns(effect.held_s)
            async with self._database.write_lock(at_most_s=held_ns / SECOND_NS + LEASE_S) as taken:
                if not await self._before(end_t, taken.wait()):
                    self._show(f"{fault.plan.id}: the write lock could not be had")
                    return
                with self._forced(fault):
                    self._struck(fault, "write lock taken", attempt=n)
                    await self._until(min(end_t, self._clock.t() + held_ns))
            if not effect.every_s:
                return
            n, due_t = n + 1, max(due_t + _ns(effect.every_s), self._clock.t())

    # --- waiting, and saying so ----------------------------------------------------------------------------------
    async def _until(self, t: int) -> bool:
        """Whether that time came before all was healed."""
        await self._first(self._clock.wait_until(t), self._healed.wait())
        return not self._healed.is_set()

    async def _before(self, end_t: int, wanted: Coroutine[Any, Any, Any]) -> Any:
        """What was wanted, None if time ran out or all was healed first."""
        if self._healed.is_set() or self._clock.t() >= end_t:
            wanted.close()
            return None
        return await self._first(wanted, self._clock.wait_until(end_t), self._healed.wait())

    async def _first(self, *waits: Coroutine[Any, Any, Any]) -> Any:
        """What the first of them gave if that came in time, else None; the others are given up."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(wait) for wait in waits]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            done = tasks[0].done()
            for task in tasks:
                task.cancel()
        return tasks[0].result() if done else None

    @contextmanager
    def _forced(self, fault: HouseFault) -> Iterator[None]:
        self.in_force.append(fault.plan.id)
        try:
            yield
        finally:
            self.in_force.remove(fault.plan.id)

    def _struck(self, fault: HouseFault, changed: str, *, o: str | None = None, attempt: int = 1) -> None:
        self._append(
            Struck(
                t=self._clock.t(),
                o=o,
                fault=fault.plan.id,
                hop=Hop.SHOP_DB if Hop.SHOP_DB in fault.plan.hops else Hop.SHOP,
                operation=Operation.HOUSE,
                attempt=attempt,
                changed=changed,
            )
        )


def _ns(seconds: float) -> int:
    return int(seconds * SECOND_NS)
