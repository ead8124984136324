"""One proxy: where it listens, where it leads, its toxics and its open connections."""

import asyncio
import logging
import socket
from collections.abc import Callable, Collection, Iterator, Sequence
from errno import ECONNABORTED
from functools import partial
from ipaddress import ip_address

from faults.transport.addresses import Address as To
from faults.transport.addresses import bound, dialled, listening
from faults.transport.link import PROBE_EVERY_S, Address, Link
from faults.transport.match import ByMatch
from faults.transport.metrics import Link as Counted
from faults.transport.poller import Poller
from faults.transport.side import Totals
from faults.transport.timer import Timer, Timers
from faults.transport.toxic import Judge, Placed, Stream
from ledger.clock import Epoch, RunClock
from plan.chance import draw

ACCEPTS_AT_ONCE = 64
AGAIN_S = 0.1
"""No descriptor is left: a connection may wait so long before the proxy tries again to accept it."""
LOG_EVERY_S = 1.0
_CLOCK = RunClock(Epoch(0, 0))
"""Of proxies that belong to no run."""
_log = logging.getLogger(__name__)


class ToxicExists(Exception):
    """A toxic of that name is on the proxy: its name."""


class ToxicNotFound(Exception):
    """No toxic of that name is on the proxy: its name."""


class Proxy:
    """What changes it is in force on all its connections, old and new, when the call returns.

    `listen` is where it is bound while it is enabled. `judge` decides whom toxics with a fault or a match strike;
    without one of a run, what the toxics themselves say.
    """

    def __init__(
        self,
        name: str,
        listen: str,
        upstream: str,
        *,
        loop: asyncio.AbstractEventLoop,
        poller: Poller,
        timers: Timers,
        seed: int = 0,
        allow: Collection[str] = (),
        judge: Judge | None = None,
    ) -> None:
        """AddressError and NotAllowedError of faults.transport.addresses for an address that cannot be."""
        self.name, self.seed = name, seed
        self.judge: Judge = judge or ByMatch(name, lambda: self._toxics, seed=seed, clock=_CLOCK)
        self._loop, self._poller, self._timers, self._allow = loop, poller, timers, allow
        self.enabled = False
        self.lease_s: float | None = None
        self._toxics: list[Placed] = []
        self._leases: dict[str, Timer] = {}
        self._listening: socket.socket | None = None
        self._links: set[Link] = set()
        self._accepted = 0
        self._told_s = 0.0
        self._probing: Timer | None = None
        self._counted: dict[tuple[str, str], dict[Stream, Totals]] = {}
        self._lead(listen, upstream)

    def _lead(self, listen: str, upstream: str) -> None:
        self._bind_to = listening(listen, self._allow)
        to = dialled(upstream, self._allow)
        self.listen, self.upstream = listen, upstream
        self._to = to
        self._addresses = _addresses(to, is_localhost=upstream.rpartition(":")[0].lower() == "localhost")

    # --- on and off -----------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Listens, unless it does; OSError where that cannot be."""
        if self.enabled:
            return
        made = bound(self._bind_to.host, self._bind_to.port)
        made.setblocking(False)
        self._bind_to = To(*made.getsockname()[:2])
        self.listen = str(self._bind_to)
        self._totals = self._counted.setdefault((self.listen, self.upstream), {s: Totals() for s in Stream})
        self._listening, self.enabled = made, True
        self._poller.read(made.fileno(), self._acceptable)
        self._probe_later()

    def stop(self) -> None:
        """Listens no more and closes its connections; it keeps its port's number for the next start."""
        self.enabled = False
        if self._listening is not None:
            self._poller.rest(self._listening.fileno())
            self._listening.close()
            self._listening = None
        if self._probing is not None:
            self._probing.cancel()
        for link in list(self._links):
            link.close()

    def differs(self, listen: str, upstream: str) -> bool:
        """Whether these are other addresses than it has; AddressError and NotAllowedError."""
        wanted = listening(listen, self._allow)
        dialled(upstream, self._allow)
        return wanted != self._bind_to or upstream != self.upstream

    def update(self, *, listen: str | None = None, upstream: str | None = None, enabled: bool | None = None) -> None:
        """Other addresses close its connections. None: as it is. Errors as `start` and `differs`."""
        wanted = self.enabled if enabled is None else enabled
        listen, upstream = self.listen if listen is None else listen, self.upstream if upstream is None else upstream
        if self.differs(listen, upstream):
            self.stop()
            self._lead(listen, upstream)
        if wanted:
            self.start()
        else:
            self.stop()

    # --- toxics ---------------------------------------------------------------------------------------------------
    @property
    def toxics(self) -> list[Placed]:
        """Those of requests first, each in the order they came."""
        return [placed for stream in Stream for placed in self._toxics if placed.stream is stream]

    def toxic(self, name: str) -> Placed:
        """ToxicNotFound."""
        for placed in self._toxics:
            if placed.name == name:
                return placed
        raise ToxicNotFound(name)

    def add_toxic(self, placed: Placed) -> None:
        """At the end of its row; ToxicExists."""
        if any(one.name == placed.name for one in self._toxics):
            raise ToxicExists(placed.name)
        self._toxics.append(placed)
        self._lend(placed)
        for link in self._begun():
            link.side(placed.stream).add(placed)
            link.judge_requests()

    def update_toxic(self, placed: Placed) -> None:
        """In the place of the toxic of that name, its kind and direction the same; ToxicNotFound."""
        was = self.toxic(placed.name)
        assert (type(placed.toxic), placed.stream) == (type(was.toxic), was.stream)
        self._toxics[self._toxics.index(was)] = placed
        self._lend(placed)
        for link in self._begun():
            link.side(placed.stream).change(placed)

    def remove_toxic(self, name: str) -> None:
        """ToxicNotFound."""
        placed = self.toxic(name)
        self._toxics.remove(placed)
        if (lease := self._leases.pop(name, None)) is not None:
            lease.cancel()
        for link in self._begun():
            link.side(placed.stream).remove(name)

    def reset(self) -> None:
        """Takes all its toxics away."""
        for placed in self.toxics:
            self.remove_toxic(placed.name)

    def release(self) -> None:
        """All faults are over: what their toxics hold back goes on, or is closed."""
        for link in self._begun():
            link.release()

    def _lend(self, placed: Placed) -> None:
        if (lease := self._leases.pop(placed.name, None)) is not None:
            lease.cancel()
        if placed.lease_s is not None:
            ends_s = self._timers.now() + placed.lease_s
            self._leases[placed.name] = self._timers.at(ends_s, lambda: self.remove_toxic(placed.name))

    def draw(self, toxic: str, *parts: int) -> float:
        return draw(self.seed, "toxic", self.name, toxic, *parts)

    # --- connections ----------------------------------------------------------------------------------------------
    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._links)

    @property
    def accepted(self) -> int:
        """How many there were, the open ones included."""
        return self._accepted

    def counted(self) -> Iterator[Counted]:
        """The bytes of each direction, at every address that it had."""
        for (listen, upstream), totals in self._counted.items():
            for stream, of in totals.items():
                yield Counted(stream, self.name, listen, upstream, of.received, of.sent)

    def forget(self, link: Link) -> None:
        self._links.discard(link)

    def _probe_later(self) -> None:
        self._probing = self._timers.at(self._timers.now() + PROBE_EVERY_S, self._probe)

    def _probe(self) -> None:
        for link in list(self._links):
            link.probe()
        self._probe_later()

    def _begun(self) -> list[Link]:
        return [link for link in self._links if link.sides and link.is_open]

    def _acceptable(self) -> None:
        for _ in range(ACCEPTS_AT_ONCE):
            if self._listening is None:
                return
            try:
                client, _address = self._listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno != ECONNABORTED:  # gone before it was accepted
                    self._pause_accepting(error)
                    return
                continue
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._accepted += 1
            link = Link(self, self._accepted, client, poller=self._poller, timers=self._timers, totals=self._totals)
            self._links.add(link)
            if self._addresses:
                self._dial(link, self._addresses)
            else:
                asked = self._loop.run_in_executor(None, _looked_up, self._to)
                asked.add_done_callback(partial(self._dial_found, link))

    def _dial_found(self, link: Link, asked: "asyncio.Future[list[Address]]") -> None:
        try:
            found = asked.result()
        except OSError as error:
            self._tell("its upstream is not found", error)
            link.close()
            return
        if link.is_open:
            self._dial(link, found)

    def _dial(self, link: Link, addresses: Sequence[Address]) -> None:
        try:
            link.dial(addresses)
        except OSError as error:
            self._tell("its upstream cannot be dialled", error)

    def _pause_accepting(self, error: OSError) -> None:
        """Who waits in the backlog is not asked again at once, which would be for ever."""
        self._tell("connections wait, none can be accepted", error)
        paused = self._listening
        assert paused is not None
        self._poller.rest(paused.fileno())
        self._timers.at(self._timers.now() + AGAIN_S, self._accept_again(paused))

    def _tell(self, what: str, error: OSError) -> None:
        """Of many like it, one a second."""
        now = self._timers.now()
        if now - self._told_s >= LOG_EVERY_S:
            self._told_s = now
            _log.warning("proxy %s: %s: %s", self.name, what, error.strerror)

    def _accept_again(self, paused: socket.socket) -> Callable[[], None]:
        def again() -> None:
            if self._listening is paused:
                self._poller.read(paused.fileno(), self._acceptable)

        return again


def _addresses(to: To, *, is_localhost: bool) -> list[Address]:
    """Where it leads, in the order in which they are tried; none where a name must be looked up."""
    if is_localhost:
        return [(socket.AF_INET, ("127.0.0.1", to.port)), (socket.AF_INET6, ("::1", to.port))]
    try:
        host = ip_address(to.host)
    except ValueError:
        return []
    return [(socket.AF_INET6 if host.version == 6 else socket.AF_INET, (to.host, to.port))]


def _looked_up(to: To) -> list[Address]:
    found = socket.getaddrinfo(to.host, to.port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]
