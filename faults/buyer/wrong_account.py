"""wrong_account: the buyer enters an account that nobody has."""

from faults.catalog import Cause, Fault, NoParams
from faults.verdict import EnterWrong
from ledger.states import Hop, Operation
from plan.faults import Label

FAULT = Fault(
    name="wrong_account",
    label=Label("wrong account entered", "填错账号"),
    hops=(Hop.BUYER_SHOP,),
    operations=(Operation.PLACE,),
    params=NoParams,
    effect=lambda p: EnterWrong("account"),
    layer="buyer",
    cause=Cause.BUYER,
    imitates="a buyer who types an account that does not exist: the order is rightly refused, or of use to nobody",
    source="family 11 of the causes: wrong game, region or denomination entered",
)
