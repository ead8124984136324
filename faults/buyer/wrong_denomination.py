"""wrong_denomination: the buyer picks another product than the one he wants."""

from faults.catalog import Cause, Fault, NoParams
from faults.verdict import EnterWrong
from ledger.states import Hop, Operation
from plan.faults import Label

FAULT = Fault(
    name="wrong_denomination",
    label=Label("wrong denomination chosen", "选错面值"),
    hops=(Hop.BUYER_SHOP,),
    operations=(Operation.PLACE,),
    params=NoParams,
    effect=lambda p: EnterWrong("denomination"),
    layer="buyer",
    cause=Cause.BUYER,
    imitates="a buyer who picks another denomination than he wants: served rightly, and not what he wished",
    source="family 11 of the causes: wrong game, region or denomination entered",
)
