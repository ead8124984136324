"""sig.plus_space: plus signs arrive as spaces."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import OtherRule, Variant
from ledger.events import REFUSE
from plan.faults import Label

WHERE = {
    "epay": Part.REQUESTS | Part.NOTICES,
    "epay_v2": Part.REQUESTS | Part.NOTICES,
    "alipay": Part.REQUESTS | Part.NOTICES,
    "sharedstore": Part.REQUESTS,
}
FAULT = Fault(
    name="sig.plus_space",
    label=Label("plus signs become spaces", "加号变空格"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: OtherRule(Variant.PLUS_SPACE),
    cause=Cause.SIGNATURE,
    imitates=(
        "a base64 signature that was not encoded in a query: it fails in every second order or so, whenever "
        "it holds a +"
    ),
    source=(
        "signature failure modes of the protocols: base64 signatures in the query of Alipay and Epay V2; "
        "keys with + at acg-faka"
    ),
    must=REFUSE,
)
