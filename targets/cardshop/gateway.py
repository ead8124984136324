"""The shop's own Epay V1 client: it asks for a trade, asks about one, gives money back, and reads notices.

Source: docs/protocols.md, Epay V1.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any
from urllib.parse import urljoin

import aiohttp

from targets.cardshop.money import read_yuan, yuan
from targets.cardshop.settings import Channel
from targets.cardshop.states import Code

_UNSIGNED = frozenset({"sign", "sign_type"})
_PAY_PARTS = ("payurl", "qrcode", "urlscheme")
_STATE_NAMES = ("trade_status", "status")
_PAID, _WAITING = "TRADE_SUCCESS", "WAIT_BUYER_PAY"


class GatewayError(Exception):
    """The gateway gave no trade. `code` is the reason, `words` and `words_en` are fit for the buyer."""

    def __init__(self, code: Code, words: str, words_en: str) -> None:
        super().__init__(words_en)
        self.code, self.words, self.words_en = code, words, words_en
        self.order_no = ""


@dataclass(frozen=True)
class Trade:
    """What the gateway made of an order: its own number, and where the buyer pays."""

    trade_no: str
    pay_url: str


@dataclass(frozen=True)
class Payment:
    """What the gateway says was paid for an order. `fen` is None where the amount could not be read; `told` is `param`
    as it came back."""

    order_no: str
    trade_no: str
    fen: int | None
    told: str = ""


class RefundRefused(Exception):
    """The gateway will not give this money back, or has done so already."""


class NoticeFault(Enum):
    """Why a notice does not count."""

    WRONG_MERCHANT = auto()
    BAD_SIGNATURE = auto()
    NOT_PAID = auto()


def signature(params: Mapping[str, str], key: str) -> str:
    """The MD5 signature: without `sign`, `sign_type` and empty values; sorted ``k=v`` joined by ``&``; key appended."""
    text = "&".join(f"{name}={params[name]}" for name in sorted(params) if name not in _UNSIGNED and params[name])
    return hashlib.md5((text + key).encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


class Gateway:
    """One channel, spoken to through a shared session whose timeout limits every exchange."""

    def __init__(self, channel: Channel, session: aiohttp.ClientSession, *, is_tolerant: bool = False) -> None:
        self.channel = channel
        self._session = session
        self._is_tolerant = is_tolerant

    async def create(
        self, *, order_no: str, name: str, fen: int, param: str, notify_url: str, return_url: str, client_ip: str
    ) -> Trade:
        """A trade for an order. GatewayError where none was made, or where nobody can tell."""
        params = {
            "pid": self.channel.pid,
            "type": self.channel.type,
            "out_trade_no": order_no,
            "notify_url": notify_url,
            "return_url": return_url,
            "name": name,
            "money": yuan(fen),
            "param": param,
            "clientip": client_ip,
            "device": "pc",
        }
        params |= {"sign": signature(params, self.channel.key), "sign_type": "MD5"}
        answer = await self._exchange("POST", "mapi.php", form=params)
        pay_url = next((str(answer[part]) for part in _PAY_PARTS if answer.get(part)), "")
        # A tolerant reader takes a number and an address to pay at for a trade, whatever code stands beside them.
        if not self._says_yes(answer) and not (self._is_tolerant and pay_url and answer.get("trade_no")):
            raise _refusal(str(answer.get("msg", "")))
        if not pay_url:
            raise _unreadable()
        return Trade(str(answer.get("trade_no") or ""), urljoin(self.channel.url, pay_url))

    async def query(self, order_no: str) -> Payment | None:
        """The payment of an order; None while it is plainly unpaid, or the gateway knows no such order.

        GatewayError where there was no answer, or none that is plain. The protocol wants the secret in the query.
        """
        answer = await self._ask_about(order_no)
        if answer is None:
            return None
        fen = read_yuan(str(answer.get("money", "")))
        match self._state_of(answer):
            case "unpaid":
                return None
            case "paid" if fen is not None:
                return Payment(order_no, str(answer.get("trade_no") or ""), fen, str(answer.get("param") or ""))
            case _:
                raise _unreadable()

    async def is_refunded(self, order_no: str) -> bool:
        """Whether the gateway has given the whole payment back; GatewayError where it does not answer plainly."""
        answer = await self._ask_about(order_no)
        return answer is not None and self._state_of(answer) == "refunded"

    async def refund(self, order_no: str, *, trade_no: str, fen: int) -> None:
        """Give a payment back. RefundRefused where the gateway will not; GatewayError where nobody can tell."""
        form = {"pid": self.channel.pid, "key": self.channel.key, "out_trade_no": order_no, "money": yuan(fen)}
        if trade_no:
            form["trade_no"] = trade_no
        answer = await self._exchange("POST", "api.php", form=form, query={"act": "refund"})
        code = str(answer.get("code"))
        if code == "-1":
            raise RefundRefused
        if code != "1":
            raise _refusal(str(answer.get("msg", "")))

    def read_notice(self, params: Mapping[str, str]) -> Payment | NoticeFault:
        """The payment that a notice vouches for, or why it vouches for none."""
        if params.get("pid") != self.channel.pid:
            return NoticeFault.WRONG_MERCHANT
        expected, given = signature(params, self.channel.key), params.get("sign", "").lower()
        if not hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogateescape")):
            return NoticeFault.BAD_SIGNATURE
        names = _STATE_NAMES if self._is_tolerant else _STATE_NAMES[:1]
        if not any(params.get(name) == _PAID for name in names):
            return NoticeFault.NOT_PAID
        fen = read_yuan(params.get("money", ""))
        return Payment(params.get("out_trade_no", ""), params.get("trade_no", ""), fen, params.get("param", ""))

    async def _ask_about(self, order_no: str) -> dict[str, Any] | None:
        """What the gateway says of an order; None where it knows none."""
        asked = {"act": "order", "pid": self.channel.pid, "key": self.channel.key, "out_trade_no": order_no}
        answer = await self._exchange("GET", "api.php", query=asked)
        if str(answer.get("code")) == "-1" and "status" not in answer:
            return None
        if answer.get("out_trade_no", order_no) != order_no:
            raise _unreadable()
        return answer

    def _state_of(self, answer: Mapping[str, Any]) -> str:
        """unpaid, paid or refunded, or "" where the answer leaves a doubt."""
        if not self._is_tolerant:
            states = {0: "unpaid", 1: "paid", 2: "refunded"}
            status = answer.get("status")
            is_plain = self._says_yes(answer) and isinstance(status, int)
            return states.get(status, "") if is_plain and isinstance(status, int) else ""
        if str(answer.get("code")) not in ("1", "0"):  # newer gateways say 0 for done
            return ""
        said = [str(answer[name]) for name in _STATE_NAMES if answer.get(name) is not None]
        words = {"0": "unpaid", _WAITING: "unpaid", "1": "paid", _PAID: "paid", "2": "refunded"}
        known = {words.get(text, "") for text in said} - {""}
        return known.pop() if len(known) == 1 else ""

    def _says_yes(self, answer: Mapping[str, Any]) -> bool:
        code = answer.get("code")
        return str(code) == "1" if self._is_tolerant else code == 1

    async def _exchange(
        self, method: str, path: str, *, form: dict[str, str] | None = None, query: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """The gateway's JSON object. The client's own errors stop here: they may quote an address with the key."""
        try:
            async with self._session.request(
                method, self.channel.url + path, data=form, params=query, allow_redirects=False
            ) as answer:
                status, body = answer.status, await answer.read()
        except TimeoutError:
            raise GatewayError(
                Code.TIMEOUT, "加载失败：支付通道超时", "Loading failed: the payment channel timed out"
            ) from None
        except aiohttp.ClientError:
            raise GatewayError(
                Code.REFUSED,
                "加载失败：支付通道连接失败",
                "Loading failed: no connection to the payment channel",
            ) from None
        if status != 200:
            raise GatewayError(
                Code.REFUSED,
                f"加载失败：支付通道返回 HTTP {status}",
                f"Loading failed: the payment channel answered HTTP {status}",
            )
        try:
            answered = json.loads(body)
        except ValueError:
            raise _unreadable() from None
        if not isinstance(answered, dict):
            raise _unreadable()
        return answered


def _refusal(said: str) -> GatewayError:
    is_signature = "签名" in said or "sign" in said.lower()
    code = Code.BAD_SIGNATURE if is_signature else Code.REFUSED
    said = " ".join(said.split())[:80]
    return GatewayError(
        code, f"加载失败：支付通道拒绝了订单（{said}）", f"Loading failed: refused by the channel ({said})"
    )


def _unreadable() -> GatewayError:
    # Whether a trade was made stays unknown: the answer may have been cut on its way back.
    return GatewayError(
        Code.UNKNOWN, "加载失败：支付通道的回答无法识别", "Loading failed: the payment channel's answer is unreadable"
    )
