"""sig.cert_rotated: answers and notices are signed with a new certificate that is not listed yet."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import SignAs, Variant
from ledger.events import REFUSE
from plan.faults import Label

WHERE = {
    "wechat": Part.TOLD,
}
FAULT = Fault(
    name="sig.cert_rotated",
    label=Label("certificate rotated, not listed", "平台证书轮换未公布"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: SignAs(Variant.CERT_ROTATED),
    cause=Cause.SIGNATURE,
    imitates=(
        "a rotation that runs ahead of its own list: the client asks for certificates again, and the notice "
        "must be retried"
    ),
    source="signature failure modes of the protocols: WeChat's platform certificates: new serial, old one withdrawn",
    twin="sig.odd_cert_overlap",
    must=REFUSE,
)
