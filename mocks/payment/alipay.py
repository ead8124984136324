"""The dialect of Alipay's open platform (gateway.do, OpenAPI v2): pages to pay on, codes to scan, and its notices.

Source: docs/protocols/alipay.md.
"""

from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from html import escape
from typing import ClassVar

import msgspec

from faults.verdict import Variant
from ledger.clock import SECOND_NS
from ledger.events import TradeRefused, Unmatched
from ledger.money import Fen, yuan
from ledger.states import Code, Hop, Operation
from mocks.apply import HTML, Call, Place, Reply, Schema, Signs, Subject
from mocks.mangle import Mangled
from mocks.notices import About, Heard, Letter, Matter, notice_id
from mocks.payment.alipay_asked import (
    BAD_CERT,
    BAD_SIGNATURE,
    BAD_TIME,
    DONE,
    MESSAGES,
    NO_METHOD,
    UNKNOWN_METHOD,
    Refusal,
    Request,
    beijing,
    express_s,
    invalid,
    is_timely,
    parse_beijing,
    read,
    read_amount,
    read_order,
)
from mocks.payment.alipay_signs import RSA, RSA2, SIGNS, KeysMissing, Seal
from mocks.payment.cashier import Cashier
from mocks.payment.desk import Desk
from mocks.payment.expiry import CLOSED
from mocks.payment.trades import AmountDiffers, NotPaid, Order, RefundDiffers, TooMuch, Trade
from mocks.server import Answer, Asked, NoRoute, readable
from mocks.upstreams import SetupError
from plan.orders import find_key
from plan.units import BusinessTime

WAITING, PAID, ENDED, GONE = "WAIT_BUYER_PAY", "TRADE_SUCCESS", "TRADE_FINISHED", "TRADE_CLOSED"
BUYER = {"buyer_logon_id": "ord***@orderjam.example", "buyer_user_id": "2088102100000018"}
FORM = "application/x-www-form-urlencoded; charset=utf-8"
JSON = "application/json;charset={}"

_MONEY = ("total_amount", "receipt_amount", "buyer_pay_amount", "invoice_amount")
_AMOUNTS = ("total_amount", "total_fee")
"""The platform's older API says total_fee for the same."""
_STATES: dict[str, object] = {PAID: ENDED, ENDED: PAID}
CREATED = Schema(pair=("qr_code", "share_code"), missing="qr_code", code="code")
QUERIED = Schema(
    pair=_AMOUNTS, missing="trade_status", state="trade_status", states=_STATES, code="code", money=_MONEY,
    identifiers=("out_trade_no",),
)  # fmt: skip
REFUNDED = Schema(
    pair=("refund_fee", "send_back_fee"), missing="fund_change", code="code", money=("refund_fee", "send_back_fee")
)
REFUND_FOUND = Schema(
    pair=("refund_status", "status"), missing="refund_status", state="refund_status", code="code",
    money=("refund_amount", "total_amount"),
)  # fmt: skip
ANSWERED = Schema(missing="trade_no", code="code")
NOTICE = Schema(
    pair=_AMOUNTS, missing="trade_status", state="trade_status", states=_STATES, money=_MONEY,
    identifiers=("passback_params",),
)  # fmt: skip

_METHODS = frozenset({"GET", "POST"})
_PAGE, _WAP = "alipay.trade.page.pay", "alipay.trade.wap.pay"
_PRODUCTS = {_PAGE: ("FAST_INSTANT_TRADE_PAY",), _WAP: ("QUICK_WAP_WAY", "QUICK_WAP_PAY")}
_UNKNOWN = Refusal("ACQ.TRADE_NOT_EXIST", "交易不存在", standard=Code.PAY_NOT_SUBMITTED)

Act = Callable[[Request, Subject], Mangled | Reply]


class _Method(msgspec.Struct, frozen=True):
    """What the gateway does on a method; a page is for a buyer's browser, all else for the shop."""

    place: Place
    act: Act
    is_page: bool = False


class Alipay:
    """One instance of the gateway, with one application."""

    schema = NOTICE
    signs: ClassVar[Signs] = SIGNS

    def __init__(self, desk: Desk) -> None:
        """SetupError where the keys are not those of an application."""
        try:
            self._seal = Seal(desk.keys)
        except KeysMissing as error:
            raise SetupError(f"{desk.name}: the keys of an Alipay application are incomplete: {error}") from None
        self.name, self._desk, self._app_id = desk.name, desk, desk.keys.pid
        self._trades, self._injector = desk.trades, desk.injector
        self._cashier = Cashier(desk, back=self.return_url, paid=self._watch_finish)
        self._seller_id = f"2088{desk.keys.pid[-12:]:0>12}"
        self._waits_for_scan = desk.upstream.option("precreate") == "scan"
        window = BusinessTime.parse(desk.upstream.option("refund_window"))
        self._window_ns = int(desk.plan.wire_s(window) * SECOND_NS)
        self._codes: dict[str, tuple[Order, Subject]] = {}
        self._of_rsa: set[str] = set()
        self._of_wap: set[str] = set()
        self._methods = self._what_it_does()

    def _what_it_does(self) -> dict[str, _Method]:
        shop = partial(Place, Hop.SHOP_PAYMENT, upstream=self.name)
        page = Place(Hop.BUYER_PAYMENT, Operation.CREATE, self.name)
        closes = shop(operation=Operation.CLOSE, schema=ANSWERED)
        return {
            _PAGE: _Method(page, self._pay, is_page=True),
            _WAP: _Method(page, self._pay, is_page=True),
            "alipay.trade.precreate": _Method(shop(operation=Operation.CREATE, schema=CREATED), self._precreate),
            "alipay.trade.query": _Method(shop(operation=Operation.QUERY, schema=QUERIED), self._query),
            "alipay.trade.refund": _Method(shop(operation=Operation.REFUND, schema=REFUNDED), self._refund),
            "alipay.trade.fastpay.refund.query": _Method(
                shop(operation=Operation.REFUND_QUERY, schema=REFUND_FOUND), self._refund_query
            ),
            "alipay.trade.close": _Method(closes, self._close),
            "alipay.trade.cancel": _Method(shop(operation=Operation.CANCEL, schema=ANSWERED), self._cancel),
        }

    def routes(self) -> list[str]:
        return [f"/{self.name}/gateway.do?method={method}" for method in self._methods] + [f"/{self.name}/cashier"]

    def forget(self) -> None:
        for method in self._methods.values():
            method.place.counts.clear()
        self._codes, self._of_rsa, self._of_wap = {}, set(), set()
        self._cashier.forget()

    async def answer(self, asked: Asked, path: str) -> Answer:
        """The answer to a request below this instance's name; NoRoute where the gateway has no such place."""
        if asked.method in _METHODS and path == "gateway.do":
            return await self._gateway(asked)
        if asked.method in _METHODS and path == "cashier":
            return await self._cashier.answer(asked, self._opened(asked))
        raise NoRoute

    # --- the gateway --------------------------------------------------------------------------------------------
    async def _gateway(self, asked: Asked) -> Answer:
        request = read(asked, self._app_id)
        name = readable(request.fields.get("method", ""))
        method = self._methods.get(name)
        if method is None:
            path = f"/{self.name}/gateway.do"
            nearest = f"{path}?method=alipay.trade.query"
            self._desk.append(Unmatched(t=self._desk.clock.t(), method=asked.method, path=path, nearest=nearest))
            return self._error_response(UNKNOWN_METHOD if name else NO_METHOD)
        node = f"{name.replace('.', '_')}_response"
        subject = self._subject(request, method.place.operation)
        why = BAD_SIGNATURE

        def by_rule(variant: Variant | None = None) -> bool:
            nonlocal why
            found = self._wrong(request, variant)
            why = found or why
            return found is None

        def act() -> Reply:
            try:
                done = method.act(request, subject)
            except Refusal as refusal:
                return self._refused(method, subject, refusal)
            return done if isinstance(done, Reply) else Reply(fields={"code": DONE, "msg": MESSAGES[DONE], **done})

        tolerated = None
        if not (is_genuine := by_rule()) and why is BAD_SIGNATURE and self._wrong(request, Variant.EMPTY_KEPT) is None:
            is_genuine, tolerated = True, Variant.EMPTY_KEPT
        return await self._injector.answer(
            Call(
                method.place,
                subject,
                is_genuine,
                act,
                lambda: self._refused(method, subject, why),
                is_genuine_as=by_rule,
                tolerated=tolerated,
                seal=partial(self._sealed, request, node),
            )
        )

    def _wrong(self, request: Request, variant: Variant | None) -> Refusal | None:
        """What is wrong with a request and its signature, by the plain rule or by a variant's."""
        if request.flaw is not None:
            return request.flaw
        fields = request.fields
        if request.has_certs and (
            fields.get("app_cert_sn") != self._seal.app_cert_sn
            or fields.get("alipay_root_cert_sn") != self._seal.root_cert_sn
        ):
            return BAD_CERT
        if variant is Variant.MERGED_SOURCES:
            fields = request.body or fields
        if not self._seal.is_signed(fields, variant):
            return BAD_SIGNATURE
        now_s = self._desk.wall_s(self._desk.clock.t())
        return None if is_timely(fields["timestamp"], now_s, variant) else BAD_TIME

    def _sealed(self, request: Request, node: str, reply: Reply, variant: Variant | None) -> None:
        """Signs an answer. Pages carry no signature, nor does what is refused before anybody knows whose it is."""
        if reply.fields is None:
            return
        reply.body = self._seal.answer(
            node,
            reply.fields,
            sign_type=request.sign_type,
            charset=request.charset,
            cert_sn=self._seal.alipay_cert_sn if request.has_certs else "",
            variant=variant,
        )
        reply.fields, reply.kind = None, JSON.format(request.charset)

    def _refused(self, method: _Method, subject: Subject, refusal: Refusal) -> Reply:
        event = TradeRefused(
            t=self._desk.clock.t(),
            o=subject.o,
            upstream=self.name,
            operation=method.place.operation,
            code=refusal.standard,
            words=f"{refusal.sub_code} {refusal.words}",
        )
        self._desk.append(event)
        if method.is_page:
            page = _ERROR.replace("CODE", escape(refusal.sub_code)).replace("WORDS", escape(refusal.words))
            return Reply(body=page.encode(), kind=HTML)
        return self._error_response(refusal) if refusal.is_before_dispatch else Reply(fields=refusal.fields)

    @staticmethod
    def _error_response(refusal: Refusal) -> Reply:
        return Reply(body=msgspec.json.encode({"error_response": refusal.fields}), kind=JSON.format("utf-8"))

    def _subject(self, request: Request, operation: Operation) -> Subject:
        """Whom a request is about: the key passed through or told by the buyer, else the trade it names, else the
        shop's order number, else only what it is for."""
        if key := find_key(request.passed) or find_key(request.buyer):
            return Subject(key, "key", key)
        if (trade := self._found(request)) is not None:
            return trade.subject
        biz = request.biz
        if (code := self._codes.get(_code_of(biz.get("out_trade_no", "")))) is not None:
            return code[1]
        if number := readable(biz.get("out_trade_no") or biz.get("trade_no", ""))[:64]:
            return Subject(number, "order_number", number)
        return Subject(operation.value, "operation", None)

    # --- creating -----------------------------------------------------------------------------------------------
    def _pay(self, request: Request, subject: Subject) -> Reply:
        method = request.fields["method"]
        if request.biz.get("product_code") not in _PRODUCTS[method]:
            raise invalid("product_code")
        trade = self._create(self._order(request), subject, request)
        if method == _WAP:
            self._of_wap.add(trade.trade_no)
        return Reply(302, location=f"/{self.name}/cashier?trade_no={trade.trade_no}")

    def _precreate(self, request: Request, subject: Subject) -> Mangled:
        order = self._order(request)
        if self._waits_for_scan:
            code = _code_of(order.order_no)
            known = self._codes.setdefault(code, (order, subject))
            if known[0].amount_fen != order.amount_fen:
                raise _differs()
            self._refuse_ended(self._trades.find(self.name, order_no=order.order_no))
            if request.sign_type == RSA:
                self._of_rsa.add(order.order_no)
            place = f"code={code}"
        else:
            place = f"trade_no={self._create(order, subject, request).trade_no}"
        host = request.host or "127.0.0.1"
        return {"out_trade_no": order.order_no, "qr_code": f"http://{host}/{self.name}/cashier?{place}"}

    def _order(self, request: Request) -> Order:
        return read_order(request, upstream=self.name, expires_t=self._expires_t(request))

    def _expires_t(self, request: Request) -> int | None:
        """`time_expire` is a time of day and stands as it is; `timeout_express` is a length of business time."""
        desk, biz = self._desk, request.biz
        now_t = desk.clock.t()
        if text := biz.get("time_expire"):
            at_s = parse_beijing(text)
            if at_s is None or (expires_t := desk.t_of(at_s)) <= now_t:
                raise invalid("time_expire")
            return expires_t
        if text := biz.get("timeout_express"):
            s, is_business = express_s(text, desk.wall_s(now_t))
            return desk.after_t(s) if is_business else now_t + int(s * SECOND_NS)
        return None

    def _create(self, order: Order, subject: Subject, request: Request | None) -> Trade:
        known = self._trades.find(self.name, order_no=order.order_no)
        self._refuse_ended(known)
        try:
            trade = self._trades.create(order, subject)
        except AmountDiffers:
            raise _differs() from None
        if known is None:
            self._desk.expiry.watch(trade)
        if request is not None and request.sign_type == RSA:
            self._of_rsa.add(order.order_no)
        return trade

    @staticmethod
    def _refuse_ended(trade: Trade | None) -> None:
        """Nobody pays a trade twice, or one that was closed."""
        if trade is not None and trade.is_captured:
            raise Refusal("ACQ.TRADE_HAS_SUCCESS", "交易已被支付")
        if trade is not None and trade.closed:
            raise Refusal("ACQ.TRADE_HAS_CLOSE", "交易已经关闭")

    def _opened(self, asked: Asked) -> Trade | None:
        """The trade of a cashier's address; a code that waits to be scanned becomes one now."""
        fields = asked.query_fields()
        if trade_no := fields.get("trade_no"):
            return self._trades.find(self.name, trade_no=trade_no)
        order, subject = self._codes.get(fields.get("code", ""), (None, None))
        if order is None or subject is None:
            return None
        trade = self._trades.find(self.name, order_no=order.order_no)
        is_over = order.expires_t is not None and order.expires_t <= self._desk.clock.t()
        return trade if trade is not None or is_over else self._create(order, subject, None)

    # --- asking and giving back ---------------------------------------------------------------------------------
    def _found(self, request: Request) -> Trade | None:
        biz = request.biz
        return self._trades.find(self.name, trade_no=biz.get("trade_no", ""), order_no=biz.get("out_trade_no", ""))

    def _named(self, request: Request) -> Trade:
        """The trade that the request names; Refusal where it names none, or none that there is."""
        self._must_name(request)
        if (trade := self._found(request)) is None:
            raise _UNKNOWN
        return trade

    @staticmethod
    def _must_name(request: Request) -> None:
        if not request.biz.get("trade_no") and not request.biz.get("out_trade_no"):
            raise invalid("out_trade_no和trade_no不能同时为空")

    def _finish_t(self, trade: Trade) -> int | None:
        """When nothing can be given back any more."""
        return None if trade.captured_t is None else trade.captured_t + self._window_ns

    def _watch_finish(self, trade: Trade) -> None:
        if (finish_t := self._finish_t(trade)) is not None:
            self._desk.expiry.watch_finish(trade, finish_t)

    def _status(self, trade: Trade) -> str:
        if trade.closed or (trade.is_captured and not trade.refundable_fen):
            return GONE
        finish_t = self._finish_t(trade)
        if finish_t is None:
            return WAITING
        return PAID if self._desk.clock.t() < finish_t else ENDED

    def _text_of(self, t: int) -> str:
        return beijing(self._desk.wall_s(t))

    def _query(self, request: Request, _: Subject) -> Mangled:
        trade = self._named(request)
        total = yuan(trade.order.amount_fen)
        taken = total if trade.is_captured else "0.00"
        fields: Mangled = {
            "buyer_logon_id": BUYER["buyer_logon_id"],
            "buyer_pay_amount": taken,
            "buyer_user_id": BUYER["buyer_user_id"],
            "invoice_amount": taken,
            "out_trade_no": trade.order.order_no,
            "point_amount": "0.00",
            "receipt_amount": taken,
            "total_amount": total,
            "trade_no": trade.trade_no,
            "trade_status": self._status(trade),
        }
        if trade.captured_t is not None:
            fields["send_pay_date"] = self._text_of(trade.captured_t)
            fields["fund_bill_list"] = [{"amount": total, "fund_channel": "ALIPAYACCOUNT"}]
        return fields

    def _refund(self, request: Request, _: Subject) -> Mangled:
        trade, biz = self._named(request), request.biz
        amount_fen = read_amount(biz.get("refund_amount", ""), "refund_amount")
        no = readable(biz.get("out_request_no", ""))[:64]
        if not no and amount_fen != trade.order.amount_fen:
            raise invalid("部分退款时out_request_no不能为空")
        no = no or trade.order.order_no
        if trade.refund(no) is None:
            if self._status(trade) == ENDED:
                raise Refusal("ACQ.TRADE_HAS_FINISHED", "交易已完结")
            if trade.is_captured and not trade.refundable_fen:
                raise Refusal("ACQ.REASON_TRADE_STATUS_INVALID", "交易状态异常")
        is_new = self._give_back(trade, amount_fen, no, readable(biz.get("refund_reason", ""))[:256])
        done_fen = Fen(trade.refunded_fen)
        return {
            "buyer_logon_id": BUYER["buyer_logon_id"],
            "buyer_user_id": BUYER["buyer_user_id"],
            "fund_change": "Y" if is_new else "N",
            "gmt_refund_pay": self._text_of(self._desk.clock.t()),
            "out_trade_no": trade.order.order_no,
            "refund_detail_item_list": [{"amount": yuan(amount_fen), "fund_channel": "ALIPAYACCOUNT"}],
            "refund_fee": yuan(done_fen),
            "send_back_fee": yuan(amount_fen) if is_new else "0.00",
            "trade_no": trade.trade_no,
        }

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

    def _refund_query(self, request: Request, _: Subject) -> Mangled:
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

    def _close(self, request: Request, _: Subject) -> Mangled:
        trade = self._named(request)
        if not self._trades.close(trade):
            raise Refusal("ACQ.TRADE_STATUS_ERROR", "交易状态不合法")
        self._desk.notices.begin(trade, CLOSED)
        return {"out_trade_no": trade.order.order_no, "trade_no": trade.trade_no}

    def _cancel(self, request: Request, _: Subject) -> Mangled:
        """Undoes a trade, whatever its state: closed if nobody has paid, else given back. One that there is not is
        undone already."""
        self._must_name(request)
        number = readable(request.biz.get("out_trade_no", ""))
        trade = self._found(request)
        if trade is None:
            self._codes.pop(_code_of(number), None)
            return {"out_trade_no": number, "retry_flag": "N"}
        fields: Mangled = {"out_trade_no": trade.order.order_no, "retry_flag": "N", "trade_no": trade.trade_no}
        if trade.is_captured:
            if trade.refundable_fen:
                self._give_back(trade, Fen(trade.refundable_fen), "", "cancelled")
            return fields | {"action": "refund"}
        if self._trades.close(trade):
            self._desk.notices.begin(trade, CLOSED)
        return fields | {"action": "close"}

    # --- notices ------------------------------------------------------------------------------------------------
    def compose(self, trade: Trade, matter: Matter) -> Mangled | None:
        """What is told of payment, refunds, closing and finishing, where the shop has named an address for it."""
        if not trade.order.notice_to:
            return None
        match matter.about:
            case About.DONE:
                return self._told(trade, matter, PAID)
            case About.FINISHED:
                return self._told(trade, matter, ENDED)
            case About.CLOSED if trade.closed_t is not None:
                return self._told(trade, matter, GONE, gmt_close=self._text_of(trade.closed_t))
            case About.REFUNDED:
                return self._told_refund(trade, matter)
        return None

    def _told_refund(self, trade: Trade, matter: Matter) -> Mangled | None:
        """Money given back: the sum of all so far, under the number of this one. A trade of which all was given back is
        closed by that; else its state says again that it was paid."""
        done_fen = 0
        for refund in trade.refunds:
            done_fen += refund.amount_fen
            if refund.no == matter.no:
                is_all = done_fen == trade.order.amount_fen
                gone = {"gmt_close": self._text_of(refund.t)} if is_all else {}
                return self._told(
                    trade,
                    matter,
                    GONE if is_all else PAID,
                    gmt_refund=f"{self._text_of(refund.t)}.{refund.t // 1_000_000 % 1000:03d}",
                    out_biz_no=refund.no,
                    refund_fee=yuan(Fen(done_fen)),
                    **gone,
                )
        return None

    def _told(self, trade: Trade, matter: Matter, status: str, **more: str) -> Mangled:
        order, total = trade.order, yuan(trade.order.amount_fen)
        fields: Mangled = {
            "gmt_create": self._text_of(trade.created_t),
            "charset": "utf-8",
            "seller_email": "shop@orderjam.example",
            "subject": order.goods,
            "buyer_id": BUYER["buyer_user_id"],
            "notify_id": notice_id(trade.trade_no, matter),
            "notify_type": "trade_status_sync",
            "trade_status": status,
            "app_id": self._app_id,
            "seller_id": self._seller_id,
            "notify_time": self._text_of(self._desk.clock.t()),
            "version": "1.0",
            "out_trade_no": order.order_no,
            "total_amount": total,
            "trade_no": trade.trade_no,
            "auth_app_id": self._app_id,
            "buyer_logon_id": BUYER["buyer_logon_id"],
        }
        if trade.captured_t is not None:
            fields |= {
                "gmt_payment": self._text_of(trade.captured_t),
                "invoice_amount": total,
                "fund_bill_list": f'[{{"amount":"{total}","fundChannel":"ALIPAYACCOUNT"}}]',
                "receipt_amount": total,
                "buyer_pay_amount": total,
                "point_amount": "0.00",
            }
        if order.carried:
            fields["passback_params"] = order.carried
        return fields | more

    def seal(self, trade: Trade, matter: Matter, fields: Mangled, variant: Variant | None) -> Letter:
        body = self._seal.notice(fields, sign_type=self._sign_type(trade), variant=variant)
        return Letter("POST", trade.order.notice_to, body, {"Content-Type": FORM})

    def _sign_type(self, trade: Trade) -> str:
        return RSA if trade.order.order_no in self._of_rsa else RSA2

    def is_accepted(self, heard: Heard) -> bool:
        """Source: the vendor's page on notices: the seven characters, nothing around them, and no redirect."""
        return heard.status == 200 and heard.words == "success"

    def return_url(self, trade: Trade) -> str:
        """Where the buyer goes after paying, with what the page tells the shop, signed as a notice is."""
        order = trade.order
        if not order.back_to:
            return ""
        fields: Mangled = {
            "charset": "utf-8",
            "out_trade_no": order.order_no,
            "method": f"{_WAP if trade.trade_no in self._of_wap else _PAGE}.return",
            "total_amount": yuan(order.amount_fen),
            "trade_no": trade.trade_no,
            "auth_app_id": self._app_id,
            "version": "1.0",
            "app_id": self._app_id,
            "seller_id": self._seller_id,
            "timestamp": self._text_of(self._desk.clock.t()),
        }
        signed = self._seal.notice(fields, sign_type=self._sign_type(trade)).decode()
        return f"{order.back_to}{'&' if '?' in order.back_to else '?'}{signed}"


def _differs() -> Refusal:
    return Refusal("ACQ.CONTEXT_INCONSISTENT", "交易信息被篡改", standard=Code.PAY_AMOUNT_MISMATCH)


def _code_of(order_no: str) -> str:
    """What stands in a code to be scanned."""
    return blake2b(order_no.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


_ERROR = """<!DOCTYPE html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>调试错误，请回到请求来源地，重新发起请求。</title></head>
<body><h3>调试错误，请回到请求来源地，重新发起请求。</h3><p>错误代码 CODE</p><p>错误原因: WORDS</p></body></html>
"""
