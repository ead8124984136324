"""sig.partial_cover: a field is changed that the signature does not cover."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import SignAs, Variant
from plan.faults import Label

WHERE = {
    "wechat": Part.NOTICES,
    "fazer": Part.NOTICES,
}
FAULT = Fault(
    name="sig.partial_cover",
    label=Label("changed outside the signature", "签名未覆盖字段被改"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: SignAs(Variant.PARTIAL_COVER),
    cause=Cause.SIGNATURE,
    imitates=(
        "a label in front of the signed or encrypted part that says something else: the SDK accepts, the "
        "shop must go by what is inside"
    ),
    source="signature failure modes of the protocols: event_type of WeChat's callback; headers of webhooks",
    twin="sig.odd_extra_field",
)
