"""ver.enum_changed: a state is told by another version's word or number."""

from faults.catalog import ANY_NOTICE, NOTICES, OF_AN_ORDER, TO_UPSTREAMS, WITH_FIELDS, Cause, Fault, NoParams
from faults.verdict import ChangeState
from plan.faults import Label

FAULT = Fault(
    name="ver.enum_changed",
    label=Label("states of another version", "版本不符：状态值改变"),
    hops=(*TO_UPSTREAMS, *NOTICES),
    operations=(*OF_AN_ORDER, *ANY_NOTICE),
    dialects=WITH_FIELDS,
    params=NoParams,
    effect=lambda p: ChangeState(unknown=False),
    cause=Cause.VERSION,
    imitates="versions that number or name the states otherwise: 1 is paid in one and pending in the other",
    source="schema mismatch modes of the protocols: status 1 or 2 for paid; TRADE_FINISHED for TRADE_SUCCESS",
)
