"""sig.gcm_bad_tag: what is encrypted has a broken tag."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import SignAs, Variant
from ledger.events import REFUSE
from ledger.states import Operation
from plan.faults import Label

WHERE = {
    "wechat": Part.TOLD,
}
FAULT = Fault(
    name="sig.gcm_bad_tag",
    label=Label("ciphertext broken", "密文校验失败"),
    hops=hops_of(WHERE),
    operations=(*SIGNED, Operation.CERTIFICATES),
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: SignAs(Variant.GCM_BAD_TAG),
    cause=Cause.SIGNATURE,
    imitates=(
        "a ciphertext damaged on the way and signed as it is: it cannot be opened, and nothing may be "
        "guessed from outside"
    ),
    source="signature failure modes of the protocols: AES-GCM of WeChat's notices; wechatpayv3 returns None",
    must=REFUSE,
)
