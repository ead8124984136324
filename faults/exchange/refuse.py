"""refuse: the upstream turns the request away at once."""

import msgspec

from faults.catalog import TO_MOCKS, Cause, Fault
from faults.verdict import Refuse
from plan.faults import Label


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`status`: the HTTP status of the refusal, 400..599."""

    status: int = 503

    def __post_init__(self) -> None:
        if not 400 <= self.status <= 599:
            raise ValueError(f"status must be 400..599 (given: {self.status})")


FAULT = Fault(
    name="refuse",
    label=Label("requests refused", "请求被拒"),
    hops=TO_MOCKS,
    params=Params,
    effect=lambda p: Refuse(p.status),
    cause=Cause.REFUSED,
    imitates="a gateway in front of the upstream that sheds load or is under maintenance",
    source="stalls seen in real shops: supplier down or out of balance while the notice is handled",
)
