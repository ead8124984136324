"""ver.sync_to_async: cards that used to come with the answer come later."""

from faults.catalog import Cause, Fault, NoParams, Part, hops_of
from faults.verdict import Goods, Outcome
from ledger.states import Operation
from plan.faults import Label

WHERE = {"sharedstore": Part.ANSWERS, "kakayun": Part.ANSWERS}
FAULT = Fault(
    name="ver.sync_to_async",
    label=Label("cards later instead of at once", "版本不符：同步变异步"),
    hops=hops_of(WHERE),
    operations=(Operation.BUY,),
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: Goods(Outcome.LATER),
    cause=Cause.VERSION,
    imitates="a supplier that has put a queue in front of its stock: processing, and who asks again gets the cards",
    source="schema mismatch modes of the protocols: a card order that used to return cards answers processing",
)
