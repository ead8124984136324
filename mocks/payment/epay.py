"""The dialect of Epay V1 (易支付, MD5): submit.php, mapi.php, api.php, cashier.php and its notices.

Source: docs/protocols.md, Epay V1.
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from html import escape
from typing import ClassVar
from urllib.parse import quote, urlencode

from faults.verdict import Shape, Variant
from ledger.clock import SECOND_NS
from ledger.events import TradeRefused, Unmatched
from ledger.money import Fen, MoneyError, parse_yuan, yuan
from ledger.states import Code, Hop, Operation
from mocks.apply import HTML, Call, Fields, Place, Reply, Schema, Signs, Subject
from mocks.loopback import is_loopback
from mocks.mangle import Mangled
from mocks.notices import About, Heard, Letter, Matter
from mocks.payment.cashier import Cashier
from mocks.payment.desk import Desk
from mocks.payment.trades import AmountDiffers, NotPaid, Order, TooMuch, Trade
from mocks.server import Answer, Asked, NoRoute, readable
from plan.orders import find_key

FILES = ("submit.php", "mapi.php", "api.php", "cashier.php")
REDIRECTING = "create-transaction"
"""Below a path with this part, submit.php answers 302: as Epusdt's Epay-compatible entry does."""
ANSWER_PAIR = ("status", "trade_status")
"""What ver.renamed does to an answer without names given: `status` takes the place of `trade_status`."""
NOTICE_PAIR = ("trade_status", "status")
PAID, WAITING, CLOSED = "TRADE_SUCCESS", "WAIT_BUYER_PAY", "TRADE_CLOSED"
NAME_BYTES_MAX = 127

_CODES: dict[str, object] = {"1": 0, "-1": 1}
_SHAPE, _ENVELOPE = ("data", Shape.FLAT), ("", "response")
CREATED = Schema(
    pair=ANSWER_PAIR, missing="payurl", code="code", codes=_CODES, shape=_SHAPE, envelope=_ENVELOPE
)  # fmt: skip
QUERIED = Schema(
    pair=ANSWER_PAIR, missing="status", state="status", states={"0": 1, "1": 2, "2": 3}, no_state="9",
    code="code", codes=_CODES, money=("money",), identifiers=("param",), dates=("addtime", "endtime"),
    flaps={"status": ("1", 0), "trade_status": (PAID, WAITING)}, shape=_SHAPE, envelope=_ENVELOPE,
)  # fmt: skip
ANSWERED = Schema(missing="code", code="code", codes=_CODES, money=("money",), shape=_SHAPE, envelope=_ENVELOPE)
NOTICE = Schema(
    pair=NOTICE_PAIR, missing="trade_status", state="trade_status", states={PAID: "TRADE_FINISHED"},
    money=("money",), identifiers=("param",),
)  # fmt: skip
"""What other gateways and versions call the same things. Sources: docs/protocols.md, What other gateways do
differently; V2 of the protocol says 0 for done and 1 for a refusal."""

_METHODS = frozenset({"GET", "POST"})
_UNSIGNED = frozenset({"sign", "sign_type"})
_ORDER_NO = re.compile(r"[A-Za-z0-9._|-]{1,64}", re.ASCII)
_WAY = re.compile(r"[A-Za-z0-9._-]{1,32}", re.ASCII)
_URL_SAFE = "%:/?#[]@!$&'()*+,;=~-._"
_BEIJING = timedelta(hours=8)

BAD_SIGNATURE = "签名校验失败，请返回重试！"
_LOCAL_ONLY = "回调地址只允许本机（127.0.0.0/8、::1、localhost）"


class Refusal(Exception):
    """Why the gateway refuses: the standard code, api.php's number, and the gateway's own sentence."""

    def __init__(self, words: str, code: Code = Code.UPSTREAM_REFUSED, number: int = -1) -> None:
        super().__init__(words)
        self.words, self.code, self.number = words, code, number


def signature(fields: Fields, key: str, variant: Variant | None = None) -> str:
    """MD5 over the non-empty fields but sign and sign_type, sorted, `k=v` joined by `&`, the key appended. With a
    variant: the same, wrong in that way."""
    keep = variant is Variant.EMPTY_KEPT
    pairs = [f"{k}={fields[k]}" for k in sorted(fields) if (fields[k] or keep) and k not in _UNSIGNED]
    text = "&".join(pairs) + (f"another-key-than-{key}" if variant is Variant.WRONG_KEY else key)
    charset, errors = ("gbk", "replace") if variant is Variant.CHARSET_GBK else ("utf-8", "surrogateescape")
    digest = hashlib.md5(text.encode(charset, errors), usedforsecurity=False).hexdigest()
    return digest.upper() if variant is Variant.CASE else digest


def source(asked: Asked) -> Fields:
    """The query if it holds `pid`, else the body; never both, or a stray query parameter entered the signed text."""
    query = asked.query_fields()
    return query if "pid" in query or asked.method == "GET" else asked.body_fields()


def cut_name(text: str) -> str:
    """The first 127 bytes, in whole characters."""
    return text.encode()[:NAME_BYTES_MAX].decode("utf-8", "ignore")


VARIANTS = frozenset({Variant.WRONG_KEY, Variant.MISSING, Variant.CHARSET_GBK, Variant.EMPTY_KEPT, Variant.CASE})


class Epay:
    """One instance of the gateway, with one merchant."""

    schema = NOTICE
    signs: ClassVar[Signs] = Signs(requests=VARIANTS, notices=VARIANTS)

    def __init__(self, desk: Desk) -> None:
        self.name, self._keys = (name := desk.name), desk.keys
        self._clock, self._wall_ns, self._append, self._injector = desk.clock, desk.wall_ns, desk.append, desk.injector
        self._trades = desk.trades
        self._cashier = Cashier(desk, back=self.return_url)
        shop = partial(Place, Hop.SHOP_PAYMENT, upstream=name)
        self._mapi = shop(operation=Operation.CREATE, schema=CREATED)
        self._query = shop(operation=Operation.QUERY, schema=QUERIED)
        self._refund = shop(operation=Operation.REFUND, schema=ANSWERED)
        self._merchant = shop(operation=Operation.MERCHANT, schema=ANSWERED)
        self._submit = Place(Hop.BUYER_PAYMENT, Operation.CREATE, name)

    def routes(self) -> list[str]:
        files = [f"/{self.name}/{file}" for file in FILES if file != "api.php"]
        return files + [f"/{self.name}/api.php?act={act}" for act in ("order", "query", "refund")]

    def forget(self) -> None:
        for place in (self._mapi, self._query, self._refund, self._merchant, self._submit):
            place.counts.clear()
        self._cashier.forget()

    async def answer(self, asked: Asked, path: str) -> Answer:
        """The answer to a request below this instance's name; NoRoute where no file of the gateway takes it."""
        folder, _, file = path.rpartition("/")
        if asked.method not in _METHODS or file not in FILES:
            raise NoRoute
        match file:
            case "mapi.php":
                return await self._create(asked, self._mapi, self._made_json, _json_refusal, is_page=False)
            case "submit.php":
                is_redirect = REDIRECTING in folder.split("/")
                made = self._made_redirect if is_redirect else self._made_page
                return await self._create(asked, self._submit, made, _page_refusal, is_page=not is_redirect)
            case "cashier.php":
                trade_no = asked.query_fields().get("trade_no", "")
                return await self._cashier.answer(asked, self._trades.find(self.name, trade_no=trade_no))
        return await self._api(asked)

    # --- signatures and refusals --------------------------------------------------------------------------------
    def _is_signed(self, fields: Fields, variant: Variant | None = None) -> bool:
        """Whether the request is the merchant's own and rightly signed, by the rule or by that of a variant."""
        if variant is Variant.MISSING:
            return False
        if fields.get("pid") != self._keys.pid or fields.get("sign_type", "MD5").upper() not in ("MD5", ""):
            return False
        given = fields.get("sign", "").encode("utf-8", "surrogateescape")
        return hmac.compare_digest(signature(fields, self._keys.key, variant).encode(), given)

    def _holds_key(self, fields: Fields) -> bool:
        given = fields.get("key", "").encode("utf-8", "surrogateescape")
        return hmac.compare_digest(self._keys.key.encode(), given)

    def _note_refused(self, operation: Operation, o: str | None, refusal: Refusal) -> None:
        t = self._clock.t()
        self._append(
            TradeRefused(t=t, o=o, upstream=self.name, operation=operation, code=refusal.code, words=refusal.words)
        )

    def _refuse_signature(
        self, operation: Operation, fields: Fields, o: str | None, style: Callable[[Refusal], Reply]
    ) -> Reply:
        if fields.get("pid", "") == self._keys.pid:
            words = "商户密钥错误！" if fields.get("key") else BAD_SIGNATURE
            refusal = Refusal(words, Code.UPSTREAM_BAD_SIGNATURE, -2)
        else:
            refusal = Refusal("商户ID不存在！" if fields.get("pid") else "商户ID不能为空！", number=-3)
        self._note_refused(operation, o, refusal)
        return style(refusal)

    # --- creating -----------------------------------------------------------------------------------------------
    async def _create(
        self,
        asked: Asked,
        place: Place,
        made: Callable[[Asked, Trade], Reply],
        style: Callable[[Refusal], Reply],
        *,
        is_page: bool,
    ) -> Answer:
        fields = source(asked)
        subject = _subject_of(fields, place.operation, asked.order_key)

        def act() -> Reply:
            try:
                trade = self._trades.create(
                    self._read_order(fields, is_page=is_page, is_api=place is self._mapi), subject
                )
            except AmountDiffers:
                refusal = Refusal("订单号已存在，且金额不一致！", Code.PAY_AMOUNT_MISMATCH)
            except Refusal as why:
                refusal = why
            else:
                return made(asked, trade)
            self._note_refused(place.operation, subject.o, refusal)
            return style(refusal)

        refuse = partial(self._refuse_signature, place.operation, fields, subject.o, style)
        by_rule = partial(self._is_signed, fields)

        def refuse_repeat() -> Reply | None:
            if self._trades.find(self.name, order_no=fields.get("out_trade_no", "")) is None:
                return None
            refusal = Refusal("订单号已存在！")
            self._note_refused(place.operation, subject.o, refusal)
            return style(refusal)

        call = Call(
            place, subject, by_rule(), act, refuse,
            is_genuine_as=by_rule, version=_version(fields), refuse_repeat=refuse_repeat,
        )  # fmt: skip
        return await self._injector.answer(call)

    def _read_order(self, fields: Fields, *, is_page: bool, is_api: bool) -> Order:
        """The order that a signed request asks for; Refusal for the first flaw."""
        required = ["out_trade_no", "notify_url", "money"]
        required += ["return_url", "name"] if is_page else ["type", "name"] if is_api else []
        for field in required:
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

    def _made_json(self, asked: Asked, trade: Trade) -> Reply:
        base = f"http://{asked.host}" if asked.host else ""
        pay_url = f"{base}/{self.name}/cashier.php?trade_no={trade.trade_no}"
        return Reply(fields={"code": 1, "msg": "创建订单成功！", "trade_no": trade.trade_no, "payurl": pay_url})

    def _made_page(self, _: Asked, trade: Trade) -> Reply:
        return Reply(body=_JUMP.replace("TRADE_NO", trade.trade_no).encode(), kind=HTML)

    def _made_redirect(self, _: Asked, trade: Trade) -> Reply:
        return Reply(302, location=f"/{self.name}/cashier.php?trade_no={trade.trade_no}")

    # --- api.php ------------------------------------------------------------------------------------------------
    async def _api(self, asked: Asked) -> Answer:
        fields = source(asked)
        act = fields.get("act") or asked.query_fields().get("act", "")
        steps: dict[str, tuple[Place, Callable[[Fields], dict[str, object]]]] = {
            "order": (self._query, self._answer_order),
            "query": (self._merchant, self._answer_merchant),
            "refund": (self._refund, self._answer_refund),
        }
        if act not in steps:
            path = f"/{self.name}/api.php"
            self._append(Unmatched(t=self._clock.t(), method=asked.method, path=path, nearest=f"{path}?act=order"))
            return Reply(fields={"code": -5, "msg": "No Act!"})
        place, step = steps[act]
        subject = self._subject_of_trade(fields, place.operation)

        def do() -> Reply:
            try:
                return Reply(fields=step(fields))
            except Refusal as refusal:
                self._note_refused(place.operation, subject.o, refusal)
                return _api_refusal(refusal)

        def refuse() -> Reply:
            if missing is None:
                return self._refuse_signature(place.operation, fields, subject.o, _api_refusal)
            self._note_refused(place.operation, subject.o, missing)
            return _api_refusal(missing)

        missing = self._missing(fields, act)

        def by_rule(variant: Variant | None = None) -> bool:
            return missing is None and self._is_let_in(fields, variant)

        call = Call(place, subject, by_rule(), do, refuse, is_genuine_as=by_rule, version=_version(fields))
        return await self._injector.answer(call)

    def _is_let_in(self, fields: Fields, variant: Variant | None) -> bool:
        """By the key in clear, as the protocol has it, or by a signature, as some clients do. No other rule of signing
        changes anything for a key in clear."""
        if fields.get("key"):
            return fields.get("pid") == self._keys.pid and self._holds_key(fields)
        return self._is_signed(fields, variant)

    def _missing(self, fields: Fields, act: str) -> Refusal | None:
        needed = [fields.get("pid"), fields.get("key") or fields.get("sign")]
        if act != "query":
            needed.append(fields.get("out_trade_no") or fields.get("trade_no"))
        if act == "refund":
            needed.append(fields.get("money"))
        return None if all(needed) else Refusal("参数不完整！", number=-4)

    def _found(self, fields: Fields) -> Trade | None:
        return self._trades.find(
            self.name, trade_no=fields.get("trade_no", ""), order_no=fields.get("out_trade_no", "")
        )

    def _subject_of_trade(self, fields: Fields, operation: Operation) -> Subject:
        trade = self._found(fields)
        return trade.subject if trade is not None else _subject_of(fields, operation)

    def _answer_order(self, fields: Fields) -> dict[str, object]:
        trade = self._found(fields)
        if trade is None:
            raise Refusal("订单号不存在！", Code.PAY_NOT_SUBMITTED)
        order = trade.order
        status = {"captured": 1, "refunded": 2}.get(trade.state, 0)
        trade_status = {"captured": PAID, "created": WAITING}.get(trade.state, CLOSED)
        return {
            "code": 1,
            "msg": "查询订单号成功！",
            "trade_no": trade.trade_no,
            "out_trade_no": order.order_no,
            "api_trade_no": trade.trade_no if trade.is_captured else "",
            "type": order.way,
            "pid": self._keys.pid,
            "addtime": self._wall_text(trade.created_t),
            "endtime": self._wall_text(trade.captured_t) if trade.captured_t is not None else "",
            "name": order.goods,
            "money": yuan(order.amount_fen),
            "status": status,
            "trade_status": trade_status,
            "param": order.carried,
            "buyer": "",
        }

    def _answer_merchant(self, _: Fields) -> dict[str, object]:
        totals = self._trades.totals(self.name)
        return {
            "code": 1,
            "msg": "查询商户信息成功！",
            "pid": self._keys.pid,
            "active": 1,
            "money": yuan(Fen(totals.kept_fen)),
            "type": 1,
            "account": "orderjam",
            "username": "orderjam",
            "orders": totals.trades,
        }

    def _answer_refund(self, fields: Fields) -> dict[str, object]:
        trade = self._found(fields)
        if trade is None:
            raise Refusal("订单号不存在！", Code.PAY_NOT_SUBMITTED)
        try:
            amount_fen = parse_yuan(fields["money"])
            self._trades.refund(trade, amount_fen)
        except NotPaid:
            raise Refusal("该订单未支付，无法退款！") from None
        except (MoneyError, TooMuch):
            raise Refusal("退款金额不合法，或大于可退金额！", Code.PAY_AMOUNT_MISMATCH) from None
        return {"code": 1, "msg": f"退款成功！退款金额¥{yuan(amount_fen)}", "money": yuan(amount_fen)}

    def _wall_text(self, t: int) -> str:
        wall = datetime.fromtimestamp((self._wall_ns + t) / SECOND_NS, UTC) + _BEIJING
        return wall.strftime("%Y-%m-%d %H:%M:%S")

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
        return Letter("GET", self._signed_url(trade.order.notice_to, fields, variant))

    def _signed_url(self, url: str, fields: Fields, variant: Variant | None = None) -> str:
        sign = {} if variant is Variant.MISSING else {"sign": signature(fields, self._keys.key, variant)}
        signed = fields | sign | {"sign_type": "MD5"}
        whole = url if url.isascii() else quote(url, safe=_URL_SAFE)
        return f"{whole}{'&' if '?' in whole else '?'}{urlencode(signed)}"

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
}
_JUMP = """<!DOCTYPE html>
<html lang="zh-CN"><head><meta charset="utf-8"><title>正在为您跳转到支付页面，请稍候...</title></head>
<body><script>window.location.href='./cashier.php?trade_no=TRADE_NO';</script>
<noscript><a href="./cashier.php?trade_no=TRADE_NO">去支付</a></noscript></body></html>
"""
_ERROR = """<!DOCTYPE html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>站点提示信息</title><style>:root { color-scheme: light dark; }
body { max-width: 27rem; margin: 3rem auto; padding: 0 1rem; font: 16px/1.6 system-ui, sans-serif; }</style></head>
<body><h3>站点提示信息</h3><p>WORDS</p></body></html>
"""


def _subject_of(fields: Fields, operation: Operation, buyer: str = "") -> Subject:
    """Whom a request is about: the key passed through or told by the buyer, else the shop's order number, else only
    what it is for."""
    if key := find_key(fields.get("param", "")) or find_key(buyer):
        return Subject(key, "key", key)
    if number := readable(fields.get("out_trade_no") or fields.get("trade_no", ""))[:64]:
        return Subject(number, "order_number", number)
    return Subject(operation.value, "operation", None)


def _version(fields: Fields) -> str:
    """What a request says of its version: the algorithm it signs by, which V1 and V2 differ in."""
    return readable(fields.get("sign_type", ""))[:16].upper() or "MD5"


def _json_refusal(refusal: Refusal) -> Reply:
    return Reply(fields={"code": -1, "msg": refusal.words})


def _api_refusal(refusal: Refusal) -> Reply:
    return Reply(fields={"code": refusal.number, "msg": refusal.words})


def _page_refusal(refusal: Refusal) -> Reply:
    return Reply(body=_ERROR.replace("WORDS", escape(refusal.words)).encode(), kind=HTML)
