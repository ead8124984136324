"""What Alipay answers about trades that there are: their state, money given back, and their end.

Source: docs/protocols/alipay.md, Answers.
"""

from faults.verdict import Shape
from ledger.clock import SECOND_NS
from ledger.money import Fen, yuan
from ledger.states import Code
from mocks.call import Subject
from mocks.mangle import Mangled, Schema
from mocks.notices import About, Matter
from mocks.payment.alipay_asked import Refusal, Request, invalid, read_amount
from mocks.payment.alipay_told import (
    AMOUNTS,
    BUYER_ID,
    BUYER_NAME,
    ENDED,
    GONE,
    MONEY,
    PAID,
    STATES,
    WAITING,
    Telling,
)
from mocks.payment.desk import Desk
from mocks.payment.expiry import CLOSED
from mocks.payment.trades import NotPaid, RefundDiffers, TooMuch, Trade
from mocks.server import readable
from plan.units import BusinessTime

QUERIED = Schema(
    pair=AMOUNTS, missing="trade_status", state="trade_status", states=STATES, code="code", money=MONEY,
    identifiers=("out_trade_no",), flaps={"trade_status": (PAID, WAITING)}, dates=("send_pay_date",),
    shape=("fund_bill_list", Shape.TEXT),
)  # fmt: skip
REFUNDED = Schema(
    pair=("refund_fee", "send_back_fee"), missing="fund_change", code="code", money=("refund_fee", "send_back_fee"),
    dates=("gmt_refund_pay",), shape=("refund_detail_item_list", Shape.TEXT),
)  # fmt: skip
REFUND_FOUND = Schema(
    pair=("refund_amount", "refund_fee"), missing="refund_status", state="refund_status", code="code",
    money=("refund_amount", "total_amount"), flaps={"refund_status": ("REFUND_SUCCESS", "REFUND_PROCESSING")},
)  # fmt: skip
COMPLAINED = Schema(
    missing="trade_no", state="status", code="code", money=("trade_amount",), identifiers=("merchant_order_no",),
    flaps={"status": ("FINISHED", "MERCHANT_PROCESSING")}, dates=("gmt_create", "gmt_modified", "gmt_finished"),
)  # fmt: skip
ENDED_SCHEMA = Schema(missing="trade_no", code="code")

_NO_MAX, _REASON_MAX = 64, 256


class Answers:
    """Answers the shop of one instance. Each gives the fields of its answer beside the code, or raises Refusal."""

    def __init__(self, desk: Desk, telling: Telling) -> None:
        self._desk, self._telling, self._trades = desk, telling, desk.trades
        window = BusinessTime.parse(desk.upstream.option("refund_window"))
        self._window_ns = int(desk.plan.wire_s(window) * SECOND_NS)

    def found(self, request: Request) -> Trade | None:
        """The trade that a request names, by its own or else by the shop's number, or by that of its complaint."""
        biz, name = request.biz, self._desk.name
        if no := biz.get("complain_event_id"):
            return next((trade for trade in self._trades if trade.upstream == name and _is_disputed(trade, no)), None)
        return self._trades.find(name, trade_no=biz.get("trade_no", ""), order_no=biz.get("out_trade_no", ""))

    def watch_finish(self, trade: Trade) -> None:
        """The shop is told once nothing can be given back any more."""
        if (finish_t := self._finish_t(trade)) is not None:
            self._desk.expiry.watch_finish(trade, finish_t)

    def _finish_t(self, trade: Trade) -> int | None:
        return None if trade.captured_t is None else trade.captured_t + self._window_ns

    def _named(self, request: Request, more: Mangled | None = None) -> Trade:
        _must_name(request)
        if (trade := self.found(request)) is None:
            raise Refusal("ACQ.TRADE_NOT_EXIST", "交易不存在", standard=Code.PAY_NOT_SUBMITTED, more=more)
        return trade

    def _status(self, trade: Trade) -> str:
        if trade.closed or (trade.is_captured and not trade.refundable_fen):
            return GONE
        finish_t = self._finish_t(trade)
        if finish_t is None:
            return WAITING
        return PAID if self._desk.clock.t() < finish_t else ENDED

    def query(self, request: Request, _: Subject) -> Mangled:
        nothing = dict.fromkeys(("buyer_pay_amount", "invoice_amount", "point_amount", "receipt_amount"), "0.00")
        trade = self._named(request, nothing)
        total = yuan(trade.order.amount_fen)
        taken = total if trade.is_captured else "0.00"
        fields: Mangled = {
            "buyer_logon_id": BUYER_NAME,
            "buyer_pay_amount": taken,
            "buyer_user_id": BUYER_ID,
            "invoice_amount": taken,
            "out_trade_no": trade.order.order_no,
            "point_amount": "0.00",
            "receipt_amount": taken,
            "total_amount": total,
            "trade_no": trade.trade_no,
            "trade_status": self._status(trade),
        }
        if trade.captured_t is not None:
            fields["send_pay_date"] = self._telling.time_text(trade.captured_t)
            fields["fund_bill_list"] = [{"amount": total, "fund_channel": "ALIPAYACCOUNT"}]
        return fields

    def complaint(self, request: Request, _: Subject) -> Mangled:
        """How a buyer's complaint stands."""
        trade = self.found(request)
        if trade is None or (dispute := trade.dispute) is None:
            raise Refusal("ACQ.INVALID_PARAMETER", "参数无效：complain_event_id", standard=Code.PAY_NOT_SUBMITTED)
        text_of = self._telling.time_text
        fields: Mangled = {
            "complain_event_id": dispute.no,
            "complain_reason": dispute.words,
            "content": dispute.words,
            "gmt_create": text_of(dispute.t),
            "gmt_modified": text_of(dispute.t if dispute.ended_t is None else dispute.ended_t),
            "merchant_order_no": trade.order.order_no,
            "status": "MERCHANT_PROCESSING",
            "trade_amount": yuan(trade.order.amount_fen),
            "trade_no": trade.trade_no,
        }
        if dispute.ended_t is not None:
            fields["gmt_finished"] = text_of(dispute.ended_t)
            fields["status"] = "PLATFORM_FINISH" if dispute.forced else "FINISHED"
        return fields

    def refund(self, request: Request, _: Subject) -> Mangled:
        """Money given back under the shop's number; without one only all of it, under the order's own number. Asked for
        again, the answer is the same and says that no money went."""
        trade, biz = self._named(request), request.biz
        amount_fen = read_amount(biz.get("refund_amount", ""), "refund_amount")
        no = readable(biz.get("out_request_no", ""))
        if len(no) > _NO_MAX or (not no and amount_fen != trade.order.amount_fen):
            raise invalid("out_request_no：部分退款时必填，最长64个字符")
        no = no or trade.order.order_no
        if trade.refund(no) is None:
            self._must_have_money(trade)
        is_new = self._give_back(trade, amount_fen, no, readable(biz.get("refund_reason", ""))[:_REASON_MAX])
        known = trade.refund(no)
        assert known is not None
        return {
            "buyer_logon_id": BUYER_NAME,
            "buyer_user_id": BUYER_ID,
            "fund_change": "Y" if is_new else "N",
            "gmt_refund_pay": self._telling.time_text(known.t),
            "out_trade_no": trade.order.order_no,
            "refund_detail_item_list": [{"amount": yuan(amount_fen), "fund_channel": "ALIPAYACCOUNT"}],
            "refund_fee": yuan(Fen(trade.refunded_fen)),
            "send_back_fee": yuan(amount_fen),
            "trade_no": trade.trade_no,
        }

    def _must_have_money(self, trade: Trade) -> None:
        if self._status(trade) == ENDED:
            raise Refusal("ACQ.TRADE_HAS_FINISHED", "交易已完结")
        if trade.is_captured and not trade.refundable_fen:
            raise Refusal("ACQ.REASON_TRADE_STATUS_INVALID", "交易状态异常")

    def _give_back(self, trade: Trade, amount_fen: Fen, no: str, why: str) -> bool:
        """Whether money went now; the shop is told of it then."""
        try:
            refund, is_new = self._trades.refund(trade, amount_fen, no, why=why)
        except NotPaid:
            raise Refusal("ACQ.TRADE_STATUS_ERROR", "交易状态不合法") from None
        except RefundDiffers:
            words = "重复请求，但退款金额与上次不一致"
            raise Refusal("ACQ.DISCORDANT_REPEAT_REQUEST", words, standard=Code.PAY_AMOUNT_MISMATCH) from None
        except TooMuch:
            words = "退款金额超过可退金额"
            raise Refusal("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", words, standard=Code.PAY_AMOUNT_MISMATCH) from None
        if is_new:
            self._desk.notices.begin(trade, Matter(About.REFUNDED, refund.no))
        return is_new

    def refund_query(self, request: Request, _: Subject) -> Mangled:
        """Nothing but success where there is no such refund: `refund_status` is what tells."""
        trade, no = self._named(request), request.biz.get("out_request_no", "")
        if not no:
            raise invalid("out_request_no不能为空")
        if (refund := trade.refund(no)) is None:
            return {}
        return {
            "out_request_no": refund.no,
            "out_trade_no": trade.order.order_no,
            "refund_amount": yuan(refund.amount_fen),
            "refund_status": "REFUND_SUCCESS",
            "total_amount": yuan(trade.order.amount_fen),
            "trade_no": trade.trade_no,
        }

    def close(self, request: Request, _: Subject) -> Mangled:
        trade = self._named(request)
        if not self._trades.close(trade):
            raise Refusal("ACQ.TRADE_STATUS_ERROR", "交易状态不合法")
        self._desk.notices.begin(trade, CLOSED)
        return {"out_trade_no": trade.order.order_no, "trade_no": trade.trade_no}

    def cancel(self, request: Request, _: Subject) -> Mangled:
        """Undoes a trade, whatever its state: closed if nobody has paid, else given back. One that there is not is
        undone already."""
        _must_name(request)
        if (trade := self.found(request)) is None:
            return {"out_trade_no": readable(request.biz.get("out_trade_no", ""))[:_NO_MAX], "retry_flag": "N"}
        fields: Mangled = {"out_trade_no": trade.order.order_no, "retry_flag": "N", "trade_no": trade.trade_no}
        if not trade.is_captured:
            if self._trades.close(trade):
                self._desk.notices.begin(trade, CLOSED)
            return fields | {"action": "close"}
        if trade.refundable_fen:
            if self._status(trade) == ENDED:
                raise Refusal("ACQ.TRADE_HAS_FINISHED", "交易已完结")
            self._give_back(trade, Fen(trade.refundable_fen), "", "cancelled")
        return fields | {"action": "refund"}


def _is_disputed(trade: Trade, no: str) -> bool:
    return trade.dispute is not None and trade.dispute.no == no


def _must_name(request: Request) -> None:
    if not request.biz.get("trade_no") and not request.biz.get("out_trade_no"):
        raise invalid("out_trade_no和trade_no不能同时为空")
