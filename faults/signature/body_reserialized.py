"""sig.body_reserialized: the JSON is written anew after it was signed."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import OtherRule, Variant
from ledger.events import REFUSE
from plan.faults import Label

WHERE = {
    "alipay": Part.ANSWERS,
    "wechat": Part.ALL,
    "topup": Part.REQUESTS | Part.NOTICES,
    "fazer": Part.NOTICES,
}
FAULT = Fault(
    name="sig.body_reserialized",
    label=Label("JSON written anew after signing", "签名后报文被重新序列化"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: OtherRule(Variant.BODY_RESERIALIZED),
    cause=Cause.SIGNATURE,
    imitates="a proxy or framework that parses and writes the body: the data are equal, the bytes are not",
    source="signature failure modes of the protocols: WeChat, webhooks with an HMAC of the raw body, Alipay's node",
    twin="sig.odd_spaced",
    must=REFUSE,
)
