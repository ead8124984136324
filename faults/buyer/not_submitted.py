"""not_submitted: the payment request never reaches the channel; the buyer believes that he has paid."""

from faults.catalog import Cause, Fault, NoParams
from faults.verdict import NotSubmitted
from ledger.states import Hop, Operation
from plan.faults import Label

FAULT = Fault(
    name="not_submitted",
    label=Label("payment never submitted", "支付请求未到达"),
    hops=(Hop.BUYER_PAYMENT,),
    operations=(Operation.PAY,),
    params=NoParams,
    effect=lambda p: NotSubmitted(),
    layer="buyer",
    cause=Cause.BUYER,
    imitates="a payment page that spins and says nothing: no money was taken, the order only looks stuck",
    source="family 11 of the causes: payment request never reached the platform",
)
