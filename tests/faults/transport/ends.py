"""Both ends of connections through a proxy, in the hands of one test."""

import asyncio
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from faults.transport.proxies import Proxies
from faults.transport.proxy import Proxy
from faults.transport.toxic import Placed, Stream, Toxic

WITHIN_S = 10.0
UP, DOWN = Stream.UPSTREAM, Stream.DOWNSTREAM


class Upstream:
    """Where proxies lead: what it accepts, a test serves."""

    def __init__(self, host: str = "127.0.0.1", backlog: int = 512) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.listening = socket.create_server((host, 0), family=family, backlog=backlog)
        self.listening.setblocking(False)
        port = self.listening.getsockname()[1]
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def accepted(self) -> socket.socket:
        async with asyncio.timeout(WITHIN_S):
            return (await asyncio.get_running_loop().sock_accept(self.listening))[0]


@contextmanager
def upstream(host: str = "127.0.0.1", backlog: int = 512) -> Iterator[Upstream]:
    made = Upstream(host, backlog)
    with made.listening:
        yield made


@contextmanager
def proxied(to: str, *toxics: Placed, listen: str = "127.0.0.1:0") -> Iterator[Proxy]:
    """A proxy of the running loop, with toxics."""
    proxies = Proxies()
    try:
        made = proxies.add("p", listen, to)
        for placed in toxics:
            made.add_toxic(placed)
        yield made
    finally:
        proxies.close()


def placed(toxic: Toxic, stream: Stream = DOWN, *, name: str = "", **more: object) -> Placed:
    return Placed(name or toxic.kind, stream, toxic, **more)  # type: ignore[arg-type]


async def connected(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    made.setblocking(False)
    async with asyncio.timeout(WITHIN_S):
        await asyncio.get_running_loop().sock_connect(made, (host, int(port)))
    return made


async def joined(proxy: Proxy, to: Upstream) -> tuple[socket.socket, socket.socket]:
    """The two ends of a new connection: the client's, and the upstream's."""
    client = await connected(proxy.listen)
    return client, await to.accepted()


async def send(end: socket.socket, data: bytes) -> None:
    async with asyncio.timeout(WITHIN_S):
        await asyncio.get_running_loop().sock_sendall(end, data)


async def take(end: socket.socket, size: int) -> bytes:
    """So many bytes; fewer only where they end."""
    came = bytearray()
    async with asyncio.timeout(WITHIN_S):
        while len(came) < size and (
            data := await asyncio.get_running_loop().sock_recv(end, min(size - len(came), 1 << 18))
        ):
            came += data
    return bytes(came)


async def rest(end: socket.socket) -> bytes:
    """All until the end."""
    return await take(end, 1 << 62)


async def settled(proxy: Proxy, connections: int = 0) -> None:
    """Waits until the proxy has so many connections."""
    async with asyncio.timeout(WITHIN_S):
        while proxy.connections != connections:
            await asyncio.sleep(0.001)


def break_off(end: socket.socket) -> None:
    """Closes with a reset."""
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()


async def is_reset(end: socket.socket) -> bool:
    """Whether what comes next is a reset; an end is none."""
    try:
        assert await take(end, 1) == b""
    except ConnectionResetError:
        return True
    return False


async def stuff(end: socket.socket, most: int) -> int:
    """Sends until nobody takes any more for a while, or so much; how many bytes went."""
    piece, sent = bytes(range(256)) * 256, 0
    while sent < most:
        try:
            async with asyncio.timeout(0.1):
                await asyncio.get_running_loop().sock_sendall(end, piece)
        except TimeoutError:
            return sent
        sent += len(piece)
    return sent
