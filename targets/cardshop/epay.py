"""The shop's own Epay V1 client: it asks for a trade, asks about one, gives money back, and reads notices.

Source: docs/protocols/epay.md.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin

import aiohttp

from targets.cardshop import gateway
from targets.cardshop.gateway import Notice, NoticeFault, Payment, RefundRefused, Told, Trade, Wanted
from targets.cardshop.money import read_yuan, yuan
from targets.cardshop.peers import Peer

_UNSIGNED = frozenset({"sign", "sign_type"})
_PAY_PARTS = ("payurl", "qrcode", "urlscheme")
_STATE_NAMES = ("trade_status", "status")
_PAID, _WAITING = "TRADE_SUCCESS", "WAIT_BUYER_PAY"


def signature(params: Mapping[str, str], key: str) -> str:
    """The MD5 signature: without `sign`, `sign_type` and empty values; sorted ``k=v`` joined by ``&``; key appended."""
    text = "&".join(f"{name}={params[name]}" for name in sorted(params) if name not in _UNSIGNED and params[name])
    return hashlib.md5((text + key).encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


class Epay:
    """One channel, spoken to through a shared session whose timeout limits every exchange."""

    def __init__(self, channel: Peer, session: aiohttp.ClientSession, *, is_tolerant: bool = False) -> None:
        self.channel = channel
        self._session = session
        self._is_tolerant = is_tolerant

    async def create(self, wanted: Wanted) -> Trade:
        params = {
            "pid": self.channel.pid,
            "type": self.channel.way,
            "out_trade_no": wanted.order_no,
            "notify_url": wanted.notify_url,
            "return_url": wanted.return_url,
            "name": wanted.name,
            "money": yuan(wanted.fen),
            "param": wanted.told,
            "clientip": wanted.client_ip,
            "device": "pc",
        }
        params |= {"sign": signature(params, self.channel.key), "sign_type": "MD5"}
        answer = await self._exchange("POST", "mapi.php", form=params)
        pay_url = next((str(answer[part]) for part in _PAY_PARTS if answer.get(part)), "")
        # A tolerant reader takes a number and an address to pay at for a trade, whatever code stands beside them.
        if not self._says_yes(answer) and not (self._is_tolerant and pay_url and answer.get("trade_no")):
            raise _refused(str(answer.get("msg", "")))
        if not pay_url:
            raise gateway.unreadable()
        return Trade(str(answer.get("trade_no") or ""), urljoin(self.channel.url, pay_url))

    async def query(self, order_no: str) -> Payment | None:
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
                raise gateway.unreadable()

    async def is_refunded(self, order_no: str) -> bool:
        answer = await self._ask_about(order_no)
        return answer is not None and self._state_of(answer) == "refunded"

    async def refund(self, order_no: str, *, trade_no: str, fen: int, notify_url: str) -> None:
        form = {"pid": self.channel.pid, "key": self.channel.key, "out_trade_no": order_no, "money": yuan(fen)}
        if trade_no:
            form["trade_no"] = trade_no
        answer = await self._exchange("POST", "api.php", form=form, query={"act": "refund"})
        code = str(answer.get("code"))
        if code == "-1":
            raise RefundRefused
        if code != "1":
            raise _refused(str(answer.get("msg", "")))

    async def read_notice(self, notice: Notice) -> Payment | NoticeFault:
        """The payment that a notice vouches for: it stands in the query, or in the body, never in both."""
        params = notice.query if "pid" in notice.query or not notice.body else notice.form
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

    def told(self, *, is_taken: bool) -> Told:
        return gateway.plain_words(is_taken=is_taken)

    async def _ask_about(self, order_no: str) -> dict[str, Any] | None:
        """What the gateway says of an order; None where it knows none. The protocol wants the secret in the query."""
        asked = {"act": "order", "pid": self.channel.pid, "key": self.channel.key, "out_trade_no": order_no}
        answer = await self._exchange("GET", "api.php", query=asked)
        if str(answer.get("code")) == "-1" and "status" not in answer:
            return None
        if answer.get("out_trade_no", order_no) != order_no:
            raise gateway.unreadable()
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
            raise gateway.timed_out() from None
        except aiohttp.ClientError:
            raise gateway.not_connected() from None
        if status != 200:
            raise gateway.bad_status(status)
        try:
            answered = json.loads(body)
        except ValueError:
            raise gateway.unreadable() from None
        if not isinstance(answered, dict):
            raise gateway.unreadable()
        return answered


def _refused(said: str) -> gateway.GatewayError:
    return gateway.refused(said, is_signature="签名" in said or "sign" in said.lower())
