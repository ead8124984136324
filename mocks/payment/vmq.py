"""The dialect of V免签 (Vmq): createOrder, getOrder, checkOrder, closeOrder, getState, its pay page and its notices.

It watches the owner's phone for money that came in, and tells payers apart by the amount: whoever orders while another
order of the same price is open pays some fen more. Source: docs/protocols/vmq.md.
"""

import hashlib
from collections.abc import Callable
from functools import partial
from typing import ClassVar
from urllib.parse import quote_plus

import msgspec

from faults.verdict import Shape, Variant
from ledger.events import TradeRefused
from ledger.money import Fen, MoneyError, parse_yuan, yuan
from ledger.states import Code, Hop, Operation
from mocks.call import Call, Place, Signs, Subject
from mocks.mangle import Mangled, Schema
from mocks.notices import ACCEPTED, About, Matter
from mocks.payment.cashier import Cashier
from mocks.payment.desk import Desk
from mocks.payment.epay_family import jump
from mocks.payment.epay_signing import as_number, joined
from mocks.payment.trades import Order, Trade
from mocks.post import Heard, Letter
from mocks.reply import Fields, Reply
from mocks.server import Answer, Asked, NoRoute, readable
from mocks.signed import are_equal
from plan.loopback import is_loopback
from plan.orders import find_key

PAGE = "payPage/pay.html"
PATHS = ("createOrder", "getOrder", "checkOrder", "closeOrder", "getState")
WAYS = {"1": "wxpay", "2": "alipay"}
TYPES = {way: type_ for type_, way in WAYS.items()}
CLOSE_MIN = 5
"""Business minutes after which an order that nobody paid is closed: the setting that its console starts with."""
SLOTS = {"many": 1000, "ten": 10}
"""How many orders of one price may be open; its source tries ten amounts."""

_SHAPE = ("data", Shape.FLAT)
MONEY = ("data.price", "data.reallyPrice")
CREATED = Schema(missing="data.payUrl", code="code", codes={"1": 0, "-1": 1}, money=MONEY, shape=_SHAPE)
QUERIED = Schema(
    missing="data.state", state="data.state", states={"-1": 3, "0": 1, "1": 2, "2": 4}, no_state="9",
    code="code", codes={"1": 0, "-1": 1}, money=MONEY, flaps={"data.state": ("1", 0)},
    dates=("data.date",), shape=_SHAPE,
)  # fmt: skip
ANSWERED = Schema(missing="code", code="code", codes={"1": 0, "-1": 1})
NOTICE = Schema(missing="reallyPrice", money=("price", "reallyPrice"), identifiers=("param",))

_METHODS = frozenset({"GET", "POST"})
REQUESTS = frozenset(
    {
        Variant.WRONG_KEY, Variant.MISSING, Variant.CHARSET_GBK, Variant.CASE, Variant.NUMBER_FORMAT,
        Variant.URLENCODED,
    }
)  # fmt: skip
NOTICES = REQUESTS | {Variant.FIELD_ORDER}


class Refused(Exception):
    """Why the gateway refuses: its own sentence, and the standard code."""

    def __init__(self, words: str, code: Code = Code.UPSTREAM_REFUSED) -> None:
        super().__init__(words)
        self.words, self.code = words, code


def signature(values: Fields, key: str, variant: Variant | None = None) -> str:
    """MD5 over the values one behind the other, in the order given, and the key behind them. With a variant: the same,
    wrong in that way."""
    pairs = list(values.items())
    if variant is Variant.NUMBER_FORMAT:
        pairs = [(name, as_number(value) if name.lower().endswith("price") else value) for name, value in pairs]
    text = "".join(quote_plus(value) if variant is Variant.URLENCODED else value for _, value in pairs)
    secret = f"another-key-than-{key}" if variant is Variant.WRONG_KEY else key
    charset, errors = ("gbk", "replace") if variant is Variant.CHARSET_GBK else ("utf-8", "surrogateescape")
    digest = hashlib.md5((text + secret).encode(charset, errors), usedforsecurity=False).hexdigest()
    return digest.upper() if variant is Variant.CASE else digest


def really_price(price_fen: Fen, *, step: int, slots: int, is_free: Callable[[Fen], bool]) -> Fen | None:
    """The first amount from the price on, a fen up or down each time, at which no other order is open; None where so
    many are taken, or nothing would be left to pay."""
    amounts = (Fen(price_fen + step * i) for i in range(slots))
    return next((amount for amount in amounts if amount > 0 and is_free(amount)), None)


class Vmq:
    """One instance of the gateway, with one merchant: his number is of no use here, only the key."""

    schema = NOTICE
    signs: ClassVar[Signs] = Signs(requests=REQUESTS, notices=NOTICES)

    def __init__(self, desk: Desk) -> None:
        self.name, self._key, self._desk = desk.name, desk.keys.key, desk
        self._clock, self._append, self._injector, self._trades = desk.clock, desk.append, desk.injector, desk.trades
        self._cashier = Cashier(desk, back=self.return_url)
        place = partial(Place, Hop.SHOP_PAYMENT, upstream=desk.name)
        self._create = place(operation=Operation.CREATE, schema=CREATED)
        self._page = Place(Hop.BUYER_PAYMENT, Operation.CREATE, desk.name)
        self._asks: dict[str, tuple[Place, Callable[[Asked, Fields], object]]] = {
            "getOrder": (place(operation=Operation.QUERY, schema=QUERIED), self._order),
            "checkOrder": (place(operation=Operation.QUERY, schema=ANSWERED), self._check),
            "closeOrder": (place(operation=Operation.CLOSE, schema=ANSWERED), self._close),
            "getState": (place(operation=Operation.MERCHANT, schema=ANSWERED), self._state_of_app),
        }
        self._prices: dict[str, Fen] = {}
        self._open: dict[tuple[str, Fen], Trade] = {}

    def routes(self) -> list[str]:
        return [f"/{self.name}/{path}" for path in (*PATHS, PAGE)]

    def forget(self) -> None:
        for place in (self._create, self._page, *(place for place, _ in self._asks.values())):
            place.counts.clear()
        self._cashier.forget()
        self._prices, self._open = {}, {}

    async def answer(self, asked: Asked, path: str) -> Answer:
        """The answer to a request below this instance's name; NoRoute where the gateway does not take it."""
        if asked.method not in _METHODS:
            raise NoRoute
        fields = asked.query_fields() | asked.body_fields()  # its framework reads both as one
        if path == PAGE:
            no = fields.get("orderId") or fields.get("trade_no", "")
            return await self._cashier.answer(asked, self._trades.find(self.name, trade_no=no))
        if path == "createOrder":
            place = self._page if fields.get("isHtml") == "1" else self._create
            values = {name: fields.get(name, "") for name in ("payId", "param", "type", "price")}
            return await self._asked(asked, fields, place, self._made, values)
        if path not in self._asks:
            raise NoRoute
        place, step = self._asks[path]
        signed = {"closeOrder": "orderId", "getState": "t"}.get(path)
        return await self._asked(asked, fields, place, step, {signed: fields.get(signed, "")} if signed else None)

    async def _asked(
        self,
        asked: Asked,
        fields: Fields,
        place: Place,
        step: Callable[[Asked, Fields], object],
        signed: Fields | None,
    ) -> Answer:
        """One question. `signed`: the values that its signature covers, None where it has none."""
        subject = self._subject(fields, place.operation, asked.order_key)

        def refused(refusal: Refused) -> Reply:
            t, words = self._clock.t(), refusal.words
            self._append(
                TradeRefused(
                    t=t, o=subject.o, upstream=self.name, operation=place.operation, code=refusal.code, words=words
                )
            )
            return Reply(fields={"code": -1, "msg": words, "data": None})

        def act() -> Reply:
            try:
                said = step(asked, fields)
            except Refused as refusal:
                return refused(refusal)
            return said if isinstance(said, Reply) else Reply(fields={"code": 1, "msg": "成功", "data": said})

        def by_rule(variant: Variant | None = None) -> bool:
            if signed is None:
                return True
            given = "" if variant is Variant.MISSING else fields.get("sign", "")
            return are_equal(signature(signed, self._key, variant), given)

        refuse = partial(refused, Refused("签名错误", Code.UPSTREAM_BAD_SIGNATURE))
        return await self._injector.answer(Call(place, subject, by_rule(), act, refuse, is_genuine_as=by_rule))

    def _subject(self, fields: Fields, operation: Operation, buyer: str) -> Subject:
        trade = self._trades.find(self.name, trade_no=fields.get("orderId", ""), order_no=fields.get("payId", ""))
        if trade is not None:
            return trade.subject
        if key := find_key(fields.get("param", "")) or find_key(buyer):
            return Subject(key, "key", key)
        if number := readable(fields.get("payId") or fields.get("orderId", ""))[:64]:
            return Subject(number, "order_number", number)
        return Subject(operation.value, "operation", None)

    # --- creating -----------------------------------------------------------------------------------------------
    def _made(self, asked: Asked, fields: Fields) -> object:
        order, price_fen = self._read_order(fields)
        if self._trades.find(self.name, order_no=order.order_no) is not None:
            raise Refused("商户订单号已存在")
        amount_fen = self._amount(price_fen, order.way)
        order = msgspec.structs.replace(order, amount_fen=amount_fen)
        trade = self._trades.create(order, self._subject(fields, Operation.CREATE, asked.order_key))
        self._desk.expiry.watch(trade)
        self._prices[trade.trade_no] = price_fen
        self._open[order.way, amount_fen] = trade
        if fields.get("isHtml") == "1":
            return jump(f"{PAGE}?orderId={trade.trade_no}")
        return self._said_of(asked, trade)

    def _read_order(self, fields: Fields) -> tuple[Order, Fen]:
        """The order that is asked for, and its price; Refused for the first flaw."""
        pay_id, way = fields.get("payId", ""), WAYS.get(fields.get("type", ""))
        if not pay_id or len(pay_id) > 64 or not pay_id.isprintable():
            raise Refused("请传入商户订单号")
        if way is None:
            raise Refused("支付方式错误=>1|微信 2|支付宝")
        try:
            price_fen = parse_yuan(fields.get("price", ""))
        except MoneyError:
            price_fen = Fen(0)
        if price_fen <= 0:
            raise Refused("订单金额必须大于0")
        notify, back = fields.get("notifyUrl", ""), fields.get("returnUrl", "")
        if not is_loopback(notify) or (back and not is_loopback(back)):
            raise Refused("请传入notifyUrl；回调地址只允许本机（127.0.0.0/8、::1、localhost）")
        order = Order(
            upstream=self.name,
            order_no=readable(pay_id),
            amount_fen=price_fen,
            goods=readable(pay_id),
            way=way,
            notice_to=readable(notify),
            back_to=readable(back),
            carried=readable(fields.get("param", "")),
            merchant="V免签",
            expires_t=self._desk.after_t(CLOSE_MIN * 60),
        )
        return order, price_fen

    def _amount(self, price_fen: Fen, way: str) -> Fen:
        """What the payer of a new order is to pay."""

        def is_free(amount: Fen) -> bool:
            other = self._open.get((way, amount))
            return other is None or other.state != "created"

        option = self._desk.upstream.option
        step = 1 if option("differs") == "up" else -1
        amount_fen = really_price(price_fen, step=step, slots=SLOTS[option("slots")], is_free=is_free)
        if amount_fen is None:
            raise Refused("订单超出负荷，请稍后重试")
        return amount_fen

    # --- what can be asked for ------------------------------------------------------------------------------------
    def _found(self, fields: Fields) -> Trade:
        no = fields.get("orderId", "")
        trade = self._trades.find(self.name, trade_no=no) if no else None
        if trade is None:
            raise Refused("云端订单编号不存在", Code.PAY_NOT_SUBMITTED)
        return trade

    @staticmethod
    def _state(trade: Trade) -> int:
        """-1 closed, 0 waiting, 1 paid, 2 paid and the shop did not take the notice."""
        if not trade.is_captured:
            return -1 if trade.closed else 0
        return 1 if trade.heard in ("", ACCEPTED) else 2

    def _said_of(self, asked: Asked, trade: Trade) -> dict[str, object]:
        order, base = trade.order, f"http://{asked.host}" if asked.host else ""
        return {
            "payId": order.order_no,
            "orderId": trade.trade_no,
            "payType": int(TYPES[order.way]),
            "price": yuan(self._prices[trade.trade_no]),
            "reallyPrice": yuan(order.amount_fen),
            "payUrl": f"{base}/{self.name}/{PAGE}?orderId={trade.trade_no}",
            "isAuto": 1,
            "state": self._state(trade),
            "timeOut": str(CLOSE_MIN),
            "date": int(self._desk.wall_s(trade.created_t)),
        }

    def _order(self, asked: Asked, fields: Fields) -> object:
        return self._said_of(asked, self._found(fields))

    def _check(self, _: Asked, fields: Fields) -> object:
        """Where the buyer goes once he has paid."""
        trade = self._found(fields)
        if not trade.is_captured:
            raise Refused("订单已过期" if trade.closed else "订单未支付")
        return self.return_url(trade)

    def _close(self, _: Asked, fields: Fields) -> object:
        trade = self._found(fields)
        if not self._trades.close(trade):
            raise Refused("订单状态不允许关闭")
        return None

    def _state_of_app(self, _: Asked, __: Fields) -> object:
        """The phone that is watched is always well."""
        now = str(int(self._desk.wall_s(self._clock.t())))
        return {"lastheart": now, "lastpay": now, "jkstate": "1"}

    # --- notices ------------------------------------------------------------------------------------------------
    def compose(self, trade: Trade, matter: Matter) -> Mangled | None:
        return dict(self._told(trade)) if matter.about is About.DONE else None

    def _told(self, trade: Trade) -> Fields:
        order = trade.order
        return {
            "payId": order.order_no,
            "param": order.carried,
            "type": TYPES[order.way],
            "price": yuan(self._prices[trade.trade_no]),
            "reallyPrice": yuan(order.amount_fen),
        }

    def seal(self, trade: Trade, matter: Matter, fields: Mangled, variant: Variant | None) -> Letter:
        told = {name: str(value) for name, value in fields.items()}
        return Letter("GET", self._signed_url(trade.order.notice_to, told, variant))

    def _signed_url(self, url: str, fields: Fields, variant: Variant | None = None) -> str:
        sign = {} if variant is Variant.MISSING else {"sign": signature(fields, self._key, variant)}
        return joined(url, fields | sign, variant)

    def is_accepted(self, heard: Heard) -> bool:
        """Its source compares the whole body with `success`."""
        return heard.status == 200 and heard.words == "success"

    def return_url(self, trade: Trade) -> str:
        return self._signed_url(trade.order.back_to, self._told(trade)) if trade.order.back_to else ""
