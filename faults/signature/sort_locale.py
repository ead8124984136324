"""sig.sort_locale: the upstream sorts the fields without regard to case, or numbers by their value."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import OtherRule, Variant
from plan.faults import Label

WHERE = {
    "epay": Part.REQUESTS,
    "epay_v2": Part.REQUESTS,
    "sharedstore": Part.REQUESTS,
    "kakayun": Part.REQUESTS,
}
FAULT = Fault(
    name="sig.sort_locale",
    label=Label("fields sorted by another rule", "签名参数排序规则不符"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: OtherRule(Variant.SORT_LOCALE),
    cause=Cause.SIGNATURE,
    imitates="a sort by locale, or PHP's of numeric keys, in place of bytes: it shows only with the rare key",
    source="signature failure modes of the protocols: case-insensitive or numeric sort against byte order",
)
