"""The dialect of Alipay's open platform (gateway.do, OpenAPI v2): pages to pay on, codes to scan, and its notices.

Source: docs/protocols/alipay.md.
"""

from functools import partial
from hashlib import blake2b
from typing import ClassVar
from urllib.parse import quote

from faults.verdict import Variant
from ledger.clock import SECOND_NS
from ledger.events import Unmatched
from ledger.states import Code, Hop, Operation
from mocks.call import Place, Signs, Subject
from mocks.mangle import Mangled, Schema
from mocks.notices import Matter
from mocks.payment.alipay_answers import COMPLAINED, ENDED_SCHEMA, QUERIED, REFUND_FOUND, REFUNDED, Answers
from mocks.payment.alipay_asked import (
    NO_METHOD,
    UNKNOWN_METHOD,
    Refusal,
    Request,
    express_s,
    invalid,
    parse_beijing,
    read,
    read_order,
)
from mocks.payment.alipay_signs import RSA, RSA2, SIGNS, KeysMissing, Seal
from mocks.payment.alipay_told import NOTICE, Telling
from mocks.payment.alipay_turn import Act, Method, Turn, error_response
from mocks.payment.cashier import Cashier
from mocks.payment.desk import Desk
from mocks.payment.trades import AmountDiffers, Order, Trade
from mocks.post import Heard, Letter
from mocks.reply import Reply
from mocks.server import Answer, Asked, NoRoute, readable
from mocks.upstreams import SetupError
from plan.orders import find_key

FORM = "application/x-www-form-urlencoded; charset=utf-8"
CREATED = Schema(pair=("qr_code", "share_code"), missing="qr_code", code="code")

_METHODS = frozenset({"GET", "POST"})
_PAGE, _WAP = "alipay.trade.page.pay", "alipay.trade.wap.pay"
_PRODUCTS = {_PAGE: ("FAST_INSTANT_TRADE_PAY",), _WAP: ("QUICK_WAP_WAY", "QUICK_WAP_PAY")}
_URL_SAFE = "%:/?#[]@!$&'()*+,;=~-._"


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
        self._telling = Telling(desk)
        self._answers = Answers(desk, self._telling)
        self._cashier = Cashier(desk, back=self.return_url, paid=self._answers.watch_finish)
        self._waits_for_scan = desk.upstream.option("precreate") == "scan"
        self._codes: dict[str, tuple[Order, Subject]] = {}
        self._of_rsa: set[str] = set()
        self._of_wap: set[str] = set()
        self._methods = self._what_it_does()

    def _what_it_does(self) -> dict[str, Method]:
        shop = partial(Place, Hop.SHOP_PAYMENT, upstream=self.name)
        page = Place(Hop.BUYER_PAYMENT, Operation.CREATE, self.name)
        answers = self._answers
        steps: dict[str, tuple[Operation, Schema, Act]] = {
            "trade.precreate": (Operation.CREATE, CREATED, self._precreate),
            "trade.query": (Operation.QUERY, QUERIED, answers.query),
            "trade.refund": (Operation.REFUND, REFUNDED, answers.refund),
            "trade.fastpay.refund.query": (Operation.REFUND_QUERY, REFUND_FOUND, answers.refund_query),
            "trade.close": (Operation.CLOSE, ENDED_SCHEMA, answers.close),
            "trade.cancel": (Operation.CANCEL, ENDED_SCHEMA, self._cancel),
            "merchant.tradecomplain.query": (Operation.QUERY, COMPLAINED, answers.complaint),
        }
        return {_PAGE: Method(page, self._pay, is_page=True), _WAP: Method(page, self._pay, is_page=True)} | {
            f"alipay.{name}": Method(
                shop(operation=operation, schema=schema),
                act,
                repeated=self._repeated if operation is Operation.CREATE else None,
            )
            for name, (operation, schema, act) in steps.items()
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
            return error_response(UNKNOWN_METHOD if name else NO_METHOD)
        turn = Turn(self._desk, self._seal, request, name, method, self._subject(request, method.place.operation))
        return await self._injector.answer(turn.call())

    def _subject(self, request: Request, operation: Operation) -> Subject:
        """Whom a request is about: the key passed through or told by the buyer, else the trade it names, else the
        shop's order number, else only what it is for."""
        if key := find_key(request.passed) or find_key(request.buyer):
            return Subject(key, "key", key)
        if (trade := self._answers.found(request)) is not None:
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
        order = self._order(request)
        trade = self._create(order, subject)
        self._note_type(request, order)
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
            trade = self._trades.find(self.name, order_no=order.order_no)
            self._refuse_ended(trade)
            if trade is not None and trade.order.amount_fen != order.amount_fen:
                raise _differs()
            self._note_type(request, order)
            place = f"code={code}"
        else:
            place = f"trade_no={self._create(order, subject).trade_no}"
            self._note_type(request, order)
        host = readable(request.host) or "127.0.0.1"
        return {"out_trade_no": order.order_no, "qr_code": f"http://{host}/{self.name}/cashier?{place}"}

    def _repeated(self, request: Request) -> Refusal | None:
        """The refusal of an order number that was used before."""
        number = request.biz.get("out_trade_no", "")
        is_known = _code_of(number) in self._codes or self._answers.found(request) is not None
        return _differs() if is_known else None

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

    def _create(self, order: Order, subject: Subject) -> Trade:
        known = self._trades.find(self.name, order_no=order.order_no)
        self._refuse_ended(known)
        try:
            trade = self._trades.create(order, subject)
        except AmountDiffers:
            raise _differs() from None
        if known is None:
            self._desk.expiry.watch(trade)
        return trade

    def _note_type(self, request: Request, order: Order) -> None:
        """A shop that signs in the legacy way is answered and told in it."""
        if request.sign_type == RSA:
            self._of_rsa.add(order.order_no)

    def _cancel(self, request: Request, subject: Subject) -> Mangled:
        """A code that nobody has scanned yet is void, too."""
        fields = self._answers.cancel(request, subject)
        self._codes.pop(_code_of(request.biz.get("out_trade_no", "")), None)
        return fields

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
        return trade if trade is not None or is_over else self._create(order, subject)

    # --- notices ------------------------------------------------------------------------------------------------
    def compose(self, trade: Trade, matter: Matter) -> Mangled | None:
        return self._telling.notice(trade, matter)

    def seal(self, trade: Trade, matter: Matter, fields: Mangled, variant: Variant | None) -> Letter:
        body = self._seal.notice(fields, sign_type=self._sign_type(trade), variant=variant)
        return Letter("POST", _quoted(trade.order.notice_to), body, {"Content-Type": FORM})

    def _sign_type(self, trade: Trade) -> str:
        return RSA if trade.order.order_no in self._of_rsa else RSA2

    def is_accepted(self, heard: Heard) -> bool:
        """Source: the vendor's page on notices: the seven characters, nothing around them, and no redirect."""
        return heard.status == 200 and heard.words == "success"

    def return_url(self, trade: Trade) -> str:
        """Where the buyer goes after paying, with what the page tells the shop, signed as a notice is."""
        if not (url := trade.order.back_to):
            return ""
        fields = self._telling.coming_back(trade, _WAP if trade.trade_no in self._of_wap else _PAGE)
        signed = self._seal.notice(fields, sign_type=self._sign_type(trade)).decode()
        return f"{_quoted(url)}{'&' if '?' in url else '?'}{signed}"


def _quoted(url: str) -> str:
    return url if url.isascii() else quote(url, safe=_URL_SAFE)


def _differs() -> Refusal:
    return Refusal("ACQ.CONTEXT_INCONSISTENT", "交易信息被篡改", standard=Code.PAY_AMOUNT_MISMATCH)


def _code_of(order_no: str) -> str:
    """What stands in a code to be scanned."""
    return blake2b(order_no.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
