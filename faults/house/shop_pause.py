"""shop_pause: the shop's web process is stopped (SIGSTOP) while the window lasts."""

from faults.catalog import Cause, Fault, NoParams
from faults.verdict import Pause
from ledger.states import Hop, Operation
from plan.faults import Label

FAULT = Fault(
    name="shop_pause",
    label=Label("shop paused", "商店进程暂停"),
    hops=(Hop.SHOP,),
    operations=(Operation.HOUSE,),
    params=NoParams,
    effect=lambda p: Pause("web"),
    layer="house",
    by_exposure=True,
    needs="web",
    cause=Cause.CRASH,
    imitates="a frozen machine or a swap storm: connections stay open and nobody answers",
    source="stalls seen in real shops: kill or pause the shop 0-50 ms after the acknowledgement",
)
