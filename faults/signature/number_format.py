"""sig.number_format: another form of a number is signed than is sent."""

from faults.catalog import SIGNED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import OtherRule, Variant
from ledger.events import REFUSE
from plan.faults import Label

WHERE = {
    "epay": Part.REQUESTS | Part.NOTICES,
    "vmq": Part.REQUESTS | Part.NOTICES,
    "fulu": Part.REQUESTS | Part.NOTICES,
}
FAULT = Fault(
    name="sig.number_format",
    label=Label("number signed in another form", "金额格式与签名不符"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: OtherRule(Variant.NUMBER_FORMAT),
    cause=Cause.SIGNATURE,
    imitates="a shop or gateway that prints money from a float: signs 10 and sends 10.00",
    source="signature failure modes of the protocols: dujiaoka's Epay prints 10 for 10.00; Fulu's four decimals",
    must=REFUSE,
)
