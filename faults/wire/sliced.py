"""wire.sliced: what is said comes in small pieces with gaps between them."""

from typing import Annotated

import msgspec

from faults.catalog import WITH_PROXY, Cause, Fault
from faults.onwire import Bytes, Way, over
from faults.transport.toxics.slicer import Slicer
from plan.faults import Label


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Pieces of `bytes` on the average, `vary` more or less, `gap_us` apart."""

    bytes: Bytes
    vary: Annotated[int, msgspec.Meta(ge=0, description="bytes")] = 0
    gap_us: Annotated[int, msgspec.Meta(ge=0, le=60_000_000, description="µs, wire time")] = 0
    stream: Way = Way.DOWN

    def __post_init__(self) -> None:
        if self.vary >= self.bytes:
            raise ValueError(f"vary must be less than bytes (given: {self.vary} of {self.bytes})")


FAULT = Fault(
    name="wire.sliced",
    label=Label("answers in pieces", "数据被切碎"),
    hops=WITH_PROXY,
    params=Params,
    effect=lambda p: over(p.stream, Slicer(average_size=p.bytes, size_variation=p.vary, delay=p.gap_us)),
    layer="wire",
    cause=Cause.LINK,
    imitates="a line with a tiny packet size: whoever takes the first piece for the whole reads half an answer",
    source="family 4 of the causes: a cheap channel; Toxiproxy's slicer",
)
