"""A verdict put into effect: the fixed order of faults/verdict.py, attempt counters, and what was truly struck.

The order of a notice is in notices.py, what is done to fields in mangle.py.
"""

import asyncio
import copy
from collections.abc import AsyncGenerator, Callable, Iterable
from functools import partial
from typing import TypeVar

import msgspec

from faults.decide import Decider, Exchange
from faults.verdict import (
    NOTHING,
    AnswerUnknown,
    BigAnswer,
    Capacity,
    CountOtherwise,
    Delay,
    Early,
    Enwrap,
    FailCheck,
    Goods,
    Hang,
    LoseAnswer,
    LoseRequest,
    Moved,
    OtherFlavour,
    OtherRule,
    Page,
    Refuse,
    RefuseRepeat,
    RejectVersion,
    Reset,
    Reshape,
    SlowBody,
    Strike,
    Truncate,
    Verdict,
    When,
    Wrap,
)
from ledger.clock import SECOND_NS, Clock
from ledger.events import Checked, Struck
from ledger.states import Hop, Operation, Phase
from mocks.call import Append, Call, Place, Subject
from mocks.evidence import Evidence
from mocks.mangle import MANGLING, Mangled, mangle
from mocks.reply import Reply, page_of, wrapped
from mocks.signed import SIGNED, must, oddly_signed
from mocks.waits import Room, Waits

E = TypeVar("E")


PIECES = 10
"""A slow body comes in so many pieces, or a byte at a time if it is shorter."""


class _Case(msgspec.Struct):
    """One request under a verdict. A fault is journalled once for it, whatever it did. `is_unsigned`: what is answered
    comes from in front of the dialect."""

    call: Call
    exchange: Exchange
    verdict: Verdict
    early: Strike | None
    noted: set[str]
    is_unsigned: bool = False


def first(verdict: Verdict, kind: type[E]) -> tuple[Strike, E] | None:
    """The first strike of a kind, with its effect."""
    return next(((s, s.effect) for s in verdict.strikes if isinstance(s.effect, kind)), None)


class Injector:
    """Asks the decider, does what it says, and journals what changed. One for a process."""

    def __init__(self, decider: Decider, clock: Clock, append: Append, secrets: Iterable[str]) -> None:
        self.clock = clock
        self.phase = Phase.PREPARE
        self.struck_by: dict[str, int] = {}
        self.evidence = Evidence(append, secrets)
        self._decider = decider
        self._append = append
        self._waiting = Waits()
        self._rooms: dict[tuple[str, str], Room] = {}
        self._repeats: set[tuple[str, str, str]] = set()

    # --- what the harness tells ---------------------------------------------------------------------------------
    def begin(self, phase: Phase, l0_t: int | None = None) -> None:
        """Takes the announced phase; in any but load all that waits for a fault goes on at once."""
        self.phase = phase
        self._decider.begin(phase, l0_t)
        if phase is not Phase.LOAD:
            self.release()

    def renew(self) -> None:
        self._decider.renew(self.clock.t())

    def release(self) -> None:
        """Ends every wait that a fault has caused."""
        self._waiting.release()

    def forget(self) -> None:
        """Drops what was counted and worked out about single orders."""
        self.struck_by, self._repeats = {}, set()
        self._decider.forget()

    def in_force(self) -> list[str]:
        return self._decider.in_force(self.clock.t())

    @property
    def is_live(self) -> bool:
        """Whether faults may strike now."""
        return self._decider.is_live(self.clock.t())

    @property
    def lease_s(self) -> float:
        """Wire seconds until faults end by themselves."""
        return max(0.0, (self._decider.lease_until_t - self.clock.t()) / SECOND_NS)

    # --- deciding -----------------------------------------------------------------------------------------------
    def decide(self, exchange: Exchange) -> Verdict:
        return self._decider.verdict(exchange, self.clock.t())

    def exchange(self, place: Place, subject: Subject, attempt: int, version: str = "") -> Exchange:
        return Exchange(place.hop, place.operation, subject.key, attempt, place.upstream, subject.keyed_by, version)

    def struck(self, strike: Strike, exchange: Exchange, o: str | None, changed: str, must: str = "") -> None:
        """Journals that the strike truly changed the exchange, and what a good shop must do with it, if that is
        certain: refuse or accept."""
        self.struck_by[strike.fault_id] = self.struck_by.get(strike.fault_id, 0) + 1
        event = Struck(
            t=self.clock.t(),
            o=o,
            fault=strike.fault_id,
            hop=exchange.hashed_hop,
            operation=exchange.operation,
            attempt=exchange.attempt,
            changed=changed,
            keyed_by=exchange.keyed_by,
            must=must,
        )
        self._append(event)
        self.evidence.note(event)

    async def wait_while_live(self, until_t: int, others: Waits | None = None) -> float:
        """Waits for a fault until then, until `others` are released, or until faults are off (healed, lease over). The
        wire ms it took."""
        began_t = self.clock.t()
        while self.clock.t() < until_t and self.is_live:
            try:
                async with asyncio.timeout(None) as scope:
                    self._waiting.add(scope)
                    if others is not None:
                        others.add(scope)
                    await self.clock.wait_until(min(until_t, self._decider.lease_until_t))
            except TimeoutError:
                break
            finally:
                self._waiting.discard(scope)
                if others is not None:
                    others.discard(scope)
        return (self.clock.t() - began_t) / 1e6

    # --- putting into effect ------------------------------------------------------------------------------------
    async def answer(self, call: Call) -> Reply | None:
        """What to answer; None where the connection is to be closed without a byte."""
        n = call.place.count(call.subject.key)
        exchange = self.exchange(call.place, call.subject, n, call.version)
        if call.tolerated is not None:
            self._note_tolerated(call)
        verdict = self.decide(exchange)
        early = self.decide(_of_first_notice(exchange)).first(Early) if call.tell_early is not None else None
        if not verdict and early is None:
            reply = call.act() if call.is_genuine else call.refuse()
            if call.seal is not None:
                call.seal(reply, None)
            return reply
        return await self._effect(_Case(call, exchange, verdict, early, set()))

    def _note_tolerated(self, call: Call) -> None:
        place, t = call.place, self.clock.t()
        self._append(
            Checked(
                t=t, o=call.subject.o, upstream=place.upstream, operation=place.operation, matched=str(call.tolerated)
            )
        )

    async def _effect(self, case: _Case) -> Reply | None:
        if (full := await self._in_line(case)) is not None:
            return full
        if not self.is_live:
            case.verdict, case.early = NOTHING, None
        verdict, note = case.verdict, partial(self._note, case)
        if found := first(verdict, Refuse):
            note(found[0], f"answered HTTP {found[1].status}")
            return Reply(found[1].status, body=b"unavailable\n")
        if lost := verdict.first(LoseRequest):
            note(lost, "request lost")
            return None
        if reset := _reset(verdict, When.BEFORE):
            note(reset, "connection reset, nothing done")
            return Reply(breaks=0.0)
        return await self._sent(case, await self._done(case))

    async def _in_line(self, case: _Case) -> Reply | None:
        """Waits for a place at a finite upstream and for its work; the refusal where the line is full, too."""
        found = first(case.verdict, Capacity)
        if found is None:
            return None
        strike, capacity = found
        room = self._rooms.setdefault((strike.fault_id, case.call.place.upstream), Room(capacity.at_once))
        if room.is_full(capacity.queue):
            self._note(case, strike, f"no room: answered HTTP {capacity.status}")
            return Reply(capacity.status, body=b"too busy\n")
        came_t = self.clock.t()
        async with room.place():
            begun_t = self.clock.t()
            work_ms = await self.wait_while_live(begun_t + int(capacity.s * SECOND_NS))
        line_ms = (begun_t - came_t) / 1e6
        if line_ms + work_ms > 0:
            self._note(case, strike, f"{line_ms:.0f} ms in line, {work_ms:.0f} ms at work")
        return None

    # --- check, act, mangle, sign -------------------------------------------------------------------------------
    async def _done(self, case: _Case) -> Reply:
        """What the upstream answers, its work done unless a page hides that it was not."""
        verdict = case.verdict
        page = verdict.first(Page, Moved)
        if page is not None and not (isinstance(page.effect, Page) and page.effect.acted):
            self._note(case, page, "a page in place of the answer, nothing done")
            return page_of(page.effect)
        reply = self._acted(case)
        if case.early is not None and case.call.tell_early is not None and await case.call.tell_early():
            self.struck(case.early, _of_first_notice(case.exchange), case.call.subject.o, "sent before the answer")
        if page is not None:
            self._note(case, page, "a page in place of the answer")
            return page_of(page.effect)
        if case.is_unsigned:
            return reply
        verdict = self._dressed(case, reply)
        if reply.fields is not None:
            reply.fields = copy.deepcopy(reply.fields)  # a dialect may keep what it answers a repeat with
            self.mangle(reply.fields, case.call.place, verdict, partial(self._note, case))
        return self._wrapped(case, self._sealed(case, reply))

    def _dressed(self, case: _Case, reply: Reply) -> Verdict:
        """Does what only the dialect can do to its answer; the verdict without what has been done so."""
        if case.call.dress is None:
            return case.verdict
        done = []
        for strike in case.verdict.all(OtherFlavour, BigAnswer, CountOtherwise, Reshape, Enwrap):
            if changed := case.call.dress(reply, strike.effect):
                self._note(case, strike, changed)
                done.append(strike)
        return Verdict(tuple(s for s in case.verdict.strikes if s not in done)) if done else case.verdict

    def _wrapped(self, case: _Case, reply: Reply) -> Reply:
        for strike in case.verdict.all(Wrap):
            assert isinstance(strike.effect, Wrap)
            if (new := wrapped(reply, strike.effect.wrapping)) is not reply:
                self._note(case, strike, f"wrapped: {strike.effect.wrapping}")
                reply = new
        return reply

    def _acted(self, case: _Case) -> Reply:
        """Checked, then acted upon or refused."""
        call, verdict = case.call, case.verdict
        is_genuine, judged = call.is_genuine, None
        if is_genuine and (failing := verdict.first(FailCheck)):
            is_genuine, judged = False, failing
        elif (other := first(verdict, OtherRule)) and call.is_genuine_as is not None:
            by_rule = call.is_genuine_as(other[1].variant)
            judged = other[0] if by_rule is not is_genuine else None
            is_genuine = by_rule
        reply = self._answered(case) if is_genuine else call.refuse()
        if judged is not None:
            self._note(case, judged, "wrong signature taken" if is_genuine else "right signature refused")
        return reply

    def _answered(self, case: _Case) -> Reply:
        """What a genuine request comes to."""
        call, verdict = case.call, case.verdict
        if (rejecting := verdict.first(RejectVersion)) and call.refuse_version is not None:
            self._note(case, rejecting, "version refused, nothing done")
            return call.refuse_version()
        if (refused := self._refused_repeat(case)) is not None:
            return refused
        reply = self._sold(case)
        if forgetting := verdict.first(AnswerUnknown):
            self._note(case, forgetting, "done, answered as unknown")
            case.is_unsigned = call.unknown is None
            return call.unknown() if call.unknown is not None else Reply(500, body=b"internal error\n")
        return reply

    def _refused_repeat(self, case: _Case) -> Reply | None:
        """The refusal of the first repeat, where a fault wants that."""
        strike, refuse = case.verdict.first(RefuseRepeat), case.call.refuse_repeat
        if strike is None or refuse is None:
            return None
        once = (strike.fault_id, case.call.place.upstream, case.call.subject.key)
        if once in self._repeats or (reply := refuse()) is None:
            return None
        self._repeats.add(once)
        self._note(case, strike, "repeat refused as seen before")
        return reply

    def _sold(self, case: _Case) -> Reply:
        goods = first(case.verdict, Goods)
        if goods is not None and case.call.sell is not None:
            reply = case.call.sell(goods[1].outcome)
            if reply is not None:
                self._note(case, goods[0], f"goods: {goods[1].outcome}")
                return reply
        return case.call.act()

    def mangle(self, fields: Mangled, place: Place, verdict: Verdict, note: Callable[[Strike, str], None]) -> None:
        """Every mangling of the verdict, in its own fixed order; those of one kind follow each other."""
        for kind in MANGLING:
            for strike in verdict.all(kind):
                if changed := mangle(fields, strike.effect, place.schema):
                    note(strike, changed)

    def _sealed(self, case: _Case, reply: Reply) -> Reply:
        seal = case.call.seal
        if seal is None:
            return reply
        right = copy.deepcopy(reply)
        seal(right, None)
        if (odd := oddly_signed(case.verdict)) is None:
            return right
        strike, variant = odd
        seal(reply, variant)
        if reply != right:
            self._note(case, strike, SIGNED[variant], must(variant))
        return reply

    # --- answering ----------------------------------------------------------------------------------------------
    async def _sent(self, case: _Case, reply: Reply) -> Reply | None:
        verdict, note = case.verdict, partial(self._note, case)
        await self.delay(verdict, case.exchange, case.call.subject.o, "answered")
        if not self.is_live:
            return reply
        if hang := first(verdict, Hang):
            note(hang[0], "answer withheld")
            await self.wait_while_live(self.clock.t() + int(hang[1].s * SECOND_NS))
            return None
        if lost := verdict.first(LoseAnswer):
            note(lost, "answer lost")
            return None
        if reset := _reset(verdict, When.AFTER):
            note(reset, "connection reset, all done")
            return Reply(breaks=0.0)
        if cut := first(verdict, Truncate):
            flat = reply.flat()
            kept = int(len(flat.body) * cut[1].share)
            if kept < len(flat.body):
                reply = msgspec.structs.replace(flat, body=flat.body[:kept])
                note(cut[0], f"{kept} of {len(flat.body)} bytes sent")
        if reset := _reset(verdict, When.MID_ANSWER):
            note(reset, "connection reset in the middle of the answer")
            return msgspec.structs.replace(reply, breaks=0.5)
        if slow := first(verdict, SlowBody):
            flat = reply.flat()
            told = partial(note, slow[0], "body sent piece by piece")
            return msgspec.structs.replace(flat, pieces=partial(self._trickle, flat.body, slow[1].s, told))
        return reply

    async def _trickle(self, body: bytes, s: float, told: Callable[[], None]) -> AsyncGenerator[bytes, None]:
        """The body in pieces, the first at once and the last after so many wire seconds."""
        began_t, count = self.clock.t(), min(len(body), PIECES)
        for i in range(count):
            due_t = began_t + int(s * SECOND_NS * i / max(count - 1, 1))
            if await self.wait_while_live(due_t) > 0:
                told()
            yield body[len(body) * i // count : len(body) * (i + 1) // count]

    async def delay(self, verdict: Verdict, exchange: Exchange, o: str | None, verb: str) -> None:
        """Every delay of the verdict: they add up."""
        for strike in verdict.all(Delay):
            assert isinstance(strike.effect, Delay)
            ms = await self.wait_while_live(self.clock.t() + int(strike.effect.s * SECOND_NS))
            if ms > 0:
                self.struck(strike, exchange, o, f"{verb} {ms:.0f} ms later")

    def _note(self, case: _Case, strike: Strike, changed: str, must: str = "") -> None:
        if strike.fault_id not in case.noted:
            case.noted.add(strike.fault_id)
            self.struck(strike, case.exchange, case.call.subject.o, changed, must)


def _of_first_notice(exchange: Exchange) -> Exchange:
    """The first notice of what a request has ordered, on the way back."""
    caller, _, callee = exchange.hop.partition(">")
    return msgspec.structs.replace(exchange, hop=Hop(f"{callee}>{caller}"), operation=Operation.NOTICE, attempt=1)


def _reset(verdict: Verdict, when: When) -> Strike | None:
    return next((s for s in verdict.strikes if s.effect == Reset(when)), None)
