"""sig.empty_kept: the upstream signs and checks empty fields too."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import OtherRule, Variant
from ledger.events import REFUSE
from plan.faults import Label

WHERE = {
    "epay": Part.REQUESTS | Part.NOTICES,
    "epay_v2": Part.ALL,
    "alipay": Part.REQUESTS,
    "sharedstore": Part.REQUESTS,
    "kakayun": Part.REQUESTS,
}
FAULT = Fault(
    name="sig.empty_kept",
    label=Label("empty fields signed", "空字段参与签名"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: OtherRule(Variant.EMPTY_KEPT),
    cause=Cause.SIGNATURE,
    imitates="a library that keeps empty values: fails only in the orders where an optional field is empty",
    source="signature failure modes of the protocols: python-alipay-sdk keeps them, most others drop them",
    must=REFUSE,
)
