"""Where an order is right now, in the buyer's words, and what happens next: read from the order alone."""

from targets.cardshop.products import PRODUCTS, Kind
from targets.cardshop.states import Code, Known, State
from targets.cardshop.tables import Order

Words = tuple[str, str]

_NODES: dict[State, Words] = {
    State.CREATED: ("正在向支付通道下单 …", "Asking the payment channel for a payment page …"),
    State.PAYING: ("正在等待支付通道确认 …", "Waiting for the payment channel to confirm …"),
    State.PAID: ("已收到付款，正在排队处理 …", "Payment received, waiting for its turn …"),
    State.REFUNDING: ("正在通过支付通道原路退款 …", "Sending the money back through the payment channel …"),
    State.MANUAL: ("已转人工处理，客服正在核实", "Handed to our support, who are checking it"),
    State.COMPLETED: ("已完成", "Done"),
    State.EXPIRED: ("订单已超时关闭", "The order was closed: its time was over"),
    State.FAILED: ("充值没有成功", "The recharge did not succeed"),
    State.REFUNDED: ("款项已原路退回", "The money was sent back the way it came"),
    State.CANCELLED: ("订单已取消", "The order was cancelled"),
}
_NEXT: dict[State, Words] = {
    State.CREATED: ("请完成付款。", "Please pay."),
    State.PAYING: (
        "付款后页面会自动更新，通常不超过 30 秒。",
        "After you have paid this page goes on by itself, usually within 30 seconds.",
    ),
    State.PAID: ("马上开始处理，无需任何操作。", "It will be dealt with in a moment; there is nothing to do."),
    State.SUBMITTED: ("通常在一分钟内完成。", "Usually done within a minute."),
    State.RECHARGING: (
        "到账后页面会自动更新，通常不超过两分钟。",
        "This page goes on by itself once it has arrived, usually within two minutes.",
    ),
    State.DELAYED: (
        "我们会继续重试；如果仍不成功，将自动退款或由客服联系您。",
        "We keep trying; if it does not work out, the money goes back or our support will contact you.",
    ),
    State.REFUNDING: ("退款到账时间以支付通道为准。", "How soon it arrives is up to the payment channel."),
    State.MANUAL: (
        "客服会通过您留下的联系方式答复，请勿重复下单。",
        "They will answer through the contact you left; please do not order again.",
    ),
    State.FAILED: ("请凭订单号联系客服。", "Please contact our support with the order number."),
    State.EXPIRED: (
        "如果您已经付款，请凭订单号联系客服。",
        "If you have paid, contact our support with the order number.",
    ),
}
_BECAUSE: dict[Code, Words] = {
    Code.AMOUNT_MISMATCH: ("付款金额与订单不符", "the amount paid is not the price"),
    Code.BAD_NOTICE_SIGNATURE: ("付款通知验签失败", "the payment notice is not properly signed"),
    Code.TIMEOUT: ("对方没有及时响应", "no answer in time"),
    Code.REFUSED: ("对方拒绝了请求", "the request was refused"),
    Code.OVERLOADED: ("对方系统繁忙", "the other side is overloaded"),
    Code.BAD_SIGNATURE: ("验签失败", "a signature was not accepted"),
    Code.VERSION: ("接口版本不一致", "the interfaces do not match"),
    Code.UNKNOWN_RESULT: ("结果未知，正在核实", "the result is unknown and being checked"),
    Code.GOODS_UNKNOWN: ("商品不存在", "there is no such product"),
    Code.SOLD_OUT: ("库存不足", "sold out"),
    Code.EMPTY: ("对方没有给出卡密", "no card was in the answer"),
    Code.ACCOUNT_INVALID: ("游戏账号不存在", "there is no such game account"),
    Code.REGION_MISMATCH: ("区服不匹配", "the account is in another region"),
    Code.IDENTIFIERS_MISSING: ("缺少区服或卡种信息", "region or kind of card is missing"),
    Code.SHOP_OVERLOADED: ("本店排队较长", "our queue is long"),
    Code.SHOP_DATABASE: ("本店系统繁忙", "our system is busy"),
    Code.SHOP_CRASHED: ("本店系统刚刚恢复", "our system has just recovered"),
    Code.EXPIRED: ("付款晚于订单有效期", "the payment came after the order's time was over"),
    Code.CANCELLED: ("订单已取消", "the order was cancelled"),
    Code.UNKNOWN: ("原因未知", "the reason is not known"),
}


def node_of(order: Order) -> Words:
    """The current step, Chinese and English."""
    words = _NODES.get(order.state)
    return words if words is not None else _at_the_upstream(order)


def next_of(order: Order) -> Words:
    """What happens next, and what the buyer has to do: empty where all is done."""
    return _NEXT.get(order.state, ("", ""))


def reason_of(order: Order) -> Words:
    """Why the order stands as it does; empty where there is nothing to explain."""
    return _BECAUSE[order.code] if order.code is not None else ("", "")


def receipt_of(order: Order) -> Words:
    """The proof of a top-up that has arrived; empty for cards, and before."""
    if order.state is not State.COMPLETED or not is_topup(order) or not order.receipt:
        return "", ""
    account, region, receipt = order.account, order.region, order.receipt
    return f"已直充到 {account}（{region}），凭证 {receipt}", f"Credited to {account} ({region}), receipt {receipt}"


def is_topup(order: Order) -> bool:
    """Whether the goods go straight into the game account."""
    return order.product in PRODUCTS and PRODUCTS[order.product].kind is Kind.TOPUP


def _at_the_upstream(order: Order) -> Words:
    zh, en = ("游戏服务器", "the game server") if is_topup(order) else ("供货商", "the supplier")
    match order.known:
        case Known.ACCEPTED:
            return f"{zh}已受理，正在等待到账 …", f"Accepted by {en}, waiting for it to arrive …"
        case Known.UNCLEAR:
            return f"{zh}无响应，第 {order.tries} 次重试 …", f"No answer from {en}, retry no. {order.tries} …"
        case Known.REFUSED:
            return f"{zh}拒绝，准备第 {order.tries} 次重试 …", f"Refused by {en}, retry no. {order.tries} to come …"
        case Known.OPEN if order.tries > 1:
            return f"正在第 {order.tries - 1} 次重试{zh} …", f"Retry no. {order.tries - 1} at {en} …"
        case Known.OPEN if is_topup(order):
            return "正在对接游戏服务器 …", "Talking to the game server …"
        case Known.OPEN:
            return "正在向供货商取卡 …", "Fetching the card from the supplier …"
        case Known.NOTHING:
            return "正在充值 …" if is_topup(order) else "正在出货 …", "Being processed …"
