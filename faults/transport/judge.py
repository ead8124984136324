"""Whom a plan's faults on the wire strike at one hop, and the evidence that they did."""

from collections.abc import Callable

import msgspec

from faults.catalog import catalog
from faults.decide import Decider
from faults.decide import Exchange as Decided
from faults.transport.keys import BY_CONNECTION, Numbers, Reader, Subject
from faults.transport.rate import RateMeter
from faults.transport.toxic import Down, Exchange, Head, OnWire, Placed
from faults.verdict import Effect
from ledger.clock import Clock
from ledger.events import Event, Struck
from ledger.states import Hop, Operation
from plan.chance import draw
from plan.faults import FaultPlan
from plan.run import Plan
from plan.units import from_text

NOBODY: frozenset[str] = frozenset()
AGAIN_NS = 1_000_000
"""What strikes a whole connection is looked up again after so long: connections outlive phases and windows."""
_UNKNOWN = Subject(Operation.CONNECT)


def wire_faults(plan: Plan, hop: Hop, upstream: str | None) -> list[FaultPlan]:
    """The faults on the wire of a hop, or of its way to one named upstream."""
    return [f for f in plan.faults if f.layer == "wire" and hop in f.hops and f.upstream in (None, upstream)]


def effect_of(fault: FaultPlan) -> Effect:
    """What the fault does, by its catalogue entry."""
    entry = catalog()[fault.fault]
    assert entry.effect is not None, f"{fault.fault}: what a proxy does is not drawn beforehand"
    return entry.effect(msgspec.convert(fault.params, entry.params, dec_hook=from_text))


def placed(faults: list[FaultPlan]) -> list[Placed]:
    """Their toxics, each named as its fault, or as fault and stream where a fault has several."""
    found: list[Placed] = []
    for fault in faults:
        effect = effect_of(fault)
        if not isinstance(effect, OnWire):
            continue
        streams = [stream for stream, _ in effect.toxics]
        for stream, toxic in effect.toxics:
            name = fault.id if len(streams) == 1 else f"{fault.id}_{stream}"
            if streams.count(stream) > 1:
                name += f"_{toxic.kind}"
            found.append(Placed(name, stream, toxic, fault=fault.id))
    return found


def downs(faults: list[FaultPlan]) -> list[FaultPlan]:
    """Those that take the whole hop away."""
    return [fault for fault in faults if isinstance(effect_of(fault), Down)]


class ByPlan:
    """The judge of one proxy of a run. `numbers`: what is known of the numbers of the hop's upstream; `is_to_mock`: the
    paths begin with the upstream's name."""

    def __init__(
        self,
        plan: Plan,
        decider: Decider,
        hop: Hop,
        upstream: str | None,
        *,
        clock: Clock,
        append: Callable[[Event], None],
        numbers: Numbers,
        is_to_mock: bool,
    ) -> None:
        self.hop, self.upstream, self.clock = hop, upstream, clock
        self.seed, self.decider = plan.seed, decider
        self.faults = wire_faults(plan, hop, upstream)
        self.toxics = placed(self.faults)
        self.rate = RateMeter()
        self._append = append
        self._names: dict[str, frozenset[str]] = {}
        for toxic in self.toxics:
            self._names[toxic.fault] = self._names.get(toxic.fault, NOBODY) | {toxic.name}
        self.fault_of = {toxic.name: toxic.fault for toxic in self.toxics}
        requests = plan.requests.get(f"{hop}/{upstream}") or plan.requests.get(hop, ())
        self.reads_requests = bool(requests and self.toxics)
        self._reader = Reader(requests, upstream if is_to_mock else None, numbers)
        self._counts: dict[tuple[Operation, str], int] = {}

    def connection(self, n: int) -> Exchange:
        if not self.reads_requests:
            self.rate.count(self.clock.t())
        return _OfConnection(self, self._decided(_UNKNOWN, f"c{n}", 1), self.clock.t())

    def request(self, connection: int, n: int, head: Head) -> Exchange:
        t = self.clock.t()
        self.rate.count(t)
        subject = self._reader.read(head) or _UNKNOWN
        if subject.keyed_by == BY_CONNECTION:
            key, attempt = f"c{connection}.{n}", 1
        else:
            key = subject.key
            attempt = self._counts[subject.operation, key] = self._counts.get((subject.operation, key), 0) + 1
        return _OfRequest(self, self._decided(subject, key, attempt), t)

    def _decided(self, subject: Subject, key: str, attempt: int) -> Decided:
        return Decided(self.hop, subject.operation, key, attempt, self.upstream, subject.keyed_by)

    def struck(self, decided: Decided, t: int) -> frozenset[str]:
        """The toxics that are for it at t."""
        strikes = self.decider.verdict(decided, t).strikes
        if not strikes:
            return NOBODY
        return NOBODY.union(*(self._names.get(strike.fault_id, NOBODY) for strike in strikes))

    def note(self, decided: Decided, fault: str, changed: str) -> None:
        """Journals that the fault truly changed the exchange."""
        self._append(
            Struck(
                t=self.clock.t(),
                o=None if decided.keyed_by == BY_CONNECTION else decided.order_key,
                fault=fault,
                hop=decided.hashed_hop,
                operation=decided.operation,
                attempt=decided.attempt,
                changed=changed,
                keyed_by=decided.keyed_by,
            )
        )

    def note_down(self, fault: str, n: int, changed: str) -> None:
        """Journals that the fault took the hop away for the n-th time."""
        self.note(self._decided(_UNKNOWN, "", n), fault, changed)


class _OfRequest:
    """One request and its answer, decided about when it came."""

    __slots__ = ("_decided", "_judge", "_noted", "_struck")

    def __init__(self, judge: ByPlan, decided: Decided, t: int) -> None:
        self._judge, self._decided, self._struck = judge, decided, judge.struck(decided, t)
        self._noted: tuple[str, ...] = ()

    @property
    def struck(self) -> frozenset[str]:
        found, judge = self._struck, self._judge
        return found if not found or judge.decider.is_live(judge.clock.t()) else NOBODY

    @property
    def rate(self) -> float:
        return self._judge.rate.per_s(self._judge.clock.t())

    def draw(self, toxic: str, n: int) -> float:
        of = self._decided
        hop, operation = of.hashed_hop, of.operation
        return draw(self._judge.seed, "wire", toxic, of.order_key, hop, operation, of.attempt, n)

    def changed(self, toxic: str, words: str, size: int) -> None:
        fault = self._judge.fault_of[toxic]
        if fault not in self._noted:
            self._noted += (fault,)
            self._judge.note(self._decided, fault, f"{words}, {size} bytes" if size else words)

    def end(self) -> None:
        """Nothing is kept of it."""


class _OfConnection(_OfRequest):
    """A whole connection. It may outlive phases and windows, so that what strikes it changes while it lasts."""

    __slots__ = ("_again_t",)

    def __init__(self, judge: ByPlan, decided: Decided, t: int) -> None:
        super().__init__(judge, decided, t)
        self._again_t = t + AGAIN_NS

    @property
    def struck(self) -> frozenset[str]:
        t = self._judge.clock.t()
        if t >= self._again_t:
            self._struck = self._judge.struck(self._decided, t)
            self._again_t = t + AGAIN_NS
        return super().struck
