"""job_lost: queued jobs vanish before a worker has taken them."""

import msgspec

from faults.catalog import Cause, Fault
from faults.verdict import LoseJobs
from ledger.states import Hop, Operation
from plan.faults import Label
from plan.units import WireTime, by_default


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The workers are stopped until `jobs` wait, or `within` (wire time) is over; so many are taken out."""

    jobs: int = 5
    within: WireTime = by_default(WireTime(5.0))

    def __post_init__(self) -> None:
        if not 1 <= self.jobs <= 10_000:
            raise ValueError(f"jobs must be 1..10000 (given: {self.jobs})")
        if not 0 < self.within <= 600:
            raise ValueError(f"within must be above 0 s and at most 10 min (given: {self.within.text()})")


FAULT = Fault(
    name="job_lost",
    label=Label("queued jobs lost", "队列任务丢失"),
    hops=(Hop.SHOP,),
    operations=(Operation.HOUSE,),
    params=Params,
    effect=lambda p: LoseJobs(p.jobs, p.within),
    layer="house",
    by_exposure=True,
    needs="queue",
    cause=Cause.CRASH,
    imitates="a broker without persistence, or a popped job whose worker died: nothing will ever work on the order",
    source="stalls seen in real shops: pause the broker, lose a popped job",
)
