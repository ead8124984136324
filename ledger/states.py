"""The standard order states and error codes that every target's own words are mapped to."""

from enum import StrEnum


class State(StrEnum):
    """What the buyer is told about an order."""

    CREATED = "created"
    PAYING = "paying"
    PAID = "paid"
    SUBMITTED = "submitted"
    RECHARGING = "recharging"
    DELAYED = "delayed"
    REFUNDING = "refunding"
    COMPLETED = "completed"
    REFUNDED = "refunded"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    HELD = "held"
    MANUAL = "manual"
    UNKNOWN = "unknown"

    @property
    def zh(self) -> str:
        return _ZH[self]

    @property
    def is_terminal(self) -> bool:
        """Whether an order that shows this state has come to its end."""
        return self in TERMINAL

    @property
    def is_competing(self) -> bool:
        """Held and manual orders are reported beside the stuck ones, never among them."""
        return self in (State.HELD, State.MANUAL)


_ZH = {
    State.CREATED: "待支付",
    State.PAYING: "支付中",
    State.PAID: "已支付",
    State.SUBMITTED: "已提交",
    State.RECHARGING: "充值中",
    State.DELAYED: "处理异常",
    State.REFUNDING: "退款中",
    State.COMPLETED: "已完成",
    State.REFUNDED: "已退款",
    State.FAILED: "充值失败",
    State.EXPIRED: "已过期",
    State.CANCELLED: "已取消",
    State.HELD: "风控审核",
    State.MANUAL: "人工处理",
    State.UNKNOWN: "未知",
}

TERMINAL = frozenset({State.COMPLETED, State.REFUNDED, State.FAILED, State.EXPIRED, State.CANCELLED})
ENDED_UNSERVED = frozenset({State.FAILED, State.EXPIRED, State.CANCELLED})
"""An order that ends so while its money is kept is a lost order."""
BEFORE_PAID = frozenset({State.CREATED, State.PAYING})

STUCK_AFTER_S: dict[State, float] = {
    State.CREATED: 30.0,
    State.PAYING: 30.0,
    State.PAID: 30.0,
    State.SUBMITTED: 60.0,
    State.RECHARGING: 120.0,
    State.DELAYED: 120.0,
    State.REFUNDING: 60.0,
}
"""Business seconds after the later of entry and capture; a scenario may override them."""


class Code(StrEnum):
    """The standard reason beside a state."""

    PAY_NOT_SUBMITTED = "pay.not_submitted"
    PAY_UNMATCHED = "pay.unmatched"
    PAY_AMOUNT_MISMATCH = "pay.amount_mismatch"
    NOTICE_BAD_SIGNATURE = "notice.bad_signature"
    UPSTREAM_BAD_SIGNATURE = "upstream.bad_signature"
    UPSTREAM_TIMEOUT = "upstream.timeout"
    UPSTREAM_REFUSED = "upstream.refused"
    UPSTREAM_OVERLOADED = "upstream.overloaded"
    UPSTREAM_VERSION = "upstream.version"
    UPSTREAM_UNKNOWN_RESULT = "upstream.unknown_result"
    GOODS_UNKNOWN = "goods.unknown"
    GOODS_SOLD_OUT = "goods.sold_out"
    GOODS_EMPTY = "goods.empty"
    ACCOUNT_INVALID = "account.invalid"
    REGION_MISMATCH = "region.mismatch"
    IDENTIFIERS_MISSING = "identifiers.missing"
    RISK_HELD = "risk.held"
    RISK_REJECTED = "risk.rejected"
    SHOP_OVERLOADED = "shop.overloaded"
    SHOP_DATABASE = "shop.database"
    SHOP_CRASHED = "shop.crashed"
    ORDER_EXPIRED = "order.expired"
    ORDER_CANCELLED = "order.cancelled"
    UNKNOWN = "unknown"


class Hop(StrEnum):
    """Caller>callee; the answer belongs to the hop of its request. `shop` is no hop but the shop's own house: what the
    harness does to its processes and its database."""

    BUYER_SHOP = "buyer>shop"
    BUYER_PAYMENT = "buyer>payment"
    SHOP_PAYMENT = "shop>payment"
    PAYMENT_SHOP = "payment>shop"
    SHOP_SUPPLIER = "shop>supplier"
    SUPPLIER_SHOP = "supplier>shop"
    SHOP_GAME = "shop>game"
    GAME_SHOP = "game>shop"
    SHOP_DB = "shop>db"
    SHOP = "shop"


class Operation(StrEnum):
    """The closed list of what one exchange is about; part of the hash that decides a strike, so never renamed."""

    CREATE = "create"
    QUERY = "query"
    REFUND = "refund"
    NOTICE = "notice"
    CASHIER = "cashier"
    PAY = "pay"
    MERCHANT = "merchant"
    PLACE = "place"
    POLL = "poll"
    CANCEL = "cancel"
    CONNECT = "connect"
    CATALOGUE = "catalogue"
    STOCK = "stock"
    PRICE = "price"
    VALIDATE = "validate"
    BUY = "buy"
    STUB = "stub"
    HOUSE = "house"
    CLOSE = "close"
    REFUND_QUERY = "refund_query"
    CERTIFICATES = "certificates"
    REFUND_NOTICE = "refund_notice"
    CLOSE_NOTICE = "close_notice"
    FINISH_NOTICE = "finish_notice"
    DISPUTE_NOTICE = "dispute_notice"
    COMPLAIN = "complain"
    FETCH = "fetch"
    CONFIRM = "confirm"
    LOGIN = "login"


class Phase(StrEnum):
    """The phases of a run that its children are told of, in their order."""

    PREPARE = "prepare"
    WARM_UP = "warm_up"
    LOAD = "load"
    HEAL = "heal"
    SETTLE = "settle"
    COLLECT = "collect"


WARM_UP_PREFIX = "w"
ORDER_PREFIX = "b"
