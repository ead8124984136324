"""ver.code_polarity: the code for success is another version's."""

from faults.catalog import OF_AN_ORDER, TO_UPSTREAMS, WITH_FIELDS, Cause, Fault, NoParams
from faults.verdict import FlipCode
from plan.faults import Label

FAULT = Fault(
    name="ver.code_polarity",
    label=Label("success code of another version", "版本不符：成功码改变"),
    hops=TO_UPSTREAMS,
    operations=OF_AN_ORDER,
    dialects=WITH_FIELDS,
    params=NoParams,
    effect=lambda p: FlipCode(),
    cause=Cause.VERSION,
    imitates="0 for done where 1 was, or 1 where 200 was: success is read as failure",
    source="schema mismatch modes of the protocols: Epay V1 says 1, V2 says 0; acg-faka 200",
)
