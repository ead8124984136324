"""notice_late: the notice leaves later than it should."""

import msgspec

from faults.catalog import NOTICES, Cause, Fault
from faults.verdict import Delay
from ledger.states import Operation
from plan.faults import Label
from plan.units import WireTime


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`by`: wire time that the struck attempt is held back."""

    by: WireTime


FAULT = Fault(
    name="notice_late",
    label=Label("notices late", "通知延迟"),
    hops=NOTICES,
    operations=(Operation.NOTICE,),
    params=Params,
    effect=lambda p: Delay(p.by),
    cause=Cause.LOST_NOTICE,
    imitates="a channel whose queue of callbacks is behind: the browser gives up before the notice comes",
    source="dujiaoka issue 194: page stops polling before the notice; goods appear later",
)
