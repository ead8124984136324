"""One call of Alipay's gateway on its way: checked, carried out or refused, dressed and signed.

Source: docs/protocols/alipay.md, Answers and Refusals.
"""

from collections.abc import Callable
from html import escape

import msgspec

from faults.verdict import CountOtherwise, Effect, Enwrap, Variant
from ledger.events import TradeRefused
from mocks.call import Call, Place, Subject
from mocks.mangle import Mangled
from mocks.payment.alipay_asked import (
    BAD_CERT,
    BAD_SIGNATURE,
    BAD_TIME,
    BAD_VERSION,
    DONE,
    MESSAGES,
    UNKNOWN_RESULT,
    Refusal,
    Request,
    is_timely,
)
from mocks.payment.alipay_signs import Seal
from mocks.payment.desk import Desk
from mocks.reply import HTML, Reply

KIND = "text/html; charset={}"
"""What the gateway calls its JSON."""
ERROR_NODE = "error_response"

Act = Callable[[Request, Subject], Mangled | Reply]
Refused = Callable[[Request], Refusal | None]


class Method(msgspec.Struct, frozen=True):
    """What the gateway does on a method. A page is for a buyer's browser, all else for the shop. `repeated`: the
    refusal of a request as asked for before, where it was."""

    place: Place
    act: Act
    is_page: bool = False
    repeated: Refused | None = None


class Turn:
    """A call, once its method is known. `name` is the method's."""

    def __init__(self, desk: Desk, seal: Seal, request: Request, name: str, method: Method, subject: Subject) -> None:
        self._desk, self._seal, self._request, self._method, self._subject = desk, seal, request, method, subject
        self._node = f"{name.replace('.', '_')}_response"
        self._why = BAD_SIGNATURE

    def call(self) -> Call:
        """All that the injector must know of it."""
        is_genuine, tolerated = self._is_right(), None
        if not is_genuine and self._why is BAD_SIGNATURE and "" in self._request.fields.values():
            is_genuine = self._is_right(Variant.EMPTY_KEPT)
            tolerated = Variant.EMPTY_KEPT if is_genuine else None
        return Call(
            self._method.place,
            self._subject,
            is_genuine,
            self._act,
            lambda: self._refuse(self._why),
            is_genuine_as=self._is_right,
            tolerated=tolerated,
            dress=self._dress,
            seal=self._sign,
            version=self._request.fields.get("version", ""),
            refuse_version=lambda: self._refuse(BAD_VERSION),
            unknown=lambda: self._style(UNKNOWN_RESULT),
            refuse_repeat=self._refuse_repeat,
        )

    def _is_right(self, variant: Variant | None = None) -> bool:
        """Whether the request and its signature are right, by the plain rule or by a variant's."""
        found = wrong(self._request, self._seal, self._desk, variant)
        self._why = found or self._why
        return found is None

    def _act(self) -> Reply:
        try:
            done = self._method.act(self._request, self._subject)
        except Refusal as refusal:
            return self._refuse(refusal)
        return done if isinstance(done, Reply) else Reply(fields={"code": DONE, "msg": MESSAGES[DONE], **done})

    def _refuse(self, refusal: Refusal) -> Reply:
        event = TradeRefused(
            t=self._desk.clock.t(),
            o=self._subject.o,
            upstream=self._desk.name,
            operation=self._method.place.operation,
            code=refusal.standard,
            words=f"{refusal.sub_code} {refusal.words}",
        )
        self._desk.append(event)
        return self._style(refusal)

    def _refuse_repeat(self) -> Reply | None:
        refusal = self._method.repeated(self._request) if self._method.repeated is not None else None
        return None if refusal is None else self._refuse(refusal)

    def _style(self, refusal: Refusal) -> Reply:
        if self._method.is_page:
            page = _PAGE.replace("CODE", escape(refusal.sub_code)).replace("WORDS", escape(refusal.words))
            return Reply(body=page.encode(), kind=HTML)
        return error_response(refusal) if refusal.is_before_dispatch else Reply(fields=refusal.fields)

    def _dress(self, reply: Reply, effect: Effect) -> str:
        """Another name for the node; the sum of all refunds told as that of this one."""
        if reply.fields is None:
            return ""
        match effect:
            case Enwrap(name=name) if (name or ERROR_NODE) != self._node:
                self._node = name or ERROR_NODE
                return f"told as {self._node}"
            case CountOtherwise() if reply.fields.get("refund_fee") != (this := reply.fields.get("send_back_fee")):
                reply.fields = reply.fields | {"refund_fee": this}
                return f"refund_fee told as {this}, that of this refund"
        return ""

    def _sign(self, reply: Reply, variant: Variant | None) -> None:
        """Pages carry no signature, nor does what is refused before anybody knows whose it is."""
        if reply.fields is None:
            return
        request = self._request
        reply.body = self._seal.answer(
            self._node,
            reply.fields,
            sign_type=request.sign_type,
            charset=request.charset,
            cert_sn=self._seal.alipay_cert_sn if request.has_certs else "",
            variant=variant,
        )
        reply.fields, reply.kind = None, KIND.format(request.charset)


def wrong(request: Request, seal: Seal, desk: Desk, variant: Variant | None = None) -> Refusal | None:
    """What is wrong with a request and its signature, by the plain rule or by a variant's."""
    if request.flaw is not None:
        return request.flaw
    fields = request.fields
    if request.has_certs and (
        fields.get("app_cert_sn") != seal.app_cert_sn or fields.get("alipay_root_cert_sn") != seal.root_cert_sn
    ):
        return BAD_CERT
    signed = (request.body or fields) if variant is Variant.MERGED_SOURCES else fields
    if not seal.is_signed(signed, variant):
        return BAD_SIGNATURE
    now_s = desk.wall_s(desk.clock.t())
    return None if is_timely(fields["timestamp"], now_s, variant) else BAD_TIME


def error_response(refusal: Refusal) -> Reply:
    """A refusal before anybody knows the method or the application."""
    return Reply(body=msgspec.json.encode({ERROR_NODE: refusal.fields}), kind=KIND.format("utf-8"))


_PAGE = """<!DOCTYPE html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>调试错误，请回到请求来源地，重新发起请求。</title></head>
<body><h3>调试错误，请回到请求来源地，重新发起请求。</h3><p>错误代码 CODE</p><p>错误原因: WORDS</p></body></html>
"""
