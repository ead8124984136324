"""sig.unsorted: the upstream signs and checks the fields in the order they come in."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import OtherRule, Variant
from ledger.events import REFUSE
from plan.faults import Label

WHERE = {
    "epay": Part.REQUESTS | Part.NOTICES,
    "epay_v2": Part.ALL,
    "alipay": Part.REQUESTS | Part.NOTICES,
    "sharedstore": Part.REQUESTS,
    "kakayun": Part.REQUESTS,
}
FAULT = Fault(
    name="sig.unsorted",
    label=Label("fields signed unsorted", "签名参数未排序"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: OtherRule(Variant.UNSORTED),
    cause=Cause.SIGNATURE,
    imitates="a library that forgets to sort: right by luck wherever the fields already stand in order",
    source=(
        "signature failure modes of the protocols: parameters signed in insertion order: Alipay, Epay, acg-faka, 卡卡云"
    ),
    twin="sig.odd_field_order",
    must=REFUSE,
)
