"""sig.type_in_string: sign_type stands in the signed text where it must not, or the other way round."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import OtherRule, Variant
from ledger.events import REFUSE
from plan.faults import Label

WHERE = {
    "alipay": Part.REQUESTS | Part.NOTICES,
}
FAULT = Fault(
    name="sig.type_in_string",
    label=Label("sign_type on the wrong side", "sign_type 是否参与签名不符"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: OtherRule(Variant.TYPE_IN_STRING),
    cause=Cause.SIGNATURE,
    imitates="the classic mix-up: Alipay signs sign_type in requests and leaves it out in notices; wrong one way only",
    source="signature failure modes of the protocols: sign_type kept in a notice's text, or dropped from a request's",
    must=REFUSE,
)
