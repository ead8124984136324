"""ver.date_format: moments are written in another form."""

import msgspec

from faults.catalog import ANY_NOTICE, OF_AN_ORDER, Cause, Fault, Part, hops_of
from faults.verdict import DateForm, Redate
from plan.faults import Label

WHERE = {
    "epay": Part.ANSWERS,
    "epay_v2": Part.TOLD,
    "vmq": Part.ANSWERS,
    "alipay": Part.TOLD,
    "wechat": Part.TOLD,
    "fulu": Part.TOLD,
    "fazer": Part.TOLD,
}
"""Where moments are told at all."""


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`form`: seconds or milliseconds since 1970, RFC 3339 with a zone, or a text of Beijing time without one."""

    form: DateForm = DateForm.EPOCH_MS


FAULT = Fault(
    name="ver.date_format",
    label=Label("moments in another form", "版本不符：时间格式"),
    hops=hops_of(WHERE),
    operations=(*OF_AN_ORDER, *ANY_NOTICE),
    dialects=WHERE,
    params=Params,
    effect=lambda p: Redate(p.form),
    cause=Cause.VERSION,
    imitates="a server rewritten in another language: who reads the time of payment stumbles, or is eight hours off",
    source="schema mismatch modes of the protocols: epoch seconds, milliseconds, RFC 3339, local text",
)
