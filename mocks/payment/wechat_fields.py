"""What WeChat Pay v3 says of trades and refunds, field by field, in answers and in notices.

Source: docs/protocols/wechat.md, Answers and Notices.
"""

from collections.abc import Callable
from hashlib import blake2b

from faults.verdict import Shape
from mocks.mangle import Mangled, Schema
from mocks.notices import About, Matter
from mocks.payment.trades import Dispute, Refund, Trade
from mocks.payment.wechat_signs import rfc3339

TYPES = {"native": "NATIVE", "jsapi": "JSAPI", "h5": "MWEB", "app": "APP"}
"""What a trade is called that was ordered at this path."""
ANSWERED_WITH = {"native": "code_url", "jsapi": "prepay_id", "h5": "h5_url", "app": "prepay_id"}
WORDS = {"SUCCESS": "支付成功", "REFUND": "转入退款", "NOTPAY": "订单未支付", "CLOSED": "订单已关闭"}
EVENTS = {
    About.DONE: ("TRANSACTION.SUCCESS", "支付成功"),
    About.REFUNDED: ("REFUND.SUCCESS", "退款成功"),
    About.DISPUTED: ("COMPLAINT.CREATE", "产生新投诉"),
    About.DISPUTE_ENDED: ("COMPLAINT.STATE_CHANGE", "投诉状态变化"),
}
"""Event type and summary of each notice that is sent."""
RESOURCES = {
    About.DONE: "transaction",
    About.REFUNDED: "refund",
    About.DISPUTED: "complaint",
    About.DISPUTE_ENDED: "complaint",
}
"""What their resources are: named beside the ciphertext, and part of what its tag covers."""
OTHER_EVENT = {
    "TRANSACTION.SUCCESS": "REFUND.SUCCESS",
    "REFUND.SUCCESS": "TRANSACTION.SUCCESS",
    "COMPLAINT.CREATE": "COMPLAINT.STATE_CHANGE",
    "COMPLAINT.STATE_CHANGE": "COMPLAINT.CREATE",
}
"""Events that an envelope may name and its resource belies."""

ENVELOPE = ("", "data")
"""Nothing stands around an answer of the platform; in front of many a shop something puts `data` there."""
ORDERED = {way: Schema(pair=(field, "url"), missing=field, envelope=ENVELOPE) for way, field in ANSWERED_WITH.items()}
TRADE = Schema(
    pair=("trade_state", "state"), missing="trade_state", state="trade_state",
    states={"SUCCESS": "REFUND", "NOTPAY": "USERPAYING", "CLOSED": "REVOKED"}, no_state="ACCEPT",
    money=("amount.total", "amount.payer_total"), in_fen=True, identifiers=("attach",), dates=("success_time",),
    flaps={"trade_state": ("SUCCESS", "USERPAYING")}, shape=("amount", Shape.FLAT), envelope=ENVELOPE,
)  # fmt: skip
REFUNDED = Schema(
    pair=("status", "refund_status"), missing="status", state="status",
    states={"SUCCESS": "PROCESSING", "PROCESSING": "ABNORMAL"}, no_state="ACCEPT",
    money=("amount.refund", "amount.payer_refund"), in_fen=True, dates=("create_time", "success_time"),
    flaps={"status": ("SUCCESS", "PROCESSING")}, shape=("amount", Shape.FLAT), envelope=ENVELOPE,
)  # fmt: skip
"""The notice of a refund calls `refund_status` what its answer calls `status`; the code-pay family knows ACCEPT."""
COMPLAINED = Schema(
    pair=("complaint_state", "state"), missing="complaint_order_info", state="complaint_state",
    states={"PENDING": "PROCESSING", "PROCESSED": "PENDING"}, no_state="ACCEPT",
    identifiers=("complaint_order_info",),
)  # fmt: skip
LISTED = Schema(pair=("data", "certificates"), missing="data")


class Wording:
    """Says it all of one merchant's trades. `wall_s` makes seconds since 1970 of a moment of the run's axis."""

    def __init__(self, mchid: str, appid: str, wall_s: Callable[[int], float]) -> None:
        self._mchid, self._appid, self._wall_s = mchid, appid, wall_s

    def time(self, t: int) -> str:
        return rfc3339(self._wall_s(t))

    def transaction(self, trade: Trade, state: str, openid: str = "") -> Mangled:
        """The trade in that state; `openid` is the buyer's, where the shop has named it."""
        order, fen = trade.order, trade.order.amount_fen
        fields: Mangled = {
            "appid": self._appid,
            "mchid": self._mchid,
            "out_trade_no": order.order_no,
            "trade_state": state,
            "trade_state_desc": WORDS[state],
            "attach": order.carried,
            "amount": {"total": fen, "payer_total": fen, "currency": "CNY", "payer_currency": "CNY"},
        }
        if trade.captured_t is None:
            return fields
        return fields | {
            "transaction_id": trade.trade_no,
            "trade_type": TYPES[order.way],
            "bank_type": "OTHERS",
            "success_time": self.time(trade.captured_t),
            "payer": {"openid": openid or _openid(trade.trade_no)},
        }

    def refund(self, trade: Trade, refund: Refund, status: str) -> Mangled:
        """The refund as its own requests are answered."""
        fields = self._refund(trade, refund) | {
            "channel": "ORIGINAL",
            "create_time": self.time(refund.t),
            "status": status,
            "funds_account": "AVAILABLE",
        }
        if status != "SUCCESS":
            del fields["success_time"]
        fields["amount"] |= {
            "settlement_total": trade.order.amount_fen,
            "settlement_refund": refund.amount_fen,
            "discount_refund": 0,
            "currency": "CNY",
        }
        return fields

    def _refund(self, trade: Trade, refund: Refund) -> Mangled:
        total, given = trade.order.amount_fen, refund.amount_fen
        return {
            "refund_id": f"50{trade.trade_no}{trade.refunds.index(refund) + 1:03d}",
            "out_refund_no": refund.no,
            "transaction_id": trade.trade_no,
            "out_trade_no": trade.order.order_no,
            "success_time": self.time(refund.t),
            "user_received_account": "支付用户零钱",
            "amount": {"total": total, "refund": given, "payer_total": total, "payer_refund": given},
        }

    def complaint(self, trade: Trade, dispute: Dispute) -> Mangled:
        """A buyer's complaint as it is asked for. Of what it is about only this query tells, no notice."""
        about = {
            "transaction_id": trade.trade_no,
            "out_trade_no": trade.order.order_no,
            "amount": trade.order.amount_fen,
        }
        return {
            "complaint_id": dispute.no,
            "complaint_time": self.time(dispute.t),
            "complaint_detail": dispute.words,
            "complaint_state": "PENDING" if dispute.is_open else "PROCESSED",
            "complainted_mchid": self._mchid,
            "complaint_order_info": [about],
            "complaint_full_refunded": not trade.refundable_fen,
            "incoming_user_response": dispute.is_open,
            "user_complaint_times": 1,
        }

    def notice(self, trade: Trade, matter: Matter, openid: str = "") -> Mangled | None:
        """The resource of a notice; None where nobody is told. A payment is told of as it was made, whatever has become
        of it since."""
        match matter.about:
            case About.DONE:
                return self.transaction(trade, "SUCCESS", openid)
            case About.REFUNDED:
                refund = trade.refund(matter.no)
                if refund is None or not notice_address(trade, matter):
                    return None
                return {"mchid": self._mchid, "refund_status": "SUCCESS"} | self._refund(trade, refund)
            case About.DISPUTED:
                return {"complaint_id": matter.no, "action_type": "CREATE_COMPLAINT"}
            case About.DISPUTE_ENDED:
                is_forced = trade.dispute is not None and trade.dispute.forced
                return {
                    "complaint_id": matter.no,
                    "action_type": "RESPONSE_BY_PLATFORM" if is_forced else "SELLER_REFUND",
                }
        return None

    def envelope(
        self, trade: Trade, matter: Matter, number: str, resource: dict[str, str], *, belied: bool = False
    ) -> Mangled:
        """What carries the encrypted resource of a notice; `belied` where it names an event that the resource is
        none of."""
        event, summary = EVENTS[matter.about]
        return {
            "id": number,
            "create_time": self.time(_happened_t(trade, matter)),
            "resource_type": "encrypt-resource",
            "event_type": OTHER_EVENT[event] if belied else event,
            "summary": summary,
            "resource": {"original_type": RESOURCES[matter.about], **resource},
        }


def notice_address(trade: Trade, matter: Matter) -> str:
    """Where the shop is told: of a refund at the refund's own address, and nowhere if it gave none. What it did not ask
    for is told where the payment was, in place of the address in the merchant's console."""
    if matter.about is About.REFUNDED and (refund := trade.refund(matter.no)) is not None and not refund.forced:
        return refund.notice_to
    return trade.order.notice_to


def _happened_t(trade: Trade, matter: Matter) -> int:
    refund, dispute = trade.refund(matter.no), trade.dispute
    t = trade.captured_t
    if matter.about is About.REFUNDED:
        t = refund.t if refund is not None else None
    elif dispute is not None and matter.about in (About.DISPUTED, About.DISPUTE_ENDED):
        t = dispute.t if matter.about is About.DISPUTED else dispute.ended_t
    assert t is not None, "only what happened is told"
    return t


def _openid(trade_no: str) -> str:
    """A buyer's openid at this merchant, 28 characters."""
    return f"o{blake2b(trade_no.encode(), digest_size=16).hexdigest()[:27]}"
