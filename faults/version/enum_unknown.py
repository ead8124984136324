"""ver.enum_unknown: a state is told by a word that no version knows."""

from faults.catalog import ANY_NOTICE, NOTICES, OF_AN_ORDER, TO_UPSTREAMS, WITH_FIELDS, Cause, Fault, NoParams
from faults.verdict import ChangeState
from plan.faults import Label

FAULT = Fault(
    name="ver.enum_unknown",
    label=Label("states nobody knows", "版本不符：未知状态值"),
    hops=(*TO_UPSTREAMS, *NOTICES),
    operations=(*OF_AN_ORDER, *ANY_NOTICE),
    dialects=WITH_FIELDS,
    params=NoParams,
    effect=lambda p: ChangeState(unknown=True),
    cause=Cause.VERSION,
    imitates="a state added by a newer version: it must stay unknown, neither delivered nor refunded",
    source="schema mismatch modes of the protocols: a state no client knows",
)
