"""wire.corrupt: single bytes arrive as others."""

from typing import Annotated

import msgspec

from faults.catalog import WITH_PROXY, Cause, Fault
from faults.onwire import Way, over
from faults.transport.toxics.corrupt import Corrupt
from plan.faults import Label


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`per_mb`: bytes of each million that are flipped, on the average, in each direction of `stream`."""

    per_mb: Annotated[float, msgspec.Meta(gt=0, le=1_000_000, description="bytes of a million")]
    stream: Way = Way.DOWN


FAULT = Fault(
    name="wire.corrupt",
    label=Label("bytes corrupted", "数据损坏"),
    hops=WITH_PROXY,
    params=Params,
    effect=lambda p: over(p.stream, Corrupt(per_mb=p.per_mb)),
    layer="wire",
    cause=Cause.LINK,
    imitates="a faulty card or middlebox whose errors the checksums of TCP and Ethernet let through",
    source="Stone and Partridge, When the CRC and TCP checksum disagree, SIGCOMM 2000",
)
