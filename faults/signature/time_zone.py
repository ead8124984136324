"""sig.time_zone: the upstream reads the time of a request in another zone."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import OtherRule, Variant
from plan.faults import Label

WHERE = {
    "alipay": Part.REQUESTS,
    "fulu": Part.REQUESTS,
}
FAULT = Fault(
    name="sig.time_zone",
    label=Label("time of another zone", "时区不符"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: OtherRule(Variant.TIME_ZONE),
    cause=Cause.SIGNATURE,
    imitates="a server on UTC that reads Beijing time: every request is eight hours off",
    source="signature failure modes of the protocols: text timestamps of Alipay and Fulu are GMT+8 and do not say so",
)
