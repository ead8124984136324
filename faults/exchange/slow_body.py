"""slow_body: the head of the answer comes at once, its body piece by piece."""

import msgspec

from faults.catalog import TO_MOCKS, Cause, Fault
from faults.verdict import SlowBody
from plan.faults import Label
from plan.units import WireTime


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`over`: wire time from the first piece of the body to the last; healing sends the rest at once."""

    over: WireTime

    def __post_init__(self) -> None:
        if not 0 < self.over <= 600:
            raise ValueError(f"over must be above 0 s and at most 10 min (given: {self.over.text()})")


FAULT = Fault(
    name="slow_body",
    label=Label("answers that trickle in", "响应体缓慢"),
    hops=TO_MOCKS,
    params=Params,
    effect=lambda p: SlowBody(p.over),
    cause=Cause.TIMEOUT,
    imitates="a congested or metered link: a timeout of the caller that only counts until the head never ends the wait",
    source="family 2 of the causes: latency, hang, slow body, bandwidth",
)
