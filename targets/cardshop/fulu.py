"""The shop's own client of the Fulu open platform, v2: it orders cards, asks what became of them, and reads notices.

Nothing comes at once: an order is taken on, its end told by a notice or found by asking, and only who asks gets the
cards. Source: docs/protocols/fulu.md.
"""

import hashlib
import hmac
import json
import time
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.padding import PKCS7

from targets.cardshop.peers import Peer
from targets.cardshop.states import Code
from targets.cardshop.upstreams import Accepted, Answer, Delivered, Nothing, Outcome, Refused, Unknown, Wanted, exchange

_JSON = {"Content-Type": "application/json"}
_BEIJING_S = 8 * 3600
_OK = 0
_SEEN_BEFORE, _NO_ORDER = "3005", "3010"
_CODES = {
    "1003": Code.BAD_SIGNATURE,
    "1004": Code.BAD_SIGNATURE,
    "3001": Code.GOODS_UNKNOWN,
    "3002": Code.SOLD_OUT,
    "3003": Code.REFUSED,
    "3008": Code.REFUSED,
}
_STATUS_NAMES = ("order_status", "order_state")  # created and told of by the one, asked about by the other
_OPEN, _DONE, _FAILED = frozenset({"untreated", "processing"}), "success", "failed"


def signature(fields: Mapping[str, Any], secret: str) -> str:
    """The MD5 signature of a request or notice: over the characters of its compact JSON, sorted, and the secret."""
    return text_signature(_compact({name: value for name, value in fields.items() if name != "sign"}), secret)


def text_signature(text: str, secret: str) -> str:
    """The same over a text as it stands, as the `result` of an answer is signed."""
    signed = ("".join(sorted(text)) + secret).encode("utf-8", "surrogatepass")
    return hashlib.md5(signed, usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Notice:
    """What a properly signed notice says: the shop's own number, and how the order has ended."""

    number: str
    status: str


class NoticeForged(Exception):
    """The notice is not signed by this platform, or is nothing that can be read."""


class Fulu:
    """One app at the platform, spoken to through a shared session whose timeout limits every exchange."""

    def __init__(
        self, peer: Peer, session: aiohttp.ClientSession, *, is_tolerant: bool, now: Callable[[], float]
    ) -> None:
        self.peer = peer
        self._session, self._is_tolerant, self._now = session, is_tolerant, now
        self._ids: dict[str, int] = {}

    async def buy(self, wanted: Wanted) -> Delivered | Accepted | Refused | Unknown:
        """One card under the order's number: taken on, at best."""
        product_id = await self._product_id(wanted.product)
        if not isinstance(product_id, int):
            return product_id
        biz = {
            "product_id": product_id,
            "customer_order_no": wanted.request_no,
            "buy_num": 1,
            "external_biz_id": wanted.contact,
        }
        read = self._read(await self._ask("fulu.order.card.add", biz), _STATUS_NAMES[0])
        if isinstance(read, Nothing):
            return Unknown(Code.UNKNOWN_RESULT)
        # Done as it may be: the cards are told to whoever asks for them.
        return Accepted("") if isinstance(read, Delivered) and not read.cards else read

    async def query(self, wanted: Wanted) -> Outcome:
        """What became of the order, with its cards."""
        answer = await self._ask("fulu.order.info.get", {"customer_order_no": wanted.request_no})
        if isinstance(answer, Refused):
            return Unknown(answer.code)
        read = self._read(answer, _STATUS_NAMES[1])
        if isinstance(read, Delivered) and not read.cards and self._is_tolerant:
            return Unknown(Code.EMPTY)
        # A query that is refused says nothing about the order that it asks about.
        return Unknown(read.code) if isinstance(read, Refused) and not read.is_final else read

    def read_notice(self, body: bytes) -> Notice:
        """What a notice says; NoticeForged where it cannot be trusted, or is no JSON object."""
        try:
            told = json.loads(body)
        except ValueError:
            raise NoticeForged from None
        if not isinstance(told, dict):
            raise NoticeForged
        given = str(told.get("sign") or "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(signature(told, self.peer.key).encode(), given):
            raise NoticeForged
        names = _STATUS_NAMES if self._is_tolerant else _STATUS_NAMES[:1]
        status = next((str(told[name]) for name in names if told.get(name)), "")
        return Notice(str(told.get("customer_order_no") or ""), status)

    async def tell_where(self, notify_url: str) -> bool:
        """What the merchant of a real platform types into its console once: where notices go. Whether it was taken."""
        form = {"app_key": self.peer.pid, "app_secret": self.peer.key, "notify_url": notify_url}
        try:
            async with self._session.post(f"{self.peer.url}console", data=form, allow_redirects=False) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def _product_id(self, product: str) -> int | Refused:
        """The platform's number of a product, asked for once. Nothing is ordered as long as it is not known."""
        if product not in self._ids:
            answer = await self._ask("fulu.goods.list.get", {"product_name": product})
            if not isinstance(answer, Answer):
                return Refused(answer.code)
            goods = self._result(answer.body)
            first = goods[0] if isinstance(goods, list) and goods else None
            number = first.get("product_id") if isinstance(first, dict) else None
            if not isinstance(number, int):
                return Refused(self._refusal(answer.body) or Code.GOODS_UNKNOWN)
            self._ids[product] = number
        return self._ids[product]

    async def _ask(self, method: str, biz: Mapping[str, object]) -> Answer | Refused | Unknown:
        """An answer whose signature is right, where it bears one that counts."""
        fields: dict[str, object] = {
            "app_key": self.peer.pid,
            "method": method,
            "timestamp": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(self._now() + _BEIJING_S)),
            "version": "2.0",
            "format": "json",
            "charset": "utf-8",
            "sign_type": "md5",
            "app_auth_token": "",
            "biz_content": _compact(biz),
        }
        fields["sign"] = signature(fields, self.peer.key)
        url = f"{self.peer.url}api/getway"
        answer = await exchange(self._session, "POST", url, data=_compact(fields).encode(), headers=_JSON)
        if isinstance(answer, Answer) and not self._is_genuine(answer.body):
            return Unknown(Code.BAD_SIGNATURE)
        return answer

    def _is_genuine(self, body: Mapping[str, Any]) -> bool:
        """A refusal has no result, and what is not signed cannot be made better by a signature over nothing."""
        result = body.get("result")
        if not isinstance(result, str) or not result:
            return True
        expected = text_signature(result, self.peer.key).encode()
        return hmac.compare_digest(expected, str(body.get("sign") or "").encode("utf-8", "surrogateescape"))

    def _read(self, answer: Answer | Refused | Unknown, status_name: str) -> Outcome:
        if not isinstance(answer, Answer):
            return answer
        refusal = self._refusal(answer.body)
        if str(answer.body.get("code")) == _SEEN_BEFORE:
            return Unknown(Code.UNKNOWN_RESULT)  # it was taken on under this number: no refusal
        if str(answer.body.get("code")) == _NO_ORDER:
            return Nothing()
        if refusal is not None:
            return Refused(refusal)
        result = self._result(answer.body)
        if not isinstance(result, dict):
            return self._strange()
        names = _STATUS_NAMES if self._is_tolerant else (status_name,)
        status = next((str(result[name]) for name in names if result.get(name)), "")
        if status in _OPEN:
            return Accepted(str(result.get("order_id") or ""))
        if status == _FAILED:
            return Refused(Code.REFUSED, is_final=True)
        cards = self._cards(result.get("cards"))
        if status == _DONE or (cards and self._is_tolerant):
            return Delivered(cards)
        return self._strange()

    def _refusal(self, body: Mapping[str, Any]) -> Code | None:
        """Why an answer refuses; None where it does not, or not in a way that is known."""
        code = body.get("code")
        if code == _OK or (self._is_tolerant and (str(code) == "0" or body.get("result"))):
            return None
        return _CODES.get(str(code), Code.REFUSED)

    def _strange(self) -> Refused | Unknown:
        return Unknown(Code.VERSION) if self._is_tolerant else Refused(Code.VERSION, is_certain=False)

    @staticmethod
    def _result(body: Mapping[str, Any]) -> Any:
        """The result, which is a JSON text; an object in its place is taken as well."""
        result = body.get("result")
        if not isinstance(result, str):
            return result
        try:
            return json.loads(result)
        except ValueError:
            return None

    def _cards(self, cards: object) -> tuple[str, ...]:
        """The text of each card, number and password deciphered; what cannot be is left out."""
        found = []
        for card in cards if isinstance(cards, list) else ():
            if isinstance(card, dict):
                number, password = (deciphered(card.get(part), self.peer.key) for part in ("card_number", "card_pwd"))
                is_whole = number and (password or not self._is_tolerant)
                found.append(f"卡号 {number} 卡密 {password}" if is_whole else "")
        return tuple(text for text in found if text)


def deciphered(text: object, secret: str) -> str:
    """A part of a card: AES-256-ECB under the secret, PKCS#7, Base64. Empty where it is no such text."""
    try:
        cipher = Cipher(AES(secret.encode()), ECB()).decryptor()
        padded = cipher.update(b64decode(str(text), validate=True)) + cipher.finalize()
        padding = PKCS7(128).unpadder()
        return (padding.update(padded) + padding.finalize()).decode()
    except ValueError:
        return ""


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
