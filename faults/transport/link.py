"""One connection through a proxy: two sockets, two directions, each with its toxics in a row.

Sockets are read and written by hand, for what a proxy is about is not to be had from asyncio's transports: the moment
of a write, half of a close, a reset, and no byte read that may not be.
"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Sequence
from errno import EINPROGRESS
from typing import Any, Protocol

from faults.transport.http1 import Framing
from faults.transport.stage import HELD_MAX, Chunk, Onward, Stage, stage_of
from faults.transport.timer import Timers
from faults.transport.toxic import Exchange, Judge, Placed, Stream

_BUFFER = bytearray(256 * 1024)
"""Shared by all connections: what is read is sent on, or copied, before anything else is read."""
_VIEW = memoryview(_BUFFER)
_LINGER_NONE = struct.pack("ii", 1, 0)
_GONE = (BlockingIOError, InterruptedError)


class Totals:
    """Bytes that one direction of a proxy took in and gave out."""

    __slots__ = ("received", "sent")

    def __init__(self) -> None:
        self.received = self.sent = 0


class Owner(Protocol):
    """The proxy that a link belongs to."""

    name: str
    seed: int
    judge: Judge

    @property
    def toxics(self) -> Sequence[Placed]: ...

    def draw(self, toxic: str, *parts: int) -> float:
        """A number in [0, 1) of this proxy and toxic."""
        ...

    def forget(self, link: "Link") -> None:
        """The link has ended."""
        ...


class Side:
    """One direction: from its source through its stages to its destination."""

    __slots__ = (
        "_held", "_is_ending", "_is_plain", "_is_reading", "_pending", "_pending_bytes", "destination", "first",
        "held_max", "is_done", "is_writing", "link", "loop", "may_pass_by", "source", "stages", "stream", "timers",
        "totals",
    )  # fmt: skip

    def __init__(self, link: "Link", stream: Stream, source: socket.socket, destination: socket.socket) -> None:
        self.link, self.stream, self.source, self.destination = link, stream, source, destination
        self.loop, self.timers = link.loop, link.timers
        self.totals = link.totals[stream]
        self.stages: list[Stage[Any]] = []
        self._pending: deque[bytes] = deque()
        self._pending_bytes = self._held = 0
        self._is_reading = self.is_writing = self._is_ending = self.is_done = False
        self._place()

    def _place(self) -> None:
        """The stages stand in a row again, after one came or went."""
        onward: Onward = self
        for stage in reversed(self.stages):
            stage.after = onward
            onward = stage
        self.first = onward
        self.held_max = max((stage.held_max for stage in self.stages), default=HELD_MAX)
        self.may_pass_by = all(stage.by_exchange for stage in self.stages)
        self._is_plain = not self.stages and self.link.framing is None

    # --- its toxics -----------------------------------------------------------------------------------------------
    def add(self, placed: Placed) -> None:
        self.stages.append(stage_of(self, placed))
        self._place()
        self.stages[-1].began()

    def change(self, placed: Placed) -> None:
        for stage in self.stages:
            if stage.name == placed.name:
                stage.changed_to(placed)
        self._place()

    def remove(self, name: str) -> None:
        """What the stage holds goes on to those behind it, before it is gone."""
        for stage in [stage for stage in self.stages if stage.name == name]:
            stage.removed()
            self.stages.remove(stage)
        self._place()

    # --- reading --------------------------------------------------------------------------------------------------
    def read(self) -> None:
        """Begins, or goes on, to read the source."""
        if not self._is_reading and not self._is_ending and self.link.is_open and not self.link.is_silent:
            self._is_reading = True
            self.loop.add_reader(self.source.fileno(), self._readable)

    def rest(self) -> None:
        """Reads no further."""
        if self._is_reading:
            self._is_reading = False
            self.loop.remove_reader(self.source.fileno())

    def _readable(self) -> None:
        try:
            size = self.source.recv_into(_BUFFER)
        except _GONE:
            return
        except OSError:
            self.link.reset()
            return
        if not size:
            self._source_ended()
            return
        self.totals.received += size
        if self._is_plain:
            self._write(_VIEW[:size])
        else:
            self._feed(bytes(_VIEW[:size]))

    def _feed(self, data: bytes) -> None:
        link, now = self.link, self.timers.now()
        if link.framing is None:
            self.first.push(Chunk(data, now, link.exchange))
            return
        cut = link.framing.request_bytes if self.stream is Stream.UPSTREAM else link.framing.answer_bytes
        for exchange, part in cut(data):
            self._judged(exchange, part, now)

    def _judged(self, exchange: Exchange | None, data: bytes, now: float) -> None:
        if self._held == 0 and self.may_pass_by and (exchange is None or not exchange.struck):
            self._write(data)
        else:
            self.first.push(Chunk(data, now, exchange))

    def _source_ended(self) -> None:
        self.rest()
        link = self.link
        if link.framing is not None:
            left = link.framing.request_end() if self.stream is Stream.UPSTREAM else link.framing.answer_end()
            for exchange, part in left:
                self._judged(exchange, part, self.timers.now())
        if link.is_open:
            self.first.end()

    # --- what stages do -------------------------------------------------------------------------------------------
    def draw(self, toxic: str, *parts: int) -> float:
        return self.link.owner.draw(toxic, self.link.n, *parts)

    def hold(self, size: int) -> None:
        self._held += size
        self._press()

    def close(self) -> None:
        self.link.finish()

    def reset(self) -> None:
        self.link.reset()

    def fall_silent(self) -> None:
        self.link.fall_silent()

    def _press(self) -> None:
        """Reads no further while too much waits, and goes on once half of it has gone."""
        waiting = self._held + self._pending_bytes
        if self._is_reading:
            if waiting > self.held_max:
                self.rest()
        elif waiting <= self.held_max // 2 and self.link.is_begun and not self.link.is_finishing:
            self.read()

    # --- the way out ----------------------------------------------------------------------------------------------
    def push(self, chunk: Chunk) -> None:
        """Behind the last stage: to the destination."""
        self._write(chunk.data)

    def end(self) -> None:
        """Behind the last stage: the destination is told that no more comes."""
        self._is_ending = True
        if not self._pending:
            self._shut()

    def _write(self, data: bytes | memoryview) -> None:
        if self._pending or self.link.is_silent or not self.link.is_open:
            self._keep(data)
            return
        try:
            sent = self.destination.send(data)
        except _GONE:
            sent = 0
        except OSError:
            self.link.reset()
            return
        self.totals.sent += sent
        if sent < len(data):
            self._keep(data[sent:])

    def _keep(self, data: bytes | memoryview) -> None:
        if self.link.is_silent or not self.link.is_open:
            return
        self._pending.append(bytes(data))
        self._pending_bytes += len(data)
        if not self.is_writing:
            self.is_writing = True
            self.loop.add_writer(self.destination.fileno(), self._writable)
        self._press()

    def _writable(self) -> None:
        while self._pending:
            data = self._pending[0]
            try:
                sent = self.destination.send(data)
            except _GONE:
                return
            except OSError:
                self.link.reset()
                return
            self.totals.sent += sent
            self._pending_bytes -= sent
            if sent < len(data):
                self._pending[0] = data[sent:]
                return
            self._pending.popleft()
        self.stop_writing()
        if self._is_ending:
            self._shut()
        elif self.link.is_finishing:
            self.link.close_if_flushed()
        else:
            self._press()

    def stop_writing(self) -> None:
        if self.is_writing:
            self.is_writing = False
            self.loop.remove_writer(self.destination.fileno())

    def _shut(self) -> None:
        self.is_done = True
        try:
            self.destination.shutdown(socket.SHUT_WR)
        except OSError:
            self.link.reset()
            return
        self.link.close_if_done()


class Link:
    """One connection: accepted, and carried on to the upstream. `n`: its number on the proxy, from 1."""

    __slots__ = (
        "client", "down", "exchange", "framing", "is_begun", "is_finishing", "is_open", "is_silent", "loop", "n",
        "owner", "server", "sides", "timers", "totals", "up",
    )  # fmt: skip

    def __init__(
        self,
        owner: Owner,
        n: int,
        client: socket.socket,
        *,
        loop: asyncio.AbstractEventLoop,
        timers: Timers,
        totals: dict[Stream, Totals],
    ) -> None:
        self.owner, self.n, self.client = owner, n, client
        self.loop, self.timers, self.totals = loop, timers, totals
        self.is_open, self.is_begun, self.is_finishing, self.is_silent = True, False, False, False
        self.exchange: Exchange | None = None
        self.framing: Framing | None = None
        if owner.judge.reads_requests:
            self.framing = Framing(n, owner.judge)
        else:
            self.exchange = owner.judge.connection(n)
        self.server: socket.socket | None = None
        self.sides: tuple[Side, ...] = ()

    def dial(self, family: int, address: tuple[Any, ...]) -> None:
        """Carries it on to the upstream: at once, or later where a toxic says so. Where nobody answers there, it is
        closed."""
        try:
            self.server = server = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError:  # no descriptor is left
            self.close()
            return
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.up = Side(self, Stream.UPSTREAM, self.client, server)
        self.down = Side(self, Stream.DOWNSTREAM, server, self.client)
        self.sides = (self.up, self.down)
        for placed in self.owner.toxics:
            self.side(placed.stream).add(placed)
        later_s = sum(stage.connects_after_s(self.exchange) for side in self.sides for stage in side.stages)
        if later_s > 0:
            self.timers.at(self.timers.now() + later_s, lambda: self._connect(server, address))
        else:
            self._connect(server, address)

    def side(self, stream: Stream) -> Side:
        return self.up if stream is Stream.UPSTREAM else self.down

    def _connect(self, server: socket.socket, address: tuple[Any, ...]) -> None:
        if not self.is_open or self.is_silent:
            return
        try:
            code = server.connect_ex(address)
        except OSError:
            self.close()
            return
        if code == EINPROGRESS:
            self.loop.add_writer(server.fileno(), self._connected, server)
        elif code:
            self.close()
        else:
            self._begin()

    def _connected(self, server: socket.socket) -> None:
        self.loop.remove_writer(server.fileno())
        if server.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.close()
        else:
            self._begin()

    def _begin(self) -> None:
        self.is_begun = True
        for side in self.sides:
            if not self.is_finishing:
                side.read()

    # --- its ends -------------------------------------------------------------------------------------------------
    def release(self) -> None:
        """What toxics hold back of exchanges that faults have struck goes on, or is closed."""
        for side in self.sides:
            for stage in list(side.stages):
                if stage.by_exchange:
                    stage.released()

    def fall_silent(self) -> None:
        self._leave_alone()
        self.is_silent = True

    def finish(self) -> None:
        """Closes once all that has passed the toxics is written."""
        self.is_finishing = True
        if self.is_silent:
            self.close()
            return
        for side in self.sides:
            side.rest()
        self.close_if_flushed()

    def close_if_flushed(self) -> None:
        if not any(side.is_writing for side in self.sides):
            self.close()

    def close_if_done(self) -> None:
        if all(side.is_done for side in self.sides):
            self.close()

    def reset(self) -> None:
        """Breaks both connections off (RST)."""
        for end in (self.client, self.server):
            if end is not None and self.is_open:
                try:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
                except OSError:
                    continue
        self.close()

    def close(self) -> None:
        if not self.is_open:
            return
        self._leave_alone()
        self.is_open = False
        self.client.close()
        if self.server is not None:
            self.server.close()
        if self.framing is not None:
            self.framing.closed()
        if self.exchange is not None:
            self.exchange.end()
        self.owner.forget(self)

    def _leave_alone(self) -> None:
        for side in self.sides:
            side.rest()
            side.stop_writing()
        if self.server is not None and not self.is_begun:
            self.loop.remove_writer(self.server.fileno())
