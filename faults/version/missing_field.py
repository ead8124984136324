"""ver.missing_field: a field is missing from the answer or notice."""

import msgspec

from faults.catalog import ANY_NOTICE, NOTICES, OF_AN_ORDER, TO_UPSTREAMS, WITH_FIELDS, Cause, Fault
from faults.verdict import Drop
from plan.faults import Label


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`field` is left out (in an object within the answer: `data.secret`); none named: the one that a shop of this
    dialect misses most."""

    field: str | None = None

    def __post_init__(self) -> None:
        if self.field == "":
            raise ValueError("field must be a name; it is empty")


FAULT = Fault(
    name="ver.missing_field",
    label=Label("field missing in another version", "版本不符：缺字段"),
    hops=(*TO_UPSTREAMS, *NOTICES),
    operations=(*OF_AN_ORDER, *ANY_NOTICE),
    dialects=WITH_FIELDS,
    params=Params,
    effect=lambda p: Drop(p.field),
    cause=Cause.VERSION,
    imitates="a version that does without a field; properly signed, only the reader stumbles",
    source="schema mismatch modes of the protocols: trade_status, secret, trade_no or payurl dropped",
)
