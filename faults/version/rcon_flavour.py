"""ver.rcon_flavour: the server speaks the other family's RCON."""

from faults.catalog import Cause, Fault, NoParams, Part
from faults.verdict import OtherFlavour
from ledger.states import Hop, Operation
from plan.faults import Label

FAULT = Fault(
    name="ver.rcon_flavour",
    label=Label("RCON of another family of servers", "版本不符：RCON 方言"),
    hops=(Hop.SHOP_GAME,),
    operations=(Operation.LOGIN,),
    dialects={"rcon": Part.ANSWERS},
    params=NoParams,
    effect=lambda p: OtherFlavour(),
    cause=Cause.VERSION,
    imitates="a Source server where a Minecraft one was: one frame more before the answer to the password, and another "
    "end of long answers; clients hang, take the next answer for this one, or a wrong password for a right one",
    source="schema mismatch modes of the protocols: RCON announces no version; seen with mcrcon and factorio-rcon-py",
)
