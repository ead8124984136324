"""What payment channels have in common: what can be asked of them, what they can tell, and how they fail."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from targets.cardshop.peers import Peer
from targets.cardshop.states import Code


class GatewayError(Exception):
    """The channel gave no plain answer. `code` is the reason, `words` and `words_en` are fit for the buyer."""

    def __init__(self, code: Code, words: str, words_en: str) -> None:
        super().__init__(words_en)
        self.code, self.words, self.words_en = code, words, words_en
        self.order_no = ""


class RefundRefused(Exception):
    """The channel will not give this money back, or has done so already."""


@dataclass(frozen=True)
class Wanted:
    """The trade that the shop wants for an order. `told` goes through the channel and comes back with the payment."""

    order_no: str
    name: str
    fen: int
    told: str
    notify_url: str
    return_url: str
    client_ip: str


@dataclass(frozen=True)
class Trade:
    """What the channel made of an order: its own number, if it says one yet, and where the buyer pays."""

    trade_no: str
    pay_url: str


@dataclass(frozen=True)
class Payment:
    """What the channel says was paid for an order. `fen` is None where the amount could not be read; `told` is what
    was passed through, as it came back."""

    order_no: str
    trade_no: str
    fen: int | None
    told: str = ""


class NoticeFault(Enum):
    """Why a notice does not count."""

    WRONG_MERCHANT = auto()
    BAD_SIGNATURE = auto()
    NOT_PAID = auto()
    NO_PAYMENT = auto()
    """It is about something else, such as money that went back: read, and done with."""


@dataclass(frozen=True)
class Notice:
    """A notice as it came: headers, the fields of query and body, and the body itself."""

    headers: Mapping[str, str]
    query: Mapping[str, str]
    form: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Told:
    """What a channel is answered to a notice, in its own words."""

    status: int
    text: str
    kind: str = "text/plain"


class Gateway(Protocol):
    """One channel, as one dialect speaks to it. What is asked raises GatewayError where nobody can tell."""

    channel: Peer

    async def create(self, wanted: Wanted) -> Trade:
        """A trade for an order; GatewayError where none was made, too."""
        ...

    async def query(self, order_no: str) -> Payment | None:
        """The payment of an order; None while it is plainly unpaid, or the channel knows no such order."""
        ...

    async def refund(self, order_no: str, *, trade_no: str, fen: int, notify_url: str) -> None:
        """Give the whole payment back. RefundRefused where the channel will not."""
        ...

    async def is_refunded(self, order_no: str) -> bool:
        """Whether the channel has given the whole payment back."""
        ...

    async def read_notice(self, notice: Notice) -> Payment | NoticeFault:
        """The payment that a notice vouches for, or why it vouches for none. GatewayError where the shop itself is too
        busy to read it."""
        ...

    def told(self, *, is_taken: bool) -> Told:
        """How a notice is answered: taken, so that it is not sent again, or not."""
        ...


def plain_words(*, is_taken: bool) -> Told:
    """The answer of those channels that want to read `success`."""
    return Told(200, "success" if is_taken else "fail")


# --- what goes wrong ---------------------------------------------------------------------------------------------
def timed_out() -> GatewayError:
    return GatewayError(Code.TIMEOUT, "加载失败：支付通道超时", "Loading failed: the payment channel timed out")


def not_connected() -> GatewayError:
    return GatewayError(
        Code.REFUSED, "加载失败：支付通道连接失败", "Loading failed: no connection to the payment channel"
    )


def bad_status(status: int) -> GatewayError:
    return GatewayError(
        Code.REFUSED,
        f"加载失败：支付通道返回 HTTP {status}",
        f"Loading failed: the payment channel answered HTTP {status}",
    )


def refused(said: str, *, is_signature: bool) -> GatewayError:
    code = Code.BAD_SIGNATURE if is_signature else Code.REFUSED
    said = " ".join(said.split())[:80]
    return GatewayError(
        code, f"加载失败：支付通道拒绝了订单（{said}）", f"Loading failed: refused by the channel ({said})"
    )


def not_genuine() -> GatewayError:
    return GatewayError(
        Code.BAD_SIGNATURE,
        "加载失败：支付通道的回答验签失败",
        "Loading failed: the channel's answer is not properly signed",
    )


def unreadable() -> GatewayError:
    # Whether a trade was made stays unknown: the answer may have been cut on its way back.
    return GatewayError(
        Code.UNKNOWN, "加载失败：支付通道的回答无法识别", "Loading failed: the payment channel's answer is unreadable"
    )


def overloaded() -> GatewayError:
    return GatewayError(Code.SHOP_OVERLOADED, "加载失败：本店繁忙", "Loading failed: our shop is busy")
