"""lose_request: the request is read and nothing comes of it."""

from faults.catalog import TO_MOCKS, Cause, Fault, NoParams
from faults.verdict import LoseRequest
from plan.faults import Label

FAULT = Fault(
    name="lose_request",
    label=Label("requests lost", "请求丢失"),
    hops=TO_MOCKS,
    params=NoParams,
    effect=lambda p: LoseRequest(),
    cause=Cause.LOST_REQUEST,
    imitates="an order that never leaves for the upstream: the connection closes without an answer, nothing done",
    source="family 4 of the causes: payment succeeds, the order to recharge never leaves",
)
