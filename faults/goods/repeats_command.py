"""repeats_command: the game's side runs a command and ends before it has said so, and runs it again."""

from faults.catalog import Cause, Fault, NoParams, Part
from faults.verdict import Unconfirmed
from ledger.states import Hop, Operation
from plan.faults import Label

FAULT = Fault(
    name="repeats_command",
    label=Label("commands run twice by the game's side", "指令被重复执行"),
    hops=(Hop.SHOP_GAME,),
    operations=(Operation.CONFIRM,),
    dialects={"command_queue": Part.REQUESTS},
    params=NoParams,
    effect=lambda p: Unconfirmed(),
    cause=Cause.REPEATED_NOTICE,
    imitates="a game server that crashes between running a command and taking it off the queue: it is fetched once "
    "more, and a command that adds something adds it again",
    source="command queues deliver at least once by design: fetch, run, delete (Tebex plugin API, read 2026-11)",
)
