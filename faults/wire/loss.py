"""wire.loss: packets are lost, and what they carried comes later, as TCP sends them again."""

import msgspec

from faults.catalog import WITH_PROXY, Cause, Fault
from faults.onwire import Burst, RttMs, Way, over
from faults.transport.toxics.loss import Loss
from plan.faults import Label
from plan.units import Share


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`share` of the segments are lost, `burst` of them in a row on the average, on a line of `rtt_ms` there and back.
    Modelled: wire.true_loss is real."""

    share: Share
    burst: Burst = 1.0
    rtt_ms: RttMs = 1.0
    stream: Way = Way.BOTH

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"legal: 0% < share < 100% (given: {self.share.text()})")


FAULT = Fault(
    name="wire.loss",
    label=Label("packets lost", "网络丢包"),
    hops=WITH_PROXY,
    params=Params,
    effect=lambda p: over(p.stream, Loss(share=float(p.share), burst=p.burst, rtt_ms=p.rtt_ms)),
    layer="wire",
    cause=Cause.PACKET_LOSS,
    imitates="a bad line under TCP: nothing is missing, but each lost segment waits for its retransmission",
    source="family 4 of the causes: packet loss; RFC 6298 (retransmissions), Gilbert 1960 and Elliott 1963 (bursts)",
)
