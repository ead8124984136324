"""The dialect of 卡卡云, v3: JSON, one signature over sorted fields, orders that are idempotent by the shop's number.

Source: docs/protocols/kakayun.md. The signing text is in kakayun_signs.py.
"""

from collections.abc import Callable
from functools import partial
from typing import ClassVar, TypeAlias

import msgspec

from faults.verdict import Outcome, Shape, Variant
from ledger.events import TradeRefused
from ledger.money import Fen, MoneyError, parse_yuan, yuan
from ledger.states import Code, Hop, Operation
from mocks.call import Call, Place, Signs, Subject
from mocks.goods import GoodsError, Repeated, UnknownProduct
from mocks.mangle import Schema
from mocks.reply import Reply
from mocks.server import Answer, Asked, NoRoute, read_json
from mocks.signed import SKEWS_S, are_equal
from mocks.supplier.counter import Counter
from mocks.supplier.kakayun_signs import REQUESTS, signature
from mocks.supplier.stock import DELIVERED, FAILED, PROCESSING, Purchase, Request, SoldOut, card_parts
from mocks.supplier.works import Ending
from plan.orders import find_key, key_of_account

Data: TypeAlias = dict[str, object]
Step: TypeAlias = Callable[["Case"], object]

PREFIX = "dockapiv3/"
OK, OTHER = 1, -1
BAD_SIGN, STALE, NO_MERCHANT = 401, 403, 1000
NO_GOODSID, NO_BUYNUM, REPEATED, NO_PRODUCT, NO_ACCOUNT, LOSS, NO_BALANCE = 1203, 1204, 1205, 1206, 1208, 1210, 1213
NO_NUMBER, NO_ORDER = 1300, 1301
UNKNOWN = 9999
VERSION = "v3"
STATUS = {PROCESSING: 3, DELIVERED: 5, FAILED: 4}
CARDS, DIRECT = 0, 1
GROUP = 1
FIRST_GOODSID = 200_001
CLOCK_OFF_S = 300
NUM_MAX = 1000
TEXT_MAX = 256
NUMBER_MAX = 64
PAGE_MAX = 50

_CODES: dict[str, object] = {"1": 0, "401": 1}
_STATES: dict[str, object] = {"3": 2, "5": 3, "4": 5}
_SHAPE, _ENVELOPE = ("data", Shape.LIST), ("", "response")
_ORDER = ("data.orderno", "data.orderid")
SCHEMAS = {
    Operation.CONNECT: Schema(
        pair=("data.money", "data.balance"), missing="data.money", code="code", codes=_CODES, money=("data.money",)
    ),
    Operation.CATALOGUE: Schema(
        pair=("data.goodsid", "data.id"), missing="data.goodsid", code="code", codes=_CODES,
        money=("data.goodsprice", "data.marketprice"),
    ),
    Operation.BUY: Schema(
        pair=_ORDER, missing="data.orderno", state="data.status", states=_STATES, no_state="9", code="code",
        codes=_CODES, money=("data.money",), identifiers=("data.usorderno", "data.orderno"), shape=_SHAPE,
        envelope=_ENVELOPE,
    ),
    Operation.QUERY: Schema(
        pair=_ORDER, missing="data.status", state="data.status", states=_STATES, no_state="9", code="code",
        codes=_CODES, money=("data.money", "data.refundmoney"), identifiers=("data.usorderno", "data.orderno"),
        flaps={"data.status": ("5", 3)}, shape=_SHAPE, envelope=_ENVELOPE,
    ),
}  # fmt: skip
"""What others of the family say for the same: 卡速售 counts 2, 3, 5 where this one has 3, 5, 4, and lists an order."""

_ENDINGS = {
    Outcome.ACCEPT_THEN_FAIL: Ending.FAILED,
    Outcome.STAYS_PROCESSING: Ending.NEVER,
    Outcome.EMPTY: Ending.EMPTY,
    Outcome.PARTIAL: Ending.PARTLY,
    Outcome.OTHERS: Ending.OTHERS,
    Outcome.LATER: Ending.DELIVERED,
}
_OF_CARDS = (Outcome.PARTIAL, Outcome.OTHERS, Outcome.LATER)


class Refusal(Exception):
    """Why the platform refuses: its own code and sentence, and the standard code."""

    def __init__(self, number: int, words: str, code: Code = Code.UPSTREAM_REFUSED) -> None:
        super().__init__(words)
        self.number, self.words, self.code = number, words, code


REFUSED: dict[Outcome, tuple[int, str, Code]] = {
    Outcome.SOLD_OUT: (OTHER, "库存不足", Code.GOODS_SOLD_OUT),
    Outcome.BALANCE: (NO_BALANCE, "用户余额不足", Code.UPSTREAM_REFUSED),
    Outcome.MAINTENANCE: (OTHER, "商品维护中", Code.UPSTREAM_REFUSED),
}


class Case(msgspec.Struct):
    """One request: what it says, and whom it is about."""

    operation: Operation
    fields: Data
    subject: Subject

    def text(self, name: str) -> str:
        """A field as a text, which a number may stand for; what is neither is none."""
        value = self.fields.get(name)
        plain = isinstance(value, str | int | float) and not isinstance(value, bool)
        return str(value)[:TEXT_MAX] if plain else ""


# --- the platform ------------------------------------------------------------------------------------------------
class Kakayun:
    """One instance of the platform, with one merchant."""

    signs: ClassVar[Signs] = Signs(requests=REQUESTS)

    def __init__(self, counter: Counter) -> None:
        self.name, self._keys, self._at = counter.name, counter.keys, counter
        self._stock, self._works, self._injector = counter.stock, counter.works, counter.injector
        names = self._stock.all_goods(self.name)
        self._ids = {name: FIRST_GOODSID + i for i, name in enumerate(names)}
        self._names = {str(number): name for name, number in self._ids.items()}
        self._places = {op: Place(Hop.SHOP_SUPPLIER, op, self.name, schema) for op, schema in SCHEMAS.items()}
        self._steps: dict[str, tuple[Operation, Step]] = {
            f"{PREFIX}user/info": (Operation.CONNECT, self._user),
            f"{PREFIX}goods/group": (Operation.CATALOGUE, self._groups),
            f"{PREFIX}goods/all": (Operation.CATALOGUE, self._goods),
            f"{PREFIX}goods/details": (Operation.CATALOGUE, self._details),
            f"{PREFIX}order/create": (Operation.BUY, self._create),
            f"{PREFIX}order/get": (Operation.QUERY, self._order),
        }
        counter.works.serve(self.name, counter.upstream.takes, lambda purchase: None)

    def routes(self) -> list[str]:
        return [f"/{self.name}/{path}" for path in self._steps]

    def forget(self) -> None:
        for place in self._places.values():
            place.counts.clear()

    async def answer(self, asked: Asked, path: str) -> Answer:
        """The answer to a request below this instance's name; NoRoute where the platform does not take it."""
        if asked.method != "POST" or path not in self._steps:
            raise NoRoute
        operation, step = self._steps[path]
        try:
            fields = read_json(asked.body, dict[str, object])
        except msgspec.DecodeError:
            fields = {}
        case = Case(operation, fields, Subject(operation.value, "operation", None))
        case.subject = self._subject_of(case)
        call = Call(
            self._places[operation],
            case.subject,
            self._is_signed(case),
            act=partial(self._act, step, case),
            refuse=partial(self._refuse_signature, case),
            is_genuine_as=partial(self._is_signed, case),
            sell=partial(self._sell, case) if operation is Operation.BUY else None,
            version=VERSION,
            unknown=lambda: Reply(fields={"code": UNKNOWN, "msg": "系统异常", "data": {}}),
            refuse_repeat=partial(self._refuse_repeat, case) if operation is Operation.BUY else None,
        )
        return await self._injector.answer(call)

    def _subject_of(self, case: Case) -> Subject:
        """Whom a request is about: the key in the account that is charged or in the shop's number, else the purchase
        that is asked for, else that number, else only what it is for."""
        if case.operation not in (Operation.BUY, Operation.QUERY):
            return case.subject
        number = case.text("usorderno")[:NUMBER_MAX]
        for text in (_account(case.fields.get("attach")), number):
            if key := key_of_account(text) or find_key(text):
                return Subject(key, "key", key)
        if case.operation is Operation.QUERY and (purchase := self._found(case)):
            return purchase.subject
        return Subject(number, "order_number", number) if number else case.subject

    # --- signatures and refusals --------------------------------------------------------------------------------
    def _is_signed(self, case: Case, variant: Variant | None = None) -> bool:
        """Whether the request is the merchant's own, fresh and rightly signed, by the rule or by that of a variant."""
        if variant is Variant.MISSING or case.text("userid") != self._keys.pid or not self._is_fresh(case, variant):
            return False
        return are_equal(signature(case.fields, self._keys.key, variant), case.text("sign"))

    def _is_fresh(self, case: Case, variant: Variant | None = None) -> bool:
        """Whether its clock is right: in whole seconds, and to the platform's own, which may be off itself."""
        text = case.text("timestamp")
        if not text.isascii() or not text.isdecimal():
            return False
        unit = 1000 if variant is Variant.UNIT_SKEW else 1
        now_s = self._at.wall_s() + SKEWS_S.get(variant, 0)
        return abs(int(text) - now_s * unit) <= CLOCK_OFF_S * unit

    def _refuse_signature(self, case: Case) -> Reply:
        if case.text("userid") != self._keys.pid:
            return self._refuse(case, Refusal(NO_MERCHANT, "商户ID无效"))
        if not self._is_fresh(case):
            return self._refuse(case, Refusal(STALE, "时间戳过期", Code.UPSTREAM_BAD_SIGNATURE))
        return self._refuse(case, Refusal(BAD_SIGN, "签名效验失败", Code.UPSTREAM_BAD_SIGNATURE))

    def _refuse(self, case: Case, why: Refusal) -> Reply:
        """The refusal, journalled: of goods as such, of anything else with its operation."""
        o, operation = case.subject.o, case.operation
        if operation is Operation.BUY:
            number = case.text("usorderno")[:NUMBER_MAX]
            self._stock.note_refused(self.name, number, o, why.code, why.words)
        else:
            t, name = self._at.clock.t(), self.name
            self._at.append(TradeRefused(t=t, o=o, upstream=name, operation=operation, code=why.code, words=why.words))
        return Reply(fields={"code": why.number, "msg": why.words, "data": {}})

    def _act(self, step: Step, case: Case) -> Reply:
        try:
            return _success(step(case))
        except Refusal as refusal:
            return self._refuse(case, refusal)
        except GoodsError as error:
            return self._refuse(case, _refusal_of(error))

    # --- goods --------------------------------------------------------------------------------------------------
    def _user(self, _: Case) -> Data:
        return {"money": _money(self._stock.balance_fen(self.name)), "creditquota": "0.00"}

    def _groups(self, _: Case) -> list[Data]:
        return [{"groupid": GROUP, "groupname": "orderjam", "groupaliasname": "orderjam", "groupimgurl": ""}]

    def _goods(self, case: Case) -> list[Data]:
        """A page of what is sold, or of what fits the fields that the request names."""
        asked, word, kind = case.fields.get("goodsid"), case.text("goodsname"), case.text("goodstype")
        numbers = [str(n) for n in asked] if isinstance(asked, list) else [case.text("goodsid")]
        fitting = [
            item
            for item in map(self._item, self._ids)
            if (numbers == [""] or str(item["goodsid"]) in numbers)
            and word in str(item["goodsname"])
            and kind in ("", str(item["goodstype"]))
            and case.text("groupid") in ("", str(GROUP))
        ]
        page, limit = _whole(case.text("page"), 1), min(_whole(case.text("limit"), 10), PAGE_MAX)
        return fitting[(page - 1) * limit : page * limit]

    def _details(self, case: Case) -> Data:
        name = self._product(case)
        if name not in self._ids:
            raise UnknownProduct(f"{self.name} sells no {name}")
        return {**self._item(name), "minbuy": 1, "maxbuy": NUM_MAX, "details": ""}

    def _item(self, name: str) -> Data:
        is_top_up = not self._stock.is_card(self.name, name)
        account: list[Data] = [{"title": "充值帐号", "tip": "", "verification": 0}]
        return {
            "goodsid": self._ids[name],
            "goodsname": name,
            "groupid": GROUP,
            "stock": self._stock.left(self.name, name, is_top_up=is_top_up),
            "goodsprice": _money(self._stock.price_fen(self.name, name, is_top_up=is_top_up)),
            "marketprice": _money(Fen(self._at.plan.target.prices.get(name, 0))),
            "goodsstatus": 1,
            "goodstype": DIRECT if is_top_up else CARDS,
            "imgurl": "",
            "attach": account if is_top_up else [],
        }

    # --- orders -------------------------------------------------------------------------------------------------
    def _create(self, case: Case) -> Data:
        request = self._read_request(case)
        self._stock.note_requested(request, case.subject.o)
        known = self._stock.known(request)
        return self._created(known or self._take_on(case, request, Ending.DELIVERED))

    def _sell(self, case: Case, outcome: Outcome) -> Reply | None:
        """What comes of an order that a fault strikes; None where it is refused anyhow, or was answered before, or
        where the platform does no such thing."""
        ending = _ENDINGS.get(outcome)
        if ending is None and outcome not in REFUSED:
            return None
        try:
            request = self._read_request(case)
            self._stock.check(request)
            if self._stock.known(request) is not None or not self._can_be(outcome, request, case.subject.o):
                return None
        except (Refusal, GoodsError):
            return None
        self._stock.note_requested(request, case.subject.o)
        if ending is None:
            return self._refuse(case, Refusal(*REFUSED[outcome]))
        return _success(self._created(self._take_on(case, request, ending, later=outcome is Outcome.LATER)))

    def _can_be(self, outcome: Outcome, request: Request, o: str | None) -> bool:
        """Whether an order can come to this: top-ups have no cards, and what comes later anyhow cannot be put off."""
        if outcome in _OF_CARDS and request.account:
            return False
        if outcome is Outcome.OTHERS:
            return bool(self._stock.others(request, o))
        return outcome is not Outcome.LATER or self._gives_at_once

    def _refuse_repeat(self, case: Case) -> Reply | None:
        """The refusal of an order that was answered before; None where it was not."""
        try:
            known = self._stock.known(self._read_request(case))
        except (Refusal, GoodsError):
            return None
        return self._refuse(case, _refusal_of(Repeated())) if known is not None else None

    def _take_on(self, case: Case, request: Request, ending: Ending, *, later: bool = False) -> Purchase:
        purchase = self._works.begin(request, case.subject, ending)
        if self._gives_at_once and not request.account and not later:
            self._works.finish(purchase)
        return purchase

    @property
    def _gives_at_once(self) -> bool:
        return self._at.upstream.option("cards") == "at_once"

    def _created(self, purchase: Purchase) -> Data:
        numbers: Data = {"orderno": purchase.trade_no, "usorderno": purchase.request_no}
        return self._told(purchase) if self._gives_at_once else numbers

    def _read_request(self, case: Case) -> Request:
        """What an order asks for; Refusal for the first flaw, UnknownProduct."""
        name, num = self._product(case), case.text("buynum")
        if not num.isascii() or not num.isdecimal() or not 1 <= int(num) <= NUM_MAX:
            raise Refusal(NO_BUYNUM, "buynum字段不正确", Code.IDENTIFIERS_MISSING)
        # A call without a number is no repeat of any other.
        number = case.text("usorderno") or self._stock.purchases.next_no()
        if len(number) > NUMBER_MAX:
            raise Refusal(OTHER, "usorderno字段过长", Code.IDENTIFIERS_MISSING)
        is_top_up = name in self._ids and not self._stock.is_card(self.name, name)
        account = _account(case.fields.get("attach")) if is_top_up else ""
        if is_top_up and not account:
            raise Refusal(NO_ACCOUNT, "充值帐号为空", Code.ACCOUNT_INVALID)
        request = Request(self.name, number, name, int(num), account)
        self._check_cap(case, request)
        return request

    def _check_cap(self, case: Case, request: Request) -> None:
        """Whether the order costs no more than the shop would pay; Refusal, UnknownProduct."""
        cap = case.text("maxmoney")
        price = self._stock.price_fen(self.name, request.product, is_top_up=bool(request.account))
        try:
            is_dear = cap != "" and price * request.quantity > parse_yuan(_two_decimals(cap))
        except MoneyError:
            raise Refusal(OTHER, "maxmoney字段不正确", Code.IDENTIFIERS_MISSING) from None
        if is_dear:
            raise Refusal(LOSS, "存在亏本")

    def _product(self, case: Case) -> str:
        """The product that is named; for one that is not sold its number behind a #. Refusal."""
        if not (number := case.text("goodsid")):
            raise Refusal(NO_GOODSID, "商品ID字段为空", Code.IDENTIFIERS_MISSING)
        return self._names.get(number, f"#{number}")

    def _order(self, case: Case) -> Data:
        if not case.text("usorderno") and not case.text("orderno"):
            raise Refusal(NO_NUMBER, "系统单号和商家单号都为空", Code.IDENTIFIERS_MISSING)
        if (purchase := self._found(case)) is None:
            raise Refusal(NO_ORDER, "订单不存在")
        return self._told(purchase)

    def _found(self, case: Case) -> Purchase | None:
        """The purchase that is asked for: by the shop's number, or else by the platform's."""
        if number := case.text("usorderno"):
            return self._stock.purchases.find(self.name, number)
        found = self._stock.purchases.matching({"trade_no": case.text("orderno")}, 0)
        return next((purchase for purchase in found if purchase.upstream == self.name), None)

    def _told(self, purchase: Purchase) -> Data:
        is_back = purchase.state == FAILED
        parts = [card_parts(card) for card in purchase.cards]
        return {
            "orderno": purchase.trade_no,
            "usorderno": purchase.request_no,
            "money": _money(purchase.amount_fen),
            "buynum": purchase.request.quantity,
            "status": STATUS[purchase.state],
            "refundmoney": _money(purchase.amount_fen if is_back else Fen(0)),
            "refundstatus": int(is_back),
            "receipt": purchase.receipt,
            "cardlist": list(purchase.cards),
            "cards": [{"card_no": number, "card_pwd": password, "card_type": 1} for number, password in parts],
        }


def _account(attach: object) -> str:
    """The account in `attach`: the text itself, or in a list of fields the one of type 1."""
    if isinstance(attach, str | int) and not isinstance(attach, bool):
        return str(attach)[:TEXT_MAX]
    fields = [part for part in attach if isinstance(part, dict)] if isinstance(attach, list) else []
    found = next((part.get("value") for part in fields if str(part.get("attachtype")) == "1"), "")
    return found[:TEXT_MAX] if isinstance(found, str) else ""


def _whole(text: str, default: int) -> int:
    return int(text) if text.isascii() and text.isdecimal() and 0 < len(text) <= 4 and int(text) else default


def _money(fen: Fen) -> str:
    """Yuan with four decimals, as all of the platform's money."""
    return f"{yuan(fen)}00"


def _two_decimals(text: str) -> str:
    """An amount that may end with more zeros than fen need."""
    whole, point, part = text.partition(".")
    return f"{whole}.{part[:2]}{part[2:].rstrip('0')}" if point else whole


def _refusal_of(error: GoodsError) -> Refusal:
    match error:
        case UnknownProduct():
            return Refusal(NO_PRODUCT, "商品不存在或者已下架", Code.GOODS_UNKNOWN)
        case SoldOut():
            return Refusal(*REFUSED[Outcome.SOLD_OUT])
        case Repeated():
            return Refusal(REPEATED, "用户订单号已存在")
    raise AssertionError(error)


def _success(data: object) -> Reply:
    return Reply(fields={"code": OK, "msg": "success", "data": data})
