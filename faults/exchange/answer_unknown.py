"""answer_unknown: the upstream does its work and answers that it does not know what became of it."""

from faults.catalog import TO_UPSTREAMS, Cause, Fault, NoParams
from faults.verdict import AnswerUnknown
from ledger.states import Operation
from plan.faults import Label

FAULT = Fault(
    name="answer_unknown",
    label=Label("answered as unknown", "结果未知的响应"),
    hops=TO_UPSTREAMS,
    operations=(Operation.CREATE, Operation.BUY, Operation.REFUND, Operation.CLOSE, Operation.CANCEL),
    params=NoParams,
    effect=lambda p: AnswerUnknown(),
    cause=Cause.LOST_ANSWER,
    imitates="a front that lost the sight of its own back: done behind it, and whoever reads it as failed pays twice",
    source=(
        "outcome-unknown modes of the protocols: Alipay 20000, WeChat 500 SYSTEM_ERROR, 卡卡云 9999, server_error; "
        "plain HTTP 500 where a dialect has no such answer"
    ),
)
