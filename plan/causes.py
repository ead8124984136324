"""The causes of stalls: what faults belong to, and what a report finds without being told of faults."""

from enum import StrEnum


class Cause(StrEnum):
    """The causes of stalls that faults belong to and the report tells apart (docs/measures.md)."""

    VERSION = "interface version mismatch"
    TIMEOUT = "upstream timeout"
    SIGNATURE = "signature check fails"
    LOST_REQUEST = "request lost on the way"
    LOST_ANSWER = "upstream did it, answer lost"
    RESET = "connection reset"
    LOST_NOTICE = "payment notice lost"
    REPEATED_NOTICE = "notice repeated"
    REFUSED = "upstream refuses"
    OVERLOAD = "overload"
    SIMULTANEOUS = "simultaneous notices"
    EARLY_NOTICE = "notice before the answer"
    IDENTIFIERS = "missing goods identifiers"
    AMOUNT = "amount mismatch"
    SOLD_OUT = "sold out after payment"
    GAME_REFUSED = "game server rejected"
    SUPPLIER_REFUSED = "supplier refuses or fails"
    EMPTY_GOODS = "delivered without goods"
    CRASH = "platform crash, worker or job lost"
    DATABASE = "database locked or slow"
    BUYER = "buyer's own link"
    LATE_PAYMENT = "paid after expiry or cancellation"
    PACKET_LOSS = "packet loss"
    LINK = "link slow, faulty or down"
    DATABASE_LINK = "database link slow or cut"


CAUSES_ZH = {
    Cause.VERSION: "接口版本不一致",
    Cause.TIMEOUT: "上游超时",
    Cause.SIGNATURE: "验签失败",
    Cause.LOST_REQUEST: "请求中途丢失",
    Cause.LOST_ANSWER: "上游已处理，应答丢失",
    Cause.RESET: "连接被重置",
    Cause.LOST_NOTICE: "支付通知丢失",
    Cause.REPEATED_NOTICE: "通知重复",
    Cause.REFUSED: "上游拒绝",
    Cause.OVERLOAD: "过载",
    Cause.SIMULTANEOUS: "通知同时到达",
    Cause.EARLY_NOTICE: "通知先于应答",
    Cause.IDENTIFIERS: "缺少商品标识",
    Cause.AMOUNT: "金额不符",
    Cause.SOLD_OUT: "付款后缺货",
    Cause.GAME_REFUSED: "游戏服务器拒绝",
    Cause.SUPPLIER_REFUSED: "供货商拒绝或失败",
    Cause.EMPTY_GOODS: "发货却无商品",
    Cause.CRASH: "平台崩溃、工作进程或任务丢失",
    Cause.DATABASE: "数据库锁或慢",
    Cause.BUYER: "买家自身网络或操作",
    Cause.LATE_PAYMENT: "过期或取消后付款",
    Cause.PACKET_LOSS: "网络丢包",
    Cause.LINK: "链路变慢、出错或中断",
    Cause.DATABASE_LINK: "数据库连接变慢或中断",
}

NOT_STUCK, UNKNOWN, MULTIPLE = "none", "unknown", "multiple"
"""Beside a cause: an order that needs none, one that fits no rule, one that two causes stopped at once."""

JUDGED_AS = {
    # Both ways the connection ends without an answer and the upstream has seen no request. (A reset after the work was
    # done is an answer lost, and is found as that.)
    Cause.RESET: Cause.LOST_REQUEST,
    # Under TCP nothing is missing: whoever waits cannot tell packets sent again from an upstream that is slow.
    Cause.PACKET_LOSS: Cause.TIMEOUT,
}
"""Causes that an operator cannot tell from another by what he sees, and what he calls them."""

STRANDS_NOBODY = {
    Cause.REPEATED_NOTICE: "delivers twice; nobody waits",
    Cause.SIMULTANEOUS: "delivers twice; nobody waits",
    Cause.EARLY_NOTICE: "the order is known already when the notice comes, and the answer after it changes nothing",
}
"""Causes for which nobody waits at a naive shop, and why: left out where the finding of causes is scored."""


def judged_as(cause: str) -> str:
    """What an operator calls a cause; a word of another version stays as it is."""
    return str(JUDGED_AS.get(Cause(cause), cause)) if cause in set(Cause) else cause
