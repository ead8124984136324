"""wire.slow_link: a line that carries so many bytes a second and no more."""

import msgspec

from faults.catalog import WITH_PROXY, Cause, Fault
from faults.onwire import KbPerS, Way, over
from faults.transport.toxics.bandwidth import Bandwidth
from plan.faults import Label


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`kb_s`: what each struck connection carries in each direction of `stream`."""

    kb_s: KbPerS
    stream: Way = Way.BOTH


FAULT = Fault(
    name="wire.slow_link",
    label=Label("link too narrow", "链路带宽不足"),
    hops=WITH_PROXY,
    params=Params,
    effect=lambda p: over(p.stream, Bandwidth(rate=p.kb_s)),
    layer="wire",
    cause=Cause.LINK,
    imitates="a cheap line at peak: big answers come in drips, small ones hardly suffer",
    source="family 4 of the causes: a cheap channel at peak; Toxiproxy's bandwidth",
)
