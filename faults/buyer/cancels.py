"""cancels: the buyer cancels before, while or after he pays."""

from typing import Literal

import msgspec

from faults.catalog import Cause, Fault
from faults.verdict import Cancel
from ledger.states import Hop, Operation
from plan.faults import Label
from plan.units import BusinessTime, by_default


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`when`: before he would pay, at the same moment, or `after` (business time) he has paid."""

    when: Literal["before", "during", "after"] = "before"
    after: BusinessTime = by_default(BusinessTime(5.0))

    def __post_init__(self) -> None:
        if self.after > 86_400:
            raise ValueError(f"after must be at most 1 d (given: {self.after.text()})")


FAULT = Fault(
    name="cancels",
    label=Label("cancelled by the buyer", "买家取消"),
    hops=(Hop.BUYER_SHOP,),
    operations=(Operation.CANCEL,),
    params=Params,
    effect=lambda p: Cancel(p.when, p.after),
    lengthens=lambda p: float(p.after) if p.when == "after" else 0.0,
    layer="buyer",
    needs="cancel",
    cause=Cause.LATE_PAYMENT,
    imitates="a cancellation that crosses a payment: paid and cancelled at once, somebody has to give the money back",
    source="stalls seen in real shops: notice after expiry or cancellation; dujiao-next issue 108",
)
