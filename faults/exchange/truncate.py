"""truncate: the answer's body ends too early, as if that were all of it."""

import msgspec

from faults.catalog import TO_MOCKS, Cause, Fault
from faults.verdict import Truncate
from plan.faults import Label
from plan.units import Share, by_default


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`share` of the body's bytes is sent, with a head that says so; below 100%."""

    share: Share = by_default(Share(0.5))

    def __post_init__(self) -> None:
        if self.share >= 1:
            raise ValueError("share must be below 100%, else nothing is cut")


FAULT = Fault(
    name="truncate",
    label=Label("answers cut short", "响应被截断"),
    hops=TO_MOCKS,
    params=Params,
    effect=lambda p: Truncate(p.share),
    cause=Cause.LOST_ANSWER,
    imitates="a proxy that gave up in the middle and told nobody: the answer looks whole and cannot be read",
    source="stalls seen in real shops: channel answers hang, slow, truncated or HTML while ordering",
)
