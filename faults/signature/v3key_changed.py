"""sig.v3key_changed: what is encrypted for the merchant is encrypted with another key."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import SignAs, Variant
from ledger.events import REFUSE
from ledger.states import Operation
from plan.faults import Label

WHERE = {
    "wechat": Part.TOLD,
}
FAULT = Fault(
    name="sig.v3key_changed",
    label=Label("encrypted with another key", "APIv3 密钥不符"),
    hops=hops_of(WHERE),
    operations=(*SIGNED, Operation.CERTIFICATES),
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: SignAs(Variant.V3KEY_CHANGED),
    cause=Cause.SIGNATURE,
    imitates=(
        "an APIv3 key changed on the platform's page and not in the shop: notices and certificates cannot be opened"
    ),
    source=(
        "signature failure modes of the protocols: wechatpayv3 finds no platform certificate in its "
        "constructor, and None in notices"
    ),
    must=REFUSE,
)
