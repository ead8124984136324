"""The proxies of a run: each with its own judge, all with one phase and one lease; down while a fault wants that."""

from collections.abc import Callable, Iterable

from faults.catalog import TO_MOCKS
from faults.decide import Decider
from faults.transport.judge import ByPlan, downs
from faults.transport.keys import Numbers
from faults.transport.proxies import Proxies
from faults.transport.proxy import Proxy
from ledger.clock import SECOND_NS, Clock
from ledger.events import Event
from ledger.lag import Lag
from ledger.states import Hop, Phase
from plan.document import nearest
from plan.run import Plan

LOOK_EVERY_NS = SECOND_NS // 200
"""How late a hop goes down, or a lease that ran out is noticed, at most."""


class HopError(ValueError):
    """No proxy can be made for this: what was asked for, and what is legal."""


class _Wire:
    """A proxy, its judge, and which faults take it down."""

    def __init__(self, proxy: Proxy, judge: ByPlan) -> None:
        self.proxy, self.judge = proxy, judge
        self.downs = {fault.id: 0 for fault in downs(judge.faults)}
        self.down_by: set[str] = set()

    def follow(self, in_force: Iterable[str]) -> None:
        """Closes or opens the proxy as the faults in force want it, and journals each fault that newly does."""
        wanted = self.downs.keys() & set(in_force)
        new, was, self.down_by = wanted - self.down_by, self.down_by, wanted
        if wanted and not was:
            self.proxy.stop()
        elif was and not wanted:
            self.proxy.start()
        for fault in sorted(new):
            self.downs[fault] += 1
            self.judge.note_down(fault, self.downs[fault], "nobody listens, what was connected is closed")


class Wires:
    """What the harness is told of, and tells. Faults strike while the phase is load and the lease lasts."""

    def __init__(self, plan: Plan, proxies: Proxies, *, clock: Clock, append: Callable[[Event], None]) -> None:
        self.lag = Lag()
        self._plan, self._proxies, self._clock, self._append = plan, proxies, clock, append
        self._decider = Decider(plan, layers=("wire",))
        self._phase = Phase.PREPARE
        self._was_live = False
        self._wires: list[_Wire] = []
        self._numbers: dict[str | None, Numbers] = {}

    def add(self, name: str, hop: Hop, upstream_name: str | None, *, listen: str, upstream: str) -> str:
        """Makes a proxy, its toxics those of the plan's faults for it; the address it listens at. HopError, those of
        addresses, and OSError where it cannot listen."""
        if self._proxies.get(name) is not None:
            raise HopError(f"proxy {name!r} is there already")
        if hop is Hop.SHOP:
            raise HopError(f"hop {hop!r} is no way between two")
        if upstream_name is not None and upstream_name not in self._plan.upstreams:
            known = self._plan.upstreams
            raise HopError(f"the plan has no upstream {upstream_name!r}{nearest(upstream_name, known)}")
        judge = ByPlan(
            self._plan,
            self._decider,
            hop,
            upstream_name,
            clock=self._clock,
            append=self._append,
            numbers=self._numbers.setdefault(upstream_name, Numbers()),
            is_to_mock=hop in TO_MOCKS,
        )
        proxy = self._proxies.add(name, listen, upstream, judge=judge)
        for toxic in judge.toxics:
            proxy.add_toxic(toxic)
        self._wires.append(_Wire(proxy, judge))
        return proxy.listen

    def begin(self, phase: Phase, l0_t: int | None = None) -> None:
        """Takes the announced phase; in any but load all that a toxic holds goes on at once."""
        self._phase = phase
        self._decider.begin(phase, l0_t)
        if phase is not Phase.LOAD:
            self._release()

    def renew(self) -> None:
        """The harness's heartbeat."""
        self._decider.renew(self._clock.t())

    def health(self) -> dict[str, object]:
        """As a mock tells of itself, so that the harness asks all alike."""
        t = self._clock.t()
        return {
            "ok": True,
            "phase": self._phase.value,
            "lag_ms": self.lag.ms,
            "trades": 0,
            "open_notices": 0,
            "faults": self._decider.in_force(t),
            "lease_s": round(max(0.0, (self._decider.lease_until_t - t) / SECOND_NS), 3),
        }

    async def watch(self) -> None:
        """Takes hops down and up again, and lets go what faults hold once their lease is over; until cancelled."""
        while True:
            self.look()
            await self._clock.wait_until(self._clock.t() + LOOK_EVERY_NS)

    def look(self) -> None:
        """What is to be done now."""
        t = self._clock.t()
        is_live = self._decider.is_live(t)
        if self._was_live and not is_live:
            self._release()
        self._was_live = is_live
        in_force = self._decider.in_force(t) if is_live else []
        for wire in self._wires:
            if wire.downs:
                wire.follow(in_force)

    def _release(self) -> None:
        for wire in self._wires:
            wire.proxy.release()
