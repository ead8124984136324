"""sig.type_confusion: the signature is of another algorithm than the one that is named."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import OtherRule, Variant
from ledger.events import REFUSE
from plan.faults import Label

WHERE = {
    "epay": Part.REQUESTS | Part.NOTICES,
    "epay_v2": Part.ALL,
    "alipay": Part.ALL,
    "wechat": Part.ALL,
}
FAULT = Fault(
    name="sig.type_confusion",
    label=Label("signed by another algorithm than named", "签名算法与声明不符"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: OtherRule(Variant.TYPE_CONFUSION),
    cause=Cause.SIGNATURE,
    imitates=(
        "RSA for RSA2, MD5 for RSA, SM2 for RSA: strict readers refuse, weak ones skip the check of a type "
        "they do not know"
    ),
    source=(
        "signature failure modes of the protocols: python-alipay-sdk and epay-sdk raise, weak receivers skip "
        "the check; WeChat's SM2"
    ),
    must=REFUSE,
)
