"""ver.decimals: an amount is written in another way."""

import msgspec

from faults.catalog import ANY_NOTICE, OF_AN_ORDER, Cause, Fault, Part, hops_of
from faults.verdict import Digits, RewriteMoney
from plan.faults import Label

WHERE = {
    "epay": Part.TOLD,
    "epay_v2": Part.TOLD,
    "vmq": Part.TOLD,
    "alipay": Part.TOLD,
    "sharedstore": Part.ANSWERS,
    "fulu": Part.TOLD,
    "kakayun": Part.ANSWERS,
    "fazer": Part.TOLD,
}
"""Where money is told as a text with decimals."""


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`digits`: four of them (27.9000), as a power of ten (2.79e1), or with commas between thousands (1,027.90)."""

    digits: Digits = Digits.FOUR


FAULT = Fault(
    name="ver.decimals",
    label=Label("amounts written otherwise", "版本不符：金额写法"),
    hops=hops_of(WHERE),
    operations=(*OF_AN_ORDER, *ANY_NOTICE),
    dialects=WHERE,
    params=Params,
    effect=lambda p: RewriteMoney(p.digits),
    cause=Cause.VERSION,
    imitates="another language's way to print a number: the same money, and a shop that compares texts sees another",
    source="schema mismatch modes of the protocols: Fulu tells four decimals; floats printed as powers of ten",
)
