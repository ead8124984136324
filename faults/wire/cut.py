"""wire.cut: the connection is reset (RST) without having been answered."""

from typing import Literal

import msgspec

from faults.catalog import WITH_PROXY, Cause, Fault
from faults.onwire import Way, WireMs, over
from faults.transport.toxics.reset_peer import ResetPeer
from plan.faults import Label


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The reset comes `after_ms` after the first byte. `stream` up: that of the request, which never arrives; down:
    that of the answer, which is lost after all was done."""

    after_ms: WireMs = 0
    stream: Literal["up", "down"] = "down"


FAULT = Fault(
    name="wire.cut",
    label=Label("connections cut", "连接被切断"),
    hops=WITH_PROXY,
    params=Params,
    effect=lambda p: over(Way(p.stream), ResetPeer(timeout=p.after_ms)),
    layer="wire",
    cause=Cause.RESET,
    imitates="a restarting router or load balancer: the caller cannot know whether it was done",
    source="family 4 of the causes: connection resets; Toxiproxy's reset_peer",
)
