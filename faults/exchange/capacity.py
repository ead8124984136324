"""capacity: a finite upstream: so many requests at once, a queue with an end, and refusals beyond."""

import msgspec

from faults.catalog import TO_MOCKS, Cause, Fault
from faults.verdict import Capacity
from plan.faults import Label
from plan.units import WireTime


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`at_once` requests are worked on, each for `takes` of wire time; `queue` more wait; the rest get `status`.

    All requests of one upstream share its capacity. Its highest rate is at_once / takes.
    """

    at_once: int
    takes: WireTime
    queue: int = 0
    status: int = 503

    def __post_init__(self) -> None:
        if not 1 <= self.at_once <= 10_000 or not 0 <= self.queue <= 100_000:
            raise ValueError(f"legal: at_once 1..10000 and queue 0..100000 (given: {self.at_once}, {self.queue})")
        if not 0 < self.takes <= 600:
            raise ValueError(f"takes must be above 0 s and at most 10 min (given: {self.takes.text()})")
        if not 400 <= self.status <= 599:
            raise ValueError(f"status must be 400..599 (given: {self.status})")


FAULT = Fault(
    name="capacity",
    label=Label("a finite upstream", "上游容量有限"),
    hops=TO_MOCKS,
    params=Params,
    effect=lambda p: Capacity(p.at_once, p.queue, p.takes, p.status),
    by_exposure=True,
    cause=Cause.OVERLOAD,
    imitates="an upstream with so many workers: beyond them requests wait in line, beyond the line they are shed",
    source="family 6 of the causes: finite capacity at upstreams, no queue, orders wait in line",
)
