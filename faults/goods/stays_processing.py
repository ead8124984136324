"""stays_processing: the upstream accepts and never comes to an end."""

from faults.catalog import Cause, Fault, NoParams
from faults.verdict import Goods, Outcome
from ledger.states import Hop, Operation
from plan.faults import Label

FAULT = Fault(
    name="stays_processing",
    label=Label("stays in processing", "一直处理中"),
    hops=(Hop.SHOP_SUPPLIER, Hop.SHOP_GAME),
    operations=(Operation.BUY,),
    params=NoParams,
    effect=lambda p: Goods(Outcome.STAYS_PROCESSING),
    cause=Cause.SUPPLIER_REFUSED,
    imitates="a job lost behind the counter: every query says processing, no notice comes",
    source="stalls seen in real shops: no active query, recharging for ever; sub2api issue 6579",
)
