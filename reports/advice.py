"""What support should do about an order: a small decision table over the evidence, first match wins."""

from collections.abc import Callable

import msgspec

from ledger.states import BEFORE_PAID, ENDED_UNSERVED, Code, State
from reports.findings import Words

ESCALATE_S = 24 * 3600.0
"""Without an answer for so long after payment (business time) a complaint goes to the next level."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an order at the end of the observation. Amounts in fen; `state` is what the page showed last,
    `sold` and `had` are the goods that upstreams sold and that the buyer has; `refused`: the last that upstreams said
    was no; `tried`: the buyer tried to pay."""

    state: State
    code: str = ""
    placed: bool = True
    tried: bool = False
    captured_fen: int = 0
    refunded_fen: int = 0
    notice_accepted: bool = False
    is_vouched: bool = False
    asked: bool = False
    refused: bool = False
    sold: int = 0
    had: int = 0

    @property
    def paid(self) -> bool:
        return self.captured_fen > 0

    @property
    def money_back(self) -> bool:
        return self.paid and self.refunded_fen >= self.captured_fen

    @property
    def is_open(self) -> bool:
        """Whether the buyer waits for goods or money."""
        return self.paid and not self.money_back and self.had == 0


_Rule = tuple[Callable[[Evidence], bool], Words]

RULES: tuple[_Rule, ...] = (
    (
        lambda e: not e.paid and e.had > 0,
        Words("goods without payment: block the card or ask for the money", "未收款却已发货：停用卡密或向买家追款"),
    ),
    (
        lambda e: not e.paid and not e.placed,
        Words(
            "no order was made and no money taken: the buyer may order again",
            "没有下单成功，也没有扣款：请重新下单",
        ),
    ),
    (
        lambda e: not e.paid and e.tried,
        Words(
            "the payment never reached the channel and no money was taken: the buyer may pay or order again",
            "付款请求未到达渠道，没有扣款：请买家重新付款或重新下单",
        ),
    ),
    (lambda e: not e.paid, Words("left unpaid: nothing to do", "买家没有付款：无需处理")),
    (
        lambda e: e.refunded_fen > e.captured_fen,
        Words("more was refunded than paid: ask the channel to take it back", "退款超过付款：请渠道追回多退的部分"),
    ),
    (
        lambda e: e.money_back and e.had > 0,
        Words(
            "the buyer has both the goods and the money: block the goods or ask for the money",
            "买家既拿到商品又拿到退款：停用商品或追回退款",
        ),
    ),
    (
        lambda e: e.had > 1,
        Words("more goods than bought: block the surplus", "重复发货：停用多发的商品"),
    ),
    (
        lambda e: e.had > 0 and e.state is State.COMPLETED,
        Words("delivered: show the buyer the goods on the order page", "已交付：请买家在订单页查看商品"),
    ),
    (
        lambda e: e.had > 0,
        Words("the buyer has the goods: correct the page, give nothing more", "商品已到买家：更正页面，不要再发"),
    ),
    (lambda e: e.money_back, Words("the money was given back: tell the buyer so", "已全额退款：告知买家")),
    (
        lambda e: e.sold > 0,
        Words(
            "an upstream has sold and the buyer has nothing: query it by the request number and hand the card over; "
            "do not buy again",
            "上游已出货而买家未收到：按请求号向上游查询，把卡密补给买家；不要重复采购",
        ),
    ),
    (
        lambda e: e.state is State.REFUNDED,
        Words("the page says refunded and no refund was made: refund now", "页面显示已退款但并未退款：立即退款"),
    ),
    (
        lambda e: e.code == Code.PAY_AMOUNT_MISMATCH,
        Words("the amount paid is not the price: refund, or settle by hand", "付款金额与价格不符：退款或人工补单"),
    ),
    (
        lambda e: e.refused,
        Words("the upstream refused: refund, or buy elsewhere", "上游已拒绝：退款，或改由其他上游采购"),
    ),
    (
        lambda e: e.state in ENDED_UNSERVED,
        Words("the order has ended and the money is kept: refund it in full", "订单已终结而钱未退：全额退款"),
    ),
    (
        lambda e: e.asked,
        Words(
            "an upstream was asked and has not said how it ended: query it by the request number before anything else",
            "已向上游要货但没有结果：先按请求号查询，再作处理",
        ),
    ),
    (
        lambda e: e.state in (State.HELD, State.MANUAL),
        Words("with risk control or a person: press for an answer", "在风控或人工处理中：催办"),
    ),
    (
        lambda e: not e.notice_accepted and e.state in BEFORE_PAID,
        Words(
            "paid, and the shop does not know: ask the channel to send its notice again, or query the trade",
            "渠道已收款而店铺不知道：请渠道补发通知，或查询该交易",
        ),
    ),
    (
        lambda e: e.is_vouched,
        Words(
            "the shop knows of the payment and asked no upstream: submit the order again, look at workers and queue",
            "店铺已知付款但未向上游要货：重新提交订单，检查任务队列",
        ),
    ),
    (
        lambda e: True,
        Words("the shop knows of the payment and has not delivered: deliver by hand", "店铺已知付款但未发货：人工补发"),
    ),
)


def advise(evidence: Evidence) -> Words:
    """The next step."""
    return next(words for applies, words in RULES if applies(evidence))


def needs_escalation(evidence: Evidence, waited_s: float) -> bool:
    """Whether the buyer has waited so long (business s) for goods or money that it goes to the next level."""
    return evidence.is_open and waited_s > ESCALATE_S
