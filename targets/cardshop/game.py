"""The shop's own client of a game publisher's top-up server, and the reader of its notices.

Source: docs/protocols.md, Top-up.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp

from targets.cardshop.peers import Peer
from targets.cardshop.states import Code
from targets.cardshop.upstreams import Accepted, Answer, Delivered, Nothing, Outcome, Refused, Unknown, Wanted, exchange

_STAMP_OFF_MAX_S = 300
_ERRORS = {
    "BAD_SIGNATURE": Code.BAD_SIGNATURE,
    "ACCOUNT_NOT_FOUND": Code.ACCOUNT_INVALID,
    "REGION_MISMATCH": Code.REGION_MISMATCH,
    "UNKNOWN_PRODUCT": Code.GOODS_UNKNOWN,
    "BAD_REQUEST": Code.IDENTIFIERS_MISSING,
    "INSUFFICIENT_BALANCE": Code.REFUSED,
    "MAINTENANCE": Code.REFUSED,
}
_SEEN_BEFORE, _NOT_FOUND = "DUPLICATE", "NOT_FOUND"
_STATUS_NAMES = ("status", "state")
_SAME_STATUS = {
    "success": "succeeded", "successful": "succeeded", "completed": "succeeded", "done": "succeeded",
    "failure": "failed", "pending": "processing", "accepted": "processing", "in_progress": "processing",
}  # fmt: skip


def signature(text: bytes, key: str) -> str:
    """Lower-case hex HMAC-SHA256."""
    return hmac.new(key.encode(), text, hashlib.sha256).hexdigest()


def request_text(method: str, path: str, stamp: str, body: bytes) -> bytes:
    """What is signed of a request; `path` with its query, as sent."""
    return f"{method}\n{path}\n{stamp}\n{hashlib.sha256(body).hexdigest()}".encode()


def notice_text(stamp: str, body: bytes) -> bytes:
    """What is signed of a notice."""
    return stamp.encode() + b"\n" + body


@dataclass(frozen=True)
class Notice:
    """What a properly signed notice says. A text that is missing is empty; `outcome` Unknown where it says nothing."""

    reference: str
    topup_id: str
    account: str
    region: str
    product: str
    outcome: Outcome


class NoticeForged(Exception):
    """The notice is not signed by this server, or is nothing that can be read."""


class TopUps:
    """One game server, spoken to through a shared session whose timeout limits every exchange."""

    def __init__(
        self,
        peer: Peer,
        session: aiohttp.ClientSession,
        *,
        is_tolerant: bool,
        notify_url: str,
        now: Callable[[], float],
    ) -> None:
        self.peer = peer
        self._session = session
        self._is_tolerant = is_tolerant
        self._notify_url = notify_url
        self._now = now

    async def buy(self, wanted: Wanted) -> Delivered | Accepted | Refused | Unknown:
        """A top-up of the order's account, under the order's number."""
        body = {
            "reference": wanted.request_no,
            "account": wanted.account,
            "region": wanted.region,
            "product": wanted.product,
            "quantity": 1,
            "notify_url": self._notify_url,
            "passthrough": wanted.contact,
        }
        answer = await self._ask("POST", "v1/topups", body, {"Idempotency-Key": wanted.request_no})
        if not isinstance(answer, Answer):
            return answer
        read = read_topup(answer.body, is_tolerant=self._is_tolerant)
        return Unknown(Code.UNKNOWN_RESULT) if isinstance(read, Nothing) else read

    async def query(self, wanted: Wanted) -> Outcome:
        """What became of the order's top-up."""
        answer = await self._ask("GET", f"v1/topups/{quote(wanted.request_no, safe='')}", None, {})
        if not isinstance(answer, Answer):
            return Unknown(answer.code)
        read = read_topup(answer.body, is_tolerant=self._is_tolerant)
        # A refusal of the query itself says nothing about the top-up that it asks about.
        return Unknown(read.code) if isinstance(read, Refused) and _error_of(answer.body) else read

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """What a notice says; NoticeForged where it cannot be trusted, or is no JSON object."""
        stamp, given = headers.get("X-Timestamp", ""), headers.get("X-Signature", "")
        if not (stamp.isascii() and stamp.isdigit() and abs(self._now() - int(stamp)) <= _STAMP_OFF_MAX_S):
            raise NoticeForged
        expected = signature(notice_text(stamp, body), self.peer.key).encode()
        if not hmac.compare_digest(expected, given.lower().encode("utf-8", "surrogateescape")):
            raise NoticeForged
        try:
            read = json.loads(body)
        except ValueError:
            raise NoticeForged from None
        if not isinstance(read, dict):
            raise NoticeForged
        texts = {n: str(read.get(n) or "") for n in ("reference", "topup_id", "account", "region", "product")}
        return Notice(**texts, outcome=read_topup({"ok": True, **read}, is_tolerant=self._is_tolerant))

    async def _ask(
        self, method: str, path: str, body: dict[str, Any] | None, headers: dict[str, str]
    ) -> Answer | Refused | Unknown:
        url = self.peer.url + path
        sent = b"" if body is None else json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        stamp = str(int(self._now()))
        headers |= {
            "X-Partner": self.peer.pid,
            "X-Timestamp": stamp,
            "X-Signature": signature(request_text(method, urlsplit(url).path, stamp, sent), self.peer.key),
        }
        if body is not None:
            headers["Content-Type"] = "application/json"
        return await exchange(self._session, method, url, data=sent or None, headers=headers)


def read_topup(body: Mapping[str, Any], *, is_tolerant: bool) -> Delivered | Accepted | Refused | Nothing | Unknown:
    """What an answer, or the body of a notice, says of a top-up."""
    error = _error_of(body)
    if error == _SEEN_BEFORE:
        return Unknown(Code.UNKNOWN_RESULT)
    if error == _NOT_FOUND:
        return Nothing()
    if error:
        return Refused(_ERRORS.get(error, Code.REFUSED))
    if is_tolerant:
        status = next((str(body[name]).lower() for name in _STATUS_NAMES if body.get(name)), "")
        status = _SAME_STATUS.get(status, status)
    else:
        status = body["status"] if body.get("ok") is True and isinstance(body.get("status"), str) else ""
    receipt = str(body.get("topup_id") or "")
    match status:
        case "succeeded":
            return Delivered(receipt=str(body.get("credit_id") or receipt))
        case "processing":
            return Accepted(receipt)
        case "failed":
            return Refused(_reason_of(body), is_final=True)
        case _:
            return Unknown(Code.VERSION) if is_tolerant else Refused(Code.VERSION, is_certain=False)


def _error_of(body: Mapping[str, Any]) -> str:
    error = body.get("error")
    return str(error.get("code") or "") if isinstance(error, dict) else ""


def _reason_of(body: Mapping[str, Any]) -> Code:
    """The standard code of a failed top-up. The reason comes as one of the error names or as the code itself."""
    reason = str(body.get("reason") or "")
    if reason in _ERRORS:
        return _ERRORS[reason]
    return Code(reason) if reason in Code.__members__.values() else Code.REFUSED
