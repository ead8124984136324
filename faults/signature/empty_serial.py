"""sig.empty_serial: answers and notices name no serial number."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import SignAs, Variant
from ledger.events import REFUSE
from plan.faults import Label

WHERE = {
    "wechat": Part.TOLD,
}
FAULT = Fault(
    name="sig.empty_serial",
    label=Label("serial number empty", "证书序列号为空"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: SignAs(Variant.EMPTY_SERIAL),
    cause=Cause.SIGNATURE,
    imitates="a proxy that empties the header: a shop whose SDK crashes on it answers 500 and is told again",
    source="signature failure modes of the protocols: wechatpayv3 raises ValueError on an empty serial",
    must=REFUSE,
)
