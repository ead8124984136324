"""state_flaps: a query tells a state that was reached as still under way, every so often."""

import msgspec

from faults.catalog import TO_UPSTREAMS, WITH_FIELDS, Cause, Fault
from faults.verdict import FlapState
from ledger.states import Operation
from plan.faults import Label


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`every`: the second query of an order, the fourth and so on, or the third, the sixth …"""

    every: int = 2

    def __post_init__(self) -> None:
        if not 2 <= self.every <= 100:
            raise ValueError(f"every must be 2..100 (given: {self.every})")


FAULT = Fault(
    name="state_flaps",
    label=Label("states flap", "状态来回跳变"),
    hops=TO_UPSTREAMS,
    operations=(Operation.QUERY,),
    dialects=WITH_FIELDS,
    params=Params,
    effect=lambda p: FlapState(),
    attempts=lambda p, n: n % p.every == 0,
    cause=Cause.VERSION,
    imitates="a replica behind its master: success in one query, processing in the next",
    source="outcome-unknown modes of the protocols: a state flaps from success to processing between two polls",
)
