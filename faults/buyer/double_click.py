"""double_click: the buyer sends his order more than once."""

import msgspec

from faults.catalog import Cause, Fault
from faults.verdict import DoubleClick
from ledger.states import Hop, Operation
from plan.faults import Label
from plan.units import WireTime, by_default


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`more` times the same order is sent again, `gap` of wire time apart (0 s: at the same moment)."""

    more: int = 1
    gap: WireTime = by_default(WireTime(0.15))

    def __post_init__(self) -> None:
        if not 1 <= self.more <= 20:
            raise ValueError(f"more must be 1..20 (given: {self.more})")
        if self.gap > 60:
            raise ValueError(f"gap must be at most 1 min (given: {self.gap.text()})")


FAULT = Fault(
    name="double_click",
    label=Label("order sent twice", "重复提交"),
    hops=(Hop.BUYER_SHOP,),
    operations=(Operation.PLACE,),
    params=Params,
    effect=lambda p: DoubleClick(p.more, p.gap),
    layer="buyer",
    cause=Cause.BUYER,
    imitates="an impatient finger on a button that does not grey out: one wish, several orders",
    source="family 11 of the causes: buyers who double-click",
)
