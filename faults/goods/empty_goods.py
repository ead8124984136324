"""empty_goods: the upstream says that it has sold, and gives nothing."""

from faults.catalog import Cause, Fault, NoParams
from faults.verdict import Goods, Outcome
from ledger.states import Hop, Operation
from plan.faults import Label

FAULT = Fault(
    name="empty_goods",
    label=Label("delivered without goods", "发货内容为空"),
    hops=(Hop.SHOP_SUPPLIER,),
    operations=(Operation.BUY,),
    params=NoParams,
    effect=lambda p: Goods(Outcome.EMPTY),
    cause=Cause.EMPTY_GOODS,
    imitates="an empty text in place of the cards: a shop that does not look at it calls the order delivered",
    source="shared store: an empty secret still counts as delivered",
)
