"""The first step: a buyer's wish becomes a row, and the gateway is asked for a trade."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass

from targets.cardshop.gateway import GatewayError, Trade, Wanted
from targets.cardshop.goods import told_to_channel
from targets.cardshop.products import PRODUCTS, Kind, Product
from targets.cardshop.shop import Shop
from targets.cardshop.states import ASK
from targets.cardshop.store import NewOrder

_LENGTH_MAX = {"contact": 64, "account": 64, "region": 32}


class BadWish(ValueError):
    """A form that cannot become an order: one line in Chinese and one in English."""

    def __init__(self, words: str, words_en: str) -> None:
        super().__init__(words_en)
        self.words, self.words_en = words, words_en


@dataclass(frozen=True)
class Wish:
    """A checked form."""

    product: str
    channel: str
    contact: str
    account: str
    region: str


def read_wish(
    form: Mapping[str, str], channels: Mapping[str, object], products: Mapping[str, Product] = PRODUCTS
) -> Wish:
    """The wish of a form; BadWish names the first field that is wrong and what is legal."""
    chosen = {}
    for field, legal in (("product", list(products)), ("channel", list(channels))):
        chosen[field] = form.get(field, "")
        if chosen[field] not in legal:
            said, choice = chosen[field][:40], "、".join(legal)
            raise BadWish(
                f"{field}：没有 {said!r}，可选 {choice}", f"{field}: no {said!r} here; legal: {', '.join(legal)}"
            )
    for field in ("contact", "account", "region"):
        chosen[field] = form.get(field, "").strip()
        longest = _LENGTH_MAX[field]
        is_topup = products[chosen["product"]].kind is Kind.TOPUP
        if not chosen[field] and (field != "region" or is_topup):
            raise BadWish(f"{field}：不能为空", f"{field}: must not be empty")
        if len(chosen[field]) > longest or not chosen[field].isprintable():
            raise BadWish(
                f"{field}：最多 {longest} 个可见字符", f"{field}: legal are up to {longest} printable characters"
            )
    return Wish(**chosen)


def new_order_no(now: float) -> str:
    """A number that tells when and cannot be guessed: whoever knows it sees the goods."""
    return time.strftime("C%y%m%d%H%M%S", time.localtime(now)) + secrets.token_hex(6)


async def place(shop: Shop, wish: Wish, *, client_ip: str) -> tuple[str, Trade]:
    """The number of a new order, and its trade.

    GatewayError where there is no trade: it carries the number in `order_no`, for the row stays until it expires.
    """
    # A row without a trade is left behind by real shops too: docs/stalls.md, "channel hangs or answers HTML while
    # ordering: spinner, row left behind", measured.
    product, now = PRODUCTS[wish.product], shop.now()
    order_no = new_order_no(now)
    row = NewOrder(order_no, wish.contact, wish.account, wish.product, wish.channel, wish.region, product.price_fen)
    await shop.store.insert(row, at=now)
    try:
        trade = await shop.gateways[wish.channel].create(
            Wanted(
                order_no=order_no,
                name=product.zh,
                fen=product.price_fen,
                told=told_to_channel(wish.contact, wish.product, wish.region),
                notify_url=shop.notify_url(shop.gateways[wish.channel].channel),
                return_url=f"{shop.public_url}/orders/{order_no}",
                client_ip=client_ip,
            )
        )
    except GatewayError as error:
        error.order_no = order_no
        await shop.store.note(order_no, error.code, at=shop.now())
        raise
    answer = {"trade_no": trade.trade_no, "pay_url": trade.pay_url}
    if not await shop.store.move(ASK, order_no, at=shop.now(), **answer):
        # The notice came before this answer, or the order grew too old while the gateway thought.
        await shop.store.remember_trade(order_no, **answer)
    return order_no, trade
