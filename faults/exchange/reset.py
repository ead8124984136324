"""reset: the connection is reset (RST) before anything was done, after it was done, or in the middle of the answer."""

import msgspec

from faults.catalog import TO_MOCKS, Cause, Fault
from faults.verdict import Reset, When
from plan.faults import Label


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`when`: before or after the upstream has done its work, or mid_answer, with half of the body sent."""

    when: When = When.BEFORE


FAULT = Fault(
    name="reset",
    label=Label("connections reset", "连接被重置"),
    hops=TO_MOCKS,
    params=Params,
    effect=lambda p: Reset(p.when),
    cause=Cause.RESET,
    imitates="a restarting upstream or a middlebox that drops its state: the caller cannot know whether it was done",
    source="family 4 of the causes: connection resets; protocols: commit, then drop the connection",
)
