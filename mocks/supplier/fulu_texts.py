"""What Fulu's platform calls things: its fields, states, refusals and goods, for those who answer and those who tell.

Source: docs/protocols/fulu.md.
"""

from datetime import UTC, datetime, timedelta, timezone
from typing import TypeAlias

from faults.verdict import Outcome, Shape
from ledger.money import Fen, yuan
from ledger.states import Code, Operation
from mocks.goods import GoodsError, Repeated, UnknownProduct
from mocks.mangle import Schema
from mocks.supplier.stock import DELIVERED, FAILED, PROCESSING, Purchase, SoldOut, card_parts

Data: TypeAlias = dict[str, object]

OK = 0
UNREADABLE, BAD_APP_KEY, BAD_METHOD, BAD_SIGNATURE, BAD_TIME = 1000, 1001, 1002, 1003, 1004
BAD_VERSION = 1005
NO_PRODUCT, SOLD_OUT, MAINTENANCE, REPEATED, NO_BALANCE, NO_ORDER = 3001, 3002, 3003, 3005, 3008, 3010
"""Beside 0 no list of codes is published: these are our own picks, in the ranges that a public client knows."""

BEIJING = timezone(timedelta(hours=8))
TIME = "%Y-%m-%d %H:%M:%S"
CREATED = {PROCESSING: "untreated", DELIVERED: "success", FAILED: "failed"}
FOUND = {PROCESSING: "processing", DELIVERED: "success", FAILED: "failed"}
TOLD = {DELIVERED: "充值成功", FAILED: "充值失败", PROCESSING: "充值中"}
CARDS, DIRECT = "卡密", "直充"
ENOUGH, NONE_LEFT = "充足", "断货"
TEXT_MAX = 256

_OTHER_STATES: dict[str, object] = {
    "untreated": "waiting", "processing": "recharging", "success": "finished", "failed": "refunded"
}  # fmt: skip
_OTHER_CODES: dict[str, object] = {"0": 200}
_ENVELOPE = ("", "response")
SCHEMAS = {
    Operation.CONNECT: Schema(
        pair=("result.balance", "result.money"), missing="result.balance", code="code", codes=_OTHER_CODES,
        money=("result.balance",),
    ),
    Operation.CATALOGUE: Schema(
        pair=("result.product_name", "result.name"), missing="result.product_id", code="code", codes=_OTHER_CODES,
        money=("result.purchase_price", "result.face_value"),
    ),
    Operation.STOCK: Schema(
        pair=("result.stock_status", "result.stock_state"), missing="result.stock_status", state="result.stock_status",
        states={ENOUGH: "有货", NONE_LEFT: "无货"}, code="code", codes=_OTHER_CODES,
    ),
    Operation.BUY: Schema(
        pair=("result.order_status", "result.order_state"), missing="result.order_id", state="result.order_status",
        states=_OTHER_STATES, code="code", codes=_OTHER_CODES, money=("result.price",),
        identifiers=("result.customer_order_no", "result.order_id"), dates=("result.charge_finish_time",),
        envelope=_ENVELOPE,
    ),
    Operation.QUERY: Schema(
        pair=("result.order_state", "result.order_status"), missing="result.cards", state="result.order_state",
        states=_OTHER_STATES, code="code", codes=_OTHER_CODES, money=("result.order_price",),
        identifiers=("result.customer_order_no", "result.order_id"),
        dates=("result.create_time", "result.finish_time"), flaps={"result.order_state": ("success", "processing")},
        envelope=_ENVELOPE,
    ),
}  # fmt: skip
NOTICE = Schema(
    pair=("order_status", "order_state"), missing="order_status", state="order_status", states=_OTHER_STATES,
    money=("price",), identifiers=("customer_order_no", "order_id"), dates=("charge_finish_time",),
    shape=("data", Shape.FLAT),
)  # fmt: skip
"""`order_status` where an order is created or told of, `order_state` where it is asked for: the platform's own trap."""


class Refusal(Exception):
    """Why the platform refuses: its own code and sentence, and the standard code."""

    def __init__(self, number: int, words: str, code: Code = Code.UPSTREAM_REFUSED) -> None:
        super().__init__(words)
        self.number, self.words, self.code = number, words, code


REFUSED: dict[Outcome, tuple[int, str, Code]] = {
    Outcome.SOLD_OUT: (SOLD_OUT, "商品库存不足", Code.GOODS_SOLD_OUT),
    Outcome.BALANCE: (NO_BALANCE, "账户余额不足", Code.UPSTREAM_REFUSED),
    Outcome.MAINTENANCE: (MAINTENANCE, "商品维护中", Code.UPSTREAM_REFUSED),
}


def unreadable(field: str) -> Refusal:
    return Refusal(UNREADABLE, f"参数{field}不正确", Code.IDENTIFIERS_MISSING)


def refusal_of(error: GoodsError) -> Refusal:
    match error:
        case UnknownProduct():
            return Refusal(NO_PRODUCT, "商品不存在", Code.GOODS_UNKNOWN)
        case SoldOut():
            return Refusal(*REFUSED[Outcome.SOLD_OUT])
        case Repeated():
            return Refusal(REPEATED, "外部订单号重复")
    raise AssertionError(error)


# --- what is sent ------------------------------------------------------------------------------------------------
def text_of(biz: Data, field: str, default: str = "") -> str:
    """A field of biz_content as a text, which a number may stand for; Refusal."""
    value = biz.get(field, default)
    if isinstance(value, bool) or not isinstance(value, str | int | float) or len(str(value)) > TEXT_MAX:
        raise unreadable(field)
    return str(value)


def number_of(biz: Data, field: str, default: str = "") -> int:
    """A field of biz_content as a whole number; Refusal."""
    text = text_of(biz, field, default)
    if not text.isascii() or not text.isdecimal() or len(text) > 12:
        raise unreadable(field)
    return int(text)


# --- times and money ---------------------------------------------------------------------------------------------
def time_text(wall_s: int) -> str:
    """A moment as the platform writes it: the time of day in Beijing."""
    return datetime.fromtimestamp(wall_s, BEIJING).strftime(TIME)


def read_time(text: object, *, in_utc: bool = False) -> int | None:
    """The seconds since 1970 of such a text, or of one that means UTC; None where it is none."""
    try:
        found = datetime.strptime(str(text), TIME)
    except ValueError:
        return None
    return int(found.replace(tzinfo=UTC if in_utc else BEIJING).timestamp())


def four_decimals(fen: Fen) -> str:
    return f"{yuan(fen)}00"


def as_number(fen: Fen) -> float:
    """Yuan as the platform's JSON has them."""
    return fen / 100


# --- purchases ---------------------------------------------------------------------------------------------------
def unit_price(purchase: Purchase) -> Fen:
    return Fen(purchase.amount_fen // purchase.request.quantity)


def created(purchase: Purchase, product_id: int, ended: str) -> Data:
    """What a create call answers."""
    return {
        "order_id": purchase.trade_no,
        "charge_finish_time": ended,
        "customer_order_no": purchase.request_no,
        "order_status": CREATED[purchase.state],
        "recharge_description": TOLD[purchase.state],
        "product_id": product_id,
        "price": four_decimals(unit_price(purchase)),
        "buy_num": purchase.request.quantity,
        "operator_serial_number": purchase.receipt,
    }


def noticed(purchase: Purchase, product_id: int, ended: str) -> Data:
    """What a notice says: the same, every value a text."""
    return {name: str(value) for name, value in created(purchase, product_id, ended).items()}


def cards_of(purchase: Purchase) -> list[tuple[str, str]]:
    """Number and password of each card, as the shop is given them."""
    return [card_parts(card) for card in purchase.cards]
