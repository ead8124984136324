"""wrong_region_refused: the game server says that the account lives in another region."""

from faults.catalog import Cause, Fault, NoParams
from faults.verdict import Goods, Outcome
from ledger.states import Hop, Operation
from plan.faults import Label

FAULT = Fault(
    name="wrong_region_refused",
    label=Label("refused: wrong region", "区服不符被拒"),
    hops=(Hop.SHOP_GAME,),
    operations=(Operation.BUY,),
    params=NoParams,
    effect=lambda p: Goods(Outcome.WRONG_REGION),
    cause=Cause.GAME_REFUSED,
    imitates="an account moved to another region, or a catalogue with the regions mixed up",
    source="stalls seen in real shops: game server rejects wrong account or region; family 8 of the causes",
)
