"""notice_lost: the notice never arrives; its sender only sees that nobody answered."""

from faults.catalog import NOTICES, Cause, Fault, NoParams
from faults.verdict import Lose
from ledger.states import Operation
from plan.faults import Label

FAULT = Fault(
    name="notice_lost",
    label=Label("notices lost", "通知丢失"),
    hops=NOTICES,
    operations=(Operation.NOTICE,),
    params=NoParams,
    effect=lambda p: Lose(),
    cause=Cause.LOST_NOTICE,
    imitates="a callback blocked on its way: firewall, wrong address, a network between channel and shop",
    source="dujiaoka issues 330 and 30, sub2api issue 2569, vmqphp issue 74: unpaid for ever though paid",
)
