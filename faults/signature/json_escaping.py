"""sig.json_escaping: the signed JSON escapes slashes or letters otherwise than the sent one."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import OtherRule, Variant
from ledger.events import REFUSE
from plan.faults import Label

WHERE = {
    "alipay": Part.ANSWERS,
    "fulu": Part.REQUESTS | Part.NOTICES,
}
FAULT = Fault(
    name="sig.json_escaping",
    label=Label("signed with other JSON escapes", "签名与报文的 JSON 转义不符"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: OtherRule(Variant.JSON_ESCAPING),
    cause=Cause.SIGNATURE,
    imitates=(
        "another serializer behind the signature: it fails only for names with slashes, quotes, or letters beyond ASCII"
    ),
    source=(
        "signature failure modes of the protocols: Fulu signs the characters of its JSON, so every escape "
        "counts; Alipay answers written anew after signing"
    ),
    twin="sig.odd_escaped",
    must=REFUSE,
)
