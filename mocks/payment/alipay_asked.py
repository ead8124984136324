"""Requests to Alipay's gateway as they are read: the common parameters, the business content, and what is wrong with
them.

Source: docs/protocols/alipay.md, Requests and Refusals.
"""

import re
from datetime import UTC, datetime, timedelta
from sys import intern
from urllib.parse import unquote

import msgspec

from faults.verdict import Variant
from ledger.money import Fen, MoneyError, parse_yuan
from ledger.states import Code
from mocks.mangle import Mangled
from mocks.payment.alipay_signs import CHARSETS, HASHES
from mocks.payment.trades import Order
from mocks.reply import Fields
from mocks.server import Asked, readable
from plan.loopback import is_loopback

DONE, UNKNOWN, MISSING, INVALID, FAILED = "10000", "20000", "40001", "40002", "40004"
MESSAGES = {
    DONE: "Success",
    UNKNOWN: "Service Currently Unavailable",
    MISSING: "Missing Required Arguments",
    INVALID: "Invalid Arguments",
    FAILED: "Business Failed",
}
CERT_FIELDS = ("app_cert_sn", "alipay_root_cert_sn")
"""Their presence says that a request is of the certificate mode."""
CLOCK_TOLERANCE_S = 300.0
"""How far a request's timestamp may be off, where a fault makes the gateway look at it; our own pick."""

_ZONE_S = 8 * 3600.0
_SKEWS_S = {
    Variant.SKEW_6_MIN: 360.0,
    Variant.SKEW_11_MIN: 660.0,
    Variant.SKEW_1_DAY: 86400.0,
    Variant.TIME_ZONE: _ZONE_S,
}
_ZONE = timedelta(hours=8)
_STAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}", re.ASCII)
_MINUTE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}", re.ASCII)
_EXPRESS = re.compile(r"([1-9][0-9]{0,5})([mhd])", re.ASCII)
_EXPRESS_S = {"m": 60, "h": 3600, "d": 86400}
_EXPRESS_S_MAX = 15 * 86400
_ORDER_NO = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_AMOUNT_FEN_MAX = 10_000_000_000
_SUBJECT_MAX, _NOTIFY_MAX, _PASSBACK_MAX = 256, 256, 512
_URL_FIELDS = ("notify_url", "return_url")


class Refusal(Exception):
    """Why the gateway refuses: the vendor's sub_code and code, its own sentence, the standard code, and what is told
    all the same."""

    def __init__(
        self,
        sub_code: str,
        words: str,
        code: str = FAILED,
        standard: Code = Code.UPSTREAM_REFUSED,
        more: Mangled | None = None,
    ) -> None:
        super().__init__(words)
        self.sub_code, self.words, self.code, self.standard, self.more = sub_code, words, code, standard, more or {}

    @property
    def fields(self) -> Mangled:
        told = {"code": self.code, "msg": MESSAGES[self.code], "sub_code": self.sub_code, "sub_msg": self.words}
        return told | self.more

    @property
    def is_before_dispatch(self) -> bool:
        """Whether the gateway knows neither method nor application yet: answered as `error_response`, unsigned."""
        return self.sub_code.endswith(("-method", "-app-id"))


BAD_SIGNATURE = Refusal(
    "isv.invalid-signature", "验签出错，建议检查签名字符串或签名私钥与应用公钥是否匹配", INVALID,
    Code.UPSTREAM_BAD_SIGNATURE,
)  # fmt: skip
BAD_TIME = Refusal("isv.invalid-timestamp", "非法的时间戳参数", INVALID, Code.UPSTREAM_BAD_SIGNATURE)
BAD_CERT = Refusal("isv.app-cert-not-match", "应用证书或根证书序列号与应用不匹配", INVALID, Code.UPSTREAM_BAD_SIGNATURE)
BAD_VERSION = Refusal("isv.invalid-parameter", "参数无效：version", INVALID, Code.UPSTREAM_VERSION)
UNKNOWN_RESULT = Refusal("isp.unknow-error", "系统繁忙", UNKNOWN, Code.UPSTREAM_UNKNOWN_RESULT)
"""Spelled as the vendor does."""
NO_METHOD = Refusal("isv.missing-method", "缺少方法名参数", MISSING)
UNKNOWN_METHOD = Refusal("isv.invalid-method", "不存在的方法名", INVALID)
UNKNOWN_APP = Refusal("isv.invalid-app-id", "无效的应用ID", INVALID)

_REQUIRED = {
    "app_id": Refusal("isv.missing-app-id", "缺少appId参数", MISSING),
    "sign": Refusal("isv.missing-signature", "缺少签名参数", MISSING),
    "sign_type": Refusal("isv.missing-signature-type", "缺少签名类型参数", MISSING),
    "timestamp": Refusal("isv.missing-timestamp", "缺少时间戳参数", MISSING),
    "version": Refusal("isv.missing-version", "缺少版本参数", MISSING),
}


class Request(msgspec.Struct, frozen=True):
    """One call of the gateway. `body` are the fields of its body alone, `biz` the business content; `flaw` is what is
    wrong with it before anybody looks at the signature."""

    fields: Fields
    body: Fields
    biz: Fields
    charset: str
    flaw: Refusal | None
    host: str
    buyer: str
    """What a buyer of ours said of itself."""

    @property
    def sign_type(self) -> str:
        """As named, or the one by default where it is none."""
        named = self.fields.get("sign_type", "")
        return named if named in HASHES else "RSA2"

    @property
    def has_certs(self) -> bool:
        return any(name in self.fields for name in CERT_FIELDS)

    @property
    def passed(self) -> str:
        """What the shop passes through, readable: it comes url-encoded once more than everything else."""
        return unquote(self.biz.get("passback_params", ""), errors="replace")


def read(asked: Asked, app_id: str) -> Request:
    """The request of the application's shop: query and body taken together, as clients use either or both."""
    query, body = asked.query_fields(), asked.body_fields()
    fields = query | body
    charset = CHARSETS.get((fields.get("charset") or "utf-8").lower(), "")
    flaw = _flaw(fields, app_id, charset)
    biz = None if flaw else _business(fields.get("biz_content", ""), charset)
    if biz is None and flaw is None:
        flaw = Refusal("isv.invalid-parameter", "参数无效：biz_content", INVALID)
    return Request(fields, body, biz or {}, charset or "utf-8", flaw, asked.host, asked.order_key)


def _flaw(fields: Fields, app_id: str, charset: str) -> Refusal | None:
    """The first thing wrong with the common parameters."""
    for name, refusal in _REQUIRED.items():
        if not fields.get(name):
            return refusal
    if fields["app_id"] != app_id:
        return UNKNOWN_APP
    if fields["sign_type"] not in HASHES:
        return Refusal("isv.invalid-signature-type", "无效的签名类型", INVALID)
    if parse_beijing(fields["timestamp"]) is None:
        return Refusal("isv.invalid-timestamp", "非法的时间戳参数", INVALID)
    if not charset:
        return Refusal("isv.invalid-charset", "字符集错误", INVALID)
    if fields["version"] != "1.0":
        return BAD_VERSION
    if fields.get("format", "JSON").upper() not in ("JSON", ""):
        return Refusal("isv.invalid-format", "无效的数据格式", INVALID)
    for name in _URL_FIELDS:
        if (url := fields.get(name)) and (len(url) > _NOTIFY_MAX or not is_loopback(url)):
            words = f"参数无效：{name}（只允许本机：127.0.0.0/8、::1、localhost）"
            return Refusal("isv.invalid-parameter", words, INVALID)
    return None


def _business(text: str, charset: str) -> Fields | None:
    """The texts and numbers of the business content; None where it is no JSON object in the charset it should be in."""
    if not text:
        return {}
    try:
        found = msgspec.json.decode(text.encode("utf-8", "surrogateescape").decode(charset))
        if not isinstance(found, dict):
            return None
        return {k: v if isinstance(v, str) else str(v) for k, v in found.items() if type(v) in (str, int, float)}
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None


def is_timely(stamp: str, now_s: float, variant: Variant | None) -> bool:
    """Whether the gateway takes the timestamp of a request. By the plain rule every one; in a variant it looks at it,
    with a clock that is off, or in another zone than the shop's, which may be that of Beijing or UTC."""
    if variant not in _SKEWS_S:
        return True
    at_s = parse_beijing(stamp)
    if at_s is None:
        return False
    off_s = min(now_s - at_s, now_s - at_s - _ZONE_S, key=abs)
    return abs(off_s + _SKEWS_S[variant]) <= CLOCK_TOLERANCE_S


def parse_beijing(text: str) -> float | None:
    """Seconds since 1970 of a time as the gateway writes it, also without seconds; None for any other text."""
    if not _STAMP.fullmatch(text) and not _MINUTE.fullmatch(text):
        return None
    try:
        return (datetime.fromisoformat(text).replace(tzinfo=UTC) - _ZONE).timestamp()
    except (ValueError, OverflowError):
        return None


def beijing(wall_s: float) -> str:
    """The time as the gateway writes it, of seconds since 1970."""
    return f"{datetime.fromtimestamp(wall_s, UTC) + _ZONE:%Y-%m-%d %H:%M:%S}"


def read_order(request: Request, *, upstream: str, expires_t: int | None) -> Order:
    """The order that a signed request asks for; Refusal for the first flaw."""
    biz, fields = request.biz, request.fields
    for name in ("out_trade_no", "total_amount", "subject"):
        if not biz.get(name):
            raise invalid(f"{name}不能为空")
    if not _ORDER_NO.fullmatch(biz["out_trade_no"]):
        raise invalid("out_trade_no格式不正确")
    if len(biz["subject"]) > _SUBJECT_MAX or len(biz.get("passback_params", "")) > _PASSBACK_MAX:
        raise invalid("subject或passback_params超长")
    amount_fen = read_amount(biz["total_amount"], "total_amount")
    if amount_fen > _AMOUNT_FEN_MAX:
        raise Refusal("ACQ.TOTAL_FEE_EXCEED", "订单总金额不在允许范围内", standard=Code.PAY_AMOUNT_MISMATCH)
    return Order(
        upstream=upstream,
        order_no=biz["out_trade_no"],
        amount_fen=amount_fen,
        goods=intern(readable(biz["subject"])),  # a hundred thousand trades share a few names and addresses
        way="alipay",
        notice_to=intern(readable(fields.get("notify_url", ""))),
        back_to=readable(fields.get("return_url", "")),
        carried=readable(biz.get("passback_params", "")),
        merchant=intern(fields["app_id"]),
        expires_t=expires_t,
    )


def read_amount(text: str, name: str) -> Fen:
    """At least one fen; Refusal where it is no amount."""
    try:
        amount_fen = parse_yuan(text)
    except MoneyError:
        amount_fen = Fen(0)
    if amount_fen <= 0:
        raise invalid(f"{name}不合法")
    return amount_fen


def invalid(words: str) -> Refusal:
    """A business parameter is missing or ill-formed."""
    return Refusal("ACQ.INVALID_PARAMETER", f"参数无效：{words}")


def express_s(text: str, now_s: float) -> tuple[float, bool]:
    """The length that `timeout_express` gives: seconds, and whether they are of business time; 1c, the end of the day
    in Beijing, is a time of day. Refusal for any other text."""
    if text == "1c":
        return 86400 - (now_s + _ZONE_S) % 86400, False
    match = _EXPRESS.fullmatch(text)
    if match is None or (s := int(match[1]) * _EXPRESS_S[match[2]]) > _EXPRESS_S_MAX:
        raise invalid("timeout_express取值范围：1m～15d")
    return float(s), True
