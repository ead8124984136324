"""hang: the upstream does its work and then says nothing."""

import msgspec

from faults.catalog import TO_MOCKS, Cause, Fault
from faults.verdict import Hang
from plan.faults import Label
from plan.units import WireTime, by_default


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`lasts`: wire time until the connection is closed without an answer; healing closes it earlier."""

    lasts: WireTime = by_default(WireTime(60.0))


FAULT = Fault(
    name="hang",
    label=Label("hanging answers", "响应挂起"),
    hops=TO_MOCKS,
    params=Params,
    effect=lambda p: Hang(p.lasts),
    cause=Cause.TIMEOUT,
    imitates="a channel that takes the order and never answers; the caller's own timeout is all that ends the wait",
    source="stalls seen in real shops: channel hangs while ordering, spinner for more than 45 s, row left behind",
)
