"""wire.loss_with_load: packets are lost, the more the busier the hop is."""

import msgspec

from faults.catalog import WITH_PROXY, Cause, Fault
from faults.curve import check
from faults.onwire import Burst, RttMs, Way, over
from faults.transport.toxics.loss_with_load import LossWithLoad
from plan.faults import Label
from plan.units import Rate, Share


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`curve`: [requests a second at this hop, share of segments lost] points with straight lines between; outside, the
    nearest end holds. `burst` and `rtt_ms` as of wire.loss."""

    curve: list[tuple[Rate, Share]]
    burst: Burst = 1.0
    rtt_ms: RttMs = 1.0
    stream: Way = Way.BOTH

    def __post_init__(self) -> None:
        check(self.curve)


FAULT = Fault(
    name="wire.loss_with_load",
    label=Label("packet loss that grows with load", "丢包随负载上升"),
    hops=WITH_PROXY,
    params=Params,
    effect=lambda p: over(
        p.stream, LossWithLoad(curve=tuple((float(r), float(s)) for r, s in p.curve), burst=p.burst, rtt_ms=p.rtt_ms)
    ),
    layer="wire",
    by_exposure=True,
    cause=Cause.PACKET_LOSS,
    imitates="a cheap channel whose line fills up: its buffers overflow at the peak",
    source="family 4 of the causes: packet loss at peak on a cheap channel",
)
