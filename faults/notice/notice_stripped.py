"""notice_stripped: the fields by which the shop matches the goods are missing from the notice."""

import msgspec

from faults.catalog import NOTICES, Cause, Fault
from faults.verdict import Strip, Stripped
from ledger.states import Operation
from plan.faults import Label


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`fields` are removed, emptied or renamed (`how`); none named: the dialect's own identifiers (epay: param)."""

    fields: list[str] = []
    how: Stripped = Stripped.REMOVED

    def __post_init__(self) -> None:
        if not all(self.fields):
            raise ValueError("fields must be names; one is empty")


FAULT = Fault(
    name="notice_stripped",
    label=Label("notices without goods identifiers", "通知缺少商品标识"),
    hops=NOTICES,
    operations=(Operation.NOTICE,),
    params=Params,
    effect=lambda p: Strip(tuple(p.fields), p.how),
    cause=Cause.IDENTIFIERS,
    imitates="a channel that does not give back what was passed through (region, card type): downstream cannot match",
    source="family 8 of the causes: notice lacks goods identifiers, downstream cannot match",
)
