"""A channel that is Alipay, through python-alipay-sdk as it is: codes to pay at, queries, refunds, and notices.

Source: docs/protocols/alipay.md.
"""

from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote

import alipay
from alipay.exceptions import AliPayException, AliPayValidationError
from alipay.utils import AliPayConfig

from targets.cardshop import gateway
from targets.cardshop.gateway import Notice, NoticeFault, Payment, RefundRefused, Told, Trade, Wanted
from targets.cardshop.money import read_yuan, yuan
from targets.cardshop.peers import Peer
from targets.cardshop.sdk import SdkThreads

_DONE, _FAILED = "10000", "40004"
_PAID = frozenset({"TRADE_SUCCESS", "TRADE_FINISHED"})
_NOT_PAID = frozenset({"WAIT_BUYER_PAY", "TRADE_CLOSED"})
_REFUND_SIGNS = ("refund_fee", "gmt_refund", "out_biz_no")
_AMOUNT_NAMES = ("total_amount", "total_fee")
_UNSIGNED = "error_response"
_UNKNOWN_CODES = frozenset({"ACQ.SYSTEM_ERROR", "aop.ACQ.SYSTEM_ERROR"})


class Alipay:
    """One application at the gateway."""

    def __init__(
        self, channel: Peer, threads: SdkThreads, *, timeout_s: float, is_tolerant: bool, is_careful: bool
    ) -> None:
        """`is_careful`: a notice must be this application's, and of a payment. ValueError for keys that are none."""
        self.channel = channel
        self._threads, self._is_tolerant, self._is_careful = threads, is_tolerant, is_careful
        self._sdk = alipay.AliPay(
            appid=channel.pid,
            app_private_key_string=channel.told["app_private_key"],
            alipay_public_key_string=channel.told["alipay_public_key"],
            config=AliPayConfig(timeout=timeout_s),
        )
        self._sdk._gateway = f"{channel.url}gateway.do"  # the SDK knows no other way to another address

    async def create(self, wanted: Wanted) -> Trade:
        biz = {
            "out_trade_no": wanted.order_no,
            "total_amount": yuan(wanted.fen),
            "subject": wanted.name,
            "passback_params": quote(wanted.told, safe=""),  # the platform wants it encoded once more
        }
        answer = await self._ask("alipay.trade.precreate", biz, notify_url=wanted.notify_url)
        # A tolerant reader takes an address to pay at for a trade, whatever code stands beside it.
        pay_url = str(answer.get("qr_code") or "")
        if not self._says_yes(answer) and not (self._is_tolerant and pay_url):
            raise _refused(answer)
        if not pay_url:
            raise gateway.unreadable()
        return Trade("", pay_url)

    async def query(self, order_no: str) -> Payment | None:
        answer = await self._ask("alipay.trade.query", {"out_trade_no": order_no})
        if answer.get("sub_code") == "ACQ.TRADE_NOT_EXIST":
            return None
        if not self._says_yes(answer):
            raise _refused(answer)
        if answer.get("out_trade_no", order_no) != order_no:
            raise gateway.unreadable()
        fen = self._amount(answer)
        match answer.get("trade_status"):
            case str(status) if status in _PAID and fen is not None:
                return Payment(order_no, str(answer.get("trade_no") or ""), fen)
            case str(status) if status in _NOT_PAID:
                return None
            case _:
                raise gateway.unreadable()

    async def refund(self, order_no: str, *, trade_no: str, fen: int, notify_url: str) -> None:
        biz = {"out_trade_no": order_no, "refund_amount": yuan(fen), "out_request_no": order_no}
        answer = await self._ask("alipay.trade.refund", biz)
        if self._says_yes(answer):
            return
        if str(answer.get("code")) == _FAILED and answer.get("sub_code") not in _UNKNOWN_CODES:
            raise RefundRefused
        raise _refused(answer)

    async def is_refunded(self, order_no: str) -> bool:
        biz = {"out_trade_no": order_no, "out_request_no": order_no}
        answer = await self._ask("alipay.trade.fastpay.refund.query", biz)
        if not self._says_yes(answer):
            raise _refused(answer)
        return answer.get("refund_status") == "REFUND_SUCCESS"

    async def read_notice(self, notice: Notice) -> Payment | NoticeFault:
        fields = notice.form
        if not self._is_genuine(fields):
            return NoticeFault.BAD_SIGNATURE
        if self._is_careful:
            seller_id = self.channel.told.get("seller_id", fields.get("seller_id"))
            if fields.get("app_id") != self.channel.pid or fields.get("seller_id") != seller_id:
                return NoticeFault.WRONG_MERCHANT
            # Money that went back in part is told of with the state of a paid trade.
            if any(fields.get(name) for name in _REFUND_SIGNS):
                return NoticeFault.NO_PAYMENT
        status = fields.get("trade_status", "")
        if status not in _PAID:
            return NoticeFault.NO_PAYMENT if status in _NOT_PAID else NoticeFault.NOT_PAID
        told = unquote(fields.get("passback_params", ""))
        return Payment(fields.get("out_trade_no", ""), fields.get("trade_no", ""), self._amount(fields), told)

    def told(self, *, is_taken: bool) -> Told:
        return gateway.plain_words(is_taken=is_taken)

    def _is_genuine(self, fields: Mapping[str, str]) -> bool:
        signed = {name: value for name, value in fields.items() if name != "sign"}
        try:
            return bool(self._sdk.verify(signed, fields.get("sign", "")))
        except (AliPayException, ValueError):  # another sign_type; a signature that is no Base64
            return False

    def _amount(self, fields: Mapping[str, Any]) -> int | None:
        names = _AMOUNT_NAMES if self._is_tolerant else _AMOUNT_NAMES[:1]
        return next((read_yuan(str(fields[name])) for name in names if name in fields), None)

    def _says_yes(self, answer: Mapping[str, Any]) -> bool:
        code = answer.get("code")
        return str(code) == _DONE if self._is_tolerant else code == _DONE

    async def _ask(self, method: str, biz: dict[str, str], **more: str) -> dict[str, Any]:
        """The fields of an answer whose signature is right; GatewayError for all else."""

        def call() -> object:
            return self._sdk.server_api(method, biz, **more)

        return await self._threads.run(lambda: _plainly(call))


def _plainly(call: Callable[[], object]) -> dict[str, Any]:
    """What the SDK has read; its errors, and those it lets through, as ours."""
    try:
        answer = call()
    except AliPayValidationError:
        raise gateway.not_genuine() from None
    except AliPayException as error:  # no signature; or refused before the gateway knew who asks
        is_refused = _UNSIGNED in str(error)
        raise gateway.refused(_UNSIGNED, is_signature=False) if is_refused else gateway.not_genuine() from None
    except TimeoutError:
        raise gateway.timed_out() from None
    except HTTPError as error:
        raise gateway.bad_status(error.code) from None
    except URLError as error:
        timed_out = isinstance(error.reason, TimeoutError)
        raise gateway.timed_out() if timed_out else gateway.not_connected() from None
    except (OSError, HTTPException):
        raise gateway.not_connected() from None
    except (ValueError, KeyError, TypeError, AttributeError):  # no JSON, or not of the shape that the SDK expects
        raise gateway.unreadable() from None
    if not isinstance(answer, dict):
        raise gateway.unreadable()
    return answer


def _refused(answer: Mapping[str, Any]) -> gateway.GatewayError:
    sub_code, words = str(answer.get("sub_code") or ""), str(answer.get("sub_msg") or answer.get("msg") or "")
    if sub_code in _UNKNOWN_CODES or str(answer.get("code")) == "20000":
        return gateway.unreadable()
    return gateway.refused(f"{sub_code} {words}", is_signature=sub_code == "isv.invalid-signature")
