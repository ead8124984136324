"""duplicate_refused: the first repeat of a request that was carried out is refused as seen before."""

from faults.catalog import TO_UPSTREAMS, Cause, Fault, NoParams
from faults.verdict import RefuseRepeat
from ledger.states import Operation
from plan.faults import Label

FAULT = Fault(
    name="duplicate_refused",
    label=Label("repeats refused", "重复请求被拒"),
    hops=TO_UPSTREAMS,
    operations=(Operation.CREATE, Operation.BUY),
    params=NoParams,
    effect=lambda p: RefuseRepeat(),
    cause=Cause.SUPPLIER_REFUSED,
    imitates="an upstream that calls a retry an error: the refusal hides that the first request was carried out",
    source="outcome-unknown modes of the protocols: acg-faka's request ID that already exists, OUT_TRADE_NO_USED",
)
