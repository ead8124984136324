"""sig.odd_cert_overlap: two certificates are listed, and the newer one signs."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import SignAs, Variant
from ledger.events import ACCEPT
from plan.faults import Label

WHERE = {
    "wechat": Part.TOLD,
}
FAULT = Fault(
    name="sig.odd_cert_overlap",
    label=Label("newer of two certificates", "新旧证书并存（有效）"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: SignAs(Variant.CERT_OVERLAP),
    cause=Cause.SIGNATURE,
    imitates="a rotation as it should be: old and new stand listed together for a while, and either may sign",
    source="signature failure modes of the protocols: the twin of cert_rotated: both listed, a client must accept both",
    twin="sig.cert_rotated",
    must=ACCEPT,
)
