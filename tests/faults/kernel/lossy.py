"""A hop with true loss as a process of its own, and what goes through it: for tests and benchmarks."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from faults.kernel.breaker import NONE, Counts
from ledger.clock import perf_s

ROOT = Path(__file__).parents[3]
COMMAND = (sys.executable, "-P", "-m", "faults.kernel")
_DROPPED = re.compile(r"dropped (\d+) of (\d+) packets")
_PORT = re.compile(r"listens on [^ ]+:(\d+);")
READY_WITHIN_S = 10.0
RTO_MIN_MS = 200
"""The least time after which TCP sends a segment again of which nothing else tells that it was lost (Linux)."""


class Segments(NamedTuple):
    """Of the TCP in both namespaces: what was sent, what of it again, and IP packets that came and were not taken."""

    sent: int
    again: int
    untaken: int


class Lossy:
    """A running process: its port once it is ready, and what it says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.port = 0
        self.said: list[str] = []

    async def until(self, words: str) -> str:
        """Reads what it says until a line holds these words, and gives that line; empty if it ends before."""
        assert self.process.stdout is not None
        while line := (await self.process.stdout.readline()).decode().rstrip():
            self.said.append(line)
            if words in line:
                return line
        return ""

    async def listen(self) -> None:
        """Until it listens, or has ended."""
        if found := _PORT.search(await self.until("listens on")):
            self.port = int(found[1])

    async def ended(self) -> int:
        """Its exit code, once it has ended and all that it said was read."""
        assert self.process.stdout is not None
        self.said += (await self.process.stdout.read()).decode().splitlines()
        return await self.process.wait()

    def threads_inside(self) -> list[int]:
        """Its threads that are in another network namespace than this process."""
        own = os.readlink("/proc/self/ns/net")
        threads = [int(name) for name in os.listdir(f"/proc/{self.process.pid}/task")]
        return [thread for thread in threads if os.readlink(f"/proc/{thread}/ns/net") != own]

    def segments(self) -> Segments:
        """What the kernel has counted in the two namespaces."""
        sums = [0, 0, 0]
        for thread in self.threads_inside():
            lines = [line.split() for line in Path(f"/proc/{thread}/net/snmp").read_text().splitlines()]
            of = {
                (a[0], name): int(value)
                for a, b in zip(lines[::2], lines[1::2], strict=True)
                for name, value in zip(a[1:], b[1:], strict=True)
            }
            sums[0] += of["Tcp:", "OutSegs"] + of["Tcp:", "RetransSegs"]
            sums[1] += of["Tcp:", "RetransSegs"]
            sums[2] += of["Ip:", "InReceives"] - of["Ip:", "InDelivers"]
        return Segments(*sums)

    @property
    def counts(self) -> Counts:
        """All that it has told of."""
        found = [Counts(int(m[2]), int(m[1])) for line in self.said if (m := _DROPPED.search(line))]
        return sum(found, NONE)


@asynccontextmanager
async def lossy(upstream: int, *arguments: str, command: Sequence[str] = COMMAND) -> AsyncIterator[Lossy]:
    """The process, listening or already ended; ended by SIGTERM at the latest when the context is left."""
    process = await asyncio.create_subprocess_exec(
        *command, "--upstream", f"127.0.0.1:{upstream}", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=ROOT,
    )  # fmt: skip
    running = Lossy(process)
    try:
        await asyncio.wait_for(running.listen(), READY_WITHIN_S)
        yield running
    finally:
        if process.returncode is None:
            process.terminate()
        await running.ended()


@asynccontextmanager
async def echo() -> AsyncIterator[int]:
    """The port of a server that gives back what it gets."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass  # what is lost or reset is what is looked at from the other end
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port: int = server.sockets[0].getsockname()[1]
        yield port


async def exchanges(
    port: int,
    *,
    connections: int,
    each: int,
    request: bytes = bytes(100),
    answer: int = 100,
    within_s: float = 60.0,
) -> list[float]:
    """Delays in ms of requests and their answers of so many bytes, one after the other on each connection; the first
    exchange of each only opens the way and does not count. One that is open when time is up counts with the time so
    far, if that is more than a retransmission takes."""
    delays: list[float] = []

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        n, begun = 0, perf_s()
        try:
            async with asyncio.timeout_at(until):
                for n in range(each + 1):
                    begun = perf_s()
                    writer.write(request)
                    await reader.readexactly(answer)
                    if n:
                        delays.append((perf_s() - begun) * 1000)
        except TimeoutError:
            if n and perf_s() - begun > RTO_MIN_MS / 1000:
                delays.append((perf_s() - begun) * 1000)
        writer.transport.abort()

    until = asyncio.get_running_loop().time() + within_s
    async with asyncio.TaskGroup() as tasks:
        for _ in range(connections):
            tasks.create_task(one())
    return delays


async def bulk(port: int, size: int) -> int:
    """Sends so many bytes, closes its half, and gives how many of them came back right."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = os.urandom(1 << 16) * (size >> 16)

    async def send() -> None:
        writer.write(sent)
        await writer.drain()
        writer.write_eof()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(send())
        back = tasks.create_task(reader.read(-1))
    writer.close()
    return len(sent) if back.result() == sent else -1
