"""RCON's side of a connection: frames in, answers out, and what bounds both. Knows nothing of commands.

What is no frame, too long or too slow ends the connection. A peer that asks faster than it is answered is not read.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from enum import Enum
from typing import TypeAlias

import msgspec

from ledger.clock import SECOND_NS, Clock
from mocks.game.rcon_frames import BadFrame, Frame, read_frame
from mocks.server import FLUSH_TURNS

CONNECTIONS_MAX = 256
"""Of one instance; those beyond are closed at once."""
LOGIN_WITHIN_S, IDLE_S = 10.0, 300.0
"""Wire time until a password has come, and from one whole frame to the next: how slow a sender may be, too."""
REAP_EVERY_NS = 5 * SECOND_NS
_BUFFER = 8 * 1024
_NO_LINGER = struct.pack("ii", 1, 0)


class Line(msgspec.Struct, eq=False):
    """One connection, as its dialect sees it: in which flavour it is spoken, and whether the password was right."""

    flavour: str
    body_max: int
    is_known: bool = False


class Then(Enum):
    """What becomes of the connection after an answer."""

    KEEP = "keep"
    CLOSE = "close"
    RESET = "reset"


class Out(msgspec.Struct, frozen=True):
    """An answer: each of `parts` is sent by itself. With `pieces` all their bytes go out in pieces as long as these."""

    parts: tuple[bytes, ...] = ()
    then: Then = Then.KEEP
    pieces: Callable[[], AsyncGenerator[bytes, None]] | None = None


Talk: TypeAlias = Callable[[Line, Frame], Awaitable[Out]]


class _Connection:
    """A connection and until when its peer must have sent something whole; None while it is our turn."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.until_t: int | None = None

    def end(self, then: Then = Then.RESET) -> None:
        """Closes it: once all is sent that was written (FIN), or at once and with an RST."""
        if then is Then.CLOSE:
            self.writer.close()
            return
        with suppress(OSError):  # the peer was faster
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.writer.transport.abort()


class Wire:
    """The connections of one instance. Their tasks belong to the given group; an error of our own ends it."""

    def __init__(self, clock: Clock, tasks: asyncio.TaskGroup, hello: Callable[[], Line], talk: Talk) -> None:
        self._clock, self._tasks, self._hello, self._talk = clock, tasks, hello, talk
        self._server: asyncio.Server | None = None
        self._reaping: asyncio.Task[None] | None = None
        self._open: dict[_Connection, asyncio.Task[None]] = {}

    @property
    def connections(self) -> int:
        return len(self._open)

    async def listen(self, host: str, port: int) -> int:
        """Listens; the port it got. OSError where it cannot."""
        self._server = await asyncio.start_server(self._came, host, port, limit=_BUFFER)
        self._reaping = self._tasks.create_task(self._reap(), name="rcon: idle connections")
        return int(self._server.sockets[0].getsockname()[1])

    def stop(self) -> None:
        """Ends every connection, and listens no more."""
        if self._server is not None and self._reaping is not None:
            self._server.close()
            self._reaping.cancel()
        for task in self._open.values():
            task.cancel()

    def _came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(reader, writer)
        if self.connections >= CONNECTIONS_MAX:
            connection.end(Then.CLOSE)
            return
        self._open[connection] = self._tasks.create_task(self._serve(connection), name="rcon: a connection")

    async def _reap(self) -> None:
        """Closes those that have been silent for too long, until cancelled."""
        while True:
            await self._clock.wait_until(self._clock.t() + REAP_EVERY_NS)
            for connection in self._open:
                if connection.until_t is not None and connection.until_t <= self._clock.t():
                    connection.end()

    async def _serve(self, connection: _Connection) -> None:
        line, then = self._hello(), Then.KEEP
        try:
            while then is Then.KEEP:
                patience_s = IDLE_S if line.is_known else LOGIN_WITHIN_S
                connection.until_t = self._clock.t() + int(patience_s * SECOND_NS)
                frame = await read_frame(connection.reader, line.body_max)
                connection.until_t = None
                if frame is None:
                    return
                out = await self._talk(line, frame)
                then = out.then
                await self._send(connection, out)
        except (BadFrame, OSError):
            pass  # the peer speaks something else, or went away: its connection ends, and no fact is lost
        finally:
            del self._open[connection]
            connection.end(then if then is Then.RESET else Then.CLOSE)

    async def _send(self, connection: _Connection, out: Out) -> None:
        writer = connection.writer
        if out.pieces is None:
            for part in out.parts:
                writer.write(part)
                await self._drained(connection)
        else:
            whole, sent = b"".join(out.parts), 0
            async with aclosing(out.pieces()) as pieces:
                async for piece in pieces:
                    writer.write(whole[sent : sent + len(piece)])
                    sent += len(piece)
                    await self._drained(connection)
            writer.write(whole[sent:])
            await self._drained(connection)
        for _ in range(FLUSH_TURNS if out.then is Then.RESET else 0):
            if not writer.transport.get_write_buffer_size():
                break
            await asyncio.sleep(0)  # what is not with the system yet would be dropped with the reset

    async def _drained(self, connection: _Connection) -> None:
        """A peer that does not read what it asked for is given up like one that does not ask."""
        connection.until_t = self._clock.t() + int(IDLE_S * SECOND_NS)
        await connection.writer.drain()
        connection.until_t = None
