"""maintenance: the upstream is closed for maintenance."""

from faults.catalog import Cause, Fault, NoParams
from faults.verdict import Goods, Outcome
from ledger.states import Hop, Operation
from plan.faults import Label

FAULT = Fault(
    name="maintenance",
    label=Label("upstream in maintenance", "上游维护中"),
    hops=(Hop.SHOP_SUPPLIER, Hop.SHOP_GAME),
    operations=(Operation.BUY,),
    params=NoParams,
    effect=lambda p: Goods(Outcome.MAINTENANCE),
    cause=Cause.GAME_REFUSED,
    imitates="a game server's weekly maintenance: orders are refused at once, and work again later",
    source="stalls seen in real shops: game server in maintenance; failed, refund due",
)
