"""All proxies of one server, by their names."""

import asyncio
from collections.abc import Collection, Iterator

from faults.transport.metrics import Link as Counted
from faults.transport.poller import Poller
from faults.transport.proxy import Proxy
from faults.transport.timer import Timer, Timers
from faults.transport.toxic import Judge


class ProxyExists(Exception):
    """A proxy of that name is there: its name."""


class Proxies:
    """The proxies of the running event loop. `seed`: of what toxics draw; `allow`: hosts beside this machine's own
    where proxies may listen, or lead to ("*": all)."""

    def __init__(self, *, seed: int = 0, allow: Collection[str] = ()) -> None:
        self._loop = asyncio.get_running_loop()
        self.timers, self._poller = Timers(self._loop), Poller(self._loop)
        self._seed, self._allow = seed, tuple(allow)
        self._proxies: dict[str, Proxy] = {}
        self._leases: dict[str, Timer] = {}

    def add(
        self,
        name: str,
        listen: str,
        upstream: str,
        *,
        enabled: bool = True,
        judge: Judge | None = None,
        lease_s: float | None = None,
    ) -> Proxy:
        """A new proxy, listening if it is enabled. ProxyExists, OSError, and the errors of addresses.py."""
        if name in self._proxies:
            raise ProxyExists(name)
        proxy = Proxy(
            name, listen, upstream,
            loop=self._loop, poller=self._poller, timers=self.timers, seed=self._seed, allow=self._allow, judge=judge,
        )  # fmt: skip
        if enabled:
            proxy.start()
        self._proxies[name] = proxy
        self.lend(proxy, lease_s)
        return proxy

    def lend(self, proxy: Proxy, lease_s: float | None) -> None:
        """The proxy takes itself away after so many seconds; None: never."""
        if (lease := self._leases.pop(proxy.name, None)) is not None:
            lease.cancel()
        proxy.lease_s = lease_s
        if lease_s is not None:
            ends_s = self.timers.now() + lease_s
            self._leases[proxy.name] = self.timers.at(ends_s, lambda: self.remove(proxy.name))

    def get(self, name: str) -> Proxy | None:
        return self._proxies.get(name)

    def all(self) -> list[Proxy]:
        return list(self._proxies.values())

    def remove(self, name: str) -> None:
        """Takes a proxy and its connections away; nothing where there is none."""
        proxy = self._proxies.pop(name, None)
        if proxy is not None:
            self.lend(proxy, None)
            proxy.stop()  # first: taken away, a toxic would let go of what it holds
            proxy.reset()

    def links(self) -> Iterator[Counted]:
        """What passed each proxy, for /metrics."""
        for proxy in self._proxies.values():
            yield from proxy.counted()

    def close(self) -> None:
        for name in list(self._proxies):
            self.remove(name)
        self.timers.close()
        self._poller.close()
