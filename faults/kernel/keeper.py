"""When packets are lost, how many of them, and what was lost: second by second, into the journal of the run."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from faults.kernel.breaker import NONE, Breaker, Counts
from faults.kernel.loss import TrueLoss
from faults.kernel.space import Space
from faults.transport.keys import BY_CONNECTION
from ledger.clock import SECOND_NS, Clock
from ledger.events import Struck
from ledger.phasefile import Told
from ledger.states import Operation, Phase
from plan.faults import FaultPlan
from plan.run import LEASE_S
from plan.units import Share

LOOK_NS = SECOND_NS // 10
RATE_OVER = 10
"""Looks over which the packet rate of the hop is averaged: one second, as wire.loss_with_load does."""
_LEASE_NS = int(LEASE_S * SECOND_NS)


def is_in_force(fault: FaultPlan, told: Told, t: int) -> bool:
    """Whether packets are lost at t: during the load, in the fault's window, while the lease lasts."""
    if told.phase is not Phase.LOAD or told.l0_t is None or told.beat_t is None:
        return False
    return told.l0_t <= t < told.beat_t + _LEASE_NS and fault.is_in_window((t - told.l0_t) / SECOND_NS)


def next_edge(fault: FaultPlan, told: Told, t: int) -> int:
    """When, after t, the answer of `is_in_force` may next change by itself; at the latest at the next look."""
    edges = [t + LOOK_NS]
    if told.l0_t is not None:
        window = fault.window
        edges += [told.l0_t] + [told.l0_t + int(s * SECOND_NS) for s in ((window.low, window.high) if window else ())]
    if told.beat_t is not None:
        edges.append(told.beat_t + _LEASE_NS)
    return min(edge for edge in edges if edge > t)


class PacketRate:
    """Packets per second of the hop over the last second, from its counter."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, int]] = deque(maxlen=RATE_OVER + 1)

    def at(self, t: int, packets: int) -> float:
        """The rate, now that the counter stands at so many."""
        if not self._seen or t > self._seen[-1][0]:
            self._seen.append((t, packets))
        (since, before), (until, now) = self._seen[0], self._seen[-1]
        return (now - before) * SECOND_NS / (until - since) if until > since else 0.0


class Wire(Protocol):
    """What the keeper needs of the wire."""

    async def set(self, share: float | None) -> Counts:
        """Loses this share from now on, None: does nothing to any packet; the counts just before."""
        ...

    async def counts(self) -> Counts: ...

    def packets(self) -> int:
        """That came over the wire so far, at either end."""
        ...


class LaidWire:
    """Two spaces and the breaker at each; tools run in the threads of the spaces, the loop goes on meanwhile."""

    def __init__(self, spaces: tuple[Space, Space], breakers: tuple[Breaker, Breaker]) -> None:
        self._ends = tuple(zip(spaces, breakers, strict=True))

    async def set(self, share: float | None) -> Counts:
        def change(breaker: Breaker) -> Counts:
            counts = breaker.counts()
            if share is None:
                breaker.off()
            else:
                breaker.on(share)
            return counts

        return await self._at_both(change)

    async def counts(self) -> Counts:
        return await self._at_both(lambda breaker: breaker.counts())

    async def _at_both(self, work: Callable[[Breaker], Counts]) -> Counts:
        futures = [space.later(lambda breaker=breaker: work(breaker)) for space, breaker in self._ends]  # type: ignore[misc]
        near, far = await asyncio.gather(*map(asyncio.wrap_future, futures))
        return near + far

    def packets(self) -> int:
        return sum(space.packets_received() for space, _ in self._ends)


class Keeper:
    """Sets the wire as plan, phase and the hop's own rate say, and reports what was dropped.

    `in_force` says whether at t, and when to look again; `report` takes each Struck event.
    """

    def __init__(
        self,
        wire: Wire,
        asked: TrueLoss,
        clock: Clock,
        *,
        fault: str,
        hop: str,
        in_force: Callable[[int], tuple[bool, int]],
        report: Callable[[Struck], None],
        say: Callable[[str], None],
    ) -> None:
        self._wire, self._asked, self._clock = wire, asked, clock
        self._fault, self._hop = fault, hop
        self._in_force, self._report, self._say = in_force, report, say
        self._rate = PacketRate()
        self._share: float | None = None
        self._packets_s = 0.0
        self._at = ""
        self._told, self._told_t = NONE, 0
        self._strikes = 0

    async def keep(self, stop: asyncio.Event) -> None:
        """Until stop is set; nothing happens to any packet then."""
        while not stop.is_set():
            await wait_or(stop, self._clock, await self.look())
        await self._turn(None)

    async def look(self) -> int:
        """Sets the wire as it should be now; when to look again."""
        t = self._clock.t()
        is_on, again_t = self._in_force(t)
        await self._turn(self._wanted(t) if is_on else None)
        if self._share is not None and t - self._told_t >= SECOND_NS:
            self._tell(await self._wire.counts())
        return again_t

    def _wanted(self, t: int) -> float:
        if self._asked.curve:
            self._packets_s = self._rate.at(t, self._wire.packets())
        return self._asked.share_at(self._packets_s)

    async def _turn(self, share: float | None) -> None:
        """A step: what was dropped by the old share is told before the new one is in force."""
        if share == self._share:
            return
        counts = await self._wire.set(share)
        if self._share is None:
            self._told, self._told_t = counts, self._clock.t()
        else:
            self._tell(counts)
        self._share = share
        if share is not None:
            led = f" from {self._packets_s:.0f} packets/s on" if self._asked.curve else ""
            self._at = f"{Share(share).text()}{led}"
        self._say(f"{self._fault}: {'off' if share is None else f'loses {self._at}'}")

    def _tell(self, counts: Counts) -> None:
        new, self._told, self._told_t = counts - self._told, counts, self._clock.t()
        if new.dropped == 0:
            return
        self._strikes += 1
        self._report(
            Struck(
                t=self._told_t,
                fault=self._fault,
                hop=self._hop,
                operation=Operation.CONNECT,
                attempt=self._strikes,
                changed=f"dropped {new.dropped} of {new.packets} packets at {self._at}",
                keyed_by=BY_CONNECTION,
            )
        )


async def wait_or(stop: asyncio.Event, clock: Clock, t: int) -> None:
    """Returns at t, or as soon as stop is set."""
    async with asyncio.TaskGroup() as tasks:
        first = [
            tasks.create_task(clock.wait_until(t), name="look again"),
            tasks.create_task(_until(stop), name="stop"),
        ]
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        for task in first:
            task.cancel()


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()
