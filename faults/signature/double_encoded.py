"""sig.double_encoded: the values of a notice arrive url-encoded twice."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import SignAs, Variant
from ledger.events import REFUSE
from plan.faults import Label

WHERE = {
    "epay": Part.NOTICES,
    "alipay": Part.NOTICES,
}
FAULT = Fault(
    name="sig.double_encoded",
    label=Label("notices encoded twice", "通知被重复编码"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: SignAs(Variant.DOUBLE_ENCODED),
    cause=Cause.SIGNATURE,
    imitates=(
        "a proxy or framework that encodes what was encoded: values arrive as %25xx, and the signature does not fit"
    ),
    source="signature failure modes of the protocols: Epay and Alipay notices, the query encoded twice",
    must=REFUSE,
)
