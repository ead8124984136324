"""What both versions of Epay share: how an order is asked for, refused, shown, told of and found again.

Source: docs/protocols/epay.md and docs/protocols/epay_v2.md.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from html import escape

import msgspec

from faults.verdict import Variant
from ledger.events import TradeRefused
from ledger.money import Fen, MoneyError, parse_yuan, yuan
from ledger.states import Code, Hop, Operation
from mocks.call import Place, Subject
from mocks.mangle import Mangled, Schema
from mocks.notices import About, Matter
from mocks.payment.cashier import Cashier
from mocks.payment.desk import Desk
from mocks.payment.epay_signing import EXTRA, ON_THE_WAY, joined
from mocks.payment.trades import Order, Trade
from mocks.post import Heard, Letter
from mocks.reply import HTML, Fields, Reply
from mocks.server import Asked, readable
from plan.loopback import is_loopback
from plan.orders import find_key

PAID, WAITING, CLOSED = "TRADE_SUCCESS", "WAIT_BUYER_PAY", "TRADE_CLOSED"
NAME_BYTES_MAX = 127
NOTICE = Schema(
    pair=("trade_status", "status"), missing="trade_status", state="trade_status", states={PAID: "TRADE_FINISHED"},
    money=("money",), identifiers=("param",), dates=("timestamp",),
)  # fmt: skip

_ORDER_NO = re.compile(r"[A-Za-z0-9._|-]{1,64}", re.ASCII)
_WAY = re.compile(r"[A-Za-z0-9._-]{1,32}", re.ASCII)
_BEIJING = timedelta(hours=8)
_LOCAL_ONLY = "回调地址只允许本机（127.0.0.0/8、::1、localhost）"
NO_TRADE = "订单号不存在！"


class Refusal(Exception):
    """Why the gateway refuses: the standard code, api.php's number, and the gateway's own sentence."""

    def __init__(self, words: str, code: Code = Code.UPSTREAM_REFUSED, number: int = -1) -> None:
        super().__init__(words)
        self.words, self.code, self.number = words, code, number


class Needs(msgspec.Struct, frozen=True):
    """What an order must say, beside its number, its address for notices and its amount."""

    fields: tuple[str, ...] = ()


def cut_name(text: str) -> str:
    """The first 127 bytes, in whole characters."""
    return text.encode()[:NAME_BYTES_MAX].decode("utf-8", "ignore")


def source(asked: Asked) -> Fields:
    """The query if it holds `pid`, else the body; never both, or a stray query parameter entered the signed text."""
    query = asked.query_fields()
    return query if "pid" in query or asked.method == "GET" else asked.body_fields()


class Family(ABC):
    """One instance of a gateway of this family, with one merchant. A version says how it signs."""

    schema = NOTICE

    def __init__(self, desk: Desk) -> None:
        self.name, self._keys, self._desk = desk.name, desk.keys, desk
        self._clock, self._append, self._injector, self._trades = desk.clock, desk.append, desk.injector, desk.trades
        self._cashier = Cashier(desk, back=self.return_url)
        self._at_shop = partial(Place, Hop.SHOP_PAYMENT, upstream=desk.name)
        self._submit = Place(Hop.BUYER_PAYMENT, Operation.CREATE, desk.name)

    @abstractmethod
    def _signed(self, fields: Fields, variant: Variant | None) -> Fields:
        """The fields of a notice with their signature, by the rule or in the way of a variant."""

    # --- refusals -----------------------------------------------------------------------------------------------
    def _note_refused(self, operation: Operation, o: str | None, refusal: Refusal) -> None:
        t = self._clock.t()
        self._append(
            TradeRefused(t=t, o=o, upstream=self.name, operation=operation, code=refusal.code, words=refusal.words)
        )

    def _refused_repeat(
        self, fields: Fields, operation: Operation, subject: Subject, style: Callable[[Refusal], Reply]
    ) -> Reply | None:
        """As a gateway refuses a number it has seen; None for a new one."""
        if self._trades.find(self.name, order_no=fields.get("out_trade_no", "")) is None:
            return None
        refusal = Refusal("订单号已存在！")
        self._note_refused(operation, subject.o, refusal)
        return style(refusal)

    # --- orders -------------------------------------------------------------------------------------------------
    def _read_order(self, fields: Fields, needs: Needs) -> Order:
        """The order that a signed request asks for; Refusal for the first flaw."""
        for field in ("out_trade_no", "notify_url", "money", *needs.fields):
            if not fields.get(field):
                raise Refusal(f"{_CHINESE[field]}({field})不能为空！")
        way = fields.get("type") or "alipay"
        if not _ORDER_NO.fullmatch(fields["out_trade_no"]) or not _WAY.fullmatch(way):
            raise Refusal("订单号(out_trade_no)或支付方式(type)格式不正确！")
        back_to = fields.get("return_url", "")
        if not is_loopback(fields["notify_url"]) or (back_to and not is_loopback(back_to)):
            raise Refusal(_LOCAL_ONLY)
        try:
            amount_fen = parse_yuan(fields["money"])
        except MoneyError:
            amount_fen = Fen(0)
        if amount_fen <= 0:
            raise Refusal("金额(money)不合法！")
        return Order(
            upstream=self.name,
            order_no=fields["out_trade_no"],
            amount_fen=amount_fen,
            goods=cut_name(readable(fields.get("name") or fields["out_trade_no"])),
            way=way,
            notice_to=readable(fields["notify_url"]),
            back_to=readable(back_to),
            carried=readable(fields.get("param", "")),
            merchant=readable(fields.get("sitename") or self._keys.pid),
        )

    def _trade(self, fields: Fields) -> Trade | None:
        return self._trades.find(
            self.name, trade_no=fields.get("trade_no", ""), order_no=fields.get("out_trade_no", "")
        )

    def _found(self, fields: Fields) -> Trade:
        """The trade that is asked about; Refusal where there is none."""
        trade = self._trade(fields)
        if trade is None:
            raise Refusal(NO_TRADE, Code.PAY_NOT_SUBMITTED)
        return trade

    def _subject(self, fields: Fields, operation: Operation, buyer: str = "") -> Subject:
        """Whom a request is about: its trade, the key passed through or told by the buyer, else the shop's order
        number, else only what it is for."""
        if (trade := self._trade(fields)) is not None:
            return trade.subject
        if key := find_key(fields.get("param", "")) or find_key(buyer):
            return Subject(key, "key", key)
        if number := readable(fields.get("out_trade_no") or fields.get("trade_no", ""))[:64]:
            return Subject(number, "order_number", number)
        return Subject(operation.value, "operation", None)

    def _said_of(self, trade: Trade) -> dict[str, object]:
        """What both versions say of a trade when they are asked."""
        order = trade.order
        return {
            "trade_no": trade.trade_no,
            "out_trade_no": order.order_no,
            "api_trade_no": trade.trade_no,
            "type": order.way,
            "pid": self._keys.pid,
            "addtime": self._wall_text(trade.created_t),
            "endtime": self._wall_text(trade.captured_t) if trade.captured_t is not None else "",
            "name": order.goods,
            "money": yuan(order.amount_fen),
            "status": {"captured": 1, "refunded": 2}.get(trade.state, 0),
            "trade_status": {"captured": PAID, "created": WAITING}.get(trade.state, CLOSED),
            "param": order.carried,
            "buyer": "",
        }

    def _wall_text(self, t: int) -> str:
        return (datetime.fromtimestamp(self._desk.wall_s(t), UTC) + _BEIJING).strftime("%Y-%m-%d %H:%M:%S")

    # --- pages --------------------------------------------------------------------------------------------------
    async def _at_cashier(self, asked: Asked) -> Reply | None:
        trade_no = asked.query_fields().get("trade_no", "")
        return await self._cashier.answer(asked, self._trades.find(self.name, trade_no=trade_no))

    def _cashier_url(self, trade: Trade) -> str:
        return f"/{self.name}/cashier.php?trade_no={trade.trade_no}"

    # --- notices ------------------------------------------------------------------------------------------------
    def compose(self, trade: Trade, matter: Matter) -> Mangled | None:
        """Only payment is told of: no server of this family tells a shop of anything else."""
        return dict(self._told(trade)) if matter.about is About.DONE else None

    def _told(self, trade: Trade) -> Fields:
        order = trade.order
        fields = {
            "pid": self._keys.pid,
            "trade_no": trade.trade_no,
            "out_trade_no": order.order_no,
            "type": order.way,
            "name": order.goods,
            "money": yuan(order.amount_fen),
            "trade_status": PAID,
        }
        return fields | {"param": order.carried} if order.carried else fields

    def seal(self, trade: Trade, matter: Matter, fields: Mangled, variant: Variant | None) -> Letter:
        told = {name: str(value) for name, value in fields.items()}
        return Letter("GET", self._signed_url(trade.order.notice_to, told, variant))

    def _signed_url(self, url: str, fields: Fields, variant: Variant | None = None) -> str:
        more = EXTRA if variant is Variant.EXTRA_FIELD else {}
        signed = self._signed(fields | more, None if variant in ON_THE_WAY else variant)
        return joined(url, signed, variant)

    def is_accepted(self, heard: Heard) -> bool:
        """Source: the 2020 server looks for `success` anywhere in the body, in any case."""
        return heard.status == 200 and "success" in heard.words.lower()

    def return_url(self, trade: Trade) -> str:
        """Where the buyer goes after paying, with the same fields as the notice, signed."""
        return self._signed_url(trade.order.back_to, self._told(trade)) if trade.order.back_to else ""


_CHINESE = {
    "out_trade_no": "订单号",
    "notify_url": "通知地址",
    "return_url": "回调地址",
    "name": "商品名称",
    "money": "金额",
    "type": "支付方式",
    "clientip": "用户IP",
}
_JUMP = """<!DOCTYPE html>
<html lang="zh-CN"><head><meta charset="utf-8"><title>正在为您跳转到支付页面，请稍候...</title></head>
<body><script>window.location.href='CASHIER';</script>
<noscript><a href="CASHIER">去支付</a></noscript></body></html>
"""
_ERROR = """<!DOCTYPE html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>站点提示信息</title><style>:root { color-scheme: light dark; }
body { max-width: 27rem; margin: 3rem auto; padding: 0 1rem; font: 16px/1.6 system-ui, sans-serif; }</style></head>
<body><h3>站点提示信息</h3><p>WORDS</p></body></html>
"""


def page_refusal(refusal: Refusal) -> Reply:
    return Reply(body=_ERROR.replace("WORDS", escape(refusal.words)).encode(), kind=HTML)


def jump(to: str) -> Reply:
    """A page whose script leads on."""
    return Reply(body=_JUMP.replace("CASHIER", to).encode(), kind=HTML)
