"""What the shop shows: pages in Chinese and English, and the same facts as JSON values."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from targets.cardshop.money import yuan
from targets.cardshop.products import PRODUCTS, Product
from targets.cardshop.settings import Channel
from targets.cardshop.states import PROGRESS, REACHED, UNPAID, WORDS, State
from targets.cardshop.tables import Order

LANGUAGES = ("zh", "en")
_METHODS = {"alipay": ("支付宝", "Alipay"), "wxpay": ("微信支付", "WeChat Pay"), "qqpay": ("QQ 钱包", "QQ Wallet")}
_CSS_OF_END = {State.COMPLETED: "good", State.FAILED: "bad", State.EXPIRED: "bad", State.CANCELLED: "bad"}


def order_json(order: Order) -> dict[str, Any]:
    """What a poll is answered."""
    zh, en = WORDS[order.state]
    return {
        "order_no": order.order_no,
        "state": order.state,
        "words": zh,
        "words_en": en,
        "code": order.code,
        "goods": list(order.goods),
        "product": order.product,
        "price_fen": order.price_fen,
    }


def books_json(orders: list[Order], *, limit: int) -> dict[str, Any]:
    """A page of the order table; `next` is where to go on, None at its end."""
    rows = []
    for order in orders:
        row = asdict(order) | {"goods": list(order.goods)}
        for private in ("apology", "cards", "changed_at", "known", "pay_url", "refusals", "told"):
            del row[private]
        rows.append(row)
    return {"orders": rows, "next": orders[-1].id if len(orders) == limit else None}


class Pages:
    """The templates, compiled once."""

    def __init__(self, channels: Mapping[str, Channel]) -> None:
        self._channels = channels
        self._templates = Environment(
            loader=PackageLoader("targets.cardshop"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {"yuan": yuan, "moment": _moment}

    def front(self, products: Iterable[Product], lang: str) -> str:
        """The form with which one buys."""
        channels = [(name, _method(channel, lang, len(self._channels))) for name, channel in self._channels.items()]
        return self._render("front.html", lang, products=list(products), channels=channels)

    def order(self, order: Order, lang: str) -> str:
        """Where an order stands."""
        bar = [(state.value, WORDS[state][LANGUAGES.index(lang)]) for state in PROGRESS]
        return self._render(
            "order.html",
            lang,
            order=order,
            product=PRODUCTS.get(order.product),
            words=WORDS[order.state][LANGUAGES.index(lang)],
            bar=bar,
            reached=REACHED.get(order.state, -1),
            reached_by_state={state.value: index for state, index in REACHED.items()},
            may_pay=order.state in UNPAID and order.pay_url,
            tone=_CSS_OF_END.get(order.state, "open"),
            is_open=order.state in REACHED and order.state is not State.COMPLETED,
        )

    def found(self, orders: list[Order], lang: str, *, contact: str) -> str:
        """The orders of one contact."""
        rows = [(order, PRODUCTS.get(order.product), WORDS[order.state][LANGUAGES.index(lang)]) for order in orders]
        return self._render("lookup.html", lang, rows=rows, contact=contact)

    def admin(self, orders: list[Order], stock: Mapping[str, int], lang: str) -> str:
        """The newest orders, for the keeper of the shop."""
        left = {key: stock.get(key, 0) for key in PRODUCTS}
        return self._render("admin.html", lang, orders=orders, stock=left, words=WORDS, index=LANGUAGES.index(lang))

    def message(self, title: str, text: str, lang: str) -> str:
        """One clear line: what went wrong."""
        return self._render("message.html", lang, title=title, text=text)

    def _render(self, template: str, lang: str, **values: Any) -> str:
        def say(zh: str, en: str) -> str:
            return zh if lang == "zh" else en

        return self._templates.get_template(template).render(lang=lang, say=say, **values)


def _method(channel: Channel, lang: str, count: int) -> str:
    names = _METHODS.get(channel.type)
    if names is None:
        return channel.name
    name = names[LANGUAGES.index(lang)]
    return name if count == 1 else f"{name} · {channel.name}"


def _moment(seconds: float | None) -> str:
    return "" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
