"""sig.odd_extra_field: an answer or notice has one more field, signed with the rest."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import SignAs, Variant
from ledger.events import ACCEPT
from plan.faults import Label

WHERE = {
    "epay": Part.NOTICES,
    "epay_v2": Part.TOLD,
    "alipay": Part.TOLD,
    "wechat": Part.TOLD,
    "fulu": Part.TOLD,
    "topup": Part.NOTICES,
    "fazer": Part.NOTICES,
}
FAULT = Fault(
    name="sig.odd_extra_field",
    label=Label("one more field, signed", "多一个已签名字段（有效）"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: SignAs(Variant.EXTRA_FIELD),
    cause=Cause.SIGNATURE,
    imitates="a field that a newer version adds: whoever signs only the fields he knows refuses a good notice",
    source=(
        "signature failure modes of the protocols: the twin of partial_cover: an unknown field must be "
        "signed over and ignored"
    ),
    twin="sig.partial_cover",
    must=ACCEPT,
)
