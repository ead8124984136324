"""The dialect of a reseller API for top-ups: REST with an API key, idempotency keys, and webhooks under an HMAC.

Source: fazercards 0.2.0, a vendor's own client (docs/protocols/fazer.md tells what it says and what is ours).
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import ClassVar, TypeAlias, TypeVar
from uuid import UUID

import msgspec

from faults.verdict import Outcome, Shape, Variant
from ledger.clock import SECOND_NS
from ledger.events import TradeRefused
from ledger.states import Code, Hop, Operation
from mocks.call import Call, Place, Signs, Subject
from mocks.game.accounts import FAILED, PROCESSING, SUCCEEDED, Ending, NoAccount, OtherRegion, Request, TopUp
from mocks.game.desk import Desk, GameServer
from mocks.game.refusal import Refusal
from mocks.game.signed_json import as_signed, hmac_hex
from mocks.goods import GoodsError, Repeated
from mocks.mangle import Mangled, Schema
from mocks.notices import PAID, Matter, notice_id
from mocks.odd_json import ODDLY_WRITTEN, written
from mocks.post import Heard, Letter
from mocks.reply import Reply
from mocks.server import Answer, Asked, NoRoute, read_json, readable
from mocks.signed import are_equal
from plan.loopback import is_loopback
from plan.orders import find_key, key_of_account

BASE, VERSION = "api/v2", "v2"
KEY, ONCE = "X-API-Key", "Idempotency-Key"
SIGNATURE, EVENT, EVENT_ID, ATTEMPT = (
    "X-Webhook-Signature", "X-Webhook-Event", "X-Webhook-Event-Id", "X-Webhook-Delivery-Attempt",
)  # fmt: skip
STATUS_CHANGED, TEST = "order.status_changed", "webhook.test"
PLAYER, SERVER = "player_id", "server_id"
TEXT_MAX = 256

STATUSES = {PROCESSING: "processing", SUCCEEDED: "completed", FAILED: "refund"}
"""A top-up that cannot be delivered is paid back to the reseller's balance: `refund`, not `failed`."""
_STATES: dict[str, object] = {"processing": "pending", "completed": "success", "refund": "refunded"}
"""What clients before 0.2.0 took for the same (pending, refunded), and a likely third."""
_CODES: dict[str, object] = {"true": 1, "false": 0}
ORDER = Schema(
    pair=("order.status", "order.state"), missing="order.status", state="order.status", states=_STATES, code="ok",
    codes=_CODES, money=("order.price_usd", "order.total_usd"), identifiers=("order.id", "order.offer_id"),
    flaps={"order.status": ("completed", "processing")}, dates=("order.created_at", "order.completed_at"),
    shape=("order", Shape.LIST), envelope=("order", "data"),
)  # fmt: skip
TOLD = Schema(
    pair=("data.status", "data.state"), missing="data.status", state="data.status", states=_STATES,
    money=("data.price_usd", "data.total_usd"), identifiers=("data.id", "data.fields"),
    dates=("data.created_at", "data.completed_at"), shape=("data", Shape.LIST),
)  # fmt: skip
SCHEMAS = {
    Operation.MERCHANT: Schema(missing="webhook", code="ok", codes=_CODES),
    Operation.CATALOGUE: Schema(pair=("offers", "items"), missing="fields", code="ok", codes=_CODES),
    Operation.VALIDATE: Schema(pair=("valid", "ok"), missing="valid", code="ok", codes=_CODES),
    Operation.BUY: ORDER,
    Operation.QUERY: ORDER,
}
REFUSED: dict[Outcome, tuple[int, str, str, Code]] = {
    Outcome.BALANCE: (402, "insufficient_balance", "the balance is used up", Code.UPSTREAM_REFUSED),
    Outcome.MAINTENANCE: (503, "maintenance", "this category is under maintenance", Code.UPSTREAM_REFUSED),
    Outcome.WRONG_REGION: (400, "validation_failed", "the player is on another server", Code.REGION_MISMATCH),
}
ENDINGS = {Outcome.ACCEPT_THEN_FAIL: Ending.FAILED, Outcome.STAYS_PROCESSING: Ending.NEVER}
_ONCE = re.compile(r"[!-~]{1,128}", re.ASCII)


class Body(msgspec.Struct, frozen=True):
    """The body of an order, and of the question whether a player exists."""

    category_id: str = ""
    offer_id: str = ""
    fields: dict[str, str] = {}


class Hook(msgspec.Struct, frozen=True):
    """Where webhooks go, as the shop has set it for its account."""

    url: str
    enabled: bool = True


class Case(msgspec.Struct):
    """One request: whom it is about, and the top-up that was accepted for it."""

    operation: Operation
    asked: Asked
    subject: Subject
    accepted: TopUp | None = None


B = TypeVar("B", Body, Hook)
Step: TypeAlias = Callable[[Case], Reply]
_NO_KEY = Refusal(401, "unauthorized", "missing or invalid API key", Code.UPSTREAM_BAD_SIGNATURE)


class Fazer(GameServer):
    """One account at the reseller. Its orders are for one player and one offer each."""

    schema = TOLD
    signs: ClassVar[Signs] = Signs(
        requests=frozenset({Variant.MISSING}),
        notices=ODDLY_WRITTEN | {Variant.WRONG_KEY, Variant.MISSING, Variant.BODY_RESERIALIZED, Variant.PARTIAL_COVER},
    )

    def __init__(self, desk: Desk) -> None:
        self.name, self._desk, self._accounts = desk.name, desk, desk.accounts
        self._secret = desk.keys.own["webhook_secret"]
        self._regions = tuple(desk.plan.mix.region)
        self._hook: Hook | None = None
        self._numbers = count(1)
        self._places = {op: Place(Hop.SHOP_GAME, op, self.name, schema) for op, schema in SCHEMAS.items()}
        desk.notices.serve(self.name, self, desk.ladder)

    def routes(self) -> list[str]:
        paths = ("topups", "topups/offers", "topups/validate-id", "topups/order", "orders/ID", "account/webhook")
        return [f"/{self.name}/{BASE}/{path}" for path in paths]

    def forget(self) -> None:
        for place in self._places.values():
            place.counts.clear()

    async def answer(self, asked: Asked, path: str) -> Answer:
        match asked.method, path.removeprefix(f"{BASE}/") if path.startswith(f"{BASE}/") else "":
            case "GET", "topups":
                return await self._answer(Operation.CATALOGUE, asked, self._categories)
            case "GET", "topups/offers":
                return await self._answer(Operation.CATALOGUE, asked, self._offers)
            case "GET", "topups/validate-id":
                return await self._answer(Operation.CATALOGUE, asked, self._validated_games)
            case "POST", "topups/validate-id":
                return await self._answer(Operation.VALIDATE, asked, self._validate)
            case "POST", "topups/order":
                return await self._answer(Operation.BUY, asked, self._order)
            case "GET" | "PUT" | "DELETE", "account/webhook":
                return await self._answer(Operation.MERCHANT, asked, self._webhook)
            case "GET", order if order.startswith("orders/") and order.count("/") == 1:
                top_up = self._found(order.removeprefix("orders/"))
                return await self._answer(Operation.QUERY, asked, partial(self._query, top_up), top_up)
        raise NoRoute

    async def _answer(self, operation: Operation, asked: Asked, step: Step, about: TopUp | None = None) -> Answer:
        case = Case(operation, asked, about.subject if about else _subject_of(asked, operation))
        is_buy = operation is Operation.BUY
        call = Call(
            self._places[operation],
            case.subject,
            self._is_known(asked),
            act=partial(self._act, step, case),
            refuse=partial(self._refuse, case, _NO_KEY),
            is_genuine_as=partial(self._is_known, asked),
            sell=partial(self._sell, case) if is_buy else None,
            tell_early=partial(self._tell_early, case) if is_buy else None,
            version=VERSION,
            unknown=_unknown,
            refuse_repeat=partial(self._refuse_repeat, case) if is_buy else None,
        )
        return await self._desk.injector.answer(call)

    def _act(self, step: Step, case: Case) -> Reply:
        try:
            return step(case)
        except Refusal as refusal:
            return self._refuse(case, refusal)
        except GoodsError as error:
            return self._refuse(case, _refusal_of(error))

    def _is_known(self, asked: Asked, variant: Variant | None = None) -> bool:
        """Whether the API key is right; by the rule of a variant, whether it had arrived."""
        given = asked.headers.get(KEY, "") if variant is not Variant.MISSING else ""
        return are_equal(self._desk.keys.key, given)

    def _refuse(self, case: Case, why: Refusal) -> Reply:
        o, operation = case.subject.o, case.operation
        if operation is Operation.BUY:
            self._accounts.note_refused(self.name, _once(case.asked), o, why.code, why.words)
        else:
            t, name = self._desk.clock.t(), self.name
            refused = TradeRefused(t=t, o=o, upstream=name, operation=operation, code=why.code, words=why.words)
            self._desk.append(refused)
        return Reply(why.status, {"ok": False, "code": why.name, "error": why.words})

    # --- what can be bought -------------------------------------------------------------------------------------
    @property
    def _category(self) -> str:
        """What is sold; who only asks for a player names the game without the ending, as the vendor has it."""
        return f"{self.name}_auto"

    def _fields(self) -> list[dict[str, object]]:
        servers = [{"value": region, "label": region} for region in self._regions]
        return [
            {"key": PLAYER, "label": "Player ID", "type": "text"},
            {"key": SERVER, "label": "Server", "type": "select", "options": servers},
        ]

    def _categories(self, case: Case) -> Reply:
        items = [{"category_id": self._category, "name": self.name}]
        meta = {"total": 1, "limit": 100, "has_more": False}
        return Reply(fields={"ok": True, "kind": "topup", "items": items, "meta": meta})

    def _offers(self, case: Case) -> Reply:
        category = case.asked.query_fields().get("category_id", "")
        if category != self._category:
            raise Refusal(404, "not_found", "no such category", Code.GOODS_UNKNOWN)
        offers = [
            {"offer_id": product, "name": product, "price_usd": self._price(product)}
            for product in sorted(self._desk.products)
        ]
        head = {"ok": True, "kind": "topup", "category_id": category, "name": self.name}
        return Reply(fields={**head, "offers": offers, "fields": self._fields()})

    def _validated_games(self, case: Case) -> Reply:
        item = {"category_id": self.name, "name": self.name, "fields": self._fields()}
        return Reply(fields={"ok": True, "kind": "validate_id", "items": [item]})

    def _validate(self, case: Case) -> Reply:
        player, server = self._read_fields(_read(case.asked.body, Body), self.name)
        try:
            self._accounts.check(player, server)
        except GoodsError as error:
            words = _refusal_of(error).words
            return Reply(fields={"ok": True, "valid": False, "reason": words})
        return Reply(fields={"ok": True, "valid": True, "player_name": f"玩家 {player}"})

    def _price(self, product: str) -> str:
        """Dollars with four decimals: as many as the shop's own price has yuan."""
        fen = self._desk.plan.target.prices.get(product, 100)
        return f"{fen // 100}.{fen % 100:02d}00"

    def _read_fields(self, body: Body, category: str) -> tuple[str, str]:
        """The player and his server; Refusal for the first flaw."""
        if body.category_id != category:
            raise _bad("category_id: unknown", Code.GOODS_UNKNOWN)
        for key in (PLAYER, SERVER):
            if not 0 < len(body.fields.get(key, "")) <= TEXT_MAX:
                raise _bad(f"fields.{key}: missing, or longer than {TEXT_MAX} characters")
        if unknown := sorted(body.fields.keys() - {PLAYER, SERVER}):
            raise _bad(f"fields.{readable(unknown[0])[:TEXT_MAX]}: not asked for")
        return body.fields[PLAYER], body.fields[SERVER]

    # --- orders -------------------------------------------------------------------------------------------------
    def _order(self, case: Case) -> Reply:
        request = self._read_request(case)
        self._accounts.note_requested(request, case.subject.o)
        known = self._accounts.known(request)
        return self._said(known if known is not None else self._accept(case, request, Ending.CREDITED))

    def _sell(self, case: Case, outcome: Outcome) -> Reply | None:
        """What comes of an order that a fault strikes; None where it is refused anyhow, or was answered before, or
        where this server does no such thing."""
        accounts, ending = self._accounts, ENDINGS.get(outcome)
        if ending is None and outcome not in REFUSED:
            return None
        try:
            request = self._read_request(case)
            accounts.check_request(request)
            if accounts.known(request) is not None:
                return None
        except (Refusal, GoodsError):
            return None
        accounts.note_requested(request, case.subject.o)
        if ending is None:
            return self._refuse(case, Refusal(*REFUSED[outcome]))
        return self._said(self._accept(case, request, ending))

    def _refuse_repeat(self, case: Case) -> Reply | None:
        """The refusal of a key that was seen before; None where it is new, or there is none."""
        once = case.asked.headers.get(ONCE, "")
        is_repeat = once and self._accounts.top_ups.find(self.name, once) is not None
        return self._refuse(case, _refusal_of(Repeated(once))) if is_repeat else None

    def _accept(self, case: Case, request: Request, ending: Ending) -> TopUp:
        case.accepted = self._accounts.accept(request, case.subject, ending)
        return case.accepted

    def _read_request(self, case: Case) -> Request:
        """What an order asks for, under a number of ours if it has no idempotency key; Refusal for the first flaw."""
        once = case.asked.headers.get(ONCE, "")
        if once and not _ONCE.fullmatch(once):
            raise _bad(f"{ONCE}: not 1 to 128 visible ASCII characters")
        body = _read(case.asked.body, Body)
        player, server = self._read_fields(body, self._category)
        if not 0 < len(body.offer_id) <= TEXT_MAX:
            raise _bad("offer_id: missing, or too long", Code.GOODS_UNKNOWN)
        number = once or f"{self.name}-{next(self._numbers)}"
        return Request(self.name, number, once, player, server, body.offer_id, 1, "", "")

    def _query(self, top_up: TopUp | None, case: Case) -> Reply:
        if top_up is None:
            raise Refusal(404, "not_found", "no such order")
        return self._said(top_up)

    def _found(self, order_id: str) -> TopUp | None:
        trade_no = order_id.removeprefix("ord-")
        found = self._accounts.top_ups.matching({"trade_no": trade_no}, 1) if trade_no != order_id and trade_no else []
        return next((top_up for top_up in found if top_up.upstream == self.name), None)

    def _said(self, top_up: TopUp) -> Reply:
        return Reply(fields={"ok": True, "order": self._told(top_up)})

    def _told(self, top_up: TopUp) -> dict[str, object]:
        """An order as it is told of, wherever it is."""
        status, price = STATUSES[top_up.state], self._price(top_up.product)
        created = self._at(top_up.t)
        history = [{"status": "processing", "at": created}]
        told: dict[str, object] = {
            "id": f"ord-{top_up.trade_no}",
            "kind": "topup",
            "title": f"{self.name} / {top_up.product}",
            "status": status,
            "quantity": top_up.request.quantity,
            "category_id": self._category,
            "category_name": self.name,
            "offer_id": top_up.product,
            "offer_name": top_up.product,
            "fields": {PLAYER: top_up.request.account, SERVER: top_up.request.region},
            "price_usd": price,
            "total_usd": price,
            "created_at": created,
            "status_history": history,
        }
        if top_up.state != PROCESSING:
            history.append({"status": status, "at": self._at(top_up.ended_t)})
        if top_up.state == SUCCEEDED:
            told["completed_at"] = self._at(top_up.ended_t)
        if top_up.state == FAILED:
            told["fail_reason"] = "the game refused the top-up"
        return told

    def _at(self, t: int) -> str:
        at = datetime.fromtimestamp((self._desk.wall_ns + t) / SECOND_NS, UTC)
        return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    # --- webhooks -----------------------------------------------------------------------------------------------
    def _webhook(self, case: Case) -> Reply:
        """The setting, read, written or removed."""
        if case.asked.method == "PUT":
            hook = _read(case.asked.body, Hook)
            if not is_loopback(hook.url):
                raise _bad("url: only 127.0.0.0/8, ::1 and localhost are told")
            self._hook = hook
            return Reply(fields={"ok": True})
        if case.asked.method == "DELETE":
            self._hook = None
            return Reply(fields={"ok": True})
        hook_or_none = self._hook
        if hook_or_none is None:
            return Reply(fields={"ok": True, "webhook": None})
        set_up = {"url": hook_or_none.url, "secret": self._secret, "enabled": hook_or_none.enabled}
        return Reply(fields={"ok": True, "webhook": {**set_up, "consecutive_failures": 0}})

    def tell(self, top_up: TopUp) -> None:
        self._desk.notices.begin(top_up)

    async def _tell_early(self, case: Case) -> bool:
        """Ends at once what was just accepted, and tells the shop; whether the shop has answered to that."""
        top_up = case.accepted
        if top_up is None or not self._accounts.finish(top_up) or self.compose(top_up, PAID) is None:
            return False
        return await self._desk.notices.tell(top_up)

    def compose(self, top_up: TopUp, matter: Matter) -> Mangled | None:
        if self._hook is None or not self._hook.enabled:
            return None
        return {
            "event": STATUS_CHANGED,
            "event_id": str(UUID(notice_id(top_up.trade_no, matter)[:32], version=4)),
            "timestamp": self._at(top_up.ended_t),
            "data": self._told(top_up),
        }

    def seal(self, top_up: TopUp, matter: Matter, fields: Mangled, variant: Variant | None) -> Letter:
        assert self._hook is not None
        body = written(fields, variant)
        headers = {
            "Content-Type": "application/json",
            EVENT: TEST if variant is Variant.PARTIAL_COVER else str(fields.get("event", "")),
            EVENT_ID: str(fields.get("event_id", "")),
            ATTEMPT: str(max(top_up.notices, 1)),
        }
        if variant is not Variant.MISSING:
            headers[SIGNATURE] = f"sha256={hmac_hex(as_signed(body, variant), self._secret, variant)}"
        return Letter("POST", self._hook.url, body, headers)

    def is_accepted(self, heard: Heard) -> bool:
        return 200 <= heard.status < 300


# --- reading ---------------------------------------------------------------------------------------------------
def _read(body: bytes, kind: type[B]) -> B:
    try:
        return read_json(body, kind)
    except msgspec.DecodeError as error:
        raise _bad(str(error)) from None


def _bad(words: str, code: Code = Code.IDENTIFIERS_MISSING) -> Refusal:
    return Refusal(400, "validation_failed", words, code)


def _once(asked: Asked) -> str:
    return readable(asked.headers.get(ONCE, ""))[:128]


def _subject_of(asked: Asked, operation: Operation) -> Subject:
    """Whom a request is about: the key of the player or in the idempotency key, else that key, else what it is for."""
    if operation in (Operation.BUY, Operation.VALIDATE):
        try:
            player = read_json(asked.body, Body).fields.get(PLAYER, "")
        except msgspec.DecodeError:
            player = ""
        if key := key_of_account(player) or find_key(_once(asked)):
            return Subject(key, "key", key)
        if once := _once(asked):
            return Subject(once, "order_number", once)
    return Subject(operation.value, "operation", None)


def _unknown() -> Reply:
    return Reply(500, {"ok": False, "code": "internal_error", "error": "what became of it is not known"})


def _refusal_of(error: GoodsError) -> Refusal:
    match error:
        case NoAccount():
            return _bad("the player does not exist", Code.ACCOUNT_INVALID)
        case OtherRegion():
            return Refusal(*REFUSED[Outcome.WRONG_REGION])
        case Repeated():
            return Refusal(409, "idempotency_conflict", f"this {ONCE} was used for another order")
    return _bad("offer_id: unknown in this category", Code.GOODS_UNKNOWN)
