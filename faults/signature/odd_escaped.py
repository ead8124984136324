"""sig.odd_escaped: slashes and letters of the JSON are escaped, and signed so."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import SignAs, Variant
from ledger.events import ACCEPT
from plan.faults import Label

WHERE = {
    "alipay": Part.ANSWERS,
    "wechat": Part.TOLD,
    "fulu": Part.TOLD,
    "topup": Part.NOTICES,
    "fazer": Part.NOTICES,
}
FAULT = Fault(
    name="sig.odd_escaped",
    label=Label("JSON escaped", "JSON 转义（有效）"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: SignAs(Variant.ESCAPED),
    cause=Cause.SIGNATURE,
    imitates=r"another JSON library at the sender: `\/` and `\u4f1a` mean what `/` and 会 mean",
    source=(
        "signature failure modes of the protocols: the twin of json_escaping: both official Alipay clients "
        "take escaped slashes"
    ),
    twin="sig.json_escaping",
    must=ACCEPT,
)
