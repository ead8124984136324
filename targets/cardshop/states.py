"""The life of an order in one table: its states, the words for them, and the steps that lead from one to the next."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """The shop's own words for where an order stands."""

    CREATED = "created"
    PAYING = "paying"
    PAID = "paid"
    SUBMITTED = "submitted"
    RECHARGING = "recharging"
    COMPLETED = "completed"
    EXPIRED = "expired"
    FAILED = "failed"
    REFUNDED = "refunded"
    CANCELLED = "cancelled"


class Code(StrEnum):
    """The reason beside a state."""

    AMOUNT_MISMATCH = "pay.amount_mismatch"
    BAD_NOTICE_SIGNATURE = "notice.bad_signature"
    GATEWAY_TIMEOUT = "upstream.timeout"
    GATEWAY_REFUSED = "upstream.refused"
    GATEWAY_SIGNATURE = "upstream.bad_signature"
    SOLD_OUT = "goods.sold_out"
    EXPIRED = "order.expired"
    UNKNOWN = "unknown"


WORDS: dict[State, tuple[str, str]] = {
    State.CREATED: ("待支付", "Waiting for payment"),
    State.PAYING: ("支付中", "Payment in progress"),
    State.PAID: ("已支付", "Paid"),
    State.SUBMITTED: ("已提交", "Submitted"),
    State.RECHARGING: ("充值中", "Recharging"),
    State.COMPLETED: ("已完成", "Completed"),
    State.EXPIRED: ("已过期", "Expired"),
    State.FAILED: ("充值失败", "Recharge failed"),
    State.REFUNDED: ("已退款", "Refunded"),
    State.CANCELLED: ("已取消", "Cancelled"),
}
"""What the page says, in Chinese and in English."""


@dataclass(frozen=True)
class Step:
    """One way on: only an order in one of `sources` can take it, and the database decides who took it."""

    name: str
    sources: frozenset[State]
    target: State


UNPAID = frozenset({State.CREATED, State.PAYING})
ENDED_UNPAID = frozenset({State.EXPIRED, State.CANCELLED})

ASK = Step("ask", frozenset({State.CREATED}), State.PAYING)  # the gateway made a trade
PAY = Step("pay", UNPAID, State.PAID)
SUBMIT = Step("submit", frozenset({State.PAID}), State.SUBMITTED)
RECHARGE = Step("recharge", frozenset({State.SUBMITTED}), State.RECHARGING)
COMPLETE = Step("complete", frozenset({State.RECHARGING}), State.COMPLETED)
SETTLE = Step("settle", UNPAID, State.COMPLETED)  # pay … complete in one transaction (switch settle_once)
EXPIRE = Step("expire", UNPAID, State.EXPIRED)

STEPS = (ASK, PAY, SUBMIT, RECHARGE, COMPLETE, SETTLE, EXPIRE)

PROGRESS = (State.PAYING, State.SUBMITTED, State.RECHARGING, State.COMPLETED)
"""The steps that the order page shows as a bar."""

REACHED = {
    State.CREATED: 0,
    State.PAYING: 0,
    State.PAID: 0,
    State.SUBMITTED: 1,
    State.RECHARGING: 2,
    State.COMPLETED: 3,
}
"""The index in PROGRESS that a state has come to; a state that is not here has left the bar."""
