"""wire.slow_close: all is said, and the connection is not closed for a while."""

import msgspec

from faults.catalog import WITH_PROXY, Cause, Fault
from faults.onwire import Way, WireMs, over
from faults.transport.toxics.slow_close import SlowClose
from plan.faults import Label


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`ms` pass between the end of one side and the moment at which the other hears of it."""

    ms: WireMs
    stream: Way = Way.DOWN

    def __post_init__(self) -> None:
        if not self.ms:
            raise ValueError("ms must be above 0")


FAULT = Fault(
    name="wire.slow_close",
    label=Label("connections close late", "连接关闭迟缓"),
    hops=WITH_PROXY,
    params=Params,
    effect=lambda p: over(p.stream, SlowClose(delay=p.ms)),
    layer="wire",
    cause=Cause.LINK,
    imitates="a middlebox that keeps connections open: who reads until the end waits, and pools run dry",
    source="family 4 of the causes: connections that linger; Toxiproxy's slow_close",
)
