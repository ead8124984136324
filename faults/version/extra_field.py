"""ver.extra_field: the answer or notice has one field more."""

import msgspec

from faults.catalog import ANY_NOTICE, NOTICES, OF_AN_ORDER, TO_UPSTREAMS, WITH_FIELDS, Cause, Fault
from faults.verdict import AddField
from plan.faults import Label


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`field`: what it is called, and `value` what it holds."""

    field: str = "ext_info"
    value: str = "v2"

    def __post_init__(self) -> None:
        if not self.field or not self.value:
            raise ValueError("field and value must not be empty")


FAULT = Fault(
    name="ver.extra_field",
    label=Label("one field more", "版本不符：多出字段"),
    hops=(*TO_UPSTREAMS, *NOTICES),
    operations=(*OF_AN_ORDER, *ANY_NOTICE),
    dialects=WITH_FIELDS,
    params=Params,
    effect=lambda p: AddField(p.field, p.value),
    cause=Cause.VERSION,
    imitates="the most harmless change that there is: signed with the rest, and to be ignored",
    source="schema mismatch modes of the protocols: an unknown new field, inside the signed set too",
)
