"""Whether the embedded server stays as it is: 10 minutes at 5,000 requests a second, memory and descriptors sampled.

    python -m benchmarks.wire_soak [--minutes 10] [--rate 5000]
An open loop: each request is due at its own moment and is sent then on a connection that is free; one that waits for a
connection counts its delay from when it was due. All go through one hop of a run whose requests are keyed, with a keyed
latency fault for 5 % of the orders and a latency toxic for all. Prints one JSON object; exit 1 where memory grows, a
descriptor is lost, a request fails, or the load was not what it should be.
"""

import argparse
import asyncio
import json
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import cycle
from typing import cast

import msgspec
import psutil
import uvloop

from benchmarks.wire_keyed import KeyedHop, keyed
from benchmarks.wire_load import median, percentile
from benchmarks.wire_servers import upstream
from benchmarks.wire_upstream import ANSWER

LINES = 400
TICK_S = 0.001
SAMPLE_S = 2.0
SETTLE_SHARE = 0.25
"""Of the time: what caches and pools fill in it is no leak."""
GROWTH_SHARE_MAX, GROWTH_KB_MAX = 0.02, 2000.0
DUE_SHARE_MIN = 0.99
LATE_MS_MAX = 2000.0
TOXIC_MS, FAULT_MS, FAULT_SHARE = 5, 50, 0.05


class Sample(msgspec.Struct, frozen=True):
    """The server's process at one moment, seconds after the start."""

    t_s: float
    rss_kb: float
    descriptors: int


def growth_kb(samples: list[Sample]) -> float:
    """The median of the last third less that of the first third, once settled; units of 1,000 bytes."""
    settled = samples[int(len(samples) * SETTLE_SHARE) :]
    third = max(1, len(settled) // 3)
    first, last = settled[:third], settled[-third:]
    return median([one.rss_kb for one in last]) - median([one.rss_kb for one in first])


def is_flat(samples: list[Sample]) -> bool:
    """Whether memory grew by no more than 2 MB or 2 % from the first settled third to the last, whichever is more."""
    settled = samples[int(len(samples) * SETTLE_SHARE) :]
    return growth_kb(samples) <= max(GROWTH_KB_MAX, GROWTH_SHARE_MAX * settled[0].rss_kb)


class Line(asyncio.Protocol):
    """A connection with one request under way at most."""

    def __init__(self, load: "Load") -> None:
        self.load = load
        self.due_s = 0.0
        self.came = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass of it

    def data_received(self, data: bytes) -> None:
        self.came += len(data)
        if self.came >= len(ANSWER):
            self.came = 0
            self.load.answered(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.load.lost += not self.load.is_over


class Load:
    """Requests due at an even pace, and what became of them."""

    def __init__(self, rate: float, sent: Iterator[bytes]) -> None:
        self.rate, self.sent = rate, sent
        self.free: deque[Line] = deque()
        self.waiting: deque[float] = deque()
        self.answers = self.due = self.lost = 0
        self.spent_ms: list[float] = []
        self.is_over = False

    async def run(self, seconds: float) -> None:
        """Sends everything that is due in this time, and waits until all is answered or nothing more comes."""
        loop = asyncio.get_running_loop()
        self.now, begun = loop.time, loop.time()
        while (passed := loop.time() - begun) < seconds:
            while self.due < passed * self.rate:
                self.waiting.append(begun + self.due / self.rate)
                self.due += 1
            while self.waiting and self.free:
                self._send(self.free.popleft(), self.waiting.popleft())
            await asyncio.sleep(TICK_S)
        for _ in range(int(LATE_MS_MAX / 10)):
            if self.answers == self.due:
                break
            await asyncio.sleep(0.01)
        self.is_over = True

    def _send(self, line: Line, due_s: float) -> None:
        line.due_s = due_s
        line.transport.write(next(self.sent))

    def answered(self, line: Line) -> None:
        self.answers += 1
        if not self.answers % 50:  # Enough for percentiles, and memory of our own that hardly grows.
            self.spent_ms.append((self.now() - line.due_s) * 1e3)
        if self.waiting:
            self._send(line, self.waiting.popleft())
        else:
            self.free.append(line)


async def sampled(pid: int, into: list[Sample], load: Load) -> None:
    """Looks at the server until the load is over."""
    process, loop = psutil.Process(pid), asyncio.get_running_loop()
    begun = loop.time()
    while not load.is_over:
        rss_kb = process.memory_info().rss / 1e3
        into.append(Sample(round(loop.time() - begun, 1), rss_kb, process.num_fds()))
        await asyncio.sleep(SAMPLE_S)


async def soak(hop: KeyedHop, rate: float, seconds: float) -> dict[str, object]:
    """One soak of a standing hop, and what is to be said of it."""
    one, loop = hop.standing, asyncio.get_running_loop()
    before, samples = psutil.Process(one.pid).num_fds(), list[Sample]()
    load = Load(rate, cycle(hop.requests))
    async with AsyncExitStack() as stack:
        for _ in range(LINES):
            transport, line = await loop.create_connection(lambda: Line(load), "127.0.0.1", one.ports["http"])
            stack.callback(transport.close)
            load.free.append(line)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(sampled(one.pid, samples, load), name="samples")
            tasks.create_task(load.run(seconds), name="load")
    await asyncio.sleep(1)
    # Fewer than before are none lost: an idle connection of the API may have ended meanwhile.
    return summed_up(load, samples, seconds, max(0, psutil.Process(one.pid).num_fds() - before))


def summed_up(load: Load, samples: list[Sample], seconds: float, descriptors_lost: int) -> dict[str, object]:
    said: dict[str, object] = {
        "benchmark": "wire_soak",
        "seconds": seconds,
        "due": load.due,
        "answered": load.answers,
        "connections_lost": load.lost,
        "per_s": round(load.answers / seconds),
        "ms": {f"p{share * 100:g}": round(percentile(load.spent_ms, share), 1) for share in (0.5, 0.9, 0.99)},
        "rss_kb": [round(one.rss_kb) for one in samples[:: max(1, len(samples) // 20)]],
        "growth_kb": round(growth_kb(samples)),
        "descriptors": [min(one.descriptors for one in samples), max(one.descriptors for one in samples)],
        "descriptors_lost": descriptors_lost,
    }
    said["memory_is_flat"] = is_flat(samples)
    said["met"] = is_flat(samples) and descriptors_lost == 0 and load.lost == 0 and load.answers == load.due
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=5000.0)
    asked = parser.parse_args()
    with upstream() as none, keyed(none, share=FAULT_SHARE, ms=FAULT_MS, toxic_ms=TOXIC_MS) as hop:
        said = uvloop.run(soak(hop, asked.rate, asked.minutes * 60))
    print(json.dumps(said))
    sys.exit(0 if said["met"] else 1)


if __name__ == "__main__":
    main()
