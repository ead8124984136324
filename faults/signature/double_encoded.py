"""sig.double_encoded: values arrive url-encoded twice."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import OtherRule, Variant
from ledger.events import REFUSE
from plan.faults import Label

WHERE = {
    "epay": Part.REQUESTS | Part.NOTICES,
    "epay_v2": Part.REQUESTS | Part.NOTICES,
    "vmq": Part.NOTICES,
    "alipay": Part.NOTICES,
}
FAULT = Fault(
    name="sig.double_encoded",
    label=Label("encoded twice", "参数被重复编码"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: OtherRule(Variant.DOUBLE_ENCODED),
    cause=Cause.SIGNATURE,
    imitates=(
        "a proxy or framework that encodes what was encoded: values arrive as %25xx, and the signature does not fit"
    ),
    source="signature failure modes of the protocols: Epay and Alipay notices, the query encoded twice",
    must=REFUSE,
)
