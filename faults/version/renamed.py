"""ver.renamed: a field of the answer or notice has another name."""

import msgspec

from faults.catalog import ANY_NOTICE, NOTICES, OF_AN_ORDER, TO_UPSTREAMS, WITH_FIELDS, Cause, Fault
from faults.verdict import Rename
from plan.faults import Label


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`field` is called `to` (in an object within the answer: `data.status`); without both, the pair that the dialect's
    versions disagree on (epay: trade_status, status)."""

    field: str | None = None
    to: str | None = None

    def __post_init__(self) -> None:
        if (self.field is None) != (self.to is None):
            raise ValueError("give field and to together, or neither")


FAULT = Fault(
    name="ver.renamed",
    label=Label("field renamed by another version", "版本不符：字段改名"),
    hops=(*TO_UPSTREAMS, *NOTICES),
    operations=(*OF_AN_ORDER, *ANY_NOTICE),
    dialects=WITH_FIELDS,
    params=Params,
    effect=lambda p: Rename(p.field, p.to),
    cause=Cause.VERSION,
    imitates="a channel upgraded to a version with another name for a field; properly signed, only the reader stumbles",
    source="Epay gateways disagree on status and trade_status; explicit version errors are rare",
)
