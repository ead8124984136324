"""sig.missing_type_header: no header names the type of the signature."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import SignAs, Variant
from plan.faults import Label

WHERE = {
    "wechat": Part.TOLD,
}
FAULT = Fault(
    name="sig.missing_type_header",
    label=Label("signature type not named", "缺少签名类型头"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: SignAs(Variant.MISSING_TYPE_HEADER),
    cause=Cause.SIGNATURE,
    imitates="a proxy that passes on only the headers it knows: some clients go without, wechatpayv3 raises",
    source="signature failure modes of the protocols: no Wechatpay-Signature-Type; the others are there",
)
