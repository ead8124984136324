"""The dialect of the top-up server: JSON and HMAC, in the shape of game publishers' partner APIs.

Source: docs/protocols/topup.md (our own protocol).
"""

import hashlib
import re
from collections.abc import Callable
from functools import partial
from typing import ClassVar, TypeAlias
from urllib.parse import unquote

import msgspec

from faults.verdict import Outcome, Shape, Variant
from ledger.clock import SECOND_NS
from ledger.events import TradeRefused
from ledger.states import Code, Hop, Operation
from mocks.call import Call, Place, Signs, Subject
from mocks.game.accounts import (
    FAILED,
    PROCESSING,
    SUCCEEDED,
    Ending,
    NoAccount,
    OtherRegion,
    Request,
    TopUp,
)
from mocks.game.desk import Desk, GameServer
from mocks.game.refusal import Refusal
from mocks.game.signed_json import as_signed, hmac_hex
from mocks.goods import GoodsError, Repeated, UnknownProduct
from mocks.mangle import Mangled, Schema
from mocks.notices import Matter
from mocks.odd_json import ODDLY_WRITTEN, written
from mocks.post import Heard, Letter
from mocks.reply import Fields, Reply
from mocks.server import Answer, Asked, NoRoute, read_json, readable
from mocks.signed import SKEWS_S, are_equal
from plan.loopback import is_loopback
from plan.orders import find_key, key_of_account

PARTNER, TIMESTAMP, SIGNATURE, ONCE = "X-Partner", "X-Timestamp", "X-Signature", "Idempotency-Key"
CLOCK_OFF_S = 300
VERSION = "v1"
"""What every request says of its version: its path does."""
QUANTITY_MAX = 1000
TEXT_MAX = 256
REFERENCE_MAX = 64

VALIDATE, TOP_UPS = "v1/accounts/validate", "v1/topups"
_STATES: dict[str, object] = {PROCESSING: "pending", SUCCEEDED: "done", FAILED: "error"}
_CODES: dict[str, object] = {"true": 0, "false": 1}
_SHAPE, _ENVELOPE = ("data", Shape.FLAT), ("", "result")
ASKED = Schema(
    pair=("status", "state"), missing="status", state="status", states=_STATES, code="ok", codes=_CODES,
    identifiers=("reference", "topup_id"), flaps={"status": (SUCCEEDED, PROCESSING)}, shape=_SHAPE, envelope=_ENVELOPE,
)  # fmt: skip
SCHEMAS = {
    Operation.VALIDATE: Schema(
        pair=("nickname", "name"),
        missing="region",
        code="ok",
        codes=_CODES,
        identifiers=("account", "region"),
        shape=_SHAPE,
        envelope=_ENVELOPE,
    ),
    Operation.BUY: ASKED,
    Operation.QUERY: ASKED,
}
TOLD = Schema(
    pair=("status", "state"), missing="status", state="status", states=_STATES,
    identifiers=("reference", "passthrough"), shape=_SHAPE,
)  # fmt: skip
"""What another version of such a server would call the same things: the states that fulu and its like answer."""

_REFERENCE = re.compile(r"[A-Za-z0-9._|-]{1,64}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
_ONCE = re.compile(r"[!-~]{1,128}", re.ASCII)


def _bad(words: str) -> Refusal:
    return Refusal(422, "BAD_REQUEST", words, Code.IDENTIFIERS_MISSING)


REFUSED: dict[Outcome, tuple[int, str, str, Code]] = {
    Outcome.BALANCE: (402, "INSUFFICIENT_BALANCE", "the partner's balance is used up", Code.UPSTREAM_REFUSED),
    Outcome.MAINTENANCE: (503, "MAINTENANCE", "the game server is under maintenance", Code.UPSTREAM_REFUSED),
    Outcome.WRONG_REGION: (422, "REGION_MISMATCH", "the account lives in another region", Code.REGION_MISMATCH),
}
REASONS = {Code.UPSTREAM_REFUSED: "MAINTENANCE"}
"""What a top-up that failed after it was accepted gives as its reason."""


class Body(msgspec.Struct, frozen=True):
    """The body of a request; validate has only account, region and passthrough."""

    account: str = ""
    region: str = ""
    reference: str = ""
    product: str = ""
    quantity: int = 1
    notify_url: str = ""
    passthrough: str = ""


NEEDED = {
    Operation.VALIDATE: ("account", "region"),
    Operation.BUY: ("reference", "account", "region", "product"),
    Operation.QUERY: (),
}


class Case(msgspec.Struct):
    """One request: what it asks, whom it is about, and the top-up that was accepted for it."""

    operation: Operation
    asked: Asked
    body: Body
    subject: Subject
    accepted: TopUp | None = None


Step: TypeAlias = Callable[[Case], Reply]


# --- the signature -----------------------------------------------------------------------------------------------
def request_signature(
    method: str, target: str, timestamp: str, body: bytes, key: str, variant: Variant | None = None
) -> str:
    """What X-Signature of a request must hold; with a variant: the same, wrong in that way."""
    digest = hashlib.sha256(as_signed(body, variant)).hexdigest()
    return hmac_hex(f"{method}\n{target}\n{timestamp}\n{digest}".encode("utf-8", "surrogateescape"), key, variant)


def notice_signature(timestamp: str, body: bytes, key: str, variant: Variant | None = None) -> str:
    """What X-Signature of a notice must hold; with a variant: the same, wrong in that way."""
    return hmac_hex(f"{timestamp}\n".encode() + as_signed(body, variant), key, variant)


# --- the server --------------------------------------------------------------------------------------------------
VARIANTS = frozenset(
    {
        Variant.WRONG_KEY, Variant.MISSING, Variant.CHARSET_GBK, Variant.CASE, Variant.BODY_RESERIALIZED,
        Variant.SKEW_6_MIN, Variant.SKEW_11_MIN, Variant.SKEW_1_DAY,
    }
)  # fmt: skip


class TopUpServer(GameServer):
    """One instance of the game server, with one partner."""

    schema = TOLD
    signs: ClassVar[Signs] = Signs(requests=VARIANTS, notices=VARIANTS | ODDLY_WRITTEN | {Variant.SKEW_4_MIN})

    def __init__(self, desk: Desk) -> None:
        self.name, self._keys = desk.name, desk.keys
        self._clock, self._wall_ns, self._append, self._injector = desk.clock, desk.wall_ns, desk.append, desk.injector
        self._accounts, self._notices = desk.accounts, desk.notices
        self._notices.serve(self.name, self, desk.ladder)
        self._places = {op: Place(Hop.SHOP_GAME, op, self.name, schema) for op, schema in SCHEMAS.items()}

    def routes(self) -> list[str]:
        return [f"/{self.name}/{path}" for path in (VALIDATE, TOP_UPS, f"{TOP_UPS}/REFERENCE")]

    def forget(self) -> None:
        for place in self._places.values():
            place.counts.clear()

    async def answer(self, asked: Asked, path: str) -> Answer:
        """The answer to a request below this instance's name; NoRoute where the server does not take it."""
        match asked.method, path:
            case "POST", "v1/accounts/validate":
                return await self._answer(Operation.VALIDATE, asked, self._validate)
            case "POST", "v1/topups":
                return await self._answer(Operation.BUY, asked, self._create)
        folder, _, reference = path.rpartition("/")
        if asked.method == "GET" and folder == TOP_UPS and reference:
            return await self._answer(Operation.QUERY, asked, self._query, unquote(reference))
        raise NoRoute

    async def _answer(self, operation: Operation, asked: Asked, step: Step, reference: str = "") -> Answer:
        body, flaw = _read(asked.body) if operation is not Operation.QUERY else (Body(reference=reference), None)
        case = Case(operation, asked, body, self._subject_of(body, operation))
        is_buy = operation is Operation.BUY
        call = Call(
            self._places[operation],
            case.subject,
            self._is_signed(asked),
            act=partial(self._act, step, case, flaw),
            refuse=partial(self._refuse, case, _BAD_SIGNATURE),
            is_genuine_as=partial(self._is_signed, asked),
            sell=partial(self._sell, case) if is_buy else None,
            tell_early=partial(self._tell_early, case) if is_buy else None,
            version=VERSION,
            unknown=_unknown,
            refuse_repeat=partial(self._refuse_repeat, case) if is_buy else None,
        )
        return await self._injector.answer(call)

    def _act(self, step: Step, case: Case, flaw: Refusal | None) -> Reply:
        try:
            if flaw is not None:
                raise flaw
            _check(case.body, case.operation)
            return step(case)
        except Refusal as refusal:
            return self._refuse(case, refusal)
        except GoodsError as error:
            return self._refuse(case, _refusal_of(error))

    def _subject_of(self, body: Body, operation: Operation) -> Subject:
        """Whom a request is about: the key passed through or that of the account, else the top-up that the reference
        names, else that reference, else only what it is for."""
        if key := find_key(body.passthrough) or key_of_account(body.account):
            return Subject(key, "key", key)
        reference = readable(body.reference)[:REFERENCE_MAX]
        if operation is Operation.QUERY and (top_up := self._accounts.top_ups.find(self.name, reference)):
            return top_up.subject
        return Subject(reference, "order_number", reference) if reference else _about(operation)

    # --- signatures and refusals --------------------------------------------------------------------------------
    def _is_signed(self, asked: Asked, variant: Variant | None = None) -> bool:
        """Whether the request is the partner's own, fresh and rightly signed, by the rule or by that of a variant."""
        headers = asked.headers
        timestamp = headers.get(TIMESTAMP, "")
        if variant is Variant.MISSING or headers.get(PARTNER) != self._keys.pid or not _SECONDS.fullmatch(timestamp):
            return False
        wall_s = self._wall_s() - SKEWS_S.get(variant, 0)
        if abs(int(timestamp) - wall_s) > CLOCK_OFF_S:
            return False
        target = f"{asked.path}?{asked.query}" if asked.query else asked.path
        own = request_signature(asked.method, target, timestamp, asked.body, self._keys.key, variant)
        return are_equal(own, headers.get(SIGNATURE, ""))

    def _wall_s(self) -> int:
        return (self._wall_ns + self._clock.t()) // SECOND_NS

    def _refuse(self, case: Case, why: Refusal) -> Reply:
        """The refusal, journalled: of goods as such, of anything else with its operation."""
        o, operation = case.subject.o, case.operation
        if operation is Operation.BUY:
            reference = readable(case.body.reference)[:REFERENCE_MAX]
            self._accounts.note_refused(self.name, reference, o, why.code, why.words)
        else:
            t, name = self._clock.t(), self.name
            self._append(TradeRefused(t=t, o=o, upstream=name, operation=operation, code=why.code, words=why.words))
        return Reply(why.status, {"ok": False, "error": {"code": why.name, "message": why.words}})

    # --- what can be asked --------------------------------------------------------------------------------------
    def _validate(self, case: Case) -> Reply:
        account, region = case.body.account, case.body.region
        self._accounts.check(account, region)
        return Reply(fields={"ok": True, "account": account, "region": region, "nickname": f"玩家 {account}"})

    def _create(self, case: Case) -> Reply:
        request = self._read_request(case)
        self._accounts.note_requested(request, case.subject.o)
        known = self._accounts.known(request)
        return _taken(known) if known is not None else self._accept(case, request, Ending.CREDITED)

    def _sell(self, case: Case, outcome: Outcome) -> Reply | None:
        """What comes of a create call that a fault strikes; None where it is refused anyhow, or was answered before, or
        where a game server does no such thing."""
        accounts, ending = self._accounts, _ENDINGS.get(outcome)
        if ending is None and outcome not in REFUSED:
            return None
        try:
            _check(case.body, Operation.BUY)
            request = self._read_request(case)
            accounts.check_request(request)
            if accounts.known(request) is not None:
                return None
        except (Refusal, GoodsError):
            return None
        accounts.note_requested(request, case.subject.o)
        if ending is None:
            return self._refuse(case, Refusal(*REFUSED[outcome]))
        return self._accept(case, request, ending)

    def _refuse_repeat(self, case: Case) -> Reply | None:
        """The refusal of a request that was answered before; None where it was not."""
        try:
            known = self._accounts.known(self._read_request(case))
        except (Refusal, GoodsError):
            return None
        return self._refuse(case, _DUPLICATE) if known is not None else None

    def _accept(self, case: Case, request: Request, ending: Ending) -> Reply:
        case.accepted = self._accounts.accept(request, case.subject, ending)
        return _taken(case.accepted)

    def _query(self, case: Case) -> Reply:
        top_up = self._accounts.top_ups.find(self.name, case.body.reference)
        if top_up is None:
            raise Refusal(404, "NOT_FOUND", "no top-up has this reference")
        return Reply(fields={"ok": True, **_told(top_up), "quantity": top_up.request.quantity})

    def _read_request(self, case: Case) -> Request:
        """What a create call asks for; Refusal for the first flaw."""
        body, once = case.body, case.asked.headers.get(ONCE, "")
        if not _ONCE.fullmatch(once):
            raise _bad(f"{ONCE}: missing, or not 1 to 128 visible ASCII characters")
        if not _REFERENCE.fullmatch(body.reference):
            raise _bad("reference: not 1 to 64 of A-Z a-z 0-9 . _ | -")
        if not 1 <= body.quantity <= QUANTITY_MAX:
            raise _bad(f"quantity: not 1 to {QUANTITY_MAX}")
        if body.notify_url and not is_loopback(body.notify_url):
            raise _bad("notify_url: only 127.0.0.0/8, ::1 and localhost are told")
        return Request(
            upstream=self.name,
            request_no=body.reference,
            once=once,
            account=body.account,
            region=body.region,
            product=body.product,
            quantity=body.quantity,
            notice_to=body.notify_url,
            carried=body.passthrough,
        )

    # --- notices ------------------------------------------------------------------------------------------------
    def tell(self, top_up: TopUp) -> None:
        """The top-up has ended: the shop is told, if it said where."""
        if top_up.request.notice_to:
            self._notices.begin(top_up)

    async def _tell_early(self, case: Case) -> bool:
        """Ends at once what was just accepted, and tells the shop; whether the shop has answered to that."""
        top_up = case.accepted
        if top_up is None or not self._accounts.finish(top_up) or not top_up.request.notice_to:
            return False
        return await self._notices.tell(top_up)

    def compose(self, top_up: TopUp, matter: Matter) -> Mangled | None:
        return {
            "event": f"topup.{top_up.state}",
            "event_id": f"E{top_up.trade_no}",
            **_told(top_up),
            "quantity": str(top_up.request.quantity),
            "passthrough": top_up.request.carried,
        }

    def seal(self, top_up: TopUp, matter: Matter, fields: Mangled, variant: Variant | None) -> Letter:
        skew_s = SKEWS_S.get(variant, 0)
        body, timestamp = written(fields, variant), str(self._wall_s() - skew_s)
        headers = {"Content-Type": "application/json", PARTNER: self._keys.pid, TIMESTAMP: timestamp}
        if variant is not Variant.MISSING:
            headers[SIGNATURE] = notice_signature(timestamp, body, self._keys.key, variant)
        return Letter("POST", top_up.request.notice_to, body, headers)

    def is_accepted(self, heard: Heard) -> bool:
        return heard.status in (200, 204)


_BAD_SIGNATURE = Refusal(401, "BAD_SIGNATURE", "signature, partner or timestamp is wrong", Code.UPSTREAM_BAD_SIGNATURE)
_DUPLICATE = Refusal(409, "DUPLICATE", "this Idempotency-Key was seen before")
_ENDINGS = {Outcome.ACCEPT_THEN_FAIL: Ending.FAILED, Outcome.STAYS_PROCESSING: Ending.NEVER}


def _unknown() -> Reply:
    words = {"code": "RESULT_UNKNOWN", "message": "ask again for what became of it"}
    return Reply(500, {"ok": False, "error": words})


def _about(operation: Operation) -> Subject:
    return Subject(operation.value, "operation", None)


def _read(body: bytes) -> tuple[Body, Refusal | None]:
    """The body of a request, and what is wrong with it."""
    try:
        return read_json(body, Body), None
    except msgspec.DecodeError as error:
        return Body(), _bad(str(error))


def _check(body: Body, operation: Operation) -> None:
    """Whether all is there that the operation needs, at no undue length; Refusal for the first that is not."""
    for field in NEEDED[operation]:
        if not getattr(body, field):
            raise _bad(f"{field}: missing or empty")
    for field in ("account", "region", "product", "passthrough"):
        if len(getattr(body, field)) > TEXT_MAX:
            raise _bad(f"{field}: longer than {TEXT_MAX} characters")


def _taken(top_up: TopUp) -> Reply:
    fields = {"ok": True, "topup_id": top_up.trade_no, "reference": top_up.request_no, "status": top_up.state}
    return Reply(202 if top_up.state == PROCESSING else 200, fields)


def _told(top_up: TopUp) -> Fields:
    """What is told of a top-up wherever it is told of."""
    return {
        "topup_id": top_up.trade_no,
        "reference": top_up.request_no,
        "account": top_up.request.account,
        "region": top_up.request.region,
        "product": top_up.request.product,
        "status": top_up.state,
        "reason": REASONS[top_up.reason] if top_up.reason is not None else "",
        "credit_id": top_up.credit,
    }


def _refusal_of(error: GoodsError) -> Refusal:
    match error:
        case NoAccount():
            return Refusal(422, "ACCOUNT_NOT_FOUND", "there is no such account", Code.ACCOUNT_INVALID)
        case OtherRegion():
            return Refusal(*REFUSED[Outcome.WRONG_REGION])
        case UnknownProduct():
            return Refusal(422, "UNKNOWN_PRODUCT", "no such product is sold here", Code.GOODS_UNKNOWN)
        case Repeated():
            return _DUPLICATE
    raise AssertionError(error)
