"""sig.odd_field_order: the fields of an answer or notice stand in another order, and are signed rightly."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import SignAs, Variant
from ledger.events import ACCEPT
from plan.faults import Label

WHERE = {
    "epay": Part.NOTICES,
    "epay_v2": Part.TOLD,
    "vmq": Part.NOTICES,
    "alipay": Part.TOLD,
    "wechat": Part.TOLD,
    "fulu": Part.TOLD,
    "topup": Part.NOTICES,
    "fazer": Part.NOTICES,
}
FAULT = Fault(
    name="sig.odd_field_order",
    label=Label("fields in another order", "字段顺序不同（有效）"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: SignAs(Variant.FIELD_ORDER),
    cause=Cause.SIGNATURE,
    imitates="a new version of the sender's library: order means nothing in a query or in JSON",
    source=(
        "signature failure modes of the protocols: the twin of unsorted: what is sorted before it is signed "
        "may come in any order"
    ),
    twin="sig.unsorted",
    must=ACCEPT,
)
