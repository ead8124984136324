"""The cashier: the page where a buyer pays and complains, by hand or by program, whatever the dialect.

GET shows the page; POST pays, once. A program sends the bare order key (form field `key`, or the header
X-Orderjam-Order) and `Accept: application/json`, and reads {"paid": true, "return_url": …}. A POST with the form field
`complain` (the buyer's reason) complains instead, and a program reads {"complained": true, "dispute_no": …}.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs

import jinja2

from ledger.events import TradeRefused
from ledger.money import Fen, yuan
from ledger.states import Code, Hop, Operation
from mocks.call import Call, Place
from mocks.payment.desk import Desk
from mocks.payment.disputes import TooEarly
from mocks.payment.trades import IsClosed, IsDisputed, NotPaid, Trade
from mocks.reply import HTML, JSON, Reply
from mocks.server import Asked, readable
from plan.orders import find_key

LANGUAGES = ("zh", "en")
GONE = ("没有这笔交易，请回到商家重新下单。", "There is no such trade. Please go back to the shop and order again.")
CLOSED = ("这笔交易已关闭，不能再支付。", "This trade is closed and can no longer be paid.")
UNPAID = ("这笔交易没有可投诉的款项。", "There is no money in this trade to complain about.")
DISPUTED = ("这笔交易已投诉过。", "There was a complaint about this trade before.")
NOT_YET = ("付款满一定时间后才可投诉，请于 {} 之后再来。", "It is too early to complain; please come back after {}.")
REASON_MAX = 200
"""Letters of a reason that are kept."""
_NO_REASON = "没有收到商品"
_BEIJING = timedelta(hours=8)
_WAYS = {
    "alipay": ("支付宝", "Alipay"),
    "wxpay": ("微信支付", "WeChat Pay"),
    "qqpay": ("QQ 钱包", "QQ Wallet"),
    "bank": ("网银支付", "Online banking"),
    "jdpay": ("京东支付", "JD Pay"),
    "native": ("微信支付", "WeChat Pay"),
    "jsapi": ("微信支付", "WeChat Pay"),
    "h5": ("微信支付", "WeChat Pay"),
    "app": ("微信支付", "WeChat Pay"),
}

Back = Callable[[Trade], str]
"""Where the shop wants its buyer after paying, with all that the dialect puts into that address; empty for nowhere."""
Paid = Callable[[Trade], None]
"""What a dialect does beside the notice once the money is taken."""


class Cashier:
    """The cashier of one upstream."""

    def __init__(self, desk: Desk, *, back: Back, paid: Paid = lambda _: None) -> None:
        self._upstream = upstream = desk.name
        self._clock, self._append, self._injector = desk.clock, desk.append, desk.injector
        self._trades, self._notices, self._back = desk.trades, desk.notices, back
        self._disputes, self._wall_s = desk.disputes, desk.wall_s
        self._paid = paid
        self._shows = Place(Hop.BUYER_PAYMENT, Operation.CASHIER, upstream)
        self._pays = Place(Hop.BUYER_PAYMENT, Operation.PAY, upstream)
        self._complains = Place(Hop.BUYER_PAYMENT, Operation.COMPLAIN, upstream)
        loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
        self._template = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True).get_template(
            "cashier.html"
        )

    def forget(self) -> None:
        self._shows.counts.clear()
        self._pays.counts.clear()
        self._complains.counts.clear()

    async def answer(self, asked: Asked, trade: Trade | None) -> Reply | None:
        """GET shows the trade's page, anything else pays it or complains about it."""
        wanted = parse_qs(asked.query, keep_blank_values=True)
        lang = (wanted.get("lang") or ["zh"])[0]
        lang = lang if lang in LANGUAGES else "zh"
        if asked.method == "GET":
            if trade is None:
                return self._page(None, lang, status=404, words=GONE)
            call = self._call(self._shows, trade, lambda: self._show(trade, lang, may_complain="complain" in wanted))
            return await self._injector.answer(call)
        form = asked.body_fields()
        key = find_key(form.get("key", "") or asked.order_key)
        if trade is None:
            return self._refused(asked, None, key, lang, 404, GONE)
        if "complain" in form:
            call = self._call(self._complains, trade, lambda: self._complain(asked, trade, form["complain"], lang))
            return await self._injector.answer(call)
        call = self._call(self._pays, trade, lambda: self._pay(asked, trade, key, lang))
        return await self._injector.answer(call)

    @staticmethod
    def _call(place: Place, trade: Trade, act: Callable[[], Reply]) -> Call:
        return Call(place, trade.subject, True, act, act)

    def _show(self, trade: Trade, lang: str, *, may_complain: bool) -> Reply:
        if trade.closed:
            return self._page(trade, lang, status=409, words=CLOSED)
        return self._page(trade, lang, asks_reason=may_complain and trade.refundable_fen > 0 and trade.dispute is None)

    def _pay(self, asked: Asked, trade: Trade, key: str | None, lang: str) -> Reply:
        if key is not None:
            self._trades.learn_key(trade, key)
        try:
            if self._trades.capture(trade):
                self._notices.begin(trade)
                self._paid(trade)
        except IsClosed:
            return self._refused(asked, trade, trade.o, lang, 409, CLOSED)
        if JSON.partition(";")[0] in asked.accept:
            return Reply(fields={"paid": True, "return_url": self._back(trade)})
        return self._page(trade, lang)

    def _complain(self, asked: Asked, trade: Trade, words: str, lang: str) -> Reply:
        reason = readable(words).strip()[:REASON_MAX] or _NO_REASON
        refuse = partial(self._refused, asked, trade, trade.o, lang, operation=Operation.COMPLAIN)
        try:
            dispute = self._disputes.complain(trade, reason)
        except NotPaid:
            return refuse(409, UNPAID)
        except IsDisputed:
            return refuse(409, DISPUTED)
        except TooEarly as early:
            from_ = datetime.fromtimestamp(self._wall_s(early.from_t), UTC) + _BEIJING
            zh, en = (text.format(from_.strftime("%Y-%m-%d %H:%M:%S")) for text in NOT_YET)
            return refuse(425, (zh, en))
        if JSON.partition(";")[0] in asked.accept:
            return Reply(fields={"complained": True, "dispute_no": dispute.no})
        return self._page(trade, lang)

    def _refused(
        self,
        asked: Asked,
        trade: Trade | None,
        o: str | None,
        lang: str,
        status: int,
        words: tuple[str, str],
        *,
        operation: Operation = Operation.PAY,
    ) -> Reply:
        event = TradeRefused(
            t=self._clock.t(),
            o=o,
            upstream=self._upstream,
            operation=operation,
            code=Code.UPSTREAM_REFUSED,
            words=words[0],
        )
        self._append(event)
        if JSON.partition(";")[0] in asked.accept:
            done = "complained" if operation is Operation.COMPLAIN else "paid"
            return Reply(status, {done: False, "error": words[0], "error_en": words[1]})
        return self._page(trade, lang, status=status, words=words)

    def _page(
        self,
        trade: Trade | None,
        lang: str,
        *,
        status: int = 200,
        words: tuple[str, str] | None = None,
        asks_reason: bool = False,
    ) -> Reply:
        zh = lang == "zh"
        way = trade.order.way if trade else ""
        text = self._template.render(
            zh=zh,
            trade=trade,
            amount=yuan(Fen(trade.order.amount_fen)) if trade else "",
            way=_WAYS.get(way, (way, way))[0 if zh else 1],
            back=self._back(trade) if trade is not None and trade.is_captured else "",
            words=words[0 if zh else 1] if words else "",
            asks_reason=asks_reason,
            reason_max=REASON_MAX,
        )
        return Reply(status, body=text.encode(), kind=HTML)
