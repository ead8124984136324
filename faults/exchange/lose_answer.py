"""lose_answer: the upstream does its work, and its answer is lost."""

from faults.catalog import TO_MOCKS, Cause, Fault, NoParams
from faults.verdict import LoseAnswer
from plan.faults import Label

FAULT = Fault(
    name="lose_answer",
    label=Label("answers lost", "响应丢失"),
    hops=TO_MOCKS,
    params=NoParams,
    effect=lambda p: LoseAnswer(),
    cause=Cause.LOST_ANSWER,
    imitates="a connection cut between commit and answer: the caller cannot know whether it happened",
    source="stalls seen in real shops: charged upstream, never delivered, 14 of 14",
)
