"""One connection through a proxy: dialled, two directions, and its end."""

import socket
import struct
from collections.abc import Sequence
from errno import ECONNRESET, EINPROGRESS
from typing import Any, Protocol, TypeAlias

from faults.transport.http1 import Framing
from faults.transport.messages import begins_request
from faults.transport.poller import Poller
from faults.transport.side import Side, Totals
from faults.transport.timer import Timer, Timers
from faults.transport.toxic import Exchange, Judge, Placed, Stream

_LINGER_NONE = struct.pack("ii", 1, 0)
PROBE_EVERY_S = 30.0
"""How often a proxy has the silent ends of its connections probed."""
_PROBES = (
    ("SOL_SOCKET", "SO_KEEPALIVE", 1),
    ("IPPROTO_TCP", "TCP_KEEPIDLE", int(PROBE_EVERY_S)),
    ("IPPROTO_TCP", "TCP_KEEPINTVL", int(PROBE_EVERY_S)),
)
Address: TypeAlias = tuple[int, tuple[Any, ...]]
"""A family of addresses, and one of it as sockets take it."""


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


class Link:
    """One connection: accepted, and carried on to the upstream. `n`: its number on the proxy, from 1."""

    __slots__ = (
        "_later", "client", "down", "exchange", "framing", "is_begun", "is_joining", "is_open", "is_silent", "n",
        "owner", "poller", "server", "sides", "spoke", "timers", "totals", "up",
    )  # fmt: skip

    def __init__(
        self,
        owner: Owner,
        n: int,
        client: socket.socket,
        *,
        poller: Poller,
        timers: Timers,
        totals: dict[Stream, Totals],
    ) -> None:
        self.owner, self.n, self.client = owner, n, client
        self.poller, self.timers, self.totals = poller, timers, totals
        self.is_open, self.is_begun, self.is_silent = True, False, False
        self.exchange: Exchange | None = None
        self.framing: Framing | None = None
        self.is_joining = False
        self.spoke: Side | None = None
        if owner.judge.reads_requests:
            self.framing = Framing(n, owner.judge)
        else:
            self.exchange = owner.judge.connection(n)
        self.server: socket.socket | None = None
        self.sides: tuple[Side, ...] = ()
        self._later: Timer | None = None

    # --- its beginning ----------------------------------------------------------------------------------------------
    def dial(self, addresses: Sequence[Address]) -> None:
        """Carries it on to the first of these that answers: at once, or later where a toxic says so. Where nobody
        does, it is closed. OSError where no descriptor is left for it."""
        family, address = addresses[0]
        try:
            self.server = server = _a_socket(family)
        except OSError:
            self.close()
            raise
        self.up = Side(self, Stream.UPSTREAM, self.client, server)
        self.down = Side(self, Stream.DOWNSTREAM, server, self.client)
        self.sides = (self.up, self.down)
        for placed in self.owner.toxics:
            self.side(placed.stream).add(placed)
        later_s = sum(stage.connects_after_s(self.exchange) for side in self.sides for stage in side.stages)
        if later_s > 0:
            self._later = self.timers.at(self.timers.now() + later_s, lambda: self._connect(address, addresses[1:]))
        else:
            self._connect(address, addresses[1:])

    def side(self, stream: Stream) -> Side:
        return self.up if stream is Stream.UPSTREAM else self.down

    def side_from(self, source: socket.socket) -> Side:
        return self.up if source is self.client else self.down

    def judge_requests(self) -> None:
        """The proxy asks what a request is. A connection that began before that is told apart from its next one on."""
        if self.framing is None and self.owner.judge.reads_requests and not self.is_joining:
            self.is_joining = True
            for side in self.sides:
                side.place()

    def join(self, data: bytes) -> None:
        """Where the client speaks after the server, a request's first line is one."""
        if self.spoke is not self.up and begins_request(data):
            self.framing, self.is_joining = Framing(self.n, self.owner.judge), False

    def _connect(self, address: tuple[Any, ...], others: Sequence[Address]) -> None:
        server = self.server
        if not self.is_open or self.is_silent or server is None:
            return
        code = server.connect_ex(address)
        if code == EINPROGRESS:
            self.poller.write(server.fileno(), self._connected, server, others)
        elif code:
            self._connect_to_another(others)
        else:
            self._begin()

    def _connected(self, server: socket.socket, others: Sequence[Address]) -> None:
        self.poller.stop_writing(server.fileno())
        code = server.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code == ECONNRESET:  # it was there, and has gone again
            self.reset()
        elif code:
            self._connect_to_another(others)
        else:
            self._begin()

    def _connect_to_another(self, others: Sequence[Address]) -> None:
        if not others or self.server is None:
            self.close()
            return
        family, address = others[0]
        self.server.close()
        self.server = None
        try:
            self.server = _a_socket(family)
        except OSError:
            self.close()
            return
        self.up.carry(self.client, self.server)
        self.down.carry(self.server, self.client)
        self._connect(address, others[1:])

    def _begin(self) -> None:
        self.is_begun = True
        for side in self.sides:
            self.poller.watch(side.source.fileno(), side.gone)
            side.read()

    # --- its ends ---------------------------------------------------------------------------------------------------
    def release(self) -> None:
        """What toxics hold back of exchanges that faults have struck goes on, or is closed."""
        for side in self.sides:
            for stage in list(side.stages):
                if stage.by_exchange:
                    stage.released()

    def fall_silent(self) -> None:
        self._leave_alone()
        self.is_silent = True

    def half_ended(self) -> None:
        """One direction has come to its end, or both."""
        if all(side.is_done for side in self.sides):
            self.close()

    def probe(self) -> None:
        """Has the kernel ask those from whom nothing is read whether they are there: who half-closed and who closed
        look the same until they are written to (tcp(7): what was closed is forgotten after 60 s)."""
        for side in self.sides:
            if not side.is_reading and self.is_begun:
                _probe(side.source)

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
        if self._later is not None:
            self._later.cancel()
        for side in self.sides:
            for stage in side.stages:
                stage.closed()
        for end in (self.client, self.server):
            if end is not None:
                self.poller.forget(end.fileno())
                end.close()
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
            self.poller.stop_writing(self.server.fileno())


def _a_socket(family: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setblocking(False)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def _probe(end: socket.socket) -> None:
    """Has the kernel ask the other side whether it is there, on systems that let one say how often."""
    for level, option, value in _PROBES:
        if hasattr(socket, option):
            end.setsockopt(getattr(socket, level), getattr(socket, option), value)
