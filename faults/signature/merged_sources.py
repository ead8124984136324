"""sig.merged_sources: the upstream signs query and body together where it must not, or apart where it must not."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import OtherRule, Variant
from plan.faults import Label

WHERE = {
    "epay": Part.REQUESTS,
    "alipay": Part.REQUESTS,
}
FAULT = Fault(
    name="sig.merged_sources",
    label=Label("query and body merged or apart", "查询与报文合并不符"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: OtherRule(Variant.MERGED_SOURCES),
    cause=Cause.SIGNATURE,
    imitates=(
        "Epay takes the query or the body, Alipay both: a framework that merges them, or does not, breaks "
        "the signed text"
    ),
    source=(
        "signature failure modes of the protocols: the official Epay SDK posts to an address with one more "
        "query parameter; Alipay clients split theirs"
    ),
)
