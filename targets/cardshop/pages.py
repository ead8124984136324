"""What the shop shows: pages in Chinese and English, and the same facts as JSON values."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from targets.cardshop.cancelling import may_cancel
from targets.cardshop.money import yuan
from targets.cardshop.nodes import next_of, node_of, reason_of, receipt_of
from targets.cardshop.peers import Peer
from targets.cardshop.products import PRODUCTS, Product
from targets.cardshop.states import ENDS, PROGRESS, REACHED, UNPAID, WORDS, Known, State
from targets.cardshop.tables import Order

LANGUAGES = ("zh", "en")
_METHODS = {"alipay": ("支付宝", "Alipay"), "wxpay": ("微信支付", "WeChat Pay"), "qqpay": ("QQ 钱包", "QQ Wallet")}
_TONES = {
    State.COMPLETED: "good",
    State.REFUNDED: "good",
    State.DELAYED: "warn",
    State.REFUNDING: "warn",
    State.MANUAL: "warn",
    State.FAILED: "bad",
    State.EXPIRED: "bad",
    State.CANCELLED: "bad",
}


@dataclass(frozen=True)
class View:
    """An order as its page shows it; the page reads the same facts again and again as JSON."""

    order: Order
    now: float
    compensates: bool

    @property
    def reached(self) -> int:
        """The step of the bar that the order has come to, also where it is delayed there; -1 where it has left it."""
        order = self.order
        if order.state is State.DELAYED:
            return 2 if order.known is Known.ACCEPTED else 1 if order.tries else 0
        return REACHED.get(order.state, -1)

    @property
    def tone(self) -> str:
        """The colour of the state: open, warn, good or bad."""
        return _TONES.get(self.order.state, "open")

    @property
    def is_open(self) -> bool:
        """Whether anything may still change by itself."""
        return self.order.state not in ENDS

    @property
    def may_pay(self) -> bool:
        """Whether the way to the cashier is still of use."""
        return self.order.state in UNPAID and bool(self.order.pay_url)

    @property
    def may_cancel(self) -> bool:
        """Whether a button to cancel makes sense."""
        return may_cancel(self.order, compensates=self.compensates)

    @property
    def waited_s(self) -> int:
        """Whole seconds since the payment, or since the order was placed; for an order that has ended, until then."""
        order = self.order
        begun = order.created_at if order.paid_at is None else order.paid_at
        return max(int((self.now if self.is_open else order.changed_at) - begun), 0)


def order_json(view: View) -> dict[str, Any]:
    """What a poll is answered."""
    order = view.order
    (zh, en), (node, node_en), (receipt, receipt_en) = WORDS[order.state], node_of(order), receipt_of(order)
    return {
        "order_no": order.order_no,
        "state": order.state,
        "words": zh,
        "words_en": en,
        "node": node,
        "node_en": node_en,
        "code": order.code,
        "goods": list(order.goods),
        "receipt": receipt,
        "receipt_en": receipt_en,
        "product": order.product,
        "price_fen": order.price_fen,
        "waited_s": view.waited_s,
    }


def page_json(view: View) -> dict[str, Any]:
    """What the order's own page asks for: a poll's answer, and what the page does with it."""
    (next_zh, next_en), (why, why_en) = next_of(view.order), reason_of(view.order)
    return order_json(view) | {
        "next": next_zh,
        "next_en": next_en,
        "why": why,
        "why_en": why_en,
        "reached": view.reached,
        "tone": view.tone,
        "is_open": view.is_open,
        "may_pay": view.may_pay,
        "may_cancel": view.may_cancel,
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

    def __init__(self, channels: Mapping[str, Peer]) -> None:
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

    def order(self, view: View, lang: str) -> str:
        """Where an order stands, and how it goes on."""
        bar = [(state.value, WORDS[state][LANGUAGES.index(lang)]) for state in PROGRESS]
        product = PRODUCTS.get(view.order.product)
        return self._render(
            "order.html", lang, view=view, order=view.order, product=product, bar=bar, shown=page_json(view)
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


def _method(channel: Peer, lang: str, count: int) -> str:
    names = _METHODS.get(channel.way)
    if names is None:
        return channel.name
    name = names[LANGUAGES.index(lang)]
    return name if count == 1 else f"{name} · {channel.name}"


def _moment(seconds: float | None) -> str:
    return "" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
