"""A channel that is WeChat Pay v3, through wechatpayv3 as it is, in its public key mode: native orders, and notices.

Source: docs/protocols/wechat.md.
"""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import requests
import wechatpayv3

from targets.cardshop import gateway
from targets.cardshop.gateway import Notice, NoticeFault, Payment, RefundRefused, Told, Trade, Wanted
from targets.cardshop.peers import Peer
from targets.cardshop.sdk import SdkThreads

_PAID_EVENT = "TRANSACTION.SUCCESS"
_PAID = "SUCCESS"
_NOT_PAID = frozenset({"NOTPAY", "CLOSED", "REVOKED", "PAYERROR"})
_STATE_NAMES = ("trade_state", "state")
_GONE_BACK = frozenset({"SUCCESS"})
_REFUSED_REFUND = frozenset({400, 403, 404})
_NOT_GENUINE = "failed to verify the signature"


class WeChat:
    """One merchant at the platform."""

    def __init__(
        self, channel: Peer, threads: SdkThreads, *, timeout_s: float, is_tolerant: bool, is_careful: bool
    ) -> None:
        """`is_careful`: what is encrypted says what a notice is about and for whom, not its envelope. ValueError for
        keys that are none."""
        self.channel = channel
        self._threads, self._is_tolerant, self._is_careful = threads, is_tolerant, is_careful
        self._appid = channel.told["appid"]
        try:
            self._sdk = wechatpayv3.WeChatPay(
                wechatpay_type=wechatpayv3.WeChatPayType.NATIVE,
                mchid=channel.pid,
                private_key=channel.told["merchant_private_key"],
                cert_serial_no=channel.told["merchant_serial"],
                appid=self._appid,
                apiv3_key=channel.key,
                timeout=timeout_s,
                public_key=channel.told["platform_public_key"],
                public_key_id=channel.told["platform_public_key_id"],
            )
        except Exception as error:  # the SDK raises nothing narrower
            raise ValueError(str(error)) from None
        self._sdk._core._gate_way = channel.url.rstrip("/")  # the SDK knows no other way to another address

    async def create(self, wanted: Wanted) -> Trade:
        status, answer = await self._ask(
            lambda: self._sdk.pay(
                description=wanted.name,
                out_trade_no=wanted.order_no,
                amount={"total": wanted.fen, "currency": "CNY"},
                attach=wanted.told,
                notify_url=wanted.notify_url,
            )
        )
        if status != HTTPStatus.OK:
            raise _refused(status, answer)
        if not answer.get("code_url"):
            raise gateway.unreadable()
        return Trade("", str(answer["code_url"]))

    async def query(self, order_no: str) -> Payment | None:
        status, answer = await self._ask(lambda: self._sdk.query(out_trade_no=order_no))
        if status == HTTPStatus.NOT_FOUND and answer.get("code") in ("ORDER_NOT_EXIST", "ORDERNOTEXIST"):
            return None
        if status != HTTPStatus.OK:
            raise _refused(status, answer)
        if answer.get("out_trade_no", order_no) != order_no:
            raise gateway.unreadable()
        state, payment = self._state_of(answer), self._payment(answer)
        if state in _NOT_PAID:
            return None
        if state != _PAID or payment.fen is None:
            raise gateway.unreadable()
        return payment

    async def refund(self, order_no: str, *, trade_no: str, fen: int, notify_url: str) -> None:
        status, answer = await self._ask(
            lambda: self._sdk.refund(
                out_refund_no=order_no,
                out_trade_no=order_no,
                amount={"refund": fen, "total": fen, "currency": "CNY"},
                notify_url=notify_url,
            )
        )
        if status in _REFUSED_REFUND:
            raise RefundRefused
        if status != HTTPStatus.OK:
            raise _refused(status, answer)
        if answer.get("status") in ("CLOSED", "ABNORMAL"):
            raise RefundRefused
        # Under way is not given back; whoever asks in a moment hears how it ended.
        if answer.get("status") not in _GONE_BACK and not await self.is_refunded(order_no):
            raise gateway.unreadable()

    async def is_refunded(self, order_no: str) -> bool:
        status, answer = await self._ask(lambda: self._sdk.query_refund(order_no))
        if status == HTTPStatus.NOT_FOUND:
            return False
        if status != HTTPStatus.OK:
            raise _refused(status, answer)
        return answer.get("status") in _GONE_BACK

    async def read_notice(self, notice: Notice) -> Payment | NoticeFault:
        """What is encrypted is read on a thread: the SDK may fetch certificates before it believes a signature."""
        told = await self._threads.run(lambda: self._decrypted(notice))
        if told is None:
            return NoticeFault.BAD_SIGNATURE
        resource = told["resource"]
        if self._is_careful and resource.get("refund_status"):
            return NoticeFault.NO_PAYMENT
        if self._is_careful and (resource.get("mchid") != self.channel.pid or resource.get("appid") != self._appid):
            return NoticeFault.WRONG_MERCHANT
        # What many shops do instead: the event says what a notice is about, and any SUCCESS is one. The event stands in
        # the envelope; no SDK compares it with what is inside.
        if not self._is_careful and told.get("event_type") != _PAID_EVENT:
            return NoticeFault.NO_PAYMENT
        state = self._state_of(resource) or ("" if self._is_careful else str(resource.get("refund_status") or ""))
        if state == _PAID:
            return self._payment(resource)
        return NoticeFault.NO_PAYMENT if state in _NOT_PAID else NoticeFault.NOT_PAID

    def told(self, *, is_taken: bool) -> Told:
        if is_taken:
            return Told(HTTPStatus.NO_CONTENT, "")
        # The platform reads the status alone: a FAIL with status 200 counts as taken.
        return Told(HTTPStatus.INTERNAL_SERVER_ERROR, '{"code":"FAIL","message":"失败"}', "application/json")

    def _decrypted(self, notice: Notice) -> dict[str, Any] | None:
        try:
            told = self._sdk.callback(notice.headers, notice.body)
        except Exception:  # the SDK raises nothing narrower: for an odd serial, another algorithm, no JSON
            return None
        return told if isinstance(told, dict) and isinstance(told.get("resource"), dict) else None

    def _payment(self, trade: Mapping[str, Any]) -> Payment:
        amount = trade.get("amount")
        total = amount.get("total") if isinstance(amount, dict) else None
        if self._is_tolerant and isinstance(total, str) and total.isascii() and total.isdigit():
            total = int(total)
        fen = total if isinstance(total, int) and not isinstance(total, bool) else None
        number, trade_no = str(trade.get("out_trade_no") or ""), str(trade.get("transaction_id") or "")
        return Payment(number, trade_no, fen, str(trade.get("attach") or ""))

    def _state_of(self, trade: Mapping[str, Any]) -> str:
        names = _STATE_NAMES if self._is_tolerant else _STATE_NAMES[:1]
        return next((str(trade[name]) for name in names if trade.get(name)), "")

    async def _ask(self, call: Callable[[], tuple[int, str | bytes]]) -> tuple[int, dict[str, Any]]:
        """Status and fields of an answer; the SDK has checked the signature of those that say yes."""
        return await self._threads.run(lambda: _plainly(call))


def _plainly(call: Callable[[], tuple[int, str | bytes]]) -> tuple[int, dict[str, Any]]:
    """What the SDK has read; its errors, and those it lets through, as ours."""
    try:
        status, text = call()
    except requests.Timeout:
        raise gateway.timed_out() from None
    except requests.RequestException:
        raise gateway.not_connected() from None
    except Exception as error:  # the SDK raises nothing narrower
        raise gateway.not_genuine() if _NOT_GENUINE in str(error) else gateway.unreadable() from None
    try:
        answer = json.loads(text) if text else {}
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise gateway.unreadable() if status == HTTPStatus.OK else gateway.bad_status(status)
    return status, answer


def _refused(status: int, answer: Mapping[str, Any]) -> gateway.GatewayError:
    code, words = str(answer.get("code") or ""), str(answer.get("message") or "")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or not code:
        return gateway.bad_status(status)
    return gateway.refused(f"{code} {words}", is_signature=code == "SIGN_ERROR")
