"""notice_after_refund: the notice of payment comes once more when the money was given back."""

import msgspec

from faults.catalog import Cause, Fault
from faults.verdict import TellAgain
from ledger.states import Hop, Operation
from plan.faults import Label
from plan.units import WireTime, by_default


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`after`: wire time from the refund to the notice."""

    after: WireTime = by_default(WireTime(1.0))

    def __post_init__(self) -> None:
        if not 0 <= self.after <= 600:
            raise ValueError(f"after must be 0 s to 10 min (given: {self.after.text()})")


FAULT = Fault(
    name="notice_after_refund",
    label=Label("told of payment after the refund", "退款后又来支付通知"),
    hops=(Hop.PAYMENT_SHOP,),
    operations=(Operation.NOTICE,),
    params=Params,
    effect=lambda p: TellAgain(p.after),
    cause=Cause.REPEATED_NOTICE,
    imitates="a notice that was stuck in a queue, rightly signed: a shop that does not look at its own books delivers",
    source="outcome-unknown modes of the protocols: a notice for an order that was closed or refunded",
)
