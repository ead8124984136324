"""The dialect of the acg-faka shared store, type 0: what a card shop speaks to another one that sells to it.

Source: docs/protocols.md, Shared store, type 0.
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from functools import partial
from typing import ClassVar, TypeAlias
from urllib.parse import unquote_to_bytes

from faults.verdict import Outcome, Variant
from ledger.events import TradeRefused
from ledger.money import Fen, yuan
from ledger.states import Code, Hop, Operation
from mocks.apply import Call, Fields, Place, Reply, Schema, Signs, Subject
from mocks.goods import GoodsError, Repeated, UnknownProduct
from mocks.server import Answer, Asked, NoRoute, readable
from mocks.supplier.counter import Counter
from mocks.supplier.stock import (
    DELIVERED,
    FAILED,
    PROCESSING,
    Purchase,
    Request,
    SoldOut,
)
from plan.orders import find_key

Data: TypeAlias = dict[str, object]

OK, NO = 200, 0
NUM_MAX = 1000
PRODUCT_MAX = 64
STATUS = {PROCESSING: 0, DELIVERED: 1, FAILED: 2}

NO_MERCHANT, BAD_SIGNATURE = "商户ID不存在", "密钥错误"
UNKNOWN, SOLD_OUT, NO_ORDER = "商品不存在", "库存不足", "订单不存在"
REPEATED = "The request ID already exists"
FAILED_WORDS = "订单处理失败"
BAD_NUM, BAD_REQUEST_NO = "购买数量(num)不正确", "请求编号(request_no)不正确"

_REQUEST_NO = re.compile(r"[A-Za-z0-9._|-]{1,64}", re.ASCII)
_NUM = re.compile(r"[0-9]{1,4}", re.ASCII)
_STEPS = re.compile(r"\[([^\]]*)\]")

_CODES: dict[str, object] = {"200": 0, "0": 1}
_GOODS = ("data.secret", "data.contents")
SCHEMAS = {
    Operation.CONNECT: Schema(
        pair=("data.shopName", "data.username"), missing="data.balance", code="code", codes=_CODES,
        money=("data.balance",),
    ),
    Operation.CATALOGUE: Schema(
        pair=("data.code", "data.id"), missing="data.code", code="code", codes=_CODES,
        money=("data.price", "data.user_price", "data.factory_price"),
    ),
    Operation.STOCK: Schema(
        pair=("data.stock", "data.count"), missing="data.stock", code="code", codes=_CODES,
        money=("data.price", "data.user_price", "data.factory_price"),
    ),
    Operation.PRICE: Schema(
        pair=("data.price", "data.amount"), missing="data.price", code="code", codes=_CODES, money=("data.price",)
    ),
    Operation.BUY: Schema(
        pair=_GOODS, missing="data.secret", code="code", codes=_CODES, money=("data.amount",),
        identifiers=("data.tradeNo",),
    ),
    Operation.QUERY: Schema(
        pair=_GOODS, missing="data.secret", state="data.status", states={"0": 1, "1": 3, "2": 4}, no_state="9",
        code="code", codes=_CODES, money=("data.amount",), identifiers=("data.request_no", "data.tradeNo"),
    ),
}  # fmt: skip
"""What other versions and plugins of the store call the same things: type 1 has `contents` for the cards and
`username` for the shop; its numbers tell success by 0. Source: docs/protocols.md."""


class Refusal(Exception):
    """Why the store refuses: the standard code and the store's own sentence."""

    def __init__(self, words: str, code: Code = Code.UPSTREAM_REFUSED) -> None:
        super().__init__(words)
        self.words, self.code = words, code


REFUSED: dict[Outcome, tuple[str, Code]] = {
    Outcome.SOLD_OUT: (SOLD_OUT, Code.GOODS_SOLD_OUT),
    Outcome.BALANCE: ("余额不足", Code.UPSTREAM_REFUSED),
    Outcome.MAINTENANCE: ("商品维护中", Code.UPSTREAM_REFUSED),
}


# --- the signature -----------------------------------------------------------------------------------------------
def signature(fields: Fields, key: str, variant: Variant | None = None) -> str:
    """MD5 over what PHP's http_build_query makes of the non-empty fields but `sign`, sorted, `&key=` and the key, all
    of it url-decoded again. With a variant: the same, wrong in that way."""
    tail = unquote_to_bytes(key.replace("+", " ")).decode("utf-8", "surrogateescape")
    text = f"{signed_text(fields, keep_empty=variant is Variant.EMPTY_KEPT)}&key={tail}"
    if variant is Variant.WRONG_KEY:
        text += "-of-another-shop"
    charset, errors = ("gbk", "replace") if variant is Variant.CHARSET_GBK else ("utf-8", "surrogateescape")
    digest = hashlib.md5(text.encode(charset, errors), usedforsecurity=False).hexdigest()
    return digest.upper() if variant is Variant.CASE else digest


def signed_text(fields: Fields, *, keep_empty: bool = False) -> str:
    """The signed pairs, values raw: sorted by name, what is nested below one name in its own order behind it."""
    kept = {name: value for name, value in fields.items() if name != "sign"}
    nested = nest(kept) if any("[" in name for name in kept) else kept
    pairs: list[str] = []
    for name in sorted(nested):
        value = nested[name]
        if value != "" or keep_empty:
            _add_pairs(pairs, name, value)
    return "&".join(pairs)


def nest(fields: Fields) -> dict[str, object]:
    """Fields as PHP reads them: `sku[区]=a` is the mapping sku with one key 区; `x[]=a` takes the next number."""
    top: dict[str, object] = {}
    for name, value in fields.items():
        head, bracket, rest = name.partition("[")
        steps = _STEPS.findall(f"[{rest}") if bracket and head else []
        if not steps:
            top[name] = value
            continue
        inner, step = top, head
        for deeper in steps:
            below = inner.get(step)
            if not isinstance(below, dict):
                below = inner[step] = {}
            inner, step = below, deeper or str(len(below))
        inner[step] = value
    return top


def _add_pairs(pairs: list[str], name: str, value: object) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _add_pairs(pairs, f"{name}[{key}]", inner)
    else:
        pairs.append(f"{name}={value}")


# --- the store ---------------------------------------------------------------------------------------------------
VARIANTS = frozenset({Variant.WRONG_KEY, Variant.MISSING, Variant.CHARSET_GBK, Variant.EMPTY_KEPT, Variant.CASE})


class SharedStore:
    """One instance of the store, with one shop that buys from it."""

    signs: ClassVar[Signs] = Signs(requests=VARIANTS)

    def __init__(self, counter: Counter) -> None:
        self.name, self._keys = counter.name, counter.keys
        self._clock, self._append, self._injector = counter.clock, counter.append, counter.injector
        self._stock = counter.stock
        self._places = {op: Place(Hop.SHOP_SUPPLIER, op, self.name, schema) for op, schema in SCHEMAS.items()}
        self._steps: dict[str, tuple[Operation, Callable[[Fields, Subject], object]]] = {
            "shared/authentication/connect": (Operation.CONNECT, self._connect),
            "shared/commodity/items": (Operation.CATALOGUE, self._items),
            "shared/commodity/item": (Operation.CATALOGUE, self._item),
            "shared/commodity/stock": (Operation.STOCK, self._left),
            "shared/commodity/inventory": (Operation.STOCK, self._inventory),
            "shared/commodity/inventoryState": (Operation.STOCK, self._inventory_state),
            "shared/commodity/valuation": (Operation.PRICE, self._valuation),
            "shared/commodity/trade": (Operation.BUY, self._trade),
            "shared/commodity/query": (Operation.QUERY, self._query),
        }

    def routes(self) -> list[str]:
        return [f"/{self.name}/{path}" for path in self._steps]

    def forget(self) -> None:
        for place in self._places.values():
            place.counts.clear()

    async def answer(self, asked: Asked, path: str) -> Answer:
        """The answer to a request below this instance's name; NoRoute where the store does not take it."""
        if asked.method != "POST" or path not in self._steps:
            raise NoRoute
        operation, step = self._steps[path]
        fields = asked.body_fields()
        subject = self._subject_of(fields, operation)
        call = Call(
            self._places[operation],
            subject,
            self._is_signed(fields),
            act=partial(self._act, step, operation, fields, subject),
            refuse=partial(self._refuse_signature, operation, fields, subject),
            is_genuine_as=partial(self._is_signed, fields),
            sell=partial(self._sell, fields, subject) if operation is Operation.BUY else None,
        )
        return await self._injector.answer(call)

    def _subject_of(self, fields: Fields, operation: Operation) -> Subject:
        """Whom a request is about: the key in the contact, else the purchase of its number, else that number, else only
        what it is for."""
        if operation not in (Operation.BUY, Operation.QUERY):
            return Subject(operation.value, "operation", None)
        if key := find_key(fields.get("contact", "")):
            return Subject(key, "key", key)
        number = readable(fields.get("request_no", ""))[:64]
        if operation is Operation.QUERY and (purchase := self._stock.purchases.find(self.name, number)):
            return purchase.subject
        return Subject(number, "order_number", number) if number else Subject(operation.value, "operation", None)

    # --- signatures and refusals --------------------------------------------------------------------------------
    def _is_signed(self, fields: Fields, variant: Variant | None = None) -> bool:
        """Whether the request is the merchant's own and rightly signed, by the rule or by that of a variant."""
        if variant is Variant.MISSING or fields.get("app_id") != self._keys.pid:
            return False
        holds_key = _are_equal(self._keys.key, fields.get("app_key", ""))
        return holds_key and _are_equal(signature(fields, self._keys.key, variant), fields.get("sign", ""))

    def _refuse_signature(self, operation: Operation, fields: Fields, subject: Subject) -> Reply:
        if fields.get("app_id") == self._keys.pid:
            refusal = Refusal(BAD_SIGNATURE, Code.UPSTREAM_BAD_SIGNATURE)
        else:
            refusal = Refusal(NO_MERCHANT)
        return self._refuse(operation, fields, subject, refusal)

    def _refuse(self, operation: Operation, fields: Fields, subject: Subject, why: Refusal) -> Reply:
        """The refusal, journalled: of goods as such, of anything else with its operation."""
        if operation is Operation.BUY:
            number = readable(fields.get("request_no", ""))[:64]
            self._stock.note_refused(self.name, number, subject.o, why.code, why.words)
        else:
            t, o, name = self._clock.t(), subject.o, self.name
            self._append(TradeRefused(t=t, o=o, upstream=name, operation=operation, code=why.code, words=why.words))
        return Reply(fields={"code": NO, "msg": why.words, "data": {}})

    def _act(
        self, step: Callable[[Fields, Subject], object], operation: Operation, fields: Fields, subject: Subject
    ) -> Reply:
        try:
            return _success(step(fields, subject))
        except Refusal as refusal:
            return self._refuse(operation, fields, subject, refusal)
        except GoodsError as error:
            return self._refuse(operation, fields, subject, _refusal_of(error))

    # --- what can be asked --------------------------------------------------------------------------------------
    def _connect(self, _: Fields, __: Subject) -> Data:
        return {"shopName": "orderjam", "balance": yuan(self._stock.balance_fen(self.name))}

    def _items(self, _: Fields, __: Subject) -> list[Data]:
        items = [self._item_of(product) for product in self._stock.products(self.name)]
        return [{"id": 1, "name": "orderjam", "children": items}]

    def _item(self, fields: Fields, _: Subject) -> Data:
        return self._item_of(fields.get("code", ""))

    def _left(self, fields: Fields, _: Subject) -> Data:
        return {"stock": str(self._stock.left(self.name, fields.get("code", "")))}

    def _inventory(self, fields: Fields, _: Subject) -> Data:
        item = self._item_of(fields.get("sharedCode", ""))
        kept = ("delivery_way", "draft_status", "price", "user_price", "config", "factory_price")
        return {"count": item["stock"], **{name: item[name] for name in kept}, "is_category": False}

    def _inventory_state(self, fields: Fields, _: Subject) -> Data:
        self._stock.check(Request(self.name, "", fields.get("shared_code", ""), _num(fields)))
        return {}

    def _valuation(self, fields: Fields, _: Subject) -> Data:
        price_fen = self._stock.price_fen(self.name, fields.get("code", ""))
        return {"price": yuan(Fen(price_fen * _num(fields)))}

    def _item_of(self, product: str) -> Data:
        price = yuan(self._stock.price_fen(self.name, product))
        return {
            "id": self._stock.products(self.name).index(product) + 1,
            "name": product,
            "code": product,
            "price": price,
            "user_price": price,
            "factory_price": price,
            "stock": self._stock.left(self.name, product),
            **_ITEM,
        }

    # --- buying -------------------------------------------------------------------------------------------------
    def _trade(self, fields: Fields, subject: Subject) -> Data:
        request = self._read_request(fields)
        self._stock.note_requested(request, subject.o)
        return self._sold(self._stock.known(request) or self._stock.sell(request, subject))

    def _sell(self, fields: Fields, subject: Subject, outcome: Outcome) -> Reply | None:
        """What comes of a trade that a fault strikes; None where it is refused anyhow, or was answered before."""
        stock = self._stock
        try:
            request = self._read_request(fields)
            stock.check(request)
            if outcome is Outcome.WRONG_REGION or stock.known(request) is not None:
                return None
        except (Refusal, GoodsError):
            return None
        stock.note_requested(request, subject.o)
        if outcome in REFUSED:
            return self._refuse(Operation.BUY, fields, subject, Refusal(*REFUSED[outcome]))
        match outcome:
            case Outcome.EMPTY:
                purchase = stock.sell_nothing(request, subject)
            case Outcome.PARTIAL:
                purchase = stock.sell_partly(request, subject)
            case _:
                purchase = stock.accept(request, subject)
                if outcome is Outcome.ACCEPT_THEN_FAIL:
                    stock.fail(purchase, Code.UPSTREAM_REFUSED, FAILED_WORDS)
        return _success(self._sold(purchase))

    def _query(self, fields: Fields, _: Subject) -> Data:
        purchase = self._stock.purchases.find(self.name, fields.get("request_no", ""))
        if purchase is None:
            raise Refusal(NO_ORDER)
        return {
            "tradeNo": purchase.trade_no,
            "request_no": purchase.request_no,
            "status": STATUS[purchase.state],
            "secret": "\n".join(purchase.cards),
            "amount": yuan(purchase.amount_fen),
        }

    def _read_request(self, fields: Fields) -> Request:
        """What a trade asks for; Refusal for the first flaw."""
        if not _REQUEST_NO.fullmatch(fields.get("request_no", "")):
            raise Refusal(BAD_REQUEST_NO)
        product = readable(fields.get("shared_code", ""))[:PRODUCT_MAX]
        return Request(self.name, fields["request_no"], product, _num(fields))

    def _sold(self, purchase: Purchase) -> Data:
        return {
            "secret": "\n".join(purchase.cards),
            "url": "",
            "amount": yuan(purchase.amount_fen),
            "tradeNo": purchase.trade_no,
            "leave_message": "",
            "stock": str(self._stock.left(self.name, purchase.request.product)),
        }


_ITEM: Data = {
    "description": "",
    "cover": "",
    "config": "",
    "widget": "[]",
    "contact_type": 0,
    "password_status": 0,
    "seckill_status": 0,
    "draft_status": 0,
    "draft_premium": "0.00",
    "inventory_hidden": 0,
    "only_user": 0,
    "purchase_count": 0,
    "minimum": 0,
    "maximum": 0,
    "delivery_way": 0,
}
"""What every item of ours has in common: nothing special, delivered at once."""


def _num(fields: Fields) -> int:
    """How many are asked for; Refusal."""
    num = fields.get("num", "")
    if not _NUM.fullmatch(num) or not 1 <= int(num) <= NUM_MAX:
        raise Refusal(BAD_NUM)
    return int(num)


def _refusal_of(error: GoodsError) -> Refusal:
    match error:
        case UnknownProduct():
            return Refusal(UNKNOWN, Code.GOODS_UNKNOWN)
        case SoldOut():
            return Refusal(SOLD_OUT, Code.GOODS_SOLD_OUT)
        case Repeated():
            return Refusal(REPEATED)
    raise AssertionError(error)


def _success(data: object) -> Reply:
    return Reply(fields={"code": OK, "msg": "success", "data": data})


def _are_equal(own: str, given: str) -> bool:
    return hmac.compare_digest(own.encode(), given.encode("utf-8", "surrogateescape"))
