"""The payment mock, put together: every payment instance of a plan in one process, with its books and its /_admin."""

from collections.abc import Callable
from typing import ClassVar, Protocol

from ledger.states import Hop
from mocks.call import Signs
from mocks.notices import Notices, Teller
from mocks.payment.alipay import Alipay
from mocks.payment.desk import Desk
from mocks.payment.disputes import Disputes
from mocks.payment.epay import Epay
from mocks.payment.epay_v2 import EpayV2
from mocks.payment.expiry import Expiry
from mocks.payment.trades import Trade, Trades
from mocks.payment.vmq import Vmq
from mocks.payment.wechat import WeChat
from mocks.reply import Fields
from mocks.upstreams import Instance, Keys, Upstreams
from plan.run import UpstreamPlan


class Channel(Instance, Teller[Trade], Protocol):
    """What a dialect of payment is: it answers shops and buyers, and writes notices."""

    signs: ClassVar[Signs]


DIALECTS: dict[str, Callable[[Desk], Channel]] = {
    "epay": Epay,
    "epay_v2": EpayV2,
    "vmq": Vmq,
    "alipay": Alipay,
    "wechat": WeChat,
}


class PaymentMock(Upstreams):
    """All payment instances of a process."""

    role = "payment"
    dialects = tuple(DIALECTS)

    def _open(self) -> None:
        self.trades = Trades(self.clock, self.append)
        self.notices: Notices[Trade] = self.notices_at(Hop.PAYMENT_SHOP)
        self.trades.on_refund = self.notices.given_back
        self.expiry = Expiry(self.clock, self.trades, self.notices, self.tasks)
        self.disputes = Disputes(self.plan, self.clock, self.trades, self.notices, self.tasks)

    def _instance(self, name: str, upstream: UpstreamPlan, keys: Keys) -> Instance:
        desk = Desk(
            name=name,
            keys=keys,
            plan=self.plan,
            upstream=upstream,
            clock=self.clock,
            wall_ns=self.wall_ns,
            append=self.append,
            injector=self.injector,
            trades=self.trades,
            notices=self.notices,
            expiry=self.expiry,
            disputes=self.disputes,
        )
        channel = DIALECTS[upstream.dialect](desk)
        self.notices.serve(name, channel, self.ladder(upstream))
        return channel

    def _forget(self) -> dict[str, object]:
        self.expiry.forget()
        self.disputes.stop()
        return {"notices": self.notices.forget(), "trades": self.trades.forget()}

    def stop(self) -> None:
        self.expiry.stop()
        self.disputes.stop()
        self.notices.forget()

    # --- what /_admin sees --------------------------------------------------------------------------------------
    @property
    def trades_made(self) -> int:
        return len(self.trades)

    @property
    def open_notices(self) -> int:
        return self.notices.open

    def trades_json(self, wanted: Fields, latest: int) -> list[dict[str, object]]:
        if trade_no := wanted.get("trade_no"):
            found = [t for name in self._instances if (t := self.trades.find(name, trade_no=trade_no))]
        elif order_no := wanted.get("out_trade_no"):
            found = [t for name in self._instances if (t := self.trades.find(name, order_no=order_no))]
        elif key := wanted.get("key"):
            found = self.trades.about(key)
        else:
            found = list(self.trades)[-latest:]
        return [_json(trade) for trade in found if wanted.get("key") in (None, trade.o)]


def _json(trade: Trade) -> dict[str, object]:
    order = trade.order
    return {
        "upstream": order.upstream,
        "trade_no": trade.trade_no,
        "out_trade_no": order.order_no,
        "key": trade.o,
        "keyed_by": trade.keyed_by,
        "way": order.way,
        "amount_fen": order.amount_fen,
        "state": trade.state,
        "created_t": trade.created_t,
        "captured_t": trade.captured_t,
        "refunded_fen": trade.refunded_fen,
        "dispute": None if trade.dispute is None else {"no": trade.dispute.no, "open": trade.dispute.is_open},
        "notices": trade.notices,
        "last_notice": trade.heard,
    }
