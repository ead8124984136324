"""One direction of a connection: read from a socket, through toxics in a row, written to the other socket.

Sockets are read and written by hand, for what a proxy is about is not to be had from asyncio's transports: the moment
of a write, half of a close, a reset, and no byte read that may not be.
"""

import socket
from collections import deque
from typing import TYPE_CHECKING, Any

from faults.transport.stage import HELD_MAX, Chunk, Onward, Stage, stage_of
from faults.transport.toxic import Exchange, Placed, Stream

if TYPE_CHECKING:
    from faults.transport.link import Link

_BUFFER = bytearray(256 * 1024)
"""Shared by all connections: what is read is sent on, or copied, before anything else is read."""
_VIEW = memoryview(_BUFFER)
_STAGED = _VIEW[: 64 * 1024]
_NOT_NOW = (BlockingIOError, InterruptedError)
_CHUNK_COST = 256
"""Bytes that a piece takes beside its own, so that many small ones are not held for nothing."""


class Totals:
    """Bytes that one direction of a proxy took in and gave out."""

    __slots__ = ("received", "sent")

    def __init__(self) -> None:
        self.received = self.sent = 0


class Side:
    """One direction: from its source through its stages to its destination."""

    __slots__ = (
        "_breaks", "_closes", "_held", "_is_dying", "_is_ending", "_is_over", "_is_plain", "_is_writing", "_pending",
        "_pending_bytes", "_receive", "_room", "_send", "destination", "first", "held_max", "is_done", "is_reading",
        "link", "may_pass_by", "poller", "source", "stages", "stream", "timers", "totals",
    )  # fmt: skip

    def __init__(self, link: "Link", stream: Stream, source: socket.socket, destination: socket.socket) -> None:
        self.link, self.stream = link, stream
        self.carry(source, destination)
        self.poller, self.timers = link.poller, link.timers
        self.totals = link.totals[stream]
        self.stages: list[Stage[Any]] = []
        self._pending: deque[bytes] | None = None
        self._pending_bytes = self._held = 0
        self.is_reading = self._is_writing = self._is_dying = False
        # Its source is over; that has passed the stages; its destination knows. And what end it is to be.
        self._is_over = self._is_ending = self.is_done = False
        self._closes = self._breaks = False
        self.place()

    def carry(self, source: socket.socket, destination: socket.socket) -> None:
        """From now on from the one to the other."""
        self.source, self.destination = source, destination
        self._receive, self._send = source.recv_into, destination.send  # bound once, and not for each piece

    def place(self) -> None:
        """The stages stand in a row again, after one came or went."""
        onward: Onward = self
        for stage in reversed(self.stages):
            stage.after = onward
            onward = stage
        self.first = onward
        self.held_max = max((stage.held_max for stage in self.stages), default=HELD_MAX)
        self.may_pass_by = all(stage.by_exchange for stage in self.stages)
        self._is_plain = not self.stages and self.link.framing is None and not self.link.is_joining
        self._room = _VIEW if self._is_plain else _STAGED

    # --- its toxics -----------------------------------------------------------------------------------------------
    def add(self, placed: Placed) -> None:
        if self._is_ending:
            return  # nothing will come to it
        self.stages.append(stage_of(self, placed))
        self.place()
        self.stages[-1].began()

    def change(self, placed: Placed) -> None:
        for stage in [stage for stage in self.stages if stage.name == placed.name]:
            stage.changed_to(placed)
        self.place()

    def remove(self, name: str) -> None:
        """What the stage holds goes on to those behind it, before it is gone."""
        for stage in [stage for stage in self.stages if stage.name == name]:
            stage.removed()
            self.stages.remove(stage)
        self.place()

    # --- reading --------------------------------------------------------------------------------------------------
    def read(self) -> None:
        """Begins, or goes on, to read the source."""
        if not (self.is_reading or self._is_over) and self.link.is_open and not self.link.is_silent:
            self.is_reading = True
            self.poller.read(self.source.fileno(), self._last_words if self._is_dying else self._readable)

    def rest(self) -> None:
        """Reads no further."""
        if self.is_reading:
            self.is_reading = False
            self.poller.rest(self.source.fileno())

    def _readable(self) -> None:
        try:
            size = self._receive(self._room)
        except _NOT_NOW:
            return
        except OSError:
            self._break()
            self.over()
            return
        if not size:
            self.over()
            return
        totals = self.totals
        totals.received += size
        if not self._is_plain:
            self._feed(bytes(_VIEW[:size]))
        elif self._pending:
            self._keep(_VIEW[:size])
        else:  # all that a proxy without toxics does: _write, without the call
            try:
                sent = self._send(_VIEW[:size])
            except _NOT_NOW:
                sent = 0
            except OSError:
                self._destination_gone()
                return
            totals.sent += sent
            if sent < size:
                self._keep(_VIEW[sent:size])
        self.link.spoke = self

    def _feed(self, data: bytes) -> None:
        link = self.link
        if link.is_joining and self.stream is Stream.UPSTREAM:
            link.join(data)
        if link.framing is None:
            self.first.push(Chunk(data, self.timers.now(), link.exchange))
            return
        cut = link.framing.request_bytes if self.stream is Stream.UPSTREAM else link.framing.answer_bytes
        for exchange, part in cut(data):
            if not link.is_open or link.is_silent:
                return
            self._judged(exchange, part)

    def _judged(self, exchange: Exchange | None, data: bytes) -> None:
        if self._held == 0 and self.may_pass_by and (exchange is None or not exchange.struck):
            self._write(data)
        else:
            self.first.push(Chunk(data, self.timers.now(), exchange))

    def over(self) -> None:
        """The source sends no more; that goes through the stages as bytes do."""
        if self._is_over:
            return
        self._is_over = True
        self.rest()
        link = self.link
        if link.framing is not None:
            left = link.framing.request_end() if self.stream is Stream.UPSTREAM else link.framing.answer_end()
            for exchange, part in left:
                self._judged(exchange, part)
        if link.is_open:
            self.first.end()

    def _break(self) -> None:
        """The source is gone (RST): the destination is to see that too, behind what came before it."""
        self._breaks = self._is_dying = True
        if self.is_done:
            self.link.reset()

    def gone(self) -> None:
        """The source is reset, or has ended both ways."""
        if self.link.is_silent:
            return
        if self.is_reading:
            self._is_dying = True
            self._read_again()
        elif self.source.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._break()
            if self._pending:
                self.link.reset()  # that does not wait for who reads nothing

    def _last_words(self) -> None:
        """Of a source that is gone: the loop tells of it once only."""
        self._readable()
        self._read_again()

    def _read_again(self) -> None:
        if self.is_reading:
            self.rest()
            self.read()

    # --- what stages do -------------------------------------------------------------------------------------------
    def draw(self, toxic: str, *parts: int) -> float:
        return self.link.owner.draw(toxic, self.link.n, *parts)

    def hold(self, size: int) -> None:
        self._held += size + _CHUNK_COST if size > 0 else size - _CHUNK_COST
        self._press()

    def close(self) -> None:
        self._closes = True
        if self.link.is_silent:
            self.link.close()
        else:
            self._is_over = True
            self.rest()

    def reset(self) -> None:
        self.link.reset()

    def fall_silent(self) -> None:
        self.link.fall_silent()

    def _press(self) -> None:
        """Reads no further while too much waits, and goes on once half of it has gone."""
        waiting = self._held + self._pending_bytes
        if self.is_reading:
            if waiting > self.held_max:
                self.rest()
        elif waiting <= self.held_max // 2 and self.link.is_begun:
            self.read()

    # --- the way out ----------------------------------------------------------------------------------------------
    def push(self, chunk: Chunk) -> None:
        """Behind the last stage: to the destination."""
        if not self._is_ending and self.link.is_open and not self.link.is_silent:
            self._write(chunk.data)

    def end(self) -> None:
        """Behind the last stage: the destination is told that no more comes."""
        if self._is_ending or self.link.is_silent:
            return
        self._is_ending = True
        if not self._pending:
            self._shut()

    def _write(self, data: bytes | memoryview) -> None:
        if self._pending:
            self._keep(data)
            return
        try:
            sent = self._send(data)
        except _NOT_NOW:
            sent = 0
        except OSError:
            self._destination_gone()
            return
        self.totals.sent += sent
        if sent < len(data):
            self._keep(data[sent:])

    def _keep(self, data: bytes | memoryview) -> None:
        if self._pending is None:
            self._pending = deque()
        self._pending.append(bytes(data))
        self._pending_bytes += len(data) + _CHUNK_COST
        if not self._is_writing:
            self._is_writing = True
            self.poller.write(self.destination.fileno(), self._writable)
        self._press()

    def _writable(self) -> None:
        while self._pending:
            data = self._pending[0]
            try:
                sent = self._send(data)
            except _NOT_NOW:
                return
            except OSError:
                self._destination_gone()
                return
            self.totals.sent += sent
            self._pending_bytes -= sent
            if sent < len(data):
                self._pending[0] = data[sent:]
                return
            self._pending.popleft()
            self._pending_bytes -= _CHUNK_COST
        self.stop_writing()
        if self._is_ending:
            self._shut()
        else:
            self._press()

    def stop_writing(self) -> None:
        if self._is_writing:
            self._is_writing = False
            self.poller.stop_writing(self.destination.fileno())

    def _shut(self) -> None:
        self.is_done = True
        link = self.link
        if self._breaks:
            link.reset()
            return
        try:
            self.destination.shutdown(socket.SHUT_WR)
        except OSError:
            self._destination_gone()
            return
        if self._closes:
            link.side_from(self.destination).over()
        link.half_ended()

    def _destination_gone(self) -> None:
        """Nothing can be written any more. What the destination had sent before still goes its way: the other direction
        reads it."""
        self.rest()
        self.stop_writing()
        self._pending = None
        self._pending_bytes = 0
        self._is_over = self._is_ending = self.is_done = True
        self.link.side_from(self.destination)._break()
