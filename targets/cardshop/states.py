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
    DELAYED = "delayed"
    REFUNDING = "refunding"
    MANUAL = "manual"
    COMPLETED = "completed"
    EXPIRED = "expired"
    FAILED = "failed"
    REFUNDED = "refunded"
    CANCELLED = "cancelled"


class Code(StrEnum):
    """The reason beside a state."""

    AMOUNT_MISMATCH = "pay.amount_mismatch"
    BAD_NOTICE_SIGNATURE = "notice.bad_signature"
    TIMEOUT = "upstream.timeout"
    REFUSED = "upstream.refused"
    OVERLOADED = "upstream.overloaded"
    BAD_SIGNATURE = "upstream.bad_signature"
    VERSION = "upstream.version"
    UNKNOWN_RESULT = "upstream.unknown_result"
    GOODS_UNKNOWN = "goods.unknown"
    SOLD_OUT = "goods.sold_out"
    EMPTY = "goods.empty"
    ACCOUNT_INVALID = "account.invalid"
    REGION_MISMATCH = "region.mismatch"
    IDENTIFIERS_MISSING = "identifiers.missing"
    SHOP_OVERLOADED = "shop.overloaded"
    SHOP_DATABASE = "shop.database"
    SHOP_CRASHED = "shop.crashed"
    EXPIRED = "order.expired"
    CANCELLED = "order.cancelled"
    UNKNOWN = "unknown"


class Known(StrEnum):
    """What the shop knows of its latest request for the goods of an order."""

    NOTHING = ""  # no request was sent
    OPEN = "open"  # being sent, or the shop crashed before it read an answer
    UNCLEAR = "unclear"  # sent, and nobody can tell what came of it
    ACCEPTED = "accepted"  # taken on, to be delivered later
    REFUSED = "refused"  # it brought no goods and never will


WORDS: dict[State, tuple[str, str]] = {
    State.CREATED: ("待支付", "Waiting for payment"),
    State.PAYING: ("支付中", "Payment in progress"),
    State.PAID: ("已支付", "Paid"),
    State.SUBMITTED: ("已提交", "Submitted"),
    State.RECHARGING: ("充值中", "Recharging"),
    State.DELAYED: ("处理异常", "Delayed"),
    State.REFUNDING: ("退款中", "Refund in progress"),
    State.MANUAL: ("人工处理", "With our support"),
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
UNDELIVERED = frozenset({State.PAID, State.SUBMITTED, State.RECHARGING, State.DELAYED})
"""Paid, and the goods are still to come."""
UNSETTLED = UNDELIVERED | {State.REFUNDING}
"""Somebody is still owed goods or money, and the shop itself must see to it."""
ENDS = frozenset({State.COMPLETED, State.REFUNDED, State.FAILED, State.EXPIRED, State.CANCELLED})

ASK = Step("ask", frozenset({State.CREATED}), State.PAYING)  # the gateway made a trade
PAY = Step("pay", UNPAID, State.PAID)
PAY_SHOWN = Step("pay_shown", UNPAID, State.RECHARGING)  # the page claims more than is true (no honest_page)
PAY_LATE = Step("pay_late", frozenset({State.EXPIRED}), State.PAID)
SUBMIT = Step("submit", frozenset({State.PAID}), State.SUBMITTED)
RECHARGE = Step("recharge", frozenset({State.PAID, State.SUBMITTED, State.DELAYED}), State.RECHARGING)
COMPLETE = Step("complete", UNDELIVERED | {State.MANUAL}, State.COMPLETED)
SETTLE = Step("settle", UNPAID, State.COMPLETED)  # pay … complete in one transaction (switch settle_once)
DELAY = Step("delay", UNDELIVERED - {State.DELAYED}, State.DELAYED)
FAIL = Step("fail", UNDELIVERED, State.FAILED)
ROLL_BACK = Step("roll_back", UNDELIVERED, State.PAYING)  # a delivery inside the notice came to nothing
REFUND = Step("refund", UNDELIVERED, State.REFUNDING)
REFUND_ODD = Step("refund_odd", UNPAID | ENDED_UNPAID, State.REFUNDING)  # paid too late, or not the price
FINISH_REFUND = Step("finish_refund", frozenset({State.REFUNDING}), State.REFUNDED)
HAND_OVER = Step("hand_over", UNSETTLED, State.MANUAL)
EXPIRE = Step("expire", UNPAID, State.EXPIRED)
CANCEL = Step("cancel", UNPAID, State.CANCELLED)

STEPS = (
    ASK, PAY, PAY_SHOWN, PAY_LATE, SUBMIT, RECHARGE, COMPLETE, SETTLE, DELAY, FAIL, ROLL_BACK, REFUND, REFUND_ODD,
    FINISH_REFUND, HAND_OVER, EXPIRE, CANCEL,
)  # fmt: skip

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
