"""big_answer: the answer is longer than a frame of RCON holds."""

import msgspec

from faults.catalog import Cause, Fault, Part
from faults.verdict import BigAnswer
from ledger.states import Hop, Operation
from plan.faults import Label

LEAST, MOST = 4097, 65_536


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`bytes`: how long the answer is, 4097 to 65536."""

    bytes: int = 9000

    def __post_init__(self) -> None:
        if not LEAST <= self.bytes <= MOST:
            raise ValueError(f"bytes must be {LEAST}..{MOST}, more than a frame holds (given: {self.bytes})")


FAULT = Fault(
    name="big_answer",
    label=Label("answers longer than a frame", "响应超长分包"),
    hops=(Hop.SHOP_GAME,),
    operations=(Operation.BUY, Operation.CATALOGUE),
    dialects={"rcon": Part.ANSWERS},
    params=Params,
    effect=lambda p: BigAnswer(p.bytes),
    cause=Cause.VERSION,
    imitates="a server with many plugins whose answer comes in several frames, none of them marked as the last: a "
    "client that reads one frame takes the rest for the answers to its next commands",
    source="RCON as servers speak it: 4096 bytes a frame; factorio-rcon-py 2.1.3 reads only the first",
)
