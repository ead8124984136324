"""sig.odd_skew: answers and notices are signed four minutes off."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import SignAs, Variant
from ledger.events import ACCEPT
from plan.faults import Label

WHERE = {
    "epay_v2": Part.TOLD,
    "wechat": Part.TOLD,
    "topup": Part.NOTICES,
}
FAULT = Fault(
    name="sig.odd_skew",
    label=Label("four minutes off", "时钟偏差 4 分钟（有效）"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: SignAs(Variant.SKEW_4_MIN),
    cause=Cause.SIGNATURE,
    imitates="a server whose clock is off by less than the five minutes that both sides allow",
    source="signature failure modes of the protocols: the twin of clock_skew: 300 s are allowed",
    twin="sig.clock_skew",
    must=ACCEPT,
)
