"""others_goods: the upstream gives the cards that another order was given."""

from faults.catalog import Cause, Fault, NoParams, Part, hops_of
from faults.verdict import Goods, Outcome
from ledger.states import Operation
from plan.faults import Label

WHERE = {"sharedstore": Part.ANSWERS, "kakayun": Part.ANSWERS}
FAULT = Fault(
    name="others_goods",
    label=Label("another order's goods", "发错他人卡密"),
    hops=hops_of(WHERE),
    operations=(Operation.BUY,),
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: Goods(Outcome.OTHERS),
    cause=Cause.EMPTY_GOODS,
    imitates="a cache or a race behind the counter: right in number and kind, and sold to somebody else before",
    source="outcome-unknown modes of the protocols: a wrong order's cards",
)
