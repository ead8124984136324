"""What the shared store of acg-faka says, whatever its type: its envelope, its sentences, and what it can be asked.

Source: docs/protocols/sharedstore.md.
"""

import re
from typing import TypeAlias

from faults.verdict import Outcome, Shape
from ledger.states import Code
from mocks.goods import GoodsError, Repeated, UnknownProduct
from mocks.reply import Fields, Reply
from mocks.server import readable
from mocks.supplier.stock import SoldOut

Data: TypeAlias = dict[str, object]

OK, NO = 200, 0
CODES: dict[str, object] = {"200": 0, "0": 1}
"""Other versions and plugins tell success by 0."""
SHAPE, ENVELOPE = ("data", Shape.LIST), ("", "response")
"""Type 2 has a list around what type 0 answers plainly."""
NUM_MAX = 1000
PRODUCT_MAX = 64

NO_MERCHANT, BAD_SIGNATURE = "商户ID不存在", "密钥错误"
UNKNOWN, SOLD_OUT, NO_ORDER = "商品不存在", "库存不足", "订单不存在"
REPEATED = "The request ID already exists"
FAILED_WORDS = "订单处理失败"
NO_DRAFTS, BAD_CARD = "该商品不支持预选", "预选的卡密(card_id)不正确"

_NUMBER = re.compile(r"[A-Za-z0-9._|-]{1,64}", re.ASCII)
_NUM = re.compile(r"[0-9]{1,4}", re.ASCII)


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


def number_of(fields: Fields, name: str) -> str:
    """The shop's own number; Refusal."""
    number = fields.get(name, "")
    if not _NUMBER.fullmatch(number):
        raise Refusal(f"请求编号({name})不正确")
    return number


def quantity_of(fields: Fields, name: str) -> int:
    """How many are asked for; Refusal."""
    num = fields.get(name, "")
    if not _NUM.fullmatch(num) or not 1 <= int(num) <= NUM_MAX:
        raise Refusal(f"购买数量({name})不正确")
    return int(num)


def product_of(fields: Fields, name: str) -> str:
    """The product that is named, fit for journals."""
    return readable(fields.get(name, ""))[:PRODUCT_MAX]


def refusal_of(error: GoodsError) -> Refusal:
    match error:
        case UnknownProduct():
            return Refusal(UNKNOWN, Code.GOODS_UNKNOWN)
        case SoldOut():
            return Refusal(SOLD_OUT, Code.GOODS_SOLD_OUT)
        case Repeated():
            return Refusal(REPEATED)
    raise AssertionError(error)


def success(data: object) -> Reply:
    return Reply(fields={"code": OK, "msg": "success", "data": data})


def refused(why: Refusal) -> Reply:
    return Reply(fields={"code": NO, "msg": why.words, "data": {}})
