"""sig.odd_spaced: the JSON has white space within, and is signed so."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import SignAs, Variant
from ledger.events import ACCEPT
from plan.faults import Label

WHERE = {
    "alipay": Part.ANSWERS,
    "wechat": Part.TOLD,
    "topup": Part.NOTICES,
    "fazer": Part.NOTICES,
}
FAULT = Fault(
    name="sig.odd_spaced",
    label=Label("white space in JSON", "JSON 含空白（有效）"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: SignAs(Variant.SPACED),
    cause=Cause.SIGNATURE,
    imitates="a sender that prints its JSON for people: who verifies the bytes as they came has no trouble",
    source=(
        "signature failure modes of the protocols: the twin of body_reserialized: white space inside the "
        "node, signed as sent"
    ),
    twin="sig.body_reserialized",
    must=ACCEPT,
)
