"""wire.silence: what is said vanishes on the way, and nobody is told."""

import msgspec

from faults.catalog import WITH_PROXY, Cause, Fault
from faults.onwire import Way, WireMs, over
from faults.transport.toxics.timeout import Timeout
from plan.faults import Label


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """After `close_after_ms` without another byte the connection is closed; 0: never, and who has no timeout of his own
    waits for ever."""

    close_after_ms: WireMs = 0
    stream: Way = Way.DOWN


FAULT = Fault(
    name="wire.silence",
    label=Label("silence on the link", "链路无响应"),
    hops=WITH_PROXY,
    params=Params,
    effect=lambda p: over(p.stream, Timeout(timeout=p.close_after_ms)),
    layer="wire",
    cause=Cause.TIMEOUT,
    imitates="a firewall that forgot the connection and drops what belongs to it",
    source="family 4 of the causes: transport timeouts; Toxiproxy's timeout",
)
