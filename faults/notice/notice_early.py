"""notice_early: the notice arrives before the answer to the request that it is about.

A payment notice cannot: at a payment channel the money is taken long after the trade was created. A supplier or a game
server can be done before it has answered.
"""

from faults.catalog import Cause, Fault, NoParams
from faults.verdict import Early
from ledger.states import Hop, Operation
from plan.faults import Label

FAULT = Fault(
    name="notice_early",
    label=Label("notices before the answer", "通知早于响应"),
    hops=(Hop.SUPPLIER_SHOP, Hop.GAME_SHOP),
    operations=(Operation.NOTICE,),
    params=NoParams,
    effect=lambda p: Early(),
    cause=Cause.EARLY_NOTICE,
    imitates="an upstream faster than its own answer: the shop is told of a top-up whose number it does not know yet",
    source="outcome-unknown modes of the protocols: notify before the create answer arrives",
)
