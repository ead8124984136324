"""notice_repeat: the same notice arrives more than once."""

import msgspec

from faults.catalog import NOTICES, Cause, Fault
from faults.verdict import Repeat
from ledger.states import Operation
from plan.faults import Label
from plan.units import WireTime, by_default


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`copies` more of the struck attempt, `gap` of wire time apart (0 s: at the same moment)."""

    copies: int = 1
    gap: WireTime = by_default(WireTime(0.0))

    def __post_init__(self) -> None:
        if not 1 <= self.copies <= 100:
            raise ValueError(f"copies must be 1..100 (given: {self.copies})")


FAULT = Fault(
    name="notice_repeat",
    label=Label("notices repeated", "通知重复"),
    hops=NOTICES,
    operations=(Operation.NOTICE,),
    params=Params,
    effect=lambda p: Repeat(p.copies, p.gap),
    cause=Cause.REPEATED_NOTICE,
    imitates="a channel that sends a notice twice, also at once and also after it was acknowledged",
    source="stalls seen in real shops: two cards for one order, 23 of 40; dujiaoka issues 97 and 328",
)
