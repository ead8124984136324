"""The one place that reads the time, and a clock that tests can move.

Every process of a run shares one axis: the harness reads `Epoch.now()` before it starts a child and hands it on;
`t` is the monotonic time since then, in nanoseconds (one host, one monotonic clock).
"""

import asyncio
import heapq
import time
from datetime import UTC, datetime
from typing import Protocol

import msgspec

SECOND_NS = 1_000_000_000


class Epoch(msgspec.Struct, frozen=True):
    """Where the axis of a run begins, on both clocks of the host, in nanoseconds."""

    monotonic_ns: int
    wall_ns: int

    @classmethod
    def now(cls) -> "Epoch":
        return cls(time.monotonic_ns(), time.time_ns())

    def __str__(self) -> str:
        return f"{self.monotonic_ns}:{self.wall_ns}"

    @classmethod
    def parse(cls, text: str) -> "Epoch":
        """The epoch that `str(epoch)` wrote; ValueError for any other text."""
        monotonic_ns, wall_ns = text.split(":")
        epoch = cls(int(monotonic_ns), int(wall_ns))
        if str(epoch) != text:
            raise ValueError(f"{text!r} is not an epoch")
        return epoch


class Clock(Protocol):
    """What a part of a run may ask about time."""

    def t(self) -> int:
        """Nanoseconds since the run's epoch."""
        ...

    async def wait_until(self, t: int) -> None:
        """Returns once `t()` has reached t."""
        ...


class RunClock:
    """The real clock, on the axis of a run. Never goes backwards."""

    def __init__(self, epoch: Epoch) -> None:
        self.epoch = epoch
        self._zero = epoch.monotonic_ns

    def t(self) -> int:
        return time.monotonic_ns() - self._zero

    async def wait_until(self, t: int) -> None:
        while (left := t - self.t()) > 0:  # noqa: ASYNC110 (a deadline, not a condition)
            await asyncio.sleep(left / SECOND_NS)

    def t_of_wall(self, wall_s: float) -> int:
        """A shop's own stamp (seconds since 1970) on the run's axis; never decides an order of events."""
        return int(wall_s * SECOND_NS) - self.epoch.wall_ns


class ManualClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, t: int = 0) -> None:
        self._t = t
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = 0

    def t(self) -> int:
        return self._t

    async def wait_until(self, t: int) -> None:
        if t <= self._t:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._waiting, (t, self._count, future))
        await future

    def next_due(self) -> int | None:
        """The earliest time somebody waits for."""
        live = [t for t, _, future in self._waiting if not future.done()]
        return min(live, default=None)

    def drop_given_up(self) -> None:
        """Forgets all who wait no more: a clock that stands still would keep them for ever."""
        self._waiting = [waiting for waiting in self._waiting if not waiting[2].done()]
        heapq.heapify(self._waiting)

    def move_to(self, t: int) -> None:
        """Moves to t and wakes, in order, all who waited for it."""
        assert t >= self._t, "a run's clock never goes backwards"
        self._t = t
        while self._waiting and self._waiting[0][0] <= t:
            future = heapq.heappop(self._waiting)[2]
            if not future.done():
                future.set_result(None)


def utc_now() -> datetime:
    """The wall clock, for names of files and stamps that outside parties read."""
    return datetime.now(UTC)


def perf_s() -> float:
    """Seconds of a steady clock with an arbitrary zero: for measuring how long a piece of our own work took."""
    return time.perf_counter()
