"""sig.key_tail: the key is joined to the signed text in another way."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import OtherRule, Variant
from ledger.events import REFUSE
from plan.faults import Label

WHERE = {
    "epay": Part.REQUESTS | Part.NOTICES,
    "sharedstore": Part.REQUESTS,
    "kakayun": Part.REQUESTS,
}
FAULT = Fault(
    name="sig.key_tail",
    label=Label("key joined otherwise", "密钥拼接方式不符"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: OtherRule(Variant.KEY_TAIL),
    cause=Cause.SIGNATURE,
    imitates="`&key=KEY`, the bare key, or the key in front: each family of gateways has its own, and they look alike",
    source="signature failure modes of the protocols: Epay variants, acg-faka, 卡卡云, 飞速源, 星权益",
    must=REFUSE,
)
