"""partial_goods: the upstream gives fewer than were bought."""

from faults.catalog import Cause, Fault, NoParams
from faults.verdict import Goods, Outcome
from ledger.states import Hop, Operation
from plan.faults import Label

FAULT = Fault(
    name="partial_goods",
    label=Label("fewer goods than bought", "少发货"),
    hops=(Hop.SHOP_SUPPLIER,),
    operations=(Operation.BUY,),
    params=NoParams,
    effect=lambda p: Goods(Outcome.PARTIAL),
    cause=Cause.EMPTY_GOODS,
    imitates="n - 1 cards for n: the answer says success",
    source="outcome-unknown modes of the protocols: partial delivery, n - 1 cards",
)
