"""sig.urlencoded: the upstream signs and checks url-encoded values."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import OtherRule, Variant
from ledger.events import REFUSE
from plan.faults import Label

WHERE = {
    "epay": Part.REQUESTS | Part.NOTICES,
    "epay_v2": Part.ALL,
    "vmq": Part.REQUESTS | Part.NOTICES,
    "sharedstore": Part.REQUESTS,
}
FAULT = Fault(
    name="sig.urlencoded",
    label=Label("url-encoded values signed", "对编码后的值签名"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: OtherRule(Variant.URLENCODED),
    cause=Cause.SIGNATURE,
    imitates="a client that signs what it sends, not what it means: fails on spaces, Chinese and addresses",
    source=(
        "signature failure modes of the protocols: an Epay V2 client in TypeScript, and one of two published "
        "rules of one gateway"
    ),
    must=REFUSE,
)
