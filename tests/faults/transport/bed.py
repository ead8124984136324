"""A proxy of this process before an upstream that a test plays, over real sockets."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from faults.transport.link import Link
from faults.transport.proxies import Proxies
from faults.transport.proxy import Proxy
from faults.transport.toxic import Placed, Stream, Toxic

Play = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
WITHIN_S = 10.0


async def until(is_so: Callable[[], bool]) -> None:
    """Lets the loop go on until it is so; what does not come within a deadline fails."""
    async with asyncio.timeout(WITHIN_S):
        while not is_so():
            await asyncio.sleep(0.001)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends back what comes, and half-closes as the other side does."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


class Bed:
    """`played`: what the upstream has accepted and not yet closed."""

    def __init__(self, proxies: Proxies, proxy: Proxy) -> None:
        self.proxies, self.proxy = proxies, proxy
        self.host, _, port = proxy.listen.rpartition(":")
        self.host, self.port = self.host.strip("[]"), int(port)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self.host, self.port)

    def place(self, toxic: Toxic, stream: Stream = Stream.UPSTREAM, name: str = "toxic", **more: object) -> None:
        self.proxy.add_toxic(Placed(name, stream, toxic, **more))  # type: ignore[arg-type]

    @property
    def links(self) -> list[Link]:
        return list(self.proxy._links)

    async def gone(self) -> None:
        await until(lambda: not self.links)

    @property
    def held(self) -> int:
        """The most bytes that a direction of any connection holds."""
        return max(side._held + side._pending_bytes for link in self.links for side in link.sides)


@asynccontextmanager
async def serving(play: Play, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """An upstream, at a free port unless told; its address."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await play(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(one, host, port, backlog=4096)
    address = server.sockets[0].getsockname()
    yield f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"
    server.close()


@asynccontextmanager
async def before(upstream: str, listen: str = "127.0.0.1:0") -> AsyncIterator[Bed]:
    """A proxy before that address."""
    proxies = Proxies(seed=5)
    try:
        yield Bed(proxies, proxies.add("p", listen, upstream))
    finally:
        proxies.close()


@asynccontextmanager
async def a_bed(play: Play = echo) -> AsyncIterator[Bed]:
    async with serving(play) as upstream, before(upstream) as bed:
        yield bed


@contextmanager
def listening(backlog: int = 16) -> Iterator[socket.socket]:
    """A socket at which nobody accepts until the test does."""
    with socket.create_server(("127.0.0.1", 0), backlog=backlog) as made:
        made.setblocking(False)
        yield made


def address_of(made: socket.socket) -> str:
    host, port = made.getsockname()[:2]
    return f"{host}:{port}"


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))
