"""sig.nonce_replay: the very same notice comes again later, byte for byte: its signature, its nonce, its time."""

import msgspec

from faults.catalog import Cause, Fault, Part, hops_of
from faults.verdict import Repeat
from ledger.states import Operation
from plan.faults import Label
from plan.units import WireTime, by_default

WHERE = {
    "epay": Part.NOTICES,
    "epay_v2": Part.NOTICES,
    "vmq": Part.NOTICES,
    "alipay": Part.NOTICES,
    "wechat": Part.NOTICES,
    "topup": Part.NOTICES,
    "fazer": Part.NOTICES,
}


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`after`: wire time after which the copy follows."""

    after: WireTime = by_default(WireTime(10.0))

    def __post_init__(self) -> None:
        if not 0 < self.after <= 600:
            raise ValueError(f"after must be above 0 s and at most 10 min (given: {self.after.text()})")


FAULT = Fault(
    name="sig.nonce_replay",
    label=Label("notices replayed", "通知重放"),
    hops=hops_of(WHERE),
    operations=(Operation.NOTICE,),
    dialects=WHERE,
    params=Params,
    effect=lambda p: Repeat(1, p.after),
    cause=Cause.REPEATED_NOTICE,
    imitates="a recorded notice that somebody sends again: rightly signed, and no SDK remembers having seen it",
    source="signature failure modes of the protocols: the SDKs accept a replay, so the shop must be idempotent",
)
