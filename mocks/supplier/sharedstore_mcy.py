"""The shared store's type 1 (mcy v4): the same goods as numbered items with SKUs, the merchant in two headers.

Source: docs/protocols/sharedstore.md, Type 1.
"""

import re
from typing import ClassVar

from faults.verdict import Variant
from ledger.money import Fen, yuan
from ledger.states import Operation
from mocks.call import Subject
from mocks.goods import GoodsError, UnknownProduct
from mocks.mangle import Schema
from mocks.reply import Fields
from mocks.server import Asked
from mocks.signed import are_equal
from mocks.supplier.counter import Counter
from mocks.supplier.sharedstore_family import Family, Step
from mocks.supplier.sharedstore_signs import signature
from mocks.supplier.sharedstore_texts import CODES, ENVELOPE, SHAPE, Data, Refusal, number_of, quantity_of
from mocks.supplier.stock import DELIVERED, Purchase, Request

ID, SIGNATURE = "Api-Id", "Api-Signature"
API = "plugin/open-api/"
SKU_FIRST, SKU_NAME = 1001, "默认"
DONE, AT_WORK = 1, 0
"""`status` of a trade, which acg-faka does not read."""

_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
_GOODS = ("data.contents", "data.secret")
SCHEMAS = {
    Operation.CONNECT: Schema(
        pair=("data.username", "data.shopName"), missing="data.balance", code="code", codes=CODES,
        money=("data.balance",),
    ),
    Operation.CATALOGUE: Schema(pair=("data.id", "data.code"), missing="data.sku", code="code", codes=CODES),
    Operation.STOCK: Schema(
        pair=("data.stock", "data.count"), missing="data.stock", state="data.state",
        states={"true": 1, "false": 0}, code="code", codes=CODES,
    ),
    Operation.PRICE: Schema(
        pair=("data.amount", "data.price"), missing="data.amount", code="code", codes=CODES, money=("data.amount",)
    ),
    Operation.BUY: Schema(
        pair=_GOODS, missing="data.contents", state="data.status", states={"0": 3, "1": 2}, no_state="9",
        code="code", codes=CODES, money=("data.amount",), identifiers=("data.trade_no", "data.order_no"),
        shape=SHAPE, envelope=ENVELOPE,
    ),
}  # fmt: skip


class Mcy(Family):
    """One instance, as a shop of type 1 sees it."""

    schemas: ClassVar[dict[Operation, Schema]] = SCHEMAS

    def _steps(self, _: Counter) -> dict[str, tuple[Operation, Step]]:
        return {
            f"{API}connect": (Operation.CONNECT, self._connect),
            f"{API}items": (Operation.CATALOGUE, self._items),
            f"{API}item": (Operation.CATALOGUE, self._item),
            f"{API}sku/stock": (Operation.STOCK, self._left),
            f"{API}sku/state": (Operation.STOCK, self._state),
            f"{API}amount": (Operation.PRICE, self._amount),
            f"{API}trade": (Operation.BUY, self.trade),
        }

    # --- who asks -----------------------------------------------------------------------------------------------
    def version(self, path: str) -> str:
        return "1"

    def is_merchant(self, asked: Asked, fields: Fields) -> bool:
        return asked.headers.get(ID) == self.keys.pid

    def is_signed(self, asked: Asked, fields: Fields, variant: Variant | None = None) -> bool:
        if variant is Variant.MISSING or not self.is_merchant(asked, fields):
            return False
        return are_equal(signature(fields, self.keys.key, variant), asked.headers.get(SIGNATURE, ""))

    # --- what can be asked --------------------------------------------------------------------------------------
    def _connect(self, _: Fields, __: Subject) -> Data:
        return {"username": "orderjam", "balance": yuan(self.stock.balance_fen(self.name))}

    def _items(self, _: Fields, __: Subject) -> list[Data]:
        return [self._item_of(product) for product in self.stock.products(self.name)]

    def _item(self, fields: Fields, _: Subject) -> Data:
        return self._item_of(self._numbered(fields, "id", first=1))

    def _item_of(self, product: str) -> Data:
        i = self.stock.products(self.name).index(product)
        sku = {
            "id": SKU_FIRST + i,
            "name": SKU_NAME,
            "stock_price": yuan(self.stock.price_fen(self.name, product)),
            "stock": self.stock.left(self.name, product),
        }
        return {
            "id": i + 1,
            "name": product,
            "introduce": "",
            "picture_url": "",
            "category": {"name": "orderjam"},
            "widget": "[]",
            "sku": [sku],
        }

    def _left(self, fields: Fields, _: Subject) -> Data:
        return {"stock": str(self.stock.left(self.name, self._of_sku(fields)))}

    def _state(self, fields: Fields, _: Subject) -> Data:
        """Whether so many can be bought: whatever speaks against it, the answer is no."""
        try:
            self.stock.check(Request(self.name, "", self._of_sku(fields), quantity_of(fields, "quantity")))
        except (Refusal, GoodsError):
            return {"state": False}
        return {"state": True}

    def _amount(self, fields: Fields, _: Subject) -> Data:
        price_fen = self.stock.price_fen(self.name, self._of_sku(fields))
        return {"amount": yuan(Fen(price_fen * quantity_of(fields, "quantity")))}

    # --- buying -------------------------------------------------------------------------------------------------
    def number(self, fields: Fields) -> str:
        return fields.get("trade_no", "")

    def read_request(self, fields: Fields) -> Request:
        number, quantity = number_of(fields, "trade_no"), quantity_of(fields, "quantity")
        return Request(self.name, number, self._of_sku(fields), quantity)

    def sold(self, purchase: Purchase) -> Data:
        """`contents` are there only where the goods are."""
        told: Data = {
            "trade_no": purchase.request_no,
            "order_no": purchase.trade_no,
            "amount": yuan(purchase.amount_fen),
            "status": DONE if purchase.state == DELIVERED else AT_WORK,
        }
        return {"contents": "\n".join(purchase.cards), **told} if purchase.state == DELIVERED else told

    def _of_sku(self, fields: Fields) -> str:
        return self._numbered(fields, "sku_id", first=SKU_FIRST)

    def _numbered(self, fields: Fields, name: str, *, first: int) -> str:
        """The product that a number stands for; UnknownProduct."""
        products, text = self.stock.products(self.name), fields.get(name, "")
        i = int(text) - first if _NUMBER.fullmatch(text) else -1
        if not 0 <= i < len(products):
            raise UnknownProduct(f"{self.name} has no {name} {text[:20]!r}")
        return products[i]
