"""worker_stop: the shop's workers are stopped (SIGSTOP) while the window lasts."""

from faults.catalog import Cause, Fault, NoParams
from faults.verdict import Pause
from ledger.states import Hop, Operation
from plan.faults import Label

FAULT = Fault(
    name="worker_stop",
    label=Label("workers stopped", "后台任务停止"),
    hops=(Hop.SHOP,),
    operations=(Operation.HOUSE,),
    params=NoParams,
    effect=lambda p: Pause("worker"),
    layer="house",
    by_exposure=True,
    needs="worker",
    cause=Cause.CRASH,
    imitates="a queue that nobody works on: the shop takes orders and money, and delivers nothing",
    source="stalls seen in real shops: worker, cache or scheduler down, pending for ever; dujiaoka issues 198 and 218",
)
