"""The dialect of WeChat Pay v3: orders, queries, closing, refunds, certificates, the cashier, and encrypted notices.

Source: docs/protocols/wechat.md.
"""

import re
from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from typing import Any, ClassVar
from urllib.parse import unquote

import msgspec

from faults.verdict import Variant
from ledger.events import TradeRefused
from ledger.money import Fen
from ledger.states import Code, Hop, Operation
from mocks.call import Call, Place, Signs, Subject
from mocks.mangle import Mangled
from mocks.notices import About, Matter, notice_id
from mocks.payment.cashier import Cashier
from mocks.payment.desk import Desk
from mocks.payment.trades import (
    AmountDiffers,
    NotPaid,
    Order,
    RefundDiffers,
    TooMuch,
    Trade,
)
from mocks.payment.wechat_bodies import (
    BODIES,
    NO_RESOURCE,
    NOT_THERE,
    UNKNOWN,
    USED,
    Closing,
    Ordered,
    Refunding,
    Refusal,
    param_error,
    read_as,
    read_json,
    sign_error,
)
from mocks.payment.wechat_fields import (
    ANSWERED_WITH,
    COMPLAINED,
    LISTED,
    ORDERED,
    REFUNDED,
    RESOURCES,
    TRADE,
    TYPES,
    Wording,
    notice_address,
)
from mocks.payment.wechat_signs import (
    NO_MATCH,
    Claim,
    Flaw,
    Hand,
    Merchant,
    Platform,
    Stamp,
    read_claim,
    request_text,
    rewritten,
    written,
)
from mocks.post import Heard, Letter
from mocks.reply import JSON, Fields, Reply
from mocks.server import Answer, Asked, NoRoute, readable
from mocks.upstreams import SetupError
from plan.loopback import is_loopback
from plan.orders import find_key

WITH_PREFIX = "path_with_prefix"
"""The rule by which a request is taken whose signature covers the path with the instance's name in front."""
ON_REQUESTS = frozenset(
    {
        Variant.WRONG_KEY, Variant.MISSING, Variant.TRAILING_NEWLINE, Variant.BODY_RESERIALIZED, Variant.TYPE_CONFUSION,
        Variant.SKEW_6_MIN, Variant.SKEW_11_MIN, Variant.SKEW_1_DAY,
    }
)  # fmt: skip
ON_ANSWERS = ON_REQUESTS | {
    Variant.MISSING_TYPE_HEADER, Variant.CERT_ROTATED, Variant.CERT_OVERLAP, Variant.UNKNOWN_SERIAL,
    Variant.EMPTY_SERIAL, Variant.PROBE, Variant.GCM_BAD_TAG, Variant.V3KEY_CHANGED, Variant.SKEW_4_MIN,
    Variant.FIELD_ORDER, Variant.ESCAPED, Variant.SPACED, Variant.EXTRA_FIELD,
}  # fmt: skip
ON_NOTICES = ON_ANSWERS | {Variant.PARTIAL_COVER}
_OURS = re.compile(r"([0-9]+)[DR][0-9]+", re.ASCII)


class Heading(msgspec.Struct, frozen=True):
    """What the headers of a request say: who asks, for which target it is signed, and by which hand to answer."""

    claim: Claim | Flaw
    target: str | None
    hand: Hand | None
    stamp: Stamp


class WeChat:
    """One instance of the platform, with one merchant."""

    schema = TRADE
    signs: ClassVar[Signs] = Signs(requests=ON_REQUESTS, answers=ON_ANSWERS, notices=ON_NOTICES)

    def __init__(self, desk: Desk) -> None:
        self.name, self._desk, self._pid = (name := desk.name), desk, desk.keys.pid
        try:
            self._merchant, self._platform = Merchant(desk.keys), Platform(desk.keys)
            self._appid = desk.keys.own["appid"]
        except (KeyError, ValueError) as error:
            raise SetupError(f"upstreams.{name}: these are no keys for WeChat Pay: {error}") from None
        self._trades, self._injector = desk.trades, desk.injector
        self._words = Wording(self._pid, self._appid, desk.wall_s)
        self._cashier = Cashier(desk, back=lambda trade: "")
        self._by, self._count = self._platform.by_certificate, 0
        self._payers: dict[str, str] = {}
        self._refunds: dict[str, str] = {}
        self._told: tuple[Mangled, int] | None = None
        shop = partial(Place, Hop.SHOP_PAYMENT, upstream=name)
        self._creates = {way: shop(operation=Operation.CREATE, schema=schema) for way, schema in ORDERED.items()}
        self._query = shop(operation=Operation.QUERY, schema=TRADE)
        self._closes = shop(operation=Operation.CLOSE)
        self._refund = shop(operation=Operation.REFUND, schema=REFUNDED)
        self._refund_query = shop(operation=Operation.REFUND_QUERY, schema=REFUNDED)
        self._complaint = shop(operation=Operation.QUERY, schema=COMPLAINED)
        self._certificates = shop(operation=Operation.CERTIFICATES, schema=LISTED)

    def routes(self) -> list[str]:
        pay = f"/{self.name}/v3/pay/transactions"
        made = [f"{pay}/{way}" for way in TYPES]
        asked = [f"{pay}/out-trade-no/NO", f"{pay}/id/NO", f"{pay}/out-trade-no/NO/close"]
        refunds = f"/{self.name}/v3/refund/domestic/refunds"
        more = [f"/{self.name}/v3/merchant-service/complaints-v2/NO", f"/{self.name}/v3/certificates"]
        return [*made, *asked, refunds, f"{refunds}/NO", *more, f"/{self.name}/cashier"]

    def forget(self) -> None:
        asking = (self._query, self._refund_query, self._complaint, self._certificates)
        for place in (*self._creates.values(), self._closes, self._refund, *asking):
            place.counts.clear()
        self._payers, self._refunds, self._told = {}, {}, None
        self._cashier.forget()

    async def answer(self, asked: Asked, path: str) -> Answer:
        """The answer to a request below this instance's name; NoRoute where the platform has no such path."""
        match [asked.method, *path.split("/")]:
            case ["POST", "v3", "pay", "transactions", way] if way in TYPES:
                return await self._create(asked, way)
            case ["GET", "v3", "pay", "transactions", "out-trade-no", no]:
                trade = self._trades.find(self.name, order_no=unquote(no))
                return await self._take(asked, self._query, trade, unquote(no), lambda: self._show(asked, trade))
            case ["GET", "v3", "pay", "transactions", "id", no]:
                paid = self._paid(unquote(no))
                return await self._take(asked, self._query, paid, unquote(no), lambda: self._show(asked, paid))
            case ["POST", "v3", "pay", "transactions", "out-trade-no", no, "close"]:
                trade = self._trades.find(self.name, order_no=unquote(no))
                return await self._take(asked, self._closes, trade, unquote(no), lambda: self._close(asked, trade))
            case ["POST", "v3", "refund", "domestic", "refunds"]:
                return await self._give_back(asked)
            case ["GET", "v3", "refund", "domestic", "refunds", no]:
                no = unquote(no)
                trade = self._trade_of(no)
                return await self._take(asked, self._refund_query, trade, no, lambda: self._show_refund(trade, no))
            case ["GET", "v3", "merchant-service", "complaints-v2", no]:
                trade = self._trade_of(no)
                return await self._take(asked, self._complaint, trade, no, lambda: self._show_complaint(trade, no))
            case ["GET", "v3", "certificates"]:
                return await self._take(asked, self._certificates, None, "", self._list)
            case [_, "cashier"]:
                return await self._cashier.answer(asked, self._opened(asked.query_fields()))
        raise NoRoute

    # --- signatures and refusals --------------------------------------------------------------------------------
    async def _take(
        self,
        asked: Asked,
        place: Place,
        about: Trade | Subject | None,
        number: str,
        act: Callable[[], Reply],
    ) -> Answer:
        """What becomes of one request: checked, done or refused, and signed. `about` says whom it is about; without,
        the `number` that it names does."""
        subject = about.subject if isinstance(about, Trade) else about or _subject_of(place.operation, number)
        heading = self._read_heading(asked)
        if heading.hand is not None and heading.target is not None:
            self._by = heading.hand

        def do() -> Reply:
            try:
                if heading.hand is None:
                    raise param_error("Wechatpay-Serial", "unknown serial", location="header")
                return act()
            except Refusal as refusal:
                return self._refused(place.operation, subject.o, refusal)

        call = Call(
            place,
            subject,
            heading.target is not None,
            do,
            lambda: self._refused(place.operation, subject.o, self._sign_error(asked, heading)),
            is_genuine_as=lambda variant: self._signed_target(asked, heading, variant) is not None,
            tolerated=WITH_PREFIX if heading.target == _targets(asked, self.name)[-1] else None,
            seal=partial(self._seal, heading),
            version="v3",
            unknown=UNKNOWN.reply,
            refuse_repeat=lambda: self._refuse_repeat(place.operation, subject.o, number),
        )
        return await self._injector.answer(call)

    def _read_heading(self, asked: Asked) -> Heading:
        claim = read_claim(asked.authorization)
        self._count += 1
        wall_s = self._desk.wall_s(self._desk.clock.t())
        nonce = blake2b(f"{self.name} {self._count} {wall_s}".encode(), digest_size=16).hexdigest()
        hand = self._platform.hand(asked.headers.get("Wechatpay-Serial", ""))
        heading = Heading(claim, None, hand, Stamp(int(wall_s), nonce))
        return msgspec.structs.replace(heading, target=self._signed_target(asked, heading))

    def _signed_target(self, asked: Asked, heading: Heading, variant: Variant | None = None) -> str | None:
        claim = heading.claim
        if isinstance(claim, Flaw) or self._merchant.flaw(claim, heading.stamp.wall_s, variant) is not None:
            return None
        targets = _targets(asked, self.name)
        return self._merchant.signed_target(claim, asked.method, targets, asked.body, variant)

    def _sign_error(self, asked: Asked, heading: Heading) -> Refusal:
        claim, target = heading.claim, _targets(asked, self.name)[0]
        if isinstance(claim, Flaw):
            return sign_error(claim)
        if (flaw := self._merchant.flaw(claim, heading.stamp.wall_s)) is not None:
            return sign_error(flaw)
        return sign_error(NO_MATCH, asked.method, target, request_text(asked.method, target, claim, asked.body))

    def _refused(self, operation: Operation, o: str | None, refusal: Refusal) -> Reply:
        words = f"{refusal.word} {refusal.words}"
        t = self._desk.clock.t()
        self._desk.append(
            TradeRefused(t=t, o=o, upstream=self.name, operation=operation, code=refusal.code, words=words)
        )
        return refusal.reply()

    def _refuse_repeat(self, operation: Operation, o: str | None, number: str) -> Reply | None:
        known = self._trades.find(self.name, order_no=number) if operation is Operation.CREATE else None
        return self._refused(operation, o, USED) if known is not None else None

    def _seal(self, heading: Heading, reply: Reply, variant: Variant | None) -> None:
        """Signs the very bytes that are sent, also where there are none."""
        body = reply.body
        if reply.fields is not None:
            fields = reply.fields
            if variant in (Variant.GCM_BAD_TAG, Variant.V3KEY_CHANGED) and "data" in fields:
                fields = fields | {"data": self._platform.certificates(variant)}
            body = written(fields, variant)
        hand = heading.hand or self._platform.by_certificate
        reply.headers = self._platform.headers(body, heading.stamp, hand, variant)
        reply.fields, reply.kind = None, JSON
        reply.body = rewritten(body) if variant is Variant.BODY_RESERIALIZED else body

    # --- orders -------------------------------------------------------------------------------------------------
    async def _create(self, asked: Asked, way: str) -> Answer:
        raw = read_json(asked.body)
        attach, number = raw.get("attach"), raw.get("out_trade_no")
        key = find_key(attach) if isinstance(attach, str) else None
        about = Subject(key, "key", key) if key else None
        number = number if isinstance(number, str) else ""
        return await self._take(asked, self._creates[way], about, number, lambda: self._made(asked, way, raw, about))

    def _made(self, asked: Asked, way: str, raw: dict[str, Any], about: Subject | None) -> Reply:
        wanted = read_as(BODIES[way], raw)
        order = self._read_order(wanted, way)
        subject = about or _subject_of(Operation.CREATE, wanted.out_trade_no)
        is_new = self._trades.find(self.name, order_no=order.order_no) is None
        try:
            trade = self._trades.create(order, subject)
        except AmountDiffers:
            raise USED from None
        if trade.is_captured:
            raise Refusal(400, "ORDERPAID", "该订单已支付")
        if trade.closed:
            raise Refusal(400, "ORDER_CLOSED", "该订单已关闭")
        if is_new:
            self._desk.expiry.watch(trade)
            if wanted.payer is not None:
                self._payers[trade.trade_no] = wanted.payer.openid
        prepay_id = f"wx{trade.trade_no}"
        answer = ANSWERED_WITH[way]
        page = f"http://{asked.host}/{self.name}/cashier?prepay_id={prepay_id}"
        return Reply(fields={answer: prepay_id if answer == "prepay_id" else page})

    def _read_order(self, wanted: Ordered, way: str) -> Order:
        """The order that a well-formed request asks for; Refusal where it cannot be."""
        if wanted.mchid != self._pid:
            raise param_error("/mchid", "商户号与签名不一致", wanted.mchid)
        if wanted.appid != self._appid:
            raise Refusal(400, "APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配")
        if not is_loopback(wanted.notify_url):
            raise param_error("/notify_url", "回调地址只允许本机（127.0.0.0/8、::1、localhost）", wanted.notify_url)
        expires_t = self._desk.t_of(wanted.time_expire.timestamp()) if wanted.time_expire is not None else None
        if expires_t is not None and expires_t <= self._desk.clock.t():
            raise param_error("/time_expire", "交易结束时间早于当前时间", wanted.time_expire)
        return Order(
            upstream=self.name,
            order_no=wanted.out_trade_no,
            amount_fen=Fen(wanted.amount.total),
            goods=wanted.description,
            way=way,
            notice_to=wanted.notify_url,
            back_to="",
            carried=wanted.attach,
            merchant=self._pid,
            expires_t=expires_t,
        )

    def _paid(self, trade_no: str) -> Trade | None:
        """The trade of a transaction number, which only a paid one has."""
        trade = self._trades.find(self.name, trade_no=trade_no) if trade_no else None
        return trade if trade is not None and trade.is_captured else None

    def _opened(self, fields: Fields) -> Trade | None:
        """The trade of a cashier's address: the shop's link names the prepaid order, the page itself the trade."""
        prepay_id = fields.get("prepay_id", "")
        trade_no = prepay_id.removeprefix("wx") if prepay_id.startswith("wx") else fields.get("trade_no", "")
        return self._trades.find(self.name, trade_no=trade_no) if trade_no else None

    def _show(self, asked: Asked, trade: Trade | None) -> Reply:
        mchid = asked.query_fields().get("mchid", "")
        if mchid != self._pid:
            raise param_error("/mchid", "商户号与签名不一致", mchid, "query")
        if trade is None:
            raise NOT_THERE()
        state = "CLOSED" if trade.closed else "NOTPAY"
        if trade.is_captured:
            state = "REFUND" if trade.refunds else "SUCCESS"
        return Reply(fields=self._words.transaction(trade, state, self._payers.get(trade.trade_no, "")))

    def _close(self, asked: Asked, trade: Trade | None) -> Reply:
        mchid = read_as(Closing, read_json(asked.body)).mchid
        if mchid != self._pid:
            raise param_error("/mchid", "商户号与签名不一致", mchid)
        if trade is None:
            raise NOT_THERE()
        if trade.is_captured:
            raise Refusal(400, "ORDERPAID", "该订单已支付")
        if not self._trades.close(trade):
            raise Refusal(400, "ORDER_CLOSED", "该订单已关闭")
        return Reply(204)

    # --- refunds ------------------------------------------------------------------------------------------------
    async def _give_back(self, asked: Asked) -> Answer:
        raw = read_json(asked.body)
        numbers = {
            name: value for name in ("transaction_id", "out_trade_no") if isinstance(value := raw.get(name), str)
        }
        if paid_no := numbers.get("transaction_id"):
            trade = self._paid(paid_no)
        else:
            trade = self._trades.find(self.name, order_no=numbers.get("out_trade_no", ""))
        number = next((number for number in numbers.values() if number), "")
        return await self._take(asked, self._refund, trade, number, lambda: self._refund_made(raw, trade))

    def _refund_made(self, raw: dict[str, Any], trade: Trade | None) -> Reply:
        wanted = read_as(Refunding, raw)
        if not (wanted.out_trade_no or wanted.transaction_id):
            raise param_error("/out_trade_no", "out_trade_no与transaction_id二选一，不能都为空")
        if wanted.notify_url and not is_loopback(wanted.notify_url):
            raise param_error("/notify_url", "回调地址只允许本机（127.0.0.0/8、::1、localhost）", wanted.notify_url)
        if trade is None:
            raise NO_RESOURCE()
        no, known = wanted.out_refund_no, self._refunds.get(wanted.out_refund_no, trade.trade_no)
        if wanted.amount.total != trade.order.amount_fen or known != trade.trade_no:
            raise _differs()
        try:
            refund, is_new = self._trades.refund(
                trade, Fen(wanted.amount.refund), no, why=wanted.reason, notice_to=wanted.notify_url
            )
        except NotPaid:
            raise Refusal(400, "INVALID_REQUEST", "订单未支付，不能退款") from None
        except TooMuch:
            raise Refusal(400, "INVALID_REQUEST", "申请退款金额大于可退金额", Code.PAY_AMOUNT_MISMATCH) from None
        except RefundDiffers:
            raise _differs() from None
        if is_new:
            self._refunds[no] = trade.trade_no
            self._desk.notices.begin(trade, Matter(About.REFUNDED, no))
        return Reply(fields=self._words.refund(trade, refund, "PROCESSING" if is_new else "SUCCESS"))

    def _trade_of(self, no: str) -> Trade | None:
        """The trade of a refund's number, or a complaint's: one of ours begins with the trade's."""
        ours = _OURS.fullmatch(no)
        trade_no = self._refunds.get(no) or (ours[1] if ours else "")
        return self._trades.find(self.name, trade_no=trade_no) if trade_no else None

    def _show_refund(self, trade: Trade | None, no: str) -> Reply:
        refund = trade.refund(no) if trade is not None else None
        if trade is None or refund is None:
            raise Refusal(404, "RESOURCE_NOT_EXISTS", "退款单不存在", Code.UPSTREAM_REFUSED)
        return Reply(fields=self._words.refund(trade, refund, "SUCCESS"))

    def _show_complaint(self, trade: Trade | None, no: str) -> Reply:
        if trade is None or trade.dispute is None or trade.dispute.no != no:
            raise Refusal(404, "RESOURCE_NOT_EXISTS", "投诉单不存在")
        return Reply(fields=self._words.complaint(trade, trade.dispute))

    def _list(self) -> Reply:
        return Reply(fields={"data": self._platform.certificates()})

    # --- notices ------------------------------------------------------------------------------------------------
    def compose(self, trade: Trade, matter: Matter) -> Mangled | None:
        """What the resource of the notice is, before it is encrypted. That a trade was closed is told to nobody."""
        return self._words.notice(trade, matter, self._payers.get(trade.trade_no, ""))

    def seal(self, trade: Trade, matter: Matter, fields: Mangled, variant: Variant | None) -> Letter:
        """The resource encrypted, its envelope signed. Both seals of one attempt have the same time and nonce."""
        if self._told is None or self._told[0] is not fields:
            self._told = (fields, int(self._desk.wall_s(self._desk.clock.t())))
        wall_s, number = self._told[1], notice_id(trade.trade_no, matter)
        resource = self._platform.encrypted(msgspec.json.encode(fields), RESOURCES[matter.about], variant)
        envelope = self._words.envelope(trade, matter, number, resource, belied=variant is Variant.PARTIAL_COVER)
        body = written(envelope, variant)
        nonce = blake2b(f"{number} {trade.notices} {wall_s}".encode(), digest_size=16).hexdigest()
        headers = self._platform.headers(body, Stamp(wall_s, nonce), self._by, variant)
        headers["Content-Type"] = "application/json"
        sent = rewritten(body) if variant is Variant.BODY_RESERIALIZED else body
        return Letter("POST", notice_address(trade, matter), sent, headers)

    def is_accepted(self, heard: Heard) -> bool:
        """Source: any body with status 200 or 204 is taken."""
        return heard.status in (200, 204)


def _targets(asked: Asked, name: str) -> tuple[str, str]:
    """What the request may be signed for: the platform's own path, and the one with the instance's name in front."""
    whole = f"{asked.path}?{asked.query}" if asked.query else asked.path
    return whole.removeprefix(f"/{name}"), whole


def _subject_of(operation: Operation, number: str) -> Subject:
    """Whom a request is about that passes no key through: the number that it names, else only what it is for."""
    if number := readable(number)[:64]:
        return Subject(number, "order_number", number)
    return Subject(operation.value, "operation", None)


def _differs() -> Refusal:
    return Refusal(400, "INVALID_REQUEST", "订单金额或退款金额与之前请求不一致，请核实后再试", Code.PAY_AMOUNT_MISMATCH)
