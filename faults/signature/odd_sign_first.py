"""sig.odd_sign_first: the signature stands in front of what it signs."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import SignAs, Variant
from plan.faults import Label

WHERE = {
    "alipay": Part.ANSWERS,
}
FAULT = Fault(
    name="sig.odd_sign_first",
    label=Label("signature in front", "签名在前（有效）"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: SignAs(Variant.SIGN_FIRST),
    cause=Cause.SIGNATURE,
    imitates=(
        "a sender whose JSON library orders by another rule: the same object, and who cuts texts out of it may stumble"
    ),
    source="signature failure modes of the protocols: python-alipay-sdk takes it, the vendor's own SDKs do not",
)
