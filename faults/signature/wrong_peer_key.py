"""sig.wrong_peer_key: an answer or notice arrives signed with a key the shop does not know."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import SignAs, Variant
from ledger.events import REFUSE
from plan.faults import Label

WHERE = {
    "epay": Part.NOTICES,
    "epay_v2": Part.TOLD,
    "vmq": Part.NOTICES,
    "alipay": Part.TOLD,
    "wechat": Part.TOLD,
    "fulu": Part.TOLD,
    "topup": Part.NOTICES,
    "fazer": Part.NOTICES,
}
FAULT = Fault(
    name="sig.wrong_peer_key",
    label=Label("answers and notices with a wrong signature", "响应或通知签名错误"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: SignAs(Variant.WRONG_KEY),
    cause=Cause.SIGNATURE,
    imitates="a key changed in the shop and not yet at the channel, or a forged notice: a shop must not deliver on it",
    source="signature failure modes of the protocols: answer or notice signed with the wrong platform key",
    must=REFUSE,
)
