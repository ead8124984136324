"""slow: the upstream does its work and answers late."""

import msgspec

from faults.catalog import Cause, Fault
from faults.verdict import Delay
from ledger.states import Hop
from plan.faults import Label


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`ms` wire milliseconds are added to every struck answer."""

    ms: float

    def __post_init__(self) -> None:
        if not 0 < self.ms <= 600_000:
            raise ValueError(f"ms must be above 0 and at most 600000 (given: {self.ms})")


FAULT = Fault(
    name="slow",
    label=Label("slow answers", "响应变慢"),
    hops=(Hop.SHOP_PAYMENT, Hop.BUYER_PAYMENT),
    params=Params,
    effect=lambda p: Delay(p.ms / 1000),
    cause=Cause.TIMEOUT,
    imitates="an upstream that is overloaded or far away: its work is done at once, its answer comes late",
    source="stalls seen in real shops: 0.5-5 s of latency held inside a lock froze one product, then the shop",
)
