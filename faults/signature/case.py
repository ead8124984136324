"""sig.case: the upstream signs in upper-case hex, and takes no other."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import OtherRule, Variant
from ledger.events import REFUSE
from plan.faults import Label

WHERE = {
    "epay": Part.REQUESTS | Part.NOTICES,
    "vmq": Part.REQUESTS | Part.NOTICES,
    "sharedstore": Part.REQUESTS,
    "kakayun": Part.REQUESTS,
    "topup": Part.REQUESTS | Part.NOTICES,
}
FAULT = Fault(
    name="sig.case",
    label=Label("signatures in upper case", "签名大小写不符"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: OtherRule(Variant.CASE),
    cause=Cause.SIGNATURE,
    imitates="a server that compares letter by letter with upper-case hex: a strict reader sees a wrong signature",
    source="signature failure modes of the protocols: upper against lower hex, Epay variants",
    must=REFUSE,
)
