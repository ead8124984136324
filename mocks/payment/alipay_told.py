"""What Alipay tells a shop: of payment, refunds, closing, finishing and complaints by notice, and through the buyer who
comes back.

Source: docs/protocols/alipay.md, Notices.
"""

import msgspec

from ledger.money import Fen, yuan
from mocks.mangle import Mangled, Schema
from mocks.notices import About, Matter, notice_id
from mocks.payment.alipay_asked import beijing
from mocks.payment.desk import Desk
from mocks.payment.trades import Trade

WAITING, PAID, ENDED, GONE = "WAIT_BUYER_PAY", "TRADE_SUCCESS", "TRADE_FINISHED", "TRADE_CLOSED"
STATES: dict[str, object] = {PAID: ENDED, ENDED: PAID}
AMOUNTS = ("total_amount", "total_fee")
"""The platform's older API says total_fee for the same."""
MONEY = ("total_amount", "receipt_amount", "buyer_pay_amount", "invoice_amount")
NOTICE = Schema(
    pair=AMOUNTS, missing="trade_status", state="trade_status", states=STATES, money=MONEY,
    identifiers=("passback_params",),
    dates=("gmt_create", "gmt_payment", "gmt_refund", "gmt_close", "notify_time", "utc_timestamp"),
)  # fmt: skip
BUYER_NAME, BUYER_ID = "ord***@orderjam.example", "2088102100000018"
COMPLAINT_CHANGED = "alipay.merchant.tradecomplain.changed"
SELLER_NAME = "shop@orderjam.example"


class Telling:
    """Writes the fields, unsigned, of all that one instance of the gateway tells."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._app_id = desk, desk.keys.pid
        self._seller_id = desk.keys.own.get("seller_id") or desk.keys.pid

    def notice(self, trade: Trade, matter: Matter) -> Mangled | None:
        """None where the shop has named no address, or there is no such matter."""
        if not trade.order.notice_to:
            return None
        match matter.about:
            case About.DONE:
                return self._of_state(trade, matter, PAID)
            case About.FINISHED:
                return self._of_state(trade, matter, ENDED)
            case About.CLOSED if trade.closed_t is not None:
                return self._of_state(trade, matter, GONE, gmt_close=self.time_text(trade.closed_t))
            case About.REFUNDED:
                return self._of_refund(trade, matter)
            case About.DISPUTED | About.DISPUTE_ENDED:
                return self._of_complaint(trade, matter)
        return None

    def coming_back(self, trade: Trade, method: str) -> Mangled:
        """What the buyer carries back to the shop after paying; `method` is what he was sent with."""
        return {
            "charset": "utf-8",
            "out_trade_no": trade.order.order_no,
            "method": f"{method}.return",
            "total_amount": yuan(trade.order.amount_fen),
            "trade_no": trade.trade_no,
            "auth_app_id": self._app_id,
            "version": "1.0",
            "app_id": self._app_id,
            "seller_id": self._seller_id,
            "timestamp": self.time_text(self._desk.clock.t()),
        }

    def time_text(self, t: int) -> str:
        """A moment of the run's axis as the gateway writes it."""
        return beijing(self._desk.wall_s(t))

    def _of_refund(self, trade: Trade, matter: Matter) -> Mangled | None:
        """The sum of all that was given back so far, under the number of this refund. A trade of which all was given
        back is closed by that; else its state says again that it was paid."""
        sum_fen = 0
        for refund in trade.refunds:
            sum_fen += refund.amount_fen
            if refund.no != matter.no:
                continue
            is_all = sum_fen == trade.order.amount_fen
            fields = self._of_state(
                trade,
                matter,
                GONE if is_all else PAID,
                gmt_refund=f"{self.time_text(refund.t)}.{refund.t // 1_000_000 % 1000:03d}",
                out_biz_no=refund.no,
                refund_fee=yuan(Fen(sum_fen)),
            )
            return fields | {"gmt_close": self.time_text(refund.t)} if is_all else fields
        return None

    def _of_complaint(self, trade: Trade, matter: Matter) -> Mangled:
        """A message of the platform, of another kind than notices of trades: it says only that the complaint has
        changed, and the shop asks how it stands. The real one goes to the application's own address."""
        return {
            "charset": "utf-8",
            "biz_content": msgspec.json.encode({"complain_event_id": matter.no}).decode(),
            "msg_method": COMPLAINT_CHANGED,
            "utc_timestamp": str(int(self._desk.wall_s(self._desk.clock.t()) * 1000)),
            "version": "1.1",
            "notify_id": notice_id(trade.trade_no, matter),
            "app_id": self._app_id,
        }

    def _of_state(self, trade: Trade, matter: Matter, status: str, **more: str) -> Mangled:
        order, total = trade.order, yuan(trade.order.amount_fen)
        fields: Mangled = {
            "gmt_create": self.time_text(trade.created_t),
            "charset": "utf-8",
            "seller_email": SELLER_NAME,
            "subject": order.goods,
            "buyer_id": BUYER_ID,
            "notify_id": notice_id(trade.trade_no, matter),
            "notify_type": "trade_status_sync",
            "trade_status": status,
            "app_id": self._app_id,
            "seller_id": self._seller_id,
            "notify_time": self.time_text(self._desk.clock.t()),
            "version": "1.0",
            "out_trade_no": order.order_no,
            "total_amount": total,
            "trade_no": trade.trade_no,
            "auth_app_id": self._app_id,
            "buyer_logon_id": BUYER_NAME,
        }
        if trade.captured_t is not None:
            fields |= {
                "gmt_payment": self.time_text(trade.captured_t),
                "invoice_amount": total,
                "fund_bill_list": f'[{{"amount":"{total}","fundChannel":"ALIPAYACCOUNT"}}]',
                "receipt_amount": total,
                "buyer_pay_amount": total,
                "point_amount": "0.00",
            }
        if order.carried:
            fields["passback_params"] = order.carried
        return fields | more
