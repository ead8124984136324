"""ver.num_to_string: numbers come as texts, and numeric texts as numbers."""

from faults.catalog import OF_AN_ORDER, TO_UPSTREAMS, Cause, Fault, NoParams
from faults.verdict import Retype
from ledger.states import Hop, Operation
from plan.faults import Label

FAULT = Fault(
    name="ver.num_to_string",
    label=Label("numbers as texts", "版本不符：数字变文本"),
    hops=(*TO_UPSTREAMS, Hop.GAME_SHOP),
    operations=(*OF_AN_ORDER, Operation.NOTICE),
    params=NoParams,
    effect=lambda p: Retype(),
    cause=Cause.VERSION,
    imitates="a rewritten server with other types in its JSON: strict readers refuse what lenient ones never notice",
    source="schema mismatch modes of the protocols: money and code as text or number",
)
