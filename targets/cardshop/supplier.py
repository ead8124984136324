"""The shop's own client of a shared store, type 0: it buys cards, and asks what came of a purchase.

Source: docs/protocols.md, Shared store, type 0.
"""

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus, urlencode

import aiohttp

from targets.cardshop.peers import Peer
from targets.cardshop.states import Code
from targets.cardshop.upstreams import Accepted, Answer, Delivered, Nothing, Outcome, Refused, Unknown, Wanted, exchange

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_SUCCESS, _REFUSAL = 200, 0
_NO_SUCH_ORDER = "订单不存在"
_SEEN_BEFORE = "request ID already exists"
_WORDS = {
    "商户ID不存在": Code.REFUSED,
    "密钥错误": Code.BAD_SIGNATURE,
    "商品不存在": Code.GOODS_UNKNOWN,
    "库存不足": Code.SOLD_OUT,
    "余额不足": Code.REFUSED,
    "商品维护中": Code.REFUSED,
}
_SECRET_NAMES = ("secret", "contents", "cards")


def signature(fields: Mapping[str, str], key: str) -> str:
    """The MD5 signature: without `sign` and empty values, sorted, written as a query, ``&key=`` and the key appended,
    all of it url-decoded. PHP sorts ``sku[区]`` as ``sku``."""
    named = sorted(
        (name for name in fields if name != "sign" and fields[name] != ""), key=lambda n: n.partition("[")[0]
    )
    text = "&".join(f"{name}={fields[name]}" for name in named)  # encoded and decoded again: as it was
    return hashlib.md5(f"{text}&key={unquote_plus(key)}".encode(), usedforsecurity=False).hexdigest()


class SharedStore:
    """One supplier, spoken to through a shared session whose timeout limits every exchange."""

    def __init__(self, peer: Peer, session: aiohttp.ClientSession, *, is_tolerant: bool) -> None:
        self.peer = peer
        self._session = session
        self._is_tolerant = is_tolerant

    async def buy(self, wanted: Wanted) -> Delivered | Accepted | Refused | Unknown:
        """One card under the order's number."""
        answer = await self._ask(
            "trade",
            {
                "shared_code": wanted.product,
                "contact": wanted.contact,
                "num": "1",
                "card_id": "0",
                "device": "0",
                "password": "",
                "race": "",
                "request_no": wanted.request_no,
            },
        )
        if not isinstance(answer, Answer):
            return answer
        read = read_trade(answer.body, is_tolerant=self._is_tolerant)
        return Unknown(Code.UNKNOWN_RESULT) if isinstance(read, Nothing) else read

    async def query(self, wanted: Wanted) -> Outcome:
        """What was sold under the order's number."""
        answer = await self._ask("query", {"request_no": wanted.request_no, "contact": wanted.contact})
        if not isinstance(answer, Answer):
            return Unknown(answer.code)
        read = read_trade(answer.body, is_tolerant=self._is_tolerant)
        # A query that is refused says nothing about the purchase it asks about.
        return Unknown(read.code) if isinstance(read, Refused) else read

    async def _ask(self, what: str, fields: dict[str, str]) -> Answer | Refused | Unknown:
        fields = {"app_id": self.peer.pid, "app_key": self.peer.key, **fields}
        fields["sign"] = signature(fields, self.peer.key)
        url = f"{self.peer.url}shared/commodity/{what}"
        return await exchange(self._session, "POST", url, data=urlencode(fields).encode(), headers=_FORM)


def read_trade(body: Mapping[str, Any], *, is_tolerant: bool) -> Delivered | Refused | Nothing | Unknown:
    """What the envelope of a purchase, or of a query for one, says."""
    code, words = body.get("code"), str(body.get("msg") or body.get("message") or "")
    if _SEEN_BEFORE in words:
        return Unknown(Code.UNKNOWN_RESULT)  # it was sold under this number, which is not what a refusal means
    cards = _cards(body.get("data"), _SECRET_NAMES if is_tolerant else _SECRET_NAMES[:1])
    if not is_tolerant:
        return _read_strictly(code, words, cards)
    if cards:
        return Delivered(cards)  # cards in hand say more than any code beside them
    if _NO_SUCH_ORDER in words:
        return Nothing()
    known = next((reason for part, reason in _WORDS.items() if part in words), None)
    if known is not None:
        return Refused(known)
    match str(code):
        case "200":
            return Unknown(Code.EMPTY)
        case "0":
            return Refused(Code.REFUSED)
        case _:
            return Unknown(Code.VERSION)


def _read_strictly(code: object, words: str, cards: tuple[str, ...]) -> Delivered | Refused | Nothing:
    if code == _SUCCESS:
        return Delivered(cards)
    if code != _REFUSAL:
        return Refused(Code.VERSION, is_certain=False)
    if _NO_SUCH_ORDER in words:
        return Nothing()
    return Refused(next((reason for part, reason in _WORDS.items() if part in words), Code.REFUSED))


def _cards(data: object, names: tuple[str, ...]) -> tuple[str, ...]:
    """One card a line, or a list of them."""
    if not isinstance(data, dict):
        return ()
    secret = next((data[name] for name in names if data.get(name)), "")
    lines = secret if isinstance(secret, list) else str(secret).splitlines()
    return tuple(line for line in (str(part).strip() for part in lines) if line)
