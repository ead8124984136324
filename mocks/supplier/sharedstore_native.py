"""The shared store's types 0 (acg-faka itself) and 2 (its SharedStock plugin): one language below two paths.

Source: docs/protocols/sharedstore.md, Types 0 and 2.
"""

import re
from typing import ClassVar

from faults.verdict import Variant
from ledger.money import Fen, yuan
from ledger.states import Operation
from mocks.call import Subject
from mocks.mangle import Schema
from mocks.reply import Fields
from mocks.server import Asked
from mocks.signed import are_equal
from mocks.supplier.counter import Counter
from mocks.supplier.sharedstore_family import Family, Step
from mocks.supplier.sharedstore_signs import signature
from mocks.supplier.sharedstore_texts import (
    BAD_CARD,
    CODES,
    ENVELOPE,
    NO_DRAFTS,
    NO_ORDER,
    SHAPE,
    Data,
    Refusal,
    number_of,
    product_of,
    quantity_of,
)
from mocks.supplier.stock import DELIVERED, FAILED, OFFERED, PROCESSING, Purchase, Request

STATUS = {PROCESSING: 0, DELIVERED: 1, FAILED: 2}
PREMIUM = "0.00"
"""What a card costs more when it is chosen."""
CONNECT, NATIVE, PLUGIN = "shared/authentication/connect", "shared/commodity/", "plugin/SharedStock/api/"

_CARD_ID = re.compile(r"[0-9]{0,9}", re.ASCII)
_PAGE = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)
_GOODS = ("data.secret", "data.contents")
SCHEMAS = {
    Operation.CONNECT: Schema(
        pair=("data.shopName", "data.username"), missing="data.balance", code="code", codes=CODES,
        money=("data.balance",),
    ),
    Operation.CATALOGUE: Schema(
        pair=("data.code", "data.id"), missing="data.code", code="code", codes=CODES,
        money=("data.price", "data.user_price", "data.factory_price"),
    ),
    Operation.STOCK: Schema(
        pair=("data.stock", "data.count"), missing="data.stock", code="code", codes=CODES,
        money=("data.price", "data.user_price", "data.factory_price"),
    ),
    Operation.PRICE: Schema(
        pair=("data.price", "data.amount"), missing="data.price", code="code", codes=CODES, money=("data.price",)
    ),
    Operation.BUY: Schema(
        pair=_GOODS, missing="data.secret", code="code", codes=CODES, money=("data.amount",),
        identifiers=("data.tradeNo",), shape=SHAPE, envelope=ENVELOPE,
    ),
    Operation.QUERY: Schema(
        pair=_GOODS, missing="data.secret", state="data.status", states={"0": 1, "1": 3, "2": 4}, no_state="9",
        code="code", codes=CODES, money=("data.amount",), identifiers=("data.request_no", "data.tradeNo"),
        flaps={"data.status": ("1", 0)}, shape=SHAPE, envelope=ENVELOPE,
    ),
}  # fmt: skip
"""What another type of the store calls the same things: `contents` for the cards, `username` for the shop."""

_ITEM: Data = {
    "description": "",
    "cover": "",
    "config": "",
    "widget": "[]",
    "contact_type": 0,
    "password_status": 0,
    "seckill_status": 0,
    "draft_premium": PREMIUM,
    "inventory_hidden": 0,
    "only_user": 0,
    "purchase_count": 0,
    "minimum": 0,
    "maximum": 0,
    "delivery_way": 0,
}
"""What every item of ours has in common: nothing special, delivered at once."""


class Native(Family):
    """One instance, as a shop of type 0 or 2 sees it."""

    schemas: ClassVar[dict[Operation, Schema]] = SCHEMAS

    def _steps(self, counter: Counter) -> dict[str, tuple[Operation, Step]]:
        self._has_drafts = counter.upstream.option("drafts") == "on"
        calls: dict[str, tuple[Operation, Step]] = {
            "items": (Operation.CATALOGUE, self._items),
            "stock": (Operation.STOCK, self._left),
            "inventory": (Operation.STOCK, self._inventory),
            "inventoryState": (Operation.STOCK, self._inventory_state),
            "valuation": (Operation.PRICE, self._valuation),
            "draftCard": (Operation.STOCK, self._draft_cards),
            "draft": (Operation.PRICE, self._draft),
            "trade": (Operation.BUY, self.trade),
            "query": (Operation.QUERY, self._query),
        }
        return {
            CONNECT: (Operation.CONNECT, self._connect),
            f"{PLUGIN}connect": (Operation.CONNECT, self._connect),
            f"{NATIVE}item": (Operation.CATALOGUE, self._item),
            f"{PLUGIN}item": (Operation.CATALOGUE, self._item_in_its_group),
            **{f"{prefix}{name}": call for prefix in (NATIVE, PLUGIN) for name, call in calls.items()},
        }

    # --- who asks -----------------------------------------------------------------------------------------------
    def version(self, path: str) -> str:
        return "2" if path.startswith(PLUGIN) else "0"

    def is_merchant(self, asked: Asked, fields: Fields) -> bool:
        return fields.get("app_id") == self.keys.pid

    def is_signed(self, asked: Asked, fields: Fields, variant: Variant | None = None) -> bool:
        if variant is Variant.MISSING or not self.is_merchant(asked, fields):
            return False
        holds_key = are_equal(self.keys.key, fields.get("app_key", ""))
        return holds_key and are_equal(signature(fields, self.keys.key, variant), fields.get("sign", ""))

    # --- what can be asked --------------------------------------------------------------------------------------
    def _connect(self, _: Fields, __: Subject) -> Data:
        return {"shopName": "orderjam", "balance": yuan(self.stock.balance_fen(self.name))}

    def _items(self, _: Fields, __: Subject) -> list[Data]:
        return [_group([self._item_of(product) for product in self.stock.products(self.name)])]

    def _item(self, fields: Fields, _: Subject) -> Data:
        return self._item_of(fields.get("code", ""))

    def _item_in_its_group(self, fields: Fields, subject: Subject) -> list[Data]:
        return [_group([self._item(fields, subject)])]

    def _left(self, fields: Fields, _: Subject) -> Data:
        return {"stock": str(self.stock.left(self.name, fields.get("code", "")))}

    def _inventory(self, fields: Fields, _: Subject) -> Data:
        item = self._item_of(fields.get("sharedCode", ""))
        kept = ("delivery_way", "draft_status", "price", "user_price", "config", "factory_price")
        return {"count": item["stock"], **{name: item[name] for name in kept}, "is_category": False}

    def _inventory_state(self, fields: Fields, _: Subject) -> Data:
        product, num = fields.get("shared_code", ""), quantity_of(fields, "num")
        self.stock.check(Request(self.name, "", product, num, pick=self._pick(fields, num)))
        return {}

    def _valuation(self, fields: Fields, _: Subject) -> Data:
        price_fen = self.stock.price_fen(self.name, fields.get("code", ""))
        return {"price": yuan(Fen(price_fen * quantity_of(fields, "num")))}

    def _item_of(self, product: str) -> Data:
        price = yuan(self.stock.price_fen(self.name, product))
        return {
            "id": self.stock.products(self.name).index(product) + 1,
            "name": product,
            "code": product,
            "price": price,
            "user_price": price,
            "factory_price": price,
            "stock": self.stock.left(self.name, product),
            **_ITEM,
            "draft_status": int(self._has_drafts),
        }

    # --- cards that are chosen ----------------------------------------------------------------------------------
    def _draft_cards(self, fields: Fields, _: Subject) -> Data:
        """The cards that a buyer may choose from, by page; `draft` is what he sees of one before he has it."""
        offered = self._offered(fields)
        page, limit = (_page(fields, name, default) for name, default in (("page", 1), ("limit", 10)))
        shown = offered[(page - 1) * limit : page * limit]
        cards = [{"id": number, "draft": f"NO.{number:07d}", "draft_premium": PREMIUM} for number in shown]
        return {"list": cards, "total": len(offered)}

    def _draft(self, fields: Fields, _: Subject) -> Data:
        if self._pick(fields, 1) not in self._offered(fields):
            raise Refusal(BAD_CARD)
        return {"draft_premium": PREMIUM}

    def _offered(self, fields: Fields) -> list[int]:
        product = fields.get("code", "")
        self.stock.price_fen(self.name, product)
        if not self._has_drafts:
            raise Refusal(NO_DRAFTS)
        return self.stock.on_offer(self.name, product, OFFERED)

    def _pick(self, fields: Fields, num: int) -> int:
        """The card that is chosen, 0 for any; Refusal. A store without choice does not look at it."""
        text = fields.get("card_id", "")
        if not self._has_drafts:
            return 0
        if not _CARD_ID.fullmatch(text) or (int(text or 0) and num > 1):
            raise Refusal(BAD_CARD)
        return int(text or 0)

    # --- buying -------------------------------------------------------------------------------------------------
    def number(self, fields: Fields) -> str:
        return fields.get("request_no", "")

    def read_request(self, fields: Fields) -> Request:
        number, product = number_of(fields, "request_no"), product_of(fields, "shared_code")
        num = quantity_of(fields, "num")
        return Request(self.name, number, product, num, pick=self._pick(fields, num))

    def sold(self, purchase: Purchase) -> Data:
        return {
            "secret": "\n".join(purchase.cards),
            "url": "",
            "amount": yuan(purchase.amount_fen),
            "tradeNo": purchase.trade_no,
            "leave_message": "",
            "stock": str(self.stock.left(self.name, purchase.request.product)),
        }

    def _query(self, fields: Fields, _: Subject) -> Data:
        purchase = self.stock.purchases.find(self.name, fields.get("request_no", ""))
        if purchase is None:
            raise Refusal(NO_ORDER)
        return {
            "tradeNo": purchase.trade_no,
            "request_no": purchase.request_no,
            "status": STATUS[purchase.state],
            "secret": "\n".join(purchase.cards),
            "amount": yuan(purchase.amount_fen),
        }


def _group(items: list[Data]) -> Data:
    return {"id": 1, "name": "orderjam", "children": items}


def _page(fields: Fields, name: str, default: int) -> int:
    text = fields.get(name, "")
    return int(text) if _PAGE.fullmatch(text) else default
