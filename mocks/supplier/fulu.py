"""The dialect of the Fulu open platform, v2: top-ups that the supplier does itself, and cards; both come later.

Source: docs/protocols/fulu.md. The signing text is in fulu_signs.py, words and fields in fulu_texts.py.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import ClassVar, TypeAlias

import msgspec

from faults.verdict import Effect, Outcome, Reshape, Shape, Variant
from ledger.events import TradeRefused
from ledger.states import Code, Hop, Operation
from mocks.call import Call, Place, Signs, Subject
from mocks.goods import GoodsError, Repeated
from mocks.mangle import Mangled
from mocks.notices import Matter
from mocks.post import Heard, Letter
from mocks.reply import JSON, Reply
from mocks.server import Answer, Asked, NoRoute, read_json
from mocks.signed import are_equal
from mocks.supplier import fulu_signs as signs
from mocks.supplier import fulu_texts as texts
from mocks.supplier.counter import Counter
from mocks.supplier.fulu_goods import Goods
from mocks.supplier.fulu_texts import Data, Refusal, unreadable
from mocks.supplier.stock import Purchase, Request
from mocks.supplier.works import Ending
from mocks.upstreams import SetupError
from plan.loopback import is_loopback
from plan.orders import find_key, key_of_account

GATEWAY, CONSOLE = "api/getway", "console"
SECRET_LENGTH = 32
CLOCK_OFF_S = 600
BARE = "_bare"
"""Marks an answer whose `result` is to stay an object: it never leaves the mock."""
CARD_LASTS_S = 365 * 24 * 3600
NUM_MAX = 1000
FIXED = {"version": "2.0", "format": "json", "charset": "utf-8", "sign_type": "md5"}

_ORDER_NO = re.compile(r"[A-Za-z0-9._|-]{1,50}", re.ASCII)
ORDER_TYPES = {
    "fulu.order.mobile.add": 1,
    "fulu.order.data.add": 2,
    "fulu.order.card.add": 3,
    "fulu.order.direct.add": 4,
}
_ENDINGS = {
    Outcome.ACCEPT_THEN_FAIL: Ending.FAILED,
    Outcome.STAYS_PROCESSING: Ending.NEVER,
    Outcome.EMPTY: Ending.EMPTY,
    Outcome.PARTIAL: Ending.PARTLY,
}


class Case(msgspec.Struct):
    """One request: what it says, whom it is about, and the purchase that was taken on for it."""

    method: str
    operation: Operation
    params: Data
    biz: Data
    flaw: Refusal | None
    subject: Subject
    accepted: Purchase | None = None


Step: TypeAlias = Callable[[Case], object]


class Fulu:
    """One instance of the platform, with one app."""

    schema = texts.NOTICE
    signs: ClassVar[Signs] = Signs(requests=signs.REQUESTS, answers=signs.ANSWERS, notices=signs.NOTICES)

    def __init__(self, counter: Counter) -> None:
        self.name, self._keys, self._at = counter.name, counter.keys, counter
        if len(self._keys.key) != SECRET_LENGTH:
            raise SetupError(f"{self.name}: an app's secret has {SECRET_LENGTH} characters: it is an AES-256 key too")
        self._stock, self._works, self._injector = counter.stock, counter.works, counter.injector
        self._notify_to = ""
        goods = self._goods = Goods(counter)
        self._places = {op: Place(Hop.SHOP_SUPPLIER, op, self.name, schema) for op, schema in texts.SCHEMAS.items()}
        self._steps: dict[str, tuple[Operation, Step]] = {
            **dict.fromkeys(ORDER_TYPES, (Operation.BUY, self._add)),
            "fulu.order.info.get": (Operation.QUERY, self._order),
            "fulu.goods.list.get": (Operation.CATALOGUE, lambda case: goods.listed(case.biz)),
            "fulu.goods.info.get": (Operation.CATALOGUE, lambda case: goods.one(case.biz)),
            "fulu.goods.template.get": (Operation.CATALOGUE, lambda case: goods.template(case.biz)),
            "fulu.goods.stock.check": (Operation.STOCK, lambda case: goods.in_stock(case.biz)),
            "fulu.user.info.get": (Operation.CONNECT, self._user),
        }
        counter.works.serve(self.name, counter.upstream.takes, self.tell)
        counter.notices.serve(self.name, self, counter.ladder)

    def routes(self) -> list[str]:
        return [f"/{self.name}/{path}" for path in (GATEWAY, CONSOLE)]

    def forget(self) -> None:
        for place in self._places.values():
            place.counts.clear()

    async def answer(self, asked: Asked, path: str) -> Answer:
        """The answer to a request below this instance's name; NoRoute where the platform does not take it."""
        match asked.method, path:
            case "POST", "api/getway":
                return await self._gateway(asked)
            case "POST", "console":
                return self._console(asked)
        raise NoRoute

    def _console(self, asked: Asked) -> Reply:
        """Where a merchant says in his console which address is told of his orders; an empty one: none."""
        fields = asked.body_fields()
        is_merchant = fields.get("app_key") == self._keys.pid
        if not is_merchant or not are_equal(self._keys.key, fields.get("app_secret")):
            return Reply(403, {"ok": False, "error": "app_key or app_secret is wrong"})
        address = fields.get("notify_url", "")
        if address and not is_loopback(address):
            return Reply(400, {"ok": False, "error": "notify_url: only 127.0.0.0/8, ::1 and localhost are told"})
        self._notify_to = address
        return Reply(fields={"ok": True, "notify_url": address})

    async def _gateway(self, asked: Asked) -> Answer:
        params, biz, flaw = _read(asked.body)
        method = str(params.get("method", ""))
        operation, step = self._steps.get(method, (Operation.CONNECT, _no_method))
        case = Case(method, operation, params, biz, flaw, self._subject_of(biz, operation))
        is_buy = operation is Operation.BUY
        call = Call(
            self._places[operation],
            case.subject,
            self._is_signed(params),
            act=partial(self._act, step, case),
            refuse=partial(self._refuse_signature, case),
            is_genuine_as=partial(self._is_signed, params),
            sell=partial(self._sell, case) if is_buy else None,
            tell_early=partial(self._tell_early, case) if is_buy else None,
            dress=_dress,
            seal=self._seal,
            version=str(params.get("version", ""))[: texts.TEXT_MAX],
            refuse_version=partial(self._refuse, case, Refusal(texts.BAD_VERSION, "version不支持")),
            refuse_repeat=partial(self._refuse_repeat, case) if is_buy else None,
        )
        return await self._injector.answer(call)

    def _subject_of(self, biz: Data, operation: Operation) -> Subject:
        """Whom a request is about: the key that is passed through, or that of the account, else the purchase of its
        order number, else that number, else only what it is for."""
        if operation not in (Operation.BUY, Operation.QUERY):
            return Subject(operation.value, "operation", None)
        for field in ("external_biz_id", "charge_account"):
            text = str(biz.get(field, ""))[: texts.TEXT_MAX]
            if key := key_of_account(text) or find_key(text):
                return Subject(key, "key", key)
        number = str(biz.get("customer_order_no", ""))[:64]
        if operation is Operation.QUERY and (purchase := self._stock.purchases.find(self.name, number)):
            return purchase.subject
        return Subject(number, "order_number", number) if number else Subject(operation.value, "operation", None)

    # --- signatures and refusals --------------------------------------------------------------------------------
    def _is_signed(self, params: Data, variant: Variant | None = None) -> bool:
        """Whether the request is the app's own, fresh and rightly signed, by the rule or by that of a variant."""
        if variant is Variant.MISSING or params.get("app_key") != self._keys.pid:
            return False
        if not self._is_fresh(params, variant):
            return False
        own = signs.signature(signs.request_text(params, variant), self._keys.key, variant)
        return are_equal(own, params.get("sign"))

    def _is_fresh(self, params: Data, variant: Variant | None = None) -> bool:
        wall_s = texts.read_time(params.get("timestamp"), in_utc=variant is Variant.TIME_ZONE)
        return wall_s is not None and abs(wall_s - self._at.wall_s()) <= CLOCK_OFF_S

    def _refuse_signature(self, case: Case) -> Reply:
        if not case.params and case.flaw is not None:
            return self._refuse(case, case.flaw)
        if case.params.get("app_key") != self._keys.pid:
            return self._refuse(case, Refusal(texts.BAD_APP_KEY, "app_key不存在"))
        if not self._is_fresh(case.params):
            return self._refuse(case, Refusal(texts.BAD_TIME, "请求已过期", Code.UPSTREAM_BAD_SIGNATURE))
        return self._refuse(case, Refusal(texts.BAD_SIGNATURE, "签名错误", Code.UPSTREAM_BAD_SIGNATURE))

    def _refuse(self, case: Case, why: Refusal) -> Reply:
        """The refusal, journalled: of goods as such, of anything else with its operation."""
        o, operation = case.subject.o, case.operation
        if operation is Operation.BUY:
            number = str(case.biz.get("customer_order_no", ""))[:64]
            self._stock.note_refused(self.name, number, o, why.code, why.words)
        else:
            t, name = self._at.clock.t(), self.name
            self._at.append(TradeRefused(t=t, o=o, upstream=name, operation=operation, code=why.code, words=why.words))
        return Reply(fields={"code": why.number, "message": why.words, "result": ""})

    def _act(self, step: Step, case: Case) -> Reply:
        try:
            if case.flaw is not None:
                raise case.flaw
            return _success(step(case))
        except Refusal as refusal:
            return self._refuse(case, refusal)
        except GoodsError as error:
            return self._refuse(case, texts.refusal_of(error))

    def _seal(self, reply: Reply, variant: Variant | None) -> None:
        """Writes the answer out: `result` becomes a text, which alone is signed."""
        assert reply.fields is not None
        fields = dict(reply.fields)
        # Another version may have the whole of it one floor lower.
        holder = next((v for v in fields.values() if isinstance(v, dict) and "result" in v), fields)
        result = holder.get("result", "")
        if isinstance(result, dict) and variant is Variant.EXTRA_FIELD:
            result = result | {signs.EXTRA[0]: signs.EXTRA[1]}
        if isinstance(result, dict) and variant is Variant.FIELD_ORDER:
            result = dict(reversed(result.items()))
        text = result if isinstance(result, str) else signs.compact(result)
        if text and variant is Variant.ESCAPED:
            text = signs.escaped(text)
        if "result" in holder:
            holder["result"] = msgspec.Raw(text.encode()) if BARE in holder else text
        holder.pop(BARE, None)
        sealed = {"sign": signs.signature(self._signed(fields, text), self._keys.key, variant)}
        if variant is Variant.MISSING:
            sealed = {}
        reply.fields, reply.body, reply.kind = None, signs.compact({**fields, **sealed}).encode(), JSON

    def _signed(self, fields: Data, result: str) -> str:
        return signs.compact(fields) if self._at.upstream.option("answer_sign") == "envelope" else result

    # --- orders -------------------------------------------------------------------------------------------------
    def _add(self, case: Case) -> Data:
        request = self._read_request(case)
        self._stock.note_requested(request, case.subject.o)
        return self._created(self._stock.known(request) or self._take_on(case, request, Ending.DELIVERED))

    def _sell(self, case: Case, outcome: Outcome) -> Reply | None:
        """What comes of an order that a fault strikes; None where it is refused anyhow, or was answered before, or
        where the platform does no such thing."""
        ending = _ENDINGS.get(outcome)
        if case.flaw is not None or (ending is None and outcome not in texts.REFUSED):
            return None
        try:
            request = self._read_request(case)
            self._stock.check(request)
            if self._stock.known(request) is not None or (ending is Ending.PARTLY and request.account):
                return None
        except (Refusal, GoodsError):
            return None
        self._stock.note_requested(request, case.subject.o)
        if ending is None:
            return self._refuse(case, Refusal(*texts.REFUSED[outcome]))
        return _success(self._created(self._take_on(case, request, ending)))

    def _refuse_repeat(self, case: Case) -> Reply | None:
        """The refusal of an order that was answered before; None where it was not."""
        try:
            known = None if case.flaw is not None else self._stock.known(self._read_request(case))
        except (Refusal, GoodsError):
            return None
        return self._refuse(case, texts.refusal_of(Repeated())) if known is not None else None

    def _take_on(self, case: Case, request: Request, ending: Ending) -> Purchase:
        case.accepted = self._works.begin(request, case.subject, ending)
        return case.accepted

    def _created(self, purchase: Purchase) -> Data:
        return texts.created(purchase, self._goods.ids[purchase.product], self._ended(purchase))

    def _ended(self, purchase: Purchase) -> str:
        return texts.time_text(self._at.wall_s(purchase.ended_t)) if purchase.ended_t else ""

    def _read_request(self, case: Case) -> Request:
        """What an order asks for; Refusal for the first flaw, UnknownProduct."""
        biz = case.biz
        number, quantity = texts.text_of(biz, "customer_order_no"), texts.number_of(biz, "buy_num", "1")
        if not _ORDER_NO.fullmatch(number):
            raise unreadable("customer_order_no")
        if not 1 <= quantity <= NUM_MAX:
            raise unreadable("buy_num")
        match case.method:
            case "fulu.order.card.add":
                return Request(self.name, number, self._goods.named(biz), quantity, way=case.method)
            case "fulu.order.direct.add":
                product, field = self._goods.named(biz), "charge_account"
            case _:
                product, field = self._goods.of_face_value(biz), "charge_phone"
        account = texts.text_of(biz, field)
        if not account:
            raise unreadable(field)
        return Request(self.name, number, product, quantity, account, case.method)

    def _order(self, case: Case) -> Data:
        purchase = self._stock.purchases.find(self.name, texts.text_of(case.biz, "customer_order_no"))
        if purchase is None:
            raise Refusal(texts.NO_ORDER, "订单不存在")
        seal = partial(signs.encrypted, secret=self._keys.key)
        deadline = texts.time_text(self._at.wall_s(purchase.t) + CARD_LASTS_S)
        return {
            "order_id": purchase.trade_no,
            "product_id": self._goods.ids[purchase.product],
            "product_name": purchase.product,
            "charge_account": purchase.request.account,
            "customer_order_no": purchase.request_no,
            "create_time": texts.time_text(self._at.wall_s(purchase.t)),
            "buy_num": purchase.request.quantity,
            "order_price": texts.as_number(texts.unit_price(purchase)),
            "order_state": texts.FOUND[purchase.state],
            "finish_time": self._ended(purchase),
            "area": "",
            "server": "",
            "type": "",
            "cards": [
                {"card_type": 0, "card_number": seal(number), "card_pwd": seal(password), "card_deadline": deadline}
                for number, password in texts.cards_of(purchase)
            ],
            "order_type": ORDER_TYPES[purchase.request.way],
            "operator_serial_number": purchase.receipt,
        }

    def _user(self, _: Case) -> Data:
        balance = texts.as_number(self._stock.balance_fen(self.name))
        return {"name": "orderjam", "balance": balance, "is_open": 1}

    # --- notices ------------------------------------------------------------------------------------------------
    def tell(self, purchase: Purchase) -> None:
        """The order has come to its end: the shop is told, if its console says where."""
        self._at.notices.begin(purchase)

    async def _tell_early(self, case: Case) -> bool:
        """Ends at once what was just taken on, and tells the shop; whether the shop has answered to that."""
        purchase = case.accepted
        if purchase is None or not self._works.finish(purchase) or not self._notify_to:
            return False
        return await self._at.notices.tell(purchase)

    def compose(self, purchase: Purchase, matter: Matter) -> Mangled | None:
        if not self._notify_to:
            return None
        return texts.noticed(purchase, self._goods.ids[purchase.product], self._ended(purchase))

    def seal(self, purchase: Purchase, matter: Matter, fields: Mangled, variant: Variant | None) -> Letter:
        told = dict(fields)
        if variant is Variant.EXTRA_FIELD:
            told[signs.EXTRA[0]] = signs.EXTRA[1]
        if variant is Variant.FIELD_ORDER:
            told = dict(reversed(told.items()))
        sealed = {"sign": signs.signature(signs.notice_text(told, variant), self._keys.key, variant)}
        if variant is Variant.MISSING:
            sealed = {}
        text = signs.compact({**told, **sealed})
        if variant is Variant.ESCAPED:
            text = signs.escaped(text)
        return Letter("POST", self._notify_to, text.encode(), {"Content-Type": JSON})

    def is_accepted(self, heard: Heard) -> bool:
        return heard.status == 200 and heard.words.strip() == "success"


def _dress(reply: Reply, effect: Effect) -> str:
    """Leaves `result` the object that it is, where an answer is to have another shape."""
    is_asked = isinstance(effect, Reshape) and (effect.field, effect.shape) in ((None, None), ("result", Shape.TEXT))
    if not is_asked or reply.fields is None or not isinstance(reply.fields.get("result"), dict):
        return ""
    reply.fields[BARE] = True
    return "another shape: result"


def _no_method(case: Case) -> object:
    raise Refusal(texts.BAD_METHOD, "method不存在")


def _read(body: bytes) -> tuple[Data, Data, Refusal | None]:
    """Parameters and biz_content of a request, and what is wrong with them."""
    try:
        params = read_json(body, dict[str, object])
    except msgspec.DecodeError:
        return {}, {}, unreadable("")
    try:
        text = str(params.get("biz_content", ""))
        biz = read_json(text, dict[str, object]) if text != "null" else {}
    except msgspec.DecodeError:
        return params, {}, unreadable("biz_content")
    for name, only in FIXED.items():
        if str(params.get(name, "")).lower() != only:
            return params, biz, unreadable(name)
    return params, biz, None


def _success(result: object) -> Reply:
    return Reply(fields={"code": texts.OK, "message": "成功", "result": result})
