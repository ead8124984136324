"""wrong_region: the buyer enters another region than his account's."""

from faults.catalog import Cause, Fault, NoParams
from faults.verdict import EnterWrong
from ledger.states import Hop, Operation
from plan.faults import Label

FAULT = Fault(
    name="wrong_region",
    label=Label("wrong region entered", "填错区服"),
    hops=(Hop.BUYER_SHOP,),
    operations=(Operation.PLACE,),
    params=NoParams,
    effect=lambda p: EnterWrong("region"),
    layer="buyer",
    cause=Cause.BUYER,
    imitates="a buyer who picks another region than his account lives in: rightly refused, and the money is due back",
    source="family 11 of the causes: wrong game, region or denomination entered",
)
