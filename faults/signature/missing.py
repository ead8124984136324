"""sig.missing: the signature does not arrive."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import OtherRule, Variant
from ledger.events import REFUSE
from plan.faults import Label

WHERE = {
    "epay": Part.REQUESTS | Part.NOTICES,
    "epay_v2": Part.ALL,
    "vmq": Part.REQUESTS | Part.NOTICES,
    "alipay": Part.ALL,
    "wechat": Part.ALL,
    "sharedstore": Part.REQUESTS,
    "fulu": Part.ALL,
    "kakayun": Part.REQUESTS,
    "topup": Part.REQUESTS | Part.NOTICES,
    "fazer": Part.REQUESTS | Part.NOTICES,
    "command_queue": Part.REQUESTS,
}
FAULT = Fault(
    name="sig.missing",
    label=Label("signatures missing", "签名缺失"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: OtherRule(Variant.MISSING),
    cause=Cause.SIGNATURE,
    imitates="a field or header lost on the way: requests are refused, and no shop may deliver on an unsigned notice",
    source="signature failure modes of the protocols: no sign, no header; must be refused",
    must=REFUSE,
)
