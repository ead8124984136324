"""The dialect of Epay V2 (易支付, RSA): api/pay/…, api/merchant/info, cashier.php and its notices.

Source: docs/protocols/epay_v2.md.
"""

import json
from collections.abc import Callable
from functools import partial
from typing import ClassVar

import msgspec

from faults.verdict import Shape, Variant
from ledger.events import Unmatched
from ledger.money import Fen, MoneyError, parse_yuan, yuan
from ledger.states import Code, Operation
from mocks.call import Call, Place, Signs, Subject
from mocks.mangle import Mangled, Schema
from mocks.notices import Matter
from mocks.payment.desk import Desk
from mocks.payment.epay_family import PAID, WAITING, Family, Needs, Refusal, jump, page_refusal, source
from mocks.payment.epay_signing import (
    EXTRA,
    is_rsa_signature,
    private_key,
    public_key,
    rsa_signature,
)
from mocks.payment.trades import AmountDiffers, NotPaid, Refund, RefundDiffers, TooMuch, Trade
from mocks.reply import JSON, Fields, Reply
from mocks.server import Answer, Asked, NoRoute, readable
from mocks.signed import SKEWS_S

PATHS = ("submit", "create", "query", "refund", "refundquery", "close")
CLOCK_S = 300
PATH_SHOWN = 200
"""A request whose timestamp is farther from the gateway's clock than this is refused."""
PAY_TYPES = {"web": "jump", "jump": "jump", "jsapi": "jsapi", "app": "app", "applet": "wxplugin"}
"""What the answer's `pay_type` is for a `method`. A buyer's payment code (`scan`) is not read here."""

_CODES: dict[str, object] = {"0": 1, "1": 0}
PAIR = ("msg", "message")
"""The gateway's own answers say msg, those of the framework around it message."""
_SHAPE, _ENVELOPE = ("data", Shape.FLAT), ("", "response")
CREATED = Schema(pair=PAIR, missing="pay_info", code="code", codes=_CODES, shape=_SHAPE, envelope=_ENVELOPE)
QUERIED = Schema(
    pair=("status", "trade_status"), missing="status", state="status", states={"0": 1, "1": 2, "2": 3}, no_state="9",
    code="code", codes=_CODES, money=("money",), identifiers=("param",), dates=("addtime", "endtime"),
    flaps={"status": ("1", 0), "trade_status": (PAID, WAITING)}, shape=_SHAPE, envelope=_ENVELOPE,
)  # fmt: skip
ANSWERED = Schema(
    pair=PAIR, missing="code", code="code", codes=_CODES, money=("money",), dates=("addtime",), shape=_SHAPE,
    envelope=_ENVELOPE,
)  # fmt: skip

_METHODS = frozenset({"GET", "POST"})
_COMMON = frozenset(
    {
        Variant.WRONG_KEY, Variant.MISSING, Variant.EMPTY_KEPT, Variant.UNSORTED, Variant.URLENCODED,
        Variant.TYPE_CONFUSION, Variant.SKEW_6_MIN, Variant.SKEW_11_MIN, Variant.SKEW_1_DAY,
    }
)  # fmt: skip
REQUESTS = _COMMON | {Variant.SORT_LOCALE, Variant.PLUS_SPACE}
ANSWERS = _COMMON | {Variant.SKEW_4_MIN, Variant.FIELD_ORDER, Variant.EXTRA_FIELD}
NOTICES = ANSWERS | {Variant.PLUS_SPACE}

Step = Callable[[Asked, Fields], dict[str, object]]


class EpayV2(Family):
    """One instance of the gateway, with one merchant."""

    signs: ClassVar[Signs] = Signs(requests=REQUESTS, answers=ANSWERS, notices=NOTICES)

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        own = self._keys.own
        self._merchant_key = public_key(own["merchant_public_key"])
        self._other_merchant = private_key(own["other_private_key"]).public_key()
        self._platform_key, self._other_key = (
            private_key(own["platform_private_key"]),
            private_key(own["other_private_key"]),
        )
        place = self._at_shop
        self._steps: dict[str, tuple[Place, Step]] = {
            "pay/create": (place(operation=Operation.CREATE, schema=CREATED), self._create),
            "pay/query": (place(operation=Operation.QUERY, schema=QUERIED), self._query),
            "pay/refund": (place(operation=Operation.REFUND, schema=ANSWERED), self._refund),
            "pay/refundquery": (place(operation=Operation.REFUND_QUERY, schema=ANSWERED), self._refund_query),
            "pay/close": (place(operation=Operation.CLOSE, schema=ANSWERED), self._close),
            "merchant/info": (place(operation=Operation.MERCHANT, schema=ANSWERED), self._info),
        }
        self._refunded: dict[str, tuple[Trade, Refund]] = {}

    def routes(self) -> list[str]:
        paths = [f"/{self.name}/api/pay/{path}" for path in PATHS]
        return [*paths, f"/{self.name}/api/merchant/info", f"/{self.name}/cashier.php"]

    def forget(self) -> None:
        for place, _ in self._steps.values():
            place.counts.clear()
        self._submit.counts.clear()
        self._cashier.forget()
        self._refunded = {}

    async def answer(self, asked: Asked, path: str) -> Answer:
        """The answer to a request below this instance's name, whatever folders stand before api/; NoRoute where it is
        none of this gateway."""
        if asked.method not in _METHODS:
            raise NoRoute
        if path.rpartition("/")[2] == "cashier.php":
            return await self._at_cashier(asked)
        _, api, rest = f"/{path}".partition("/api/")
        if not api:
            raise NoRoute
        if rest == "pay/submit":
            return await self._page(asked)
        if rest in self._steps:
            return await self._api(asked, *self._steps[rest])
        whole = readable(f"/{self.name}/{path}")[:PATH_SHOWN]
        self._append(
            Unmatched(
                t=self._clock.t(),
                method=asked.method,
                path=whole,
                nearest=f"/{self.name}/api/pay/query",
            )
        )
        return Reply(404, {"code": 404, "message": "请求的接口不存在"})

    # --- signatures ---------------------------------------------------------------------------------------------
    def _now_s(self) -> int:
        return int(self._desk.wall_s(self._clock.t()))

    def _signed(self, fields: Fields, variant: Variant | None) -> Fields:
        key = self._other_key if variant is Variant.WRONG_KEY else self._platform_key
        if variant in SKEWS_S:
            fields = fields | {"timestamp": str(self._now_s() - SKEWS_S[variant])}
        sign = {} if variant is Variant.MISSING else {"sign": rsa_signature(fields, key, variant)}
        return fields | sign | {"sign_type": "RSA"}

    def _why_not(self, fields: Fields, variant: Variant | None = None) -> Refusal | None:
        """Why a request is not the merchant's own, by the rule or by that of a variant; None if it is."""
        if not fields.get("pid"):
            return Refusal("商户ID不能为空！")
        if fields["pid"] != self._keys.pid:
            return Refusal("商户ID不存在！")
        stamp = fields.get("timestamp", "")
        now_s = self._now_s() + SKEWS_S.get(variant, 0)
        if not (stamp.isascii() and stamp.isdecimal() and len(stamp) < 12) or abs(now_s - int(stamp)) > CLOCK_S:
            return Refusal("时间戳(timestamp)不正确或已过期！", Code.UPSTREAM_BAD_SIGNATURE)
        key = self._other_merchant if variant is Variant.WRONG_KEY else self._merchant_key
        if fields.get("sign_type", "RSA").upper() != "RSA" or not is_rsa_signature(fields, key, variant):
            return Refusal("RSA签名校验失败！", Code.UPSTREAM_BAD_SIGNATURE)
        return None

    # --- answering ----------------------------------------------------------------------------------------------
    async def _api(self, asked: Asked, place: Place, step: Step) -> Answer:
        """One signed question and its answer, which is signed if the gateway did what it was asked."""
        fields = source(asked)
        subject = self._subject(fields, place.operation, asked.order_key)
        done: list[bool] = []

        def refused(refusal: Refusal) -> Reply:
            self._note_refused(place.operation, subject.o, refusal)
            return _refused(refusal)

        def act() -> Reply:
            try:
                said = step(asked, fields)
            except Refusal as refusal:
                return refused(refusal)
            done.append(True)
            return Reply(fields={"code": 0, "msg": "success", **said})

        def seal(reply: Reply, variant: Variant | None) -> None:
            if done and reply.fields is not None and "message" not in reply.fields:
                body = msgspec.json.encode(self._sealed(reply.fields, variant))
                reply.fields, reply.body, reply.kind = None, body, JSON

        why = self._why_not(fields)
        refuse = lambda: refused(why or Refusal("RSA签名校验失败！", Code.UPSTREAM_BAD_SIGNATURE))  # noqa: E731
        call = Call(
            place, subject, why is None, act, refuse, is_genuine_as=self._judged(fields), seal=seal, version="RSA",
            unknown=_unknown, refuse_repeat=partial(self._repeated, fields, place.operation, subject, _refused),
        )  # fmt: skip
        return await self._injector.answer(call)

    def _judged(self, fields: Fields) -> Callable[[Variant], bool]:
        return lambda variant: self._why_not(fields, variant) is None

    def _sealed(self, said: dict[str, object], variant: Variant | None) -> dict[str, object]:
        """The answer with its timestamp and signature; what is nested in it is not covered, as in the original."""
        said = said | {"timestamp": str(self._now_s())} | (EXTRA if variant is Variant.EXTRA_FIELD else {})
        flat = {k: str(v) for k, v in said.items() if not isinstance(v, dict | list)}
        signed = self._signed(flat, variant)
        whole: dict[str, object] = said | {k: v for k, v in signed.items() if k not in said or k == "timestamp"}
        return dict(reversed(whole.items())) if variant is Variant.FIELD_ORDER else whole

    async def _page(self, asked: Asked) -> Answer:
        """The browser's way to pay."""
        fields = source(asked)
        subject = self._subject(fields, Operation.CREATE, asked.order_key)

        def refused(refusal: Refusal) -> Reply:
            self._note_refused(Operation.CREATE, subject.o, refusal)
            return page_refusal(refusal)

        def act() -> Reply:
            try:
                return jump(self._cashier_url(self._made(fields, Needs(("return_url", "name")))))
            except Refusal as refusal:
                return refused(refusal)

        why = self._why_not(fields)
        refuse = lambda: refused(why or Refusal("RSA签名校验失败！", Code.UPSTREAM_BAD_SIGNATURE))  # noqa: E731
        call = Call(
            self._submit, subject, why is None, act, refuse, is_genuine_as=self._judged(fields), version="RSA",
            refuse_repeat=partial(self._repeated, fields, Operation.CREATE, subject, page_refusal),
        )  # fmt: skip
        return await self._injector.answer(call)

    def _repeated(
        self, fields: Fields, operation: Operation, subject: Subject, style: Callable[[Refusal], Reply]
    ) -> Reply | None:
        is_create = operation is Operation.CREATE
        return self._refused_repeat(fields, operation, subject, style) if is_create else None

    # --- what can be asked for ------------------------------------------------------------------------------------
    def _made(self, fields: Fields, needs: Needs) -> Trade:
        try:
            order = self._read_order(fields, needs)
            return self._trades.create(order, self._subject(fields, Operation.CREATE))
        except AmountDiffers:
            raise Refusal("订单号已存在，且金额不一致！", Code.PAY_AMOUNT_MISMATCH) from None

    def _create(self, asked: Asked, fields: Fields) -> dict[str, object]:
        method = fields.get("method") or "web"
        if method not in PAY_TYPES:
            raise Refusal("接口类型(method)不支持！")
        trade = self._made(fields, Needs(("type", "name", "clientip")))
        url = f"http://{asked.host}{self._cashier_url(trade)}" if asked.host else self._cashier_url(trade)
        pay_type = PAY_TYPES[method]
        info = url if pay_type in ("jump", "app") else json.dumps({"url": url, "trade_no": trade.trade_no})
        return {"trade_no": trade.trade_no, "pay_type": pay_type, "pay_info": info}

    def _query(self, _: Asked, fields: Fields) -> dict[str, object]:
        trade = self._found(fields)
        said = self._said_of(trade) | {"clientip": "127.0.0.1", "refundmoney": yuan(Fen(trade.refunded_fen))}
        return {"data": said} if self._desk.upstream.option("query") == "nested" else said

    def _refund(self, _: Asked, fields: Fields) -> dict[str, object]:
        trade, no = self._found(fields), _refund_no(fields)
        try:
            refund, _first = self._trades.refund(trade, parse_yuan(fields.get("money", "")), no)
        except NotPaid:
            raise Refusal("该订单未支付，无法退款！") from None
        except RefundDiffers:
            raise Refusal("商户退款单号已存在，且金额不一致！", Code.PAY_AMOUNT_MISMATCH) from None
        except (MoneyError, TooMuch):
            raise Refusal("退款金额不合法，或大于可退金额！", Code.PAY_AMOUNT_MISMATCH) from None
        self._refunded[refund.no] = self._refunded[_own_no(trade, refund)] = (trade, refund)
        return _said_of_refund(trade, refund)

    def _refund_query(self, _: Asked, fields: Fields) -> dict[str, object]:
        found = self._refunded.get(fields.get("refund_no") or _refund_no(fields))
        if found is None:
            raise Refusal("退款单号不存在！", Code.PAY_NOT_SUBMITTED)
        trade, refund = found
        return _said_of_refund(trade, refund) | {
            "out_trade_no": trade.order.order_no,
            "status": 1,
            "addtime": self._wall_text(refund.t),
        }

    def _close(self, _: Asked, fields: Fields) -> dict[str, object]:
        trade = self._found(fields)
        if trade.is_captured:
            raise Refusal("订单已支付，无法关闭！")
        self._trades.close(trade)
        return {"trade_no": trade.trade_no}

    def _info(self, _: Asked, __: Fields) -> dict[str, object]:
        totals = self._trades.totals(self.name)
        return {
            "pid": self._keys.pid,
            "status": 1,
            "pay_status": 1,
            "settle_status": 1,
            "money": yuan(Fen(totals.kept_fen)),
            "settle_type": 1,
            "settle_account": "orderjam",
            "settle_name": "orderjam",
            "order_num": totals.trades,
        }

    # --- notices ------------------------------------------------------------------------------------------------
    def compose(self, trade: Trade, matter: Matter) -> Mangled | None:
        told = super().compose(trade, matter)
        return None if told is None else told | self._more(trade)

    def return_url(self, trade: Trade) -> str:
        to = trade.order.back_to
        return self._signed_url(to, self._told(trade) | self._more(trade)) if to else ""

    def _more(self, trade: Trade) -> Fields:
        """What V2 says beside what V1 does."""
        return {"api_trade_no": trade.trade_no, "buyer": "", "timestamp": str(self._now_s())}


def _refused(refusal: Refusal) -> Reply:
    return Reply(fields={"code": 1, "msg": refusal.words})


def _unknown() -> Reply:
    """In the envelope of the framework around the gateway, which signs nothing."""
    return Reply(fields={"code": 502, "message": "服务暂时不可用"})


def _own_no(trade: Trade, refund: Refund) -> str:
    """The gateway's own number of a refund."""
    return f"{trade.trade_no}R{trade.refunds.index(refund) + 1}"


def _refund_no(fields: Fields) -> str:
    """The shop's own number of a refund, fit for answers."""
    return readable(fields.get("out_refund_no", ""))[:64]


def _said_of_refund(trade: Trade, refund: Refund) -> dict[str, object]:
    return {
        "refund_no": _own_no(trade, refund),
        "out_refund_no": refund.no,
        "trade_no": trade.trade_no,
        "money": yuan(refund.amount_fen),
    }
