"""sold_out: the upstream has none left, although it was paid for."""

from faults.catalog import Cause, Fault, NoParams
from faults.verdict import Goods, Outcome
from ledger.states import Hop, Operation
from plan.faults import Label

FAULT = Fault(
    name="sold_out",
    label=Label("sold out after payment", "付款后售罄"),
    hops=(Hop.SHOP_SUPPLIER,),
    operations=(Operation.BUY,),
    params=NoParams,
    effect=lambda p: Goods(Outcome.SOLD_OUT),
    cause=Cause.SOLD_OUT,
    imitates="stock that went between order and purchase: the buyer has paid and there is nothing to deliver",
    source="stalls seen in real shops: completed, the goods text is an apology; acg-faka issue 940",
)
