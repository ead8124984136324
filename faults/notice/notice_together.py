"""notice_together: the first notices of several orders of one product arrive at the same moment."""

import msgspec

from faults.catalog import NOTICES, Cause, Fault
from faults.verdict import Together
from ledger.states import Operation
from plan.faults import Label
from plan.units import WireTime, by_default


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """First notices are held until `n` of one product are there, or `within` (wire time) has passed since the first."""

    n: int = 2
    within: WireTime = by_default(WireTime(2.0))

    def __post_init__(self) -> None:
        if not 2 <= self.n <= 1000:
            raise ValueError(f"n must be 2..1000 (given: {self.n})")
        if not 0 < self.within <= 600:
            raise ValueError(f"within must be above 0 s and at most 10 min (given: {self.within.text()})")


FAULT = Fault(
    name="notice_together",
    label=Label("notices at the same moment", "通知同时到达"),
    hops=NOTICES,
    operations=(Operation.NOTICE,),
    params=Params,
    effect=lambda p: Together(p.n, p.within),
    by_exposure=True,
    cause=Cause.SIMULTANEOUS,
    imitates="a channel that sends its callbacks in batches: notices for one product meet inside the shop",
    source="stalls seen in real shops: two notices at once deadlock, from 2 buyers on; PAYONE-GmbH/magento-1 issue 119",
)
