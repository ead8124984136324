"""business_error: the upstream refuses because the shop's balance is used up."""

from faults.catalog import Cause, Fault, NoParams
from faults.verdict import Goods, Outcome
from ledger.states import Hop, Operation
from plan.faults import Label

FAULT = Fault(
    name="business_error",
    label=Label("out of balance at the upstream", "上游余额不足"),
    hops=(Hop.SHOP_SUPPLIER, Hop.SHOP_GAME),
    operations=(Operation.BUY,),
    params=NoParams,
    effect=lambda p: Goods(Outcome.BALANCE),
    cause=Cause.SUPPLIER_REFUSED,
    imitates="a prepaid account that ran dry at the peak: every purchase fails until somebody tops it up",
    source="stalls seen in real shops: supplier out of balance while the notice is handled; acg-faka issue 810",
)
