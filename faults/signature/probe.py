"""sig.probe: a probe stands where the signature belongs."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import SignAs, Variant
from ledger.events import REFUSE
from plan.faults import Label

WHERE = {
    "wechat": Part.TOLD,
}
FAULT = Fault(
    name="sig.probe",
    label=Label("probe in place of a signature", "验签探测流量"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: SignAs(Variant.PROBE),
    cause=Cause.SIGNATURE,
    imitates="the platform's own test whether a receiver verifies at all: who answers 200 to it is found out",
    source="signature failure modes of the protocols: signatures that begin with WECHATPAY/SIGNTEST/",
    must=REFUSE,
)
