"""pays_late: the buyer pays much later than he would."""

import msgspec

from faults.catalog import Cause, Fault
from faults.verdict import PayLate
from ledger.states import Hop, Operation
from plan.faults import Label
from plan.units import BusinessTime, by_default


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`by`: business time that is added to his pay delay."""

    by: BusinessTime = by_default(BusinessTime(900.0))

    def __post_init__(self) -> None:
        if not 0 < self.by <= 86_400:
            raise ValueError(f"by must be above 0 s and at most 1 d (given: {self.by.text()})")


FAULT = Fault(
    name="pays_late",
    label=Label("paid late", "延迟支付"),
    hops=(Hop.BUYER_PAYMENT,),
    operations=(Operation.PAY,),
    params=Params,
    effect=lambda p: PayLate(p.by),
    lengthens=lambda p: float(p.by),
    layer="buyer",
    cause=Cause.LATE_PAYMENT,
    imitates="a buyer who pays when the order has expired: paid, but the page says 已过期",
    source="stalls seen in real shops: notice after expiry or cancellation; sub2api issue 6525",
)
