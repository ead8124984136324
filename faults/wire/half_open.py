"""wire.half_open: the other side falls silent and never closes; its kernel goes on acknowledging."""

import msgspec

from faults.catalog import WITH_PROXY, Cause, Fault
from faults.onwire import Way, WireMs, over
from faults.transport.toxics.half_open import HalfOpen
from plan.faults import Label


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`after_ms`: how long it speaks before it falls silent; it then reads nothing and sends nothing."""

    after_ms: WireMs = 0


FAULT = Fault(
    name="wire.half_open",
    label=Label("half-open connections", "半开连接"),
    hops=WITH_PROXY,
    params=Params,
    effect=lambda p: over(Way.BOTH, HalfOpen(after=p.after_ms)),
    layer="wire",
    cause=Cause.TIMEOUT,
    imitates="a process that hangs while its kernel keeps the connection: what is sent is taken, nothing comes back",
    source="family 4 of the causes: transport timeouts; Linux keeps such a connection for hours without keep-alive",
)
