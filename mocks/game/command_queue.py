"""The dialect of a queue of commands that the game's side pulls: at least once, by design.

The mock plays the platform between shop and game: the shop puts commands into the queue, a plugin of the game server
fetches, runs and deletes them. Unless option `puller` says `none`, the mock plays that plugin, too (puller.py).
Source: Tebex' plugin API for the game's side; the shop's side is our own (docs/protocols/command_queue.md).
"""

import re
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import ClassVar, TypeAlias
from urllib.parse import unquote

import msgspec

from faults.verdict import Variant
from ledger.events import TradeRefused
from ledger.states import Code, Hop, Operation
from mocks.call import Call, Place, Signs, Subject
from mocks.game.accounts import PROCESSING, NoAccount, Request, TopUp
from mocks.game.commands import Command, Commands
from mocks.game.desk import Desk, GameServer
from mocks.game.puller import Puller
from mocks.game.refusal import Refusal
from mocks.goods import GoodsError, Repeated
from mocks.mangle import Schema
from mocks.reply import Reply
from mocks.server import Answer, Asked, NoRoute, read_fields, read_json, readable
from mocks.signed import are_equal
from plan.orders import find_key, key_of_account

SECRET = "X-Tebex-Secret"
OURS = "ours"
QUANTITY_MAX = 1000
PAYMENT_MAX, NAME_MAX = 64, 64
AT_A_TIME = 250
"""Commands in one answer; more wait for the next."""

PUT = Schema(
    pair=("status", "state"), missing="id", state="status", states={"queued": "pending", "done": "executed"},
    identifiers=("id", "payment"), flaps={"status": ("done", "queued")}, envelope=("", "data"),
)  # fmt: skip
SCHEMAS = {
    Operation.BUY: PUT,
    Operation.QUERY: PUT,
    Operation.FETCH: Schema(pair=("commands", "data"), missing="meta", identifiers=("commands", "players")),
    Operation.CONFIRM: Schema(),
    Operation.MERCHANT: Schema(pair=("server", "game_server"), missing="account"),
}
_PAYMENT = re.compile(r"[A-Za-z0-9._|-]{1,64}", re.ASCII)
_ID = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_FORM = "application/x-www-form-urlencoded"


class Body(msgspec.Struct, frozen=True):
    """What a shop wants done. `online`: only while the player is; `once`: not again for the same payment."""

    payment: str = ""
    player: str = ""
    package: str = ""
    quantity: int = 1
    online: bool = False
    once: bool = False


class Ids(msgspec.Struct, frozen=True):
    """The commands that were run."""

    ids: list[int]


class Case(msgspec.Struct):
    """One request, and whom it is about."""

    operation: Operation
    asked: Asked
    subject: Subject


Step: TypeAlias = Callable[[Case], Reply]
_FORBIDDEN = Refusal(403, "forbidden", "the secret is missing or wrong", Code.UPSTREAM_BAD_SIGNATURE)


class CommandQueue(GameServer):
    """One store's queue for one game server."""

    signs: ClassVar[Signs] = Signs(requests=frozenset({Variant.MISSING}))

    def __init__(self, desk: Desk) -> None:
        self.name, self._desk, self._accounts = desk.name, desk, desk.accounts
        self._commands = Commands()
        self._places = {op: Place(Hop.SHOP_GAME, op, self.name, schema) for op, schema in SCHEMAS.items()}
        self._puller: Puller | None = None
        if desk.upstream.option("puller") == OURS:
            self._puller = Puller(desk, self._commands, self._ask, self._places[Operation.CONFIRM])

    def routes(self) -> list[str]:
        paths = ("commands", "commands/PAYMENT", "information", "queue", "queue/offline-commands")
        return [f"/{self.name}/{path}" for path in (*paths, "queue/online-commands/PLAYER")]

    @property
    def open(self) -> int:
        return len(self._commands) if self._puller is not None else 0

    def forget(self) -> None:
        self._commands.forget()
        for place in self._places.values():
            place.counts.clear()

    def stop(self) -> None:
        if self._puller is not None:
            self._puller.stop()

    async def answer(self, asked: Asked, path: str) -> Answer:
        match asked.method, path:
            case "POST", "commands":
                return await self._answer(Operation.BUY, asked, self._put)
            case "GET", "information":
                return await self._answer(Operation.MERCHANT, asked, self._information)
            case "GET", "queue":
                return await self._answer(Operation.FETCH, asked, self._due)
            case "GET", "queue/offline-commands":
                return await self._answer(Operation.FETCH, asked, self._offline)
            case "DELETE", "queue":
                return await self._answer(Operation.CONFIRM, asked, self._delete)
        folder, _, name = path.rpartition("/")
        if asked.method == "GET" and folder == "commands" and name:
            return await self._answer(Operation.QUERY, asked, partial(self._status, unquote(name)))
        if asked.method == "GET" and folder == "queue/online-commands" and name:
            return await self._answer(Operation.FETCH, asked, partial(self._online, name))
        raise NoRoute

    async def _answer(self, operation: Operation, asked: Asked, step: Step) -> Answer:
        case = Case(operation, asked, self._subject_of(asked, operation))
        call = Call(
            self._places[operation],
            case.subject,
            self._is_known(asked),
            act=partial(self._act, step, case),
            refuse=partial(self._refuse, case, _FORBIDDEN),
            is_genuine_as=partial(self._is_known, asked),
            refuse_repeat=partial(self._refuse_repeat, case) if operation is Operation.BUY else None,
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
        """Whether the secret is right; by the rule of a variant, whether it had arrived."""
        given = asked.headers.get(SECRET, "") if variant is not Variant.MISSING else ""
        return are_equal(self._desk.keys.key, given)

    def _refuse(self, case: Case, why: Refusal) -> Reply:
        o, operation, name = case.subject.o, case.operation, self.name
        if operation is Operation.BUY:
            payment = "" if case.subject.keyed_by == "operation" else _try_read(case.asked.body).payment
            self._accounts.note_refused(name, readable(payment)[:PAYMENT_MAX], o, why.code, why.words)
        else:
            t, code = self._desk.clock.t(), why.code
            self._desk.append(TradeRefused(t=t, o=o, upstream=name, operation=operation, code=code, words=why.words))
        return Reply(why.status, {"error_code": why.status, "error_message": why.words})

    def _subject_of(self, asked: Asked, operation: Operation) -> Subject:
        """Whom a request is about: the key in the payment or that of the player, else the payment, else the operation;
        the deletion of a single command is about whom that was."""
        if operation is Operation.BUY:
            body = _try_read(asked.body)
            payment = readable(body.payment)[:PAYMENT_MAX]
            if key := find_key(payment) or key_of_account(body.player):
                return Subject(key, "key", key)
            return Subject(payment, "order_number", payment) if payment else _about(operation)
        if operation is Operation.QUERY:
            top_up = self._accounts.top_ups.find(self.name, unquote(asked.path.rpartition("/")[2]))
            return top_up.subject if top_up else _about(operation)
        if operation is Operation.CONFIRM:
            ids = _ids_in(asked)
            if ids is not None and len(ids) == 1 and (command := self._commands.find(ids[0])):
                return command.top_up.subject
        return _about(operation)

    # --- the shop's side ----------------------------------------------------------------------------------------
    def _put(self, case: Case) -> Reply:
        body, request = self._read_request(case.asked.body)
        self._accounts.note_requested(request, case.subject.o)
        known = self._accounts.known(request)
        if known is not None:
            return _told(known)
        top_up = self._accounts.take(request, case.subject)
        self._commands.put(top_up, online=body.online, once=body.once)
        return _told(top_up)

    def _refuse_repeat(self, case: Case) -> Reply | None:
        """The refusal of a payment that has its command already; None where it has none."""
        payment = _try_read(case.asked.body).payment
        is_repeat = self._accounts.top_ups.find(self.name, payment) is not None
        return self._refuse(case, _refusal_of(Repeated(payment))) if is_repeat else None

    def _read_request(self, raw: bytes) -> tuple[Body, Request]:
        """What a shop wants done; Refusal for the first flaw, NoAccount."""
        try:
            body = read_json(raw, Body)
        except msgspec.DecodeError as error:
            raise _bad(str(error)) from None
        if not _PAYMENT.fullmatch(body.payment):
            raise _bad("payment: not 1 to 64 of A-Z a-z 0-9 . _ | -")
        for field in ("player", "package"):
            text = getattr(body, field)
            if not 0 < len(text) <= NAME_MAX or not text.isprintable() or " " in text:
                raise _bad(f"{field}: not 1 to {NAME_MAX} characters without spaces")
        if not 1 <= body.quantity <= QUANTITY_MAX:
            raise _bad(f"quantity: not 1 to {QUANTITY_MAX}")
        home = self._accounts.home_of(body.player) or ""
        asked = Request(self.name, body.payment, body.payment, body.player, home, body.package, body.quantity, "", "")
        return body, asked

    def _status(self, payment: str, case: Case) -> Reply:
        top_up = self._accounts.top_ups.find(self.name, payment)
        if top_up is None:
            raise Refusal(404, "not_found", "no command is for this payment")
        return _told(top_up)

    # --- the game's side ----------------------------------------------------------------------------------------
    def _information(self, case: Case) -> Reply:
        currency = {"iso_4217": "CNY", "symbol": "¥"}
        account = {"id": 1, "domain": "http://127.0.0.1", "name": self.name, "currency": currency}
        return Reply(fields={"account": account, "server": {"id": 1, "name": self.name}})

    def _due(self, case: Case) -> Reply:
        """Who has commands that wait for him to be online, and whether there are any that do not."""
        online = [command for command in self._commands if command.online]
        accounts = list(dict.fromkeys(command.top_up.request.account for command in online))
        players = [{"id": account, "name": account, "uuid": account} for account in accounts[:AT_A_TIME]]
        meta = {
            "execute_offline": len(online) < len(self._commands),
            "next_check": max(1, round(self._desk.upstream.takes)),
            "more": len(accounts) > AT_A_TIME,
        }
        return Reply(fields={"meta": meta, "players": players})

    def _offline(self, case: Case) -> Reply:
        offline = list(islice((c for c in self._commands if not c.online), AT_A_TIME + 1))
        commands = [_as_json(command) for command in offline[:AT_A_TIME]]
        return Reply(fields={"meta": {"limited": len(offline) > AT_A_TIME}, "commands": commands})

    def _online(self, player: str, case: Case) -> Reply:
        account = readable(unquote(player))
        found = (c for c in self._commands if c.online and c.top_up.request.account == account)
        commands = [_as_json(command) for command in islice(found, AT_A_TIME)]
        who = {"id": account, "username": account, "meta": {}}
        return Reply(fields={"player": who, "commands": commands})

    def _delete(self, case: Case) -> Reply:
        """Takes commands off the queue. A game that the mock does not play is believed to have run them."""
        ids = _ids_in(case.asked)
        if ids is None:
            raise _bad("ids: not a list of whole numbers")
        for number in ids[:AT_A_TIME]:
            command = self._commands.take_off(number)
            if command is not None and self._puller is None:
                self._accounts.credit(command.top_up)
        return Reply(204)

    async def _ask(self, method: str, path: str, body: bytes) -> Answer:
        """A request as the plugin of the game server makes it."""
        headers = {SECRET: self._desk.keys.key, "Content-Type": "application/json"}
        return await self.answer(Asked(method, f"/{self.name}/{path}", "", body, headers=headers), path)


# --- reading ---------------------------------------------------------------------------------------------------
def _try_read(raw: bytes) -> Body:
    """The body of a request, as far as it can be read."""
    try:
        return read_json(raw, Body)
    except msgspec.DecodeError:
        return Body()


def _ids_in(asked: Asked) -> list[int] | None:
    """The numbers in a deletion, as JSON `{"ids": [1]}` or as a form `ids[]=1&ids[]=2`; None for anything else."""
    if asked.headers.get("Content-Type", "").startswith(_FORM) or asked.query:
        text = asked.query.encode("utf-8", "surrogateescape") if asked.query else asked.body
        parts = [read_fields(part) for part in text.split(b"&") if part]
        found = [value for part in parts for name, value in part.items() if name.startswith("ids[")]
        is_legal = len(found) == len(parts) > 0 and all(_ID.fullmatch(value) for value in found)
        return [int(value) for value in found] if is_legal else None
    try:
        return read_json(asked.body, Ids).ids
    except msgspec.DecodeError:
        return None


def _about(operation: Operation) -> Subject:
    return Subject(operation.value, "operation", None)


def _bad(words: str) -> Refusal:
    return Refusal(422, "invalid", words, Code.IDENTIFIERS_MISSING)


def _refusal_of(error: GoodsError) -> Refusal:
    match error:
        case NoAccount():
            return Refusal(422, "invalid", "player: does not exist", Code.ACCOUNT_INVALID)
        case Repeated():
            return Refusal(409, "conflict", "this payment has its command already")
    return Refusal(422, "invalid", "package: unknown", Code.GOODS_UNKNOWN)


def _told(top_up: TopUp) -> Reply:
    status = "queued" if top_up.state == PROCESSING else "done"
    fields: dict[str, object] = {"id": top_up.trade_no, "payment": top_up.request_no, "status": status}
    return Reply(202 if status == "queued" else 200, fields)


def _as_json(command: Command) -> dict[str, object]:
    account = command.top_up.request.account
    return {
        "id": command.id,
        "command": command.text,
        "payment": command.top_up.request_no,
        "package": command.top_up.product,
        "player": {"id": account, "name": account, "uuid": account},
        "conditions": {"delay": 0, "slots": 0},
    }
