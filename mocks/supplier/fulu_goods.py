"""What an instance of Fulu's platform sells: each with a number, a kind and what must be filled in.

Source: docs/protocols/fulu.md, Goods.
"""

from ledger.money import Fen, MoneyError, parse_yuan
from ledger.states import Code
from mocks.goods import UnknownProduct
from mocks.supplier.counter import Counter
from mocks.supplier.fulu_texts import (
    ENOUGH,
    NO_PRODUCT,
    NONE_LEFT,
    Data,
    Refusal,
    as_number,
    number_of,
    text_of,
    unreadable,
)

FIRST_NUMBER = 10_000_001
CARDS, TOP_UP = "卡密", "直充"


class Goods:
    """The catalogue of one instance. Numbers are given in the order of the names: the same in every run of a target."""

    def __init__(self, counter: Counter) -> None:
        self._name, self._stock, self._faces = counter.name, counter.stock, counter.plan.target.prices
        names = counter.stock.all_goods(counter.name)
        self.ids = {name: FIRST_NUMBER + i for i, name in enumerate(names)}
        self._names = {number: name for name, number in self.ids.items()}

    # --- finding ------------------------------------------------------------------------------------------------
    def named(self, biz: Data) -> str:
        """The product that a request names; for one that is not sold its number behind a #. Refusal."""
        number = number_of(biz, "product_id")
        return self._names.get(number, f"#{number}")

    def of_face_value(self, biz: Data) -> str:
        """The first top-up that is worth as many yuan as a request says; UnknownProduct."""
        worth = _money_of(biz, "charge_value")
        for name in self.ids:
            if self._faces.get(name) == worth and self._is_top_up(name):
                return name
        raise UnknownProduct(f"{self._name} tops up nothing that is worth {worth} fen")

    def _is_top_up(self, name: str) -> bool:
        """Whether a product is topped up. What may be both is shown as a card: so is all where the plan knows nothing
        of the target's goods."""
        return not self._stock.is_card(self._name, name)

    # --- telling ------------------------------------------------------------------------------------------------
    def listed(self, biz: Data) -> list[Data]:
        """All that is sold, or what fits every field that the request names; 0 and empty texts name nothing."""
        wanted = {field: text_of(biz, field) for field in ("product_id", "product_name", "product_type")}
        worth = _money_of(biz, "face_value", "0")
        items = [self._item(name) for name in self.ids if worth in (0, self._faces.get(name))]
        return [item for item in items if all(text in ("", "0", str(item[field])) for field, text in wanted.items())]

    def one(self, biz: Data) -> Data:
        return {**self._item(self.named(biz)), "four_category_icon": "", "detail_type": 0}

    def _item(self, name: str) -> Data:
        is_top_up = self._is_top_up(name)
        price = self._stock.price_fen(self._name, name, is_top_up=is_top_up)
        left = self._stock.left(self._name, name, is_top_up=is_top_up)
        number = self.ids[name]
        return {
            "product_id": number,
            "product_name": name,
            "product_type": TOP_UP if is_top_up else CARDS,
            "face_value": as_number(Fen(self._faces.get(name, 0))),
            "purchase_price": as_number(price),
            "sales_status": "上架",
            "stock_status": ENOUGH if left else NONE_LEFT,
            "template_id": f"T{number}" if is_top_up else "",
            "details": "",
        }

    def in_stock(self, biz: Data) -> Data:
        name, quantity = self.named(biz), number_of(biz, "buy_num", "1")
        left = self._stock.left(self._name, name, is_top_up=self._is_top_up(name))
        return {"product_id": self.ids[name], "stock_status": ENOUGH if left >= quantity else NONE_LEFT}

    def template(self, biz: Data) -> Data:
        """What a buyer of a top-up must fill in."""
        template = text_of(biz, "template_id")
        if template not in [f"T{number}" for name, number in self.ids.items() if self._is_top_up(name)]:
            raise Refusal(NO_PRODUCT, "模板不存在", Code.GOODS_UNKNOWN)
        return {
            "AddressId": template,
            "AddressName": "充值模板",
            "ElementInfo": {
                "Inputs": [{"Type": "text", "Id": "charge_account", "Name": "充值账号", "SortId": 1}],
                "ChargeNum": {"Type": "text", "Id": "buy_num", "Name": "购买数量", "Value": "1", "SortId": 2},
            },
            "IsServiceArea": False,
            "GameTempaltePreviewList": [],
        }


def _money_of(biz: Data, field: str, default: str = "") -> Fen:
    """A field of biz_content as an amount in yuan, which a number may stand for; Refusal."""
    try:
        return parse_yuan(text_of(biz, field, default).removesuffix(".0"))
    except MoneyError:
        raise unreadable(field) from None
