"""complains: the buyer, not served for long, complains at the channel."""

import msgspec

from faults.catalog import Cause, Fault
from faults.verdict import Complain
from ledger.states import Hop, Operation
from plan.faults import Label
from plan.units import BusinessTime, by_default


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`after`: business time that he waits for his goods once he has paid. A channel takes no complaint before its own
    limit (`complaint_after` of the upstream, a day unless the scenario says otherwise)."""

    after: BusinessTime = by_default(BusinessTime(86_400.0))

    def __post_init__(self) -> None:
        if not 0 < self.after <= 604_800:
            raise ValueError(f"after must be above 0 s and at most 168 h (given: {self.after.text()})")


FAULT = Fault(
    name="complains",
    label=Label("complained at the channel", "向渠道投诉"),
    hops=(Hop.BUYER_PAYMENT,),
    operations=(Operation.COMPLAIN,),
    params=Params,
    effect=lambda p: Complain(p.after),
    lengthens=lambda p: float(p.after),
    layer="buyer",
    cause=Cause.BUYER,
    imitates="a complaint about an order that nobody delivered: unless the shop pays back, the channel does, by force",
    source="docs/protocols/disputes.md: complaints at WeChat Pay and Alipay, the limits of both",
)
