"""ver.refund_fee: the sum of all refunds is told as that of this one."""

from faults.catalog import Cause, Fault, NoParams, Part, hops_of
from faults.verdict import CountOtherwise
from ledger.states import Operation
from plan.faults import Label

WHERE = {"alipay": Part.ANSWERS}
FAULT = Fault(
    name="ver.refund_fee",
    label=Label("refunds not summed up", "版本不符：退款金额口径"),
    hops=hops_of(WHERE),
    operations=(Operation.REFUND,),
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: CountOtherwise(),
    cause=Cause.VERSION,
    imitates="a channel that tells what this refund gave back, where all of them belong: seen in the second one",
    source="outcome-unknown modes of the protocols: refund_fee cumulative (Alipay) against single (its like)",
)
