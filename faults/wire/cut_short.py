"""wire.cut_short: the connection ends after so many bytes, in the middle of what is said."""

import msgspec

from faults.catalog import WITH_PROXY, Cause, Fault
from faults.onwire import Bytes, Way, over
from faults.transport.toxics.limit_data import LimitData
from plan.faults import Label


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`bytes` pass in each direction of `stream`, then the connection is closed."""

    bytes: Bytes
    stream: Way = Way.DOWN


FAULT = Fault(
    name="wire.cut_short",
    label=Label("answers cut short", "数据传到一半断开"),
    hops=WITH_PROXY,
    params=Params,
    effect=lambda p: over(p.stream, LimitData(bytes=p.bytes)),
    layer="wire",
    cause=Cause.RESET,
    imitates="a proxy with a limit, or a phone that loses its cell: half an answer, and the end",
    source="family 4 of the causes: connections that break; Toxiproxy's limit_data",
)
