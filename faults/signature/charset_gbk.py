"""sig.charset_gbk: the upstream signs and checks the texts as GBK."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import OtherRule, Variant
from ledger.events import REFUSE
from plan.faults import Label

WHERE = {
    "epay": Part.REQUESTS | Part.NOTICES,
    "vmq": Part.REQUESTS | Part.NOTICES,
    "alipay": Part.ALL,
    "sharedstore": Part.REQUESTS,
    "fulu": Part.ALL,
    "kakayun": Part.REQUESTS,
    "topup": Part.REQUESTS | Part.NOTICES,
}
FAULT = Fault(
    name="sig.charset_gbk",
    label=Label("signed in GBK", "签名编码为 GBK"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: OtherRule(Variant.CHARSET_GBK),
    cause=Cause.SIGNATURE,
    imitates="GBK under a declared UTF-8: fails only where a name is not ASCII, so it works in tests and fails live",
    source="signature failure modes of the protocols: Alipay, Epay and Fulu gateways that sign in GBK",
    must=REFUSE,
)
