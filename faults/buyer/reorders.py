"""reorders: the buyer, not served in time, orders and pays the same once more."""

import msgspec

from faults.catalog import Cause, Fault
from faults.verdict import Reorder
from ledger.states import Hop, Operation
from plan.faults import Label
from plan.units import BusinessTime, by_default


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`after`: business time that he waits for his goods once he has paid."""

    after: BusinessTime = by_default(BusinessTime(60.0))

    def __post_init__(self) -> None:
        if not 0 < self.after <= 86_400:
            raise ValueError(f"after must be above 0 s and at most 1 d (given: {self.after.text()})")


FAULT = Fault(
    name="reorders",
    label=Label("ordered once more", "重复下单"),
    hops=(Hop.BUYER_SHOP,),
    operations=(Operation.PLACE,),
    params=Params,
    effect=lambda p: Reorder(p.after),
    lengthens=lambda p: float(p.after),
    layer="buyer",
    cause=Cause.BUYER,
    imitates="a buyer who believes that the first order is lost: one intent, paid twice",
    source="family 9 of the causes: no progress for the buyer, who can only wait",
)
