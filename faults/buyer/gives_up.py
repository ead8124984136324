"""gives_up: the buyer orders and leaves without paying."""

from faults.catalog import Cause, Fault, NoParams
from faults.verdict import GiveUp
from ledger.states import Hop, Operation
from plan.faults import Label

FAULT = Fault(
    name="gives_up",
    label=Label("left without paying", "放弃支付"),
    hops=(Hop.BUYER_PAYMENT,),
    operations=(Operation.PAY,),
    params=NoParams,
    effect=lambda p: GiveUp(),
    layer="buyer",
    cause=Cause.BUYER,
    imitates="a buyer who changes his mind at the cashier: nothing may be delivered, and nothing is stuck",
    source="family 11 of the causes: buyers who give up",
)
