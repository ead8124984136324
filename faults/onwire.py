"""What the faults on the wire have in common: their directions, and the curves and shares that they are given in."""

from enum import StrEnum
from typing import Annotated, TypeAlias

import msgspec

from faults.transport.toxic import OnWire, Stream, Toxic

MS_MAX = 600_000
BYTES_MAX = 1 << 30
BURST_MAX = 1000.0

WireMs: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=MS_MAX, description="ms, wire time")]
Bytes: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=BYTES_MAX, description="bytes")]
KbPerS: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=10_000_000, description="KB a second (1000 bytes each)")]
Burst: TypeAlias = Annotated[float, msgspec.Meta(ge=1, le=BURST_MAX, description="how many in a row, on the average")]

RttMs: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=10_000, description="ms, wire time: there and back")]


class Way(StrEnum):
    """Which bytes of a connection: those to the callee, those back to the caller, or both."""

    UP = "up"
    DOWN = "down"
    BOTH = "both"


_STREAMS = {
    Way.UP: (Stream.UPSTREAM,),
    Way.DOWN: (Stream.DOWNSTREAM,),
    Way.BOTH: (Stream.UPSTREAM, Stream.DOWNSTREAM),
}


def over(way: Way, toxic: Toxic) -> OnWire:
    """The toxic in each of the directions."""
    return OnWire(tuple((stream, toxic) for stream in _STREAMS[way]))
