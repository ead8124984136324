"""sig.unit_skew: the upstream reads the time of a request in another unit."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import OtherRule, Variant
from plan.faults import Label

WHERE = {
    "kakayun": Part.REQUESTS,
}
FAULT = Fault(
    name="sig.unit_skew",
    label=Label("time in another unit", "时间戳单位不符"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: OtherRule(Variant.UNIT_SKEW),
    cause=Cause.SIGNATURE,
    imitates="milliseconds where seconds belong: every request seems to come from another millennium",
    source="signature failure modes of the protocols: 卡速售 and 卡易信 count in ms, 卡卡云 in s",
)
