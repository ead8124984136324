"""accept_then_fail: the upstream accepts, and fails later."""

from faults.catalog import Cause, Fault, NoParams
from faults.verdict import Goods, Outcome
from ledger.states import Hop, Operation
from plan.faults import Label

FAULT = Fault(
    name="accept_then_fail",
    label=Label("accepted, then failed", "受理后失败"),
    hops=(Hop.SHOP_SUPPLIER, Hop.SHOP_GAME),
    operations=(Operation.BUY,),
    params=NoParams,
    effect=lambda p: Goods(Outcome.ACCEPT_THEN_FAIL),
    cause=Cause.SUPPLIER_REFUSED,
    imitates="a wrong account or a closed region found out in the work: a refund is due after the page said recharging",
    source="stalls seen in real shops: game server in maintenance, wrong account: accept and fail later",
)
