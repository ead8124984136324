"""The dialect of a game server's remote console: RCON as Minecraft speaks it, or (option `flavour`) as Source does.

Source and what clients make of it: docs/protocols/rcon.md. What commands mean is in rcon_commands.py.
"""

import hmac
from functools import partial
from itertools import count
from typing import ClassVar

from faults.verdict import BigAnswer, Effect, OtherFlavour, Outcome
from ledger.events import TradeRefused
from ledger.states import Code, Hop, Operation
from mocks.call import Call, Place, Signs, Subject
from mocks.game.accounts import NoAccount, Request
from mocks.game.desk import Desk, GameServer
from mocks.game.rcon_commands import Refusal, order_in, read_give, subject_of
from mocks.game.rcon_frames import ANSWER, AUTH, AUTH_ANSWER, COMMAND, Frame, in_frames
from mocks.game.rcon_wire import Line, Out, Then, Wire
from mocks.goods import GoodsError
from mocks.reply import HTML, Reply
from mocks.server import Answer, Asked, NoRoute, masked, readable

MINECRAFT, SOURCE = "minecraft", "source"
BODY_MAX = {MINECRAFT: 1446, SOURCE: 4096}
"""Bytes of a command that each flavour takes."""
SOURCE_END = b"\x00\x01\x00\x00"
"""What a Source server sends after it has mirrored an empty frame."""
PLAYERS_MAX = 20
TEXT_SHOWN = 64
WRONG_PASSWORD = 401
"""The status of a reply that stands for it; with any other but 200 the connection is closed."""
UNKNOWN = "Unknown or incomplete command"
HELP = "/give <player> <item> [<count>] [order=<id>]\n/help\n/list"
TURNED_AWAY: dict[Outcome, tuple[str, Code]] = {
    Outcome.MAINTENANCE: ("Server is restarting, try again later", Code.UPSTREAM_REFUSED),
    Outcome.WRONG_REGION: ("No player was found", Code.REGION_MISMATCH),
}
"""What goods faults do here; of the others a console knows nothing."""
FILLER = b" lorem ipsum"


class Rcon(GameServer):
    """One game server with its console. A command is done at once, and as often as it is sent."""

    signs: ClassVar[Signs] = Signs()

    def __init__(self, desk: Desk) -> None:
        self.name, self._desk, self._password = desk.name, desk, desk.keys.key.encode()
        self._flavour = desk.upstream.option("flavour")
        self._accounts, self._injector = desk.accounts, desk.injector
        self._numbers = count(1)
        operations = (Operation.LOGIN, Operation.BUY, Operation.CATALOGUE)
        self._places = {op: Place(Hop.SHOP_GAME, op, self.name) for op in operations}
        self._wire = Wire(desk.clock, desk.tasks, self.hello, self.heard)

    async def answer(self, asked: Asked, path: str) -> Answer:
        """Nothing is answered over HTTP: NoRoute."""
        raise NoRoute

    def forget(self) -> None:
        for place in self._places.values():
            place.counts.clear()

    async def listen(self, host: str, port: int) -> int | None:
        return await self._wire.listen(host, port)

    def stop(self) -> None:
        self._wire.stop()

    # --- frames and exchanges -----------------------------------------------------------------------------------
    def hello(self) -> Line:
        """A connection that has just come."""
        return Line(self._flavour, BODY_MAX[self._flavour])

    async def heard(self, line: Line, frame: Frame) -> Out:
        """What is answered to a frame."""
        if frame.kind == AUTH:
            call = self._login(line, frame)
        elif frame.kind == COMMAND:
            call = self._command(line, readable(frame.body.decode("utf-8", "surrogateescape")))
        else:
            return _dummy(line, frame)
        keeper = self._injector.evidence
        assert keeper is not None
        with keeper.watched():
            out = _in_frames(await self._injector.answer(call), line, frame)
            keeper.keep(frame.written, lambda: b"".join(out.parts))
        return out

    def _login(self, line: Line, frame: Frame) -> Call:
        def known(*, is_known: bool) -> Reply:
            line.is_known = is_known
            return Reply() if is_known else self._refuse(subject, Operation.LOGIN)

        subject = Subject(Operation.LOGIN.value, "operation", None)
        return Call(
            self._places[Operation.LOGIN],
            subject,
            hmac.compare_digest(frame.body, self._password),
            act=partial(known, is_known=True),
            refuse=partial(known, is_known=False),
            dress=partial(_dress, line),
        )

    def _command(self, line: Line, text: str) -> Call:
        words = text.removeprefix("/").split()
        is_give = words[:1] == ["give"]
        operation = Operation.BUY if is_give else Operation.CATALOGUE
        subject = subject_of(words) if is_give else Subject(operation.value, "operation", None)
        return Call(
            self._places[operation],
            subject,
            line.is_known,
            act=partial(self._give, words, subject) if is_give else partial(self._tell_of, text, words),
            refuse=partial(self._refuse, subject, operation),
            sell=partial(self._sell, words, subject) if is_give else None,
            dress=partial(_dress, line),
        )

    def _refuse(self, subject: Subject, operation: Operation, code: Code = Code.UPSTREAM_BAD_SIGNATURE) -> Reply:
        """As a server refuses a wrong password, or a command before the right one."""
        self._note_refused(subject.o, operation, code, "the password is wrong")
        return Reply(WRONG_PASSWORD)

    def _note_refused(self, o: str | None, operation: Operation, code: Code, words: str) -> None:
        t, name = self._desk.clock.t(), self.name
        self._desk.append(TradeRefused(t=t, o=o, upstream=name, operation=operation, code=code, words=words))

    # --- commands -----------------------------------------------------------------------------------------------
    def _give(self, words: list[str], subject: Subject) -> Reply:
        try:
            request = self._request(words)
            self._accounts.note_requested(request, subject.o)
            top_up = self._accounts.take(request, subject)
        except (Refusal, GoodsError) as error:
            return self._not_given(words, subject, error)
        self._accounts.credit(top_up)
        return _said(f"Gave {request.quantity} [{request.product}] to {request.account}")

    def _not_given(self, words: list[str], subject: Subject, error: Refusal | GoodsError) -> Reply:
        why = error if isinstance(error, Refusal) else _refusal_of(error)
        told = masked(why.words, self._desk.keys.secrets)
        self._accounts.note_refused(self.name, order_in(words), subject.o, why.code, told)
        return _said(why.words)

    def _sell(self, words: list[str], subject: Subject, outcome: Outcome) -> Reply | None:
        """What comes of a command that a fault strikes; None where a console does no such thing, or refuses anyhow."""
        if outcome not in TURNED_AWAY:
            return None
        try:
            request = self._request(words)
            self._accounts.check_request(request)
        except (Refusal, GoodsError):
            return None
        self._accounts.note_requested(request, subject.o)
        return self._not_given(words, subject, Refusal(*TURNED_AWAY[outcome]))

    def _request(self, words: list[str]) -> Request:
        """What a command asks for, under a number of ours if it gives none; Refusal, NoAccount. A player
        lives where his server is."""
        given = read_give(words)
        home = self._accounts.home_of(given.player) or ""
        number = given.order or f"{self.name}-{next(self._numbers)}"
        return Request(self.name, number, "", given.player, home, given.item, given.count, "", "")

    def _tell_of(self, text: str, words: list[str]) -> Reply:
        """The answer to any other command. Nobody is known to play here but those who got something."""
        match words:
            case ["help"]:
                return _said(HELP)
            case ["list"]:
                latest = self._accounts.top_ups.matching({}, PLAYERS_MAX)
                players = dict.fromkeys(top_up.request.account for top_up in latest if top_up.upstream == self.name)
                return _said(f"There are {len(players)} of a max of {PLAYERS_MAX} players online: {', '.join(players)}")
        self._note_refused(None, Operation.CATALOGUE, Code.UPSTREAM_REFUSED, UNKNOWN)
        return _said(f"{UNKNOWN}, see below for error{text[:TEXT_SHOWN]}<--[HERE]")


def _refusal_of(error: GoodsError) -> Refusal:
    if isinstance(error, NoAccount):
        return Refusal("No player was found", Code.ACCOUNT_INVALID)
    return Refusal("Unknown item", Code.GOODS_UNKNOWN)


# --- answers -----------------------------------------------------------------------------------------------------
def _said(text: str) -> Reply:
    return Reply(body=text.encode())


def _dress(line: Line, reply: Reply, effect: Effect) -> str:
    """What only RCON can do to an answer; what changed."""
    match effect:
        case OtherFlavour():
            line.flavour = SOURCE if line.flavour == MINECRAFT else MINECRAFT
            line.body_max = BODY_MAX[line.flavour]
            return f"spoken as a {line.flavour} server"
        case BigAnswer(bytes=length) if reply.status == 200 and len(reply.body) < length:
            more = length - len(reply.body)
            reply.body += (FILLER * (more // len(FILLER) + 1))[:more]
            return f"{length} bytes answered"
    return ""


def _dummy(line: Line, frame: Frame) -> Out:
    """The answer to a frame of no known type: clients send one to see where the answer before it ends."""
    if line.flavour == MINECRAFT:
        said = f"Unknown request {frame.kind & 0xFFFFFFFF:x}".encode()
        return Out((Frame(frame.id, ANSWER, said).written(),))
    if frame.kind != ANSWER:
        return Out()
    return Out((Frame(frame.id, ANSWER).written(), Frame(frame.id, ANSWER, SOURCE_END).written()))


def _in_frames(reply: Answer, line: Line, frame: Frame) -> Out:
    """A reply as the wire carries it. A page is what another server would send that has taken this one's port."""
    if reply is None:
        return Out(then=Then.CLOSE)
    if reply.breaks == 0.0:
        return Out(then=Then.RESET)
    if reply.kind == HTML:
        head = f"HTTP/1.1 {reply.status} \r\nContent-Type: {HTML}\r\nContent-Length: {len(reply.body)}\r\n\r\n"
        return Out((head.encode() + reply.body,), Then.CLOSE)
    if reply.status not in (200, WRONG_PASSWORD):
        return Out(then=Then.CLOSE)
    parts: tuple[bytes, ...] = (in_frames(frame.id, reply.body),)
    if reply.status == WRONG_PASSWORD or frame.kind == AUTH:
        extra = (Frame(frame.id, ANSWER).written(),) if line.flavour == SOURCE else ()
        own = Frame(-1 if reply.status == WRONG_PASSWORD else frame.id, AUTH_ANSWER)
        parts = (*extra, own.written())
    if reply.breaks is not None:
        whole = b"".join(parts)
        return Out((whole[: int(len(whole) * reply.breaks)],), Then.RESET)
    return Out(parts, pieces=reply.pieces)
