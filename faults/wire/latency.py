"""wire.latency: what is said comes late, however fast the other side is."""

import msgspec

from faults.catalog import WITH_PROXY, Cause, Fault
from faults.onwire import Way, WireMs, over
from faults.transport.toxics.latency import Latency
from plan.faults import Label


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`ms` are added in each direction of `stream`, up to `jitter_ms` more or less for each piece of data."""

    ms: WireMs
    jitter_ms: WireMs = 0
    stream: Way = Way.DOWN

    def __post_init__(self) -> None:
        if not self.ms and not self.jitter_ms:
            raise ValueError("ms or jitter_ms must be above 0")


FAULT = Fault(
    name="wire.latency",
    label=Label("link with latency", "链路延迟"),
    hops=WITH_PROXY,
    params=Params,
    effect=lambda p: over(p.stream, Latency(latency=p.ms, jitter=p.jitter_ms)),
    layer="wire",
    cause=Cause.TIMEOUT,
    imitates="a distant or crowded line: the work is done in time, and the answer is under way for long",
    source="family 4 of the causes: transport timeouts; Toxiproxy's latency",
)
