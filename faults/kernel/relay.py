"""Connections taken on one side and carried on to the other: bytes, ends, resets and back-pressure alike."""

import asyncio
import resource
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

_CHUNK = 65_536
_ALIVE = {socket.TCP_KEEPIDLE: 15, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 3}
"""Seconds and tries after which a connection is given up whose reset was itself lost on the wire."""
_OWN_FILES = 128


def most_connections() -> int:
    """How many can be open at once, of four file descriptors each; more wait in the backlog. Raises the soft limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        soft = hard
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    files = 1_048_576 if soft == resource.RLIM_INFINITY else soft
    return max((files - _OWN_FILES) // 4, 1)


class Relay:
    """Half of a hop: what a listening socket accepts is carried to what `dial` connects."""

    def __init__(self, dial: Callable[[], Awaitable[socket.socket]], most: int) -> None:
        self._dial = dial
        self._room = asyncio.Semaphore(most)

    async def serve(self, listener: socket.socket) -> None:
        """Until cancelled; then every connection is reset."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as carried:
            while True:
                try:
                    caller, _ = await loop.sock_accept(listener)
                except ConnectionAbortedError:
                    continue  # the caller had given up while it waited in the backlog
                with on_its_way(caller):
                    await self._room.acquire()
                carried.create_task(self._carry(caller), name="connection")

    async def _carry(self, caller: socket.socket) -> None:
        try:
            with caller:
                await self._through(caller)
        except* OSError:
            pass  # a connection broke: its reset has been handed on, and that is all a wire has to do
        finally:
            self._room.release()

    async def _through(self, caller: socket.socket) -> None:
        with on_its_way(caller):
            prepare(caller)
            callee = await self._dial()  # one that was accepted cannot be refused any more, only reset
        with callee, on_its_way(caller, callee):
            prepare(callee)
            async with asyncio.TaskGroup() as ways:
                ways.create_task(_pump(caller, callee), name="requests")
                ways.create_task(_pump(callee, caller), name="answers")


@contextmanager
def on_its_way(*connections: socket.socket) -> Iterator[None]:
    """Resets the connections if anything goes wrong meanwhile, or all is cancelled."""
    try:
        yield
    except BaseException:
        for connection in connections:
            reset(connection)
        raise


async def _pump(source: socket.socket, sink: socket.socket) -> None:
    """One direction until its end, which is handed on. What the sink does not take is not read: the kernel waits."""
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(source, _CHUNK):
        await loop.sock_sendall(sink, data)
    sink.shutdown(socket.SHUT_WR)


def prepare(connection: socket.socket) -> None:
    """Sends at once what is given, and asks a silent peer from time to time whether it is there."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _ALIVE.items():
        connection.setsockopt(socket.IPPROTO_TCP, option, value)


def reset(connection: socket.socket) -> None:
    """Ends a connection with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
