"""What a shop may ask of WeChat Pay v3: the bodies of its requests, and how the platform refuses what is none.

Source: docs/protocols/wechat.md, Requests and Refusals.
"""

import re
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from ledger.states import Code
from mocks.payment.wechat_signs import Flaw
from mocks.reply import Reply
from mocks.server import readable

_FEN_MAX = 10_000_000_000
_SHOWN_MAX = 64
TARGET_SHOWN_MAX = 256
BODY_SHOWN = 8
"""So many bytes of a body does the platform show of the text that it has checked."""
_MISSING = re.compile(r"Object missing required field `(\w+)`")

Text = Annotated[str, Meta(min_length=1)]
OrderNo = Annotated[str, Meta(pattern=r"\A[0-9A-Za-z_\-|*]{6,32}\Z")]
RefundNo = Annotated[str, Meta(pattern=r"\A[0-9A-Za-z_\-|*@]{1,64}\Z")]
Url = Annotated[str, Meta(min_length=1, max_length=256)]
Some = Annotated[int, Meta(ge=1, le=_FEN_MAX)]
B = TypeVar("B", bound=Struct)


class Amount(Struct):
    total: Some
    currency: Literal["CNY"] = "CNY"


class Payer(Struct):
    openid: Annotated[str, Meta(min_length=1, max_length=128)]


class H5(Struct):
    type: Text


class Scene(Struct):
    payer_client_ip: Text
    h5_info: H5


class Ordered(Struct, kw_only=True):
    """What every way of paying needs."""

    appid: Text
    mchid: Text
    description: Annotated[str, Meta(min_length=1, max_length=127)]
    out_trade_no: OrderNo
    notify_url: Url
    amount: Amount
    attach: Annotated[str, Meta(max_length=128)] = ""
    time_expire: Annotated[datetime, Meta(tz=True)] | None = None
    payer: Payer | None = None


class OrderedInWeChat(Ordered, kw_only=True):
    payer: Payer


class OrderedInBrowser(Ordered, kw_only=True):
    scene_info: Scene


BODIES: dict[str, type[Ordered]] = {
    "native": Ordered, "app": Ordered, "jsapi": OrderedInWeChat, "h5": OrderedInBrowser,
}  # fmt: skip


class Closing(Struct):
    mchid: Text


class RefundAmount(Struct):
    refund: Some
    total: Some
    currency: Literal["CNY"]


class Refunding(Struct, kw_only=True):
    out_refund_no: RefundNo
    amount: RefundAmount
    out_trade_no: str = ""
    transaction_id: str = ""
    reason: Annotated[str, Meta(max_length=80)] = ""
    notify_url: Annotated[str, Meta(max_length=256)] = ""


class Refusal(Exception):
    """Why the platform refuses: HTTP status, its own code, its sentence, details, and the standard code."""

    def __init__(
        self,
        status: int,
        word: str,
        words: str,
        code: Code = Code.UPSTREAM_REFUSED,
        detail: dict[str, object] | None = None,
    ) -> None:
        super().__init__(words)
        self.status, self.word, self.words, self.code, self.detail = status, word, words, code, detail

    def reply(self) -> Reply:
        fields: dict[str, object] = {"code": self.word, "message": self.words}
        return Reply(self.status, fields | ({"detail": self.detail} if self.detail else {}))


UNKNOWN = Refusal(500, "SYSTEM_ERROR", "系统异常，请用相同参数重新调用", Code.UPSTREAM_UNKNOWN_RESULT)
USED = Refusal(403, "OUT_TRADE_NO_USED", "商户订单号重复", Code.PAY_AMOUNT_MISMATCH)


def param_error(field: str, issue: str, value: object = None, location: str = "body") -> Refusal:
    """The refusal of one field: a path such as /amount/total."""
    shown = value if isinstance(value, int) and abs(value) < 2**53 else readable(str(value))[:_SHOWN_MAX]
    detail: dict[str, object] = {
        "field": field,
        "value": shown if value is not None else "",
        "issue": issue,
        "location": location,
    }
    return Refusal(400, "PARAM_ERROR", f"输入源“/{location}{field}”校验失败：{issue}", detail=detail)


def sign_error(flaw: Flaw, method: str = "", target: str = "", text: bytes = b"") -> Refusal:
    """The refusal of a signature, with the text that it should be over, where that can be said; little of the body."""
    detail: dict[str, object] = {"field": flaw.field, "location": "authorization"}
    if text:
        shown = b"\n".join(text.split(b"\n", 4)[:4]) + b"\n" + text.split(b"\n", 4)[4][:BODY_SHOWN]
        detail |= {
            "issue": "sign not match",
            "sign_information": {
                "method": method,
                "url": readable(target)[:TARGET_SHOWN_MAX],
                "truncated_sign_message": shown.decode("utf-8", "replace")[: 2 * TARGET_SHOWN_MAX],
                "sign_message_length": len(text),
            },
        }
    return Refusal(401, "SIGN_ERROR", flaw.words, Code.UPSTREAM_BAD_SIGNATURE, detail)


NOT_THERE = partial(Refusal, 404, "ORDER_NOT_EXIST", "订单不存在", Code.PAY_NOT_SUBMITTED)
NO_RESOURCE = partial(Refusal, 404, "RESOURCE_NOT_EXISTS", "订单不存在", Code.PAY_NOT_SUBMITTED)


def read_json(body: bytes) -> dict[str, Any]:
    """The object that a body holds; an empty one for any other body."""
    try:
        raw = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return raw if isinstance(raw, dict) else {}


def read_as(kind: type[B], raw: dict[str, Any]) -> B:
    """The body as what it must be; Refusal for the first flaw, naming its field."""
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        issue, _, place = str(error).partition(" - at `$")
        missing = _MISSING.fullmatch(issue)
        path = place.rstrip("`").replace(".", "/") + (f"/{missing[1]}" if missing else "")
        value: Any = raw
        for step in path.split("/")[1:]:
            value = value.get(step) if isinstance(value, dict) else None
        raise param_error(path, issue, value) from None
