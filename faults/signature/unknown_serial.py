"""sig.unknown_serial: answers and notices name a serial number that nobody knows."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import SignAs, Variant
from ledger.events import REFUSE
from plan.faults import Label

WHERE = {
    "wechat": Part.TOLD,
}
FAULT = Fault(
    name="sig.unknown_serial",
    label=Label("serial number unknown", "证书序列号未知"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: SignAs(Variant.UNKNOWN_SERIAL),
    cause=Cause.SIGNATURE,
    imitates="a certificate of another platform, or a forged header: the client finds no such certificate",
    source="signature failure modes of the protocols: wechatpayv3 asks for the certificates again, then returns None",
    must=REFUSE,
)
