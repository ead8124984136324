"""sig.trailing_newline: the signed text lacks its last line break."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import OtherRule, Variant
from ledger.events import REFUSE
from plan.faults import Label

WHERE = {
    "wechat": Part.ALL,
}
FAULT = Fault(
    name="sig.trailing_newline",
    label=Label("last line break not signed", "签名串缺少末尾换行"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: OtherRule(Variant.TRAILING_NEWLINE),
    cause=Cause.SIGNATURE,
    imitates="a trimmed body, or a join in place of an end of line: the last of WeChat's line breaks is missing",
    source=(
        "signature failure modes of the protocols: WeChat Pay v3: every part of the signed text ends in a "
        "line break, the last one too"
    ),
    must=REFUSE,
)
