"""The dialect of Epay V1 (易支付, MD5): submit.php, mapi.php, api.php, cashier.php and its notices.

Source: docs/protocols/epay.md.
"""

from collections.abc import Callable
from functools import partial
from typing import ClassVar
from urllib.parse import quote

from faults.verdict import Shape, Variant
from ledger.events import Unmatched
from ledger.money import Fen, MoneyError, parse_yuan, yuan
from ledger.states import Code, Operation
from mocks.call import Call, Place, Signs
from mocks.mangle import Schema
from mocks.payment.desk import Desk
from mocks.payment.epay_family import PAID, WAITING, Family, Needs, Refusal, jump, page_refusal, source
from mocks.payment.epay_signing import is_signature, signature
from mocks.payment.trades import AmountDiffers, NotPaid, TooMuch, Trade
from mocks.reply import Fields, Reply
from mocks.server import Answer, Asked, NoRoute, readable
from mocks.signed import are_equal

FILES = ("submit.php", "mapi.php", "api.php", "cashier.php")
ACTS = ("order", "query", "orders", "settle", "refund")
REDIRECTING = "create-transaction"
"""Below a path with this part, submit.php answers 302: as Epusdt's Epay-compatible entry does."""
ANSWER_PAIR = ("status", "trade_status")
"""What ver.renamed does to an answer without names given: `status` takes the place of `trade_status`."""
LISTED, LISTED_MAX = 20, 50
PENDING_PAID = {"created": 1, "captured": 2, "refunded": 3, "closed": 4}
"""The numbers of another gateway's `status`, by the state of a trade (option `status: pending_paid`)."""

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
"""What other gateways and versions call the same things. Sources: docs/protocols/epay.md, What other gateways do
differently; V2 of the protocol says 0 for done and 1 for a refusal."""

_METHODS = frozenset({"GET", "POST"})
BAD_SIGNATURE = "签名校验失败，请返回重试！"

OF_BOTH = frozenset(
    {
        Variant.WRONG_KEY, Variant.MISSING, Variant.CHARSET_GBK, Variant.EMPTY_KEPT, Variant.CASE, Variant.UNSORTED,
        Variant.URLENCODED, Variant.PLUS_SPACE, Variant.TYPE_CONFUSION, Variant.KEY_TAIL,
        Variant.NUMBER_FORMAT,
    }
)  # fmt: skip
REQUESTS = OF_BOTH | {Variant.SORT_LOCALE, Variant.MERGED_SOURCES}
NOTICES = OF_BOTH | {Variant.DOUBLE_ENCODED, Variant.FIELD_ORDER, Variant.EXTRA_FIELD}
"""A notice has no name with a capital letter, so that another order of letters could not differ."""

Style = Callable[[Refusal], Reply]


class Epay(Family):
    """One instance of the gateway, with one merchant."""

    signs: ClassVar[Signs] = Signs(requests=REQUESTS, notices=NOTICES)

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._upstream = desk.upstream
        self._mapi = self._at_shop(operation=Operation.CREATE, schema=CREATED)
        self._query = self._at_shop(operation=Operation.QUERY, schema=QUERIED)
        self._refund = self._at_shop(operation=Operation.REFUND, schema=ANSWERED)
        self._merchant = self._at_shop(operation=Operation.MERCHANT, schema=ANSWERED)

    def routes(self) -> list[str]:
        files = [f"/{self.name}/{file}" for file in FILES if file != "api.php"]
        return files + [f"/{self.name}/api.php?act={act}" for act in ACTS]

    def forget(self) -> None:
        for place in (self._mapi, self._query, self._refund, self._merchant, self._submit):
            place.counts.clear()
        self._cashier.forget()

    async def answer(self, asked: Asked, path: str) -> Answer:
        """The answer to a request below this instance's name, whatever folders stand before the file; NoRoute where no
        file of the gateway takes it."""
        folder, _, file = path.rpartition("/")
        if asked.method not in _METHODS or file not in FILES:
            raise NoRoute
        match file:
            case "mapi.php":
                return await self._create(asked, self._mapi, self._made_json, _json_refusal, Needs(("type", "name")))
            case "submit.php" if REDIRECTING in folder.split("/"):
                return await self._create(asked, self._submit, self._made_redirect, page_refusal, Needs())
            case "submit.php":
                needs = Needs(("return_url", "name"))
                return await self._create(asked, self._submit, self._made_page, page_refusal, needs)
            case "cashier.php":
                return await self._at_cashier(asked)
        return await self._api(asked)

    # --- signatures ---------------------------------------------------------------------------------------------
    def _signed(self, fields: Fields, variant: Variant | None) -> Fields:
        sign = {} if variant is Variant.MISSING else {"sign": signature(fields, self._keys.key, variant)}
        return fields | sign | {"sign_type": "RSA" if variant is Variant.TYPE_CONFUSION else "MD5"}

    def _is_signed(self, fields: Fields, variant: Variant | None = None) -> bool:
        """Whether the request is the merchant's own and rightly signed, by the rule or by that of a variant."""
        if fields.get("pid") != self._keys.pid or fields.get("sign_type", "MD5").upper() not in ("MD5", ""):
            return False
        return is_signature(fields, self._keys.key, variant)

    def _holds_key(self, fields: Fields) -> bool:
        return are_equal(self._keys.key, fields.get("key", ""))

    def _refuse_signature(self, operation: Operation, fields: Fields, o: str | None, style: Style) -> Reply:
        if fields.get("pid", "") == self._keys.pid:
            words = "商户密钥错误！" if fields.get("key") else BAD_SIGNATURE
            refusal = Refusal(words, Code.UPSTREAM_BAD_SIGNATURE, -2)
        else:
            refusal = Refusal("商户ID不存在！" if fields.get("pid") else "商户ID不能为空！", number=-3)
        self._note_refused(operation, o, refusal)
        return style(refusal)

    # --- creating -----------------------------------------------------------------------------------------------
    async def _create(
        self, asked: Asked, place: Place, made: Callable[[Asked, Trade], Reply], style: Style, needs: Needs
    ) -> Answer:
        fields = source(asked)
        subject = self._subject(fields, place.operation, asked.order_key)

        def act() -> Reply:
            try:
                trade = self._trades.create(self._read_order(fields, needs), subject)
            except AmountDiffers:
                refusal = Refusal("订单号已存在，且金额不一致！", Code.PAY_AMOUNT_MISMATCH)
            except Refusal as why:
                refusal = why
            else:
                return made(asked, trade)
            self._note_refused(place.operation, subject.o, refusal)
            return style(refusal)

        def by_rule(variant: Variant | None = None) -> bool:
            return self._is_signed(_all(asked) if variant is Variant.MERGED_SOURCES else fields, variant)

        refuse = partial(self._refuse_signature, place.operation, fields, subject.o, style)

        def refuse_repeat() -> Reply | None:
            return self._refused_repeat(fields, place.operation, subject, style)

        call = Call(
            place, subject, by_rule(), act, refuse,
            is_genuine_as=by_rule, version=_version(fields), refuse_repeat=refuse_repeat,
        )  # fmt: skip
        return await self._injector.answer(call)

    def _made_json(self, asked: Asked, trade: Trade) -> Reply:
        """One of payurl, qrcode and urlscheme, by the buyer's device where the instance heeds that."""
        base = f"http://{asked.host}" if asked.host else ""
        url = f"{base}{self._cashier_url(trade)}"
        device = source(asked).get("device", "") if self._upstream.option("pays_by") == "device" else ""
        pays = {"payurl": url}
        if device == "pc":
            pays = {"qrcode": url}
        elif device in _SCHEMES:
            pays = {"urlscheme": _SCHEMES[device] + quote(url, safe="")}
        return Reply(fields={"code": 1, "msg": "创建订单成功！", "trade_no": trade.trade_no, **pays})

    def _made_page(self, _: Asked, trade: Trade) -> Reply:
        return jump(f"./cashier.php?trade_no={trade.trade_no}")

    def _made_redirect(self, _: Asked, trade: Trade) -> Reply:
        return Reply(302, location=self._cashier_url(trade))

    # --- api.php ------------------------------------------------------------------------------------------------
    async def _api(self, asked: Asked) -> Answer:
        fields = source(asked)
        act = fields.get("act") or asked.query_fields().get("act", "")
        steps: dict[str, tuple[Place, Callable[[Fields], dict[str, object]]]] = {
            "order": (self._query, self._answer_order),
            "query": (self._merchant, self._answer_merchant),
            "orders": (self._merchant, self._answer_orders),
            "settle": (self._merchant, self._answer_settle),
            "refund": (self._refund, self._answer_refund),
        }
        if act not in steps:
            path = f"/{self.name}/api.php"
            self._append(Unmatched(t=self._clock.t(), method=asked.method, path=path, nearest=f"{path}?act=order"))
            return Reply(fields={"code": -5, "msg": "No Act!"})
        place, step = steps[act]
        subject = self._subject(fields, place.operation)

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

        missing = _missing(fields, act)

        def by_rule(variant: Variant | None = None) -> bool:
            read = _all(asked) if variant is Variant.MERGED_SOURCES else fields
            return missing is None and self._is_let_in(read, variant)

        call = Call(place, subject, by_rule(), do, refuse, is_genuine_as=by_rule, version=_version(fields))
        return await self._injector.answer(call)

    def _is_let_in(self, fields: Fields, variant: Variant | None) -> bool:
        """By the key in clear, as the protocol has it, or by a signature, as some clients do. No other rule of signing
        changes anything for a key in clear."""
        if fields.get("key"):
            return fields.get("pid") == self._keys.pid and self._holds_key(fields)
        return self._is_signed(fields, variant)

    def _said_of(self, trade: Trade) -> dict[str, object]:
        said = super()._said_of(trade)
        if self._upstream.option("status") == "pending_paid":
            said["status"] = PENDING_PAID[trade.state]
        return said

    def _answer_order(self, fields: Fields) -> dict[str, object]:
        return {"code": 1, "msg": "查询订单号成功！", **self._said_of(self._found(fields))}

    def _answer_orders(self, fields: Fields) -> dict[str, object]:
        """The latest orders, 20 of them unless `limit` says otherwise (50 at most), after `offset`."""
        limit, offset = _whole(fields, "limit", LISTED), _whole(fields, "offset", 0)
        listed = self._trades.latest(self.name, min(limit, LISTED_MAX), offset)
        return {"code": 1, "msg": "查询订单记录成功！", "data": [self._said_of(trade) for trade in listed]}

    def _answer_settle(self, _: Fields) -> dict[str, object]:
        """No money ever leaves this gateway for the merchant's account, so that there is nothing to list."""
        return {"code": 1, "msg": "查询结算记录成功！", "data": []}

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
        try:
            amount_fen = parse_yuan(fields["money"])
            self._trades.refund(trade, amount_fen)
        except NotPaid:
            raise Refusal("该订单未支付，无法退款！") from None
        except (MoneyError, TooMuch):
            raise Refusal("退款金额不合法，或大于可退金额！", Code.PAY_AMOUNT_MISMATCH) from None
        return {"code": 1, "msg": f"退款成功！退款金额¥{yuan(amount_fen)}", "money": yuan(amount_fen)}


_SCHEMES = {
    "alipay": "alipays://platformapi/startapp?appId=20000067&url=",
    "wechat": "weixin://dl/business/?url=",
    "qq": "mqqapi://forward/url?url=",
}
"""What leads from a browser into the app that pays, with the cashier's address behind it."""


def _all(asked: Asked) -> Fields:
    """Query and body taken together, as a server that merges them reads."""
    return asked.query_fields() | asked.body_fields()


def _version(fields: Fields) -> str:
    """What a request says of its version: the algorithm it signs by, which V1 and V2 differ in."""
    return readable(fields.get("sign_type", ""))[:16].upper() or "MD5"


def _missing(fields: Fields, act: str) -> Refusal | None:
    needed = [fields.get("pid"), fields.get("key") or fields.get("sign")]
    if act in ("order", "refund"):
        needed.append(fields.get("out_trade_no") or fields.get("trade_no"))
    if act == "refund":
        needed.append(fields.get("money"))
    return None if all(needed) else Refusal("参数不完整！", number=-4)


def _whole(fields: Fields, name: str, unless: int) -> int:
    text = fields.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else unless


def _json_refusal(refusal: Refusal) -> Reply:
    return Reply(fields={"code": -1, "msg": refusal.words})


def _api_refusal(refusal: Refusal) -> Reply:
    return Reply(fields={"code": refusal.number, "msg": refusal.words})
