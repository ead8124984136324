"""Notices: what a channel tells the shop after capture, again and again as the ladder says, until it is accepted.

A trade may have several notices, each about something of its own (`Matter`) and climbing by itself: that it was paid,
that some of it was given back, that it was closed, finished, disputed. Those that tell of payment or delivery are the
ones that orders wait for; the faults of notices strike these unless they name another operation.

One attempt: late → together → lost → mangle → sign → repeat → send → kill. Attempts are numbered by trade; copies of
one share its number and decision. The gap to the next attempt is counted from sending to sending: the wait for an
answer is wire time, which `compress` does not shorten, and would else make every ladder longer the more a run is
compressed.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from hashlib import blake2b
from types import MappingProxyType
from typing import Generic, Protocol, TypeVar

import msgspec

from faults.decide import Exchange
from faults.verdict import NOTHING, Kill, Lose, Repeat, Strike, TellAgain, Together, Variant, Verdict
from ledger.clock import SECOND_NS, Clock
from ledger.events import DONE, NoticeAnswered, NoticeSent
from ledger.states import Hop, Operation
from mocks.apply import Injector, first
from mocks.call import Append, Place, Subject
from mocks.mangle import Mangled, Schema
from mocks.post import AT_ONCE, Heard, Letter, Send, came_back, went_out
from mocks.server import masked
from mocks.signed import SIGNED, must, oddly_signed
from mocks.waits import Waits

WORDS_MAX = 200

ACCEPTED, REFUSED, ERROR, UNANSWERED = "accepted", "refused", "error", "unanswered"


class About(StrEnum):
    """What a notice tells of. The first is what every order waits for: paid, or delivered."""

    DONE = DONE
    REFUNDED = "refunded"
    CLOSED = "closed"
    FINISHED = "finished"
    DISPUTED = "disputed"
    DISPUTE_ENDED = "dispute_ended"


OPERATIONS = {
    About.DONE: Operation.NOTICE,
    About.REFUNDED: Operation.REFUND_NOTICE,
    About.CLOSED: Operation.CLOSE_NOTICE,
    About.FINISHED: Operation.FINISH_NOTICE,
    About.DISPUTED: Operation.DISPUTE_NOTICE,
    About.DISPUTE_ENDED: Operation.DISPUTE_NOTICE,
}


class Matter(msgspec.Struct, frozen=True):
    """Of what a notice tells: `no` says which, where a trade may have several (the number of a refund)."""

    about: About = About.DONE
    no: str = ""


PAID = Matter()


def notice_id(trade_no: str, matter: Matter) -> str:
    """The id of a notice: the same over all its attempts and copies, another for any other; 34 hex digits."""
    return blake2b(f"{trade_no}\x1f{matter.about}\x1f{matter.no}".encode(), digest_size=17).hexdigest()


Signal = Callable[[Strike, Exchange, str | None], None]
"""Tells the harness that a struck notice was just acknowledged."""


class Told(Protocol):
    """What notices are about: a trade, a top-up. Attempts and what was last heard are written into it."""

    notices: int
    heard: str

    @property
    def trade_no(self) -> str: ...

    @property
    def upstream(self) -> str: ...

    @property
    def product(self) -> str:
        """What `notice_together` gathers by."""
        ...

    @property
    def o(self) -> str: ...

    @property
    def subject(self) -> Subject: ...


T = TypeVar("T", bound=Told)
C = TypeVar("C", bound=Told, contravariant=True)


class Teller(Protocol[C]):
    """How a dialect tells a shop that a trade was paid, or a top-up done."""

    @property
    def schema(self) -> Schema:
        """What faults without names mangle in a notice."""
        ...

    def compose(self, trade: C, matter: Matter) -> Mangled | None:
        """The fields of the notice, unsigned; None where the dialect does not tell of this, or the shop asked for no
        notice of it."""
        ...

    def seal(self, trade: C, matter: Matter, fields: Mangled, variant: Variant | None) -> Letter:
        """The notice, signed: by the rule, or in the way of `variant`. It changes nothing of `fields`."""
        ...

    def is_accepted(self, heard: Heard) -> bool: ...


class Ladder(msgspec.Struct, frozen=True):
    """When an upstream tries again: gaps between attempts, and how long it waits for an answer. Wire time."""

    gaps_ns: tuple[int, ...]
    timeout_ns: int

    @classmethod
    def of(cls, gaps_s: Sequence[float], timeout_s: float) -> "Ladder":
        return cls(tuple(int(gap * SECOND_NS) for gap in gaps_s), int(timeout_s * SECOND_NS))


class _Line(msgspec.Struct, Generic[T]):
    """What belongs to one upstream."""

    teller: Teller[T]
    ladder: Ladder
    places: dict[Operation, Place]
    send: Send


class _Attempt(msgspec.Struct, frozen=True):
    """Which attempt, and which copy of it, of which notice."""

    matter: Matter
    n: int
    copy: int = 0


class _Batch:
    """First notices of one product that leave together."""

    def __init__(self, until_t: int) -> None:
        self.until_t, self.count, self.waits = until_t, 0, Waits()


class Notices(Generic[T]):
    """Every notice of a process. Its tasks belong to the group it was given; close that to end them."""

    def __init__(
        self,
        clock: Clock,
        append: Append,
        injector: Injector,
        send: Send,
        tasks: asyncio.TaskGroup,
        secrets: Iterable[str] = (),
        *,
        hop: Hop = Hop.PAYMENT_SHOP,
        signal: Signal | None = None,
        sends: Mapping[str, Send] = MappingProxyType({}),
    ) -> None:
        """`sends`: of those upstreams whose letters take a way of their own, a proxy's."""
        self._hop, self._signal = hop, signal
        self._clock, self._append, self._injector = clock, append, injector
        self._send, self._sends, self._tasks, self._secrets = send, sends, tasks, tuple(secrets)
        self._lines: dict[str, _Line[T]] = {}
        self._climbing: dict[tuple[str, Matter], asyncio.Task[None]] = {}
        self._batches: dict[tuple[str, str], _Batch] = {}
        self._again: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(AT_ONCE)

    def serve(self, upstream: str, teller: Teller[T], ladder: Ladder) -> None:
        """From now on the upstream tells its shop."""
        operations = dict.fromkeys(OPERATIONS.values())
        places = {operation: Place(self._hop, operation, upstream, teller.schema) for operation in operations}
        self._lines[upstream] = _Line(teller, ladder, places, self._sends.get(upstream, self._send))

    @property
    def open(self) -> int:
        """Notices due or under way."""
        return len(self._climbing)

    def begin(self, trade: T, matter: Matter = PAID) -> None:
        """It came to pass: the first attempt to tell of it leaves at once. Nothing is sent where the dialect tells of
        no such thing, or where this very notice is under way already."""
        is_under_way = (trade.trade_no, matter) in self._climbing
        if not is_under_way and self._lines[trade.upstream].teller.compose(trade, matter) is not None:
            self._start(trade, matter, asyncio.Event())

    def given_back(self, trade: T) -> None:
        """Money of a paid trade was given back. A fault may have the notice of payment sent once more after that."""
        exchange = self._injector.exchange(self._lines[trade.upstream].places[Operation.NOTICE], trade.subject, 1)
        if found := first(self._injector.decide(exchange), TellAgain):
            strike, again = found
            name = f"notice of {trade.trade_no} again"
            self._again.add(self._tasks.create_task(self._tell_again(trade, strike, again.after_s), name=name))

    async def _tell_again(self, trade: T, strike: Strike, after_s: float) -> None:
        try:
            await self._injector.wait_while_live(self._clock.t() + int(after_s * SECOND_NS))
            line, fields = self._lines[trade.upstream], None
            if self._injector.is_live:
                fields = line.teller.compose(trade, PAID)
            if fields is None:
                return
            trade.notices += 1
            exchange = self._injector.exchange(line.places[Operation.NOTICE], trade.subject, trade.notices)
            self._injector.struck(strike, exchange, trade.o, "told of payment again, after it was given back")
            letter = line.teller.seal(trade, PAID, fields, None)
            await self._deliver(trade, line, letter, _Attempt(PAID, trade.notices))
        finally:
            task = asyncio.current_task()
            assert task is not None
            self._again.discard(task)

    async def tell(self, trade: T) -> bool:
        """Begins, and returns when the first attempt has ended: whether the shop has answered it."""
        first_ended = asyncio.Event()
        self._start(trade, PAID, first_ended).add_done_callback(lambda _: first_ended.set())
        await first_ended.wait()
        return trade.heard in (ACCEPTED, REFUSED)

    def _start(self, trade: T, matter: Matter, first_ended: asyncio.Event) -> asyncio.Task[None]:
        task = self._tasks.create_task(self._climb(trade, matter, first_ended), name=f"notices of {trade.trade_no}")
        self._climbing[trade.trade_no, matter] = task
        return task

    def forget(self) -> int:
        """Drops every notice that is due or under way; how many there were."""
        climbing, self._climbing, self._batches = self._climbing, {}, {}
        for task in (*climbing.values(), *self._again):
            task.cancel()
        return len(climbing)

    async def _climb(self, trade: T, matter: Matter, first_ended: asyncio.Event) -> None:
        line = self._lines[trade.upstream]
        try:
            for n, gap_ns in enumerate((*line.ladder.gaps_ns, 0), 1):
                due_t = self._clock.t() + gap_ns  # of the next attempt: a gap is counted from send to send
                accepted = await self._attempt(trade, line, matter, n)
                first_ended.set()
                if accepted:
                    return
                await self._clock.wait_until(due_t)
        finally:
            self._climbing.pop((trade.trade_no, matter), None)

    async def _attempt(self, trade: T, line: _Line[T], matter: Matter, n: int) -> bool:
        """One attempt with all its copies; whether one of them was accepted."""
        with self._injector.evidence.watched():
            return await self._try(trade, line, matter, n)

    async def _try(self, trade: T, line: _Line[T], matter: Matter, n: int) -> bool:
        injector = self._injector
        if matter.about is About.DONE:
            trade.notices = n
        exchange = injector.exchange(line.places[OPERATIONS[matter.about]], trade.subject, n)
        verdict = injector.decide(exchange)
        if not verdict:
            fields = line.teller.compose(trade, matter)
            if fields is None:
                return True  # the shop's wish to be told has ended meanwhile
            letter = line.teller.seal(trade, matter, fields, None)
            return await self._deliver(trade, line, letter, _Attempt(matter, n))
        await injector.delay(verdict, exchange, trade.o, "left")
        if n == 1 and matter.about is About.DONE:
            await self._gather(trade, verdict, exchange)
        if not injector.is_live:
            verdict = NOTHING
        if lost := verdict.first(Lose):
            injector.struck(lost, exchange, trade.o, "notice lost")
            await self._lose(trade, line, _Attempt(matter, n))
            return False
        letter_or_none = self._written(trade, line, matter, verdict, exchange)
        if letter_or_none is None:
            return True
        return await self._copies(trade, line, letter_or_none, _Attempt(matter, n), verdict, exchange)

    async def _gather(self, trade: T, verdict: Verdict, exchange: Exchange) -> None:
        """Holds a first notice until as many of its product are there as leave together."""
        found = first(verdict, Together)
        if found is None:
            return
        strike, together = found
        key = (strike.fault_id, trade.product)
        batch = self._batches.get(key)
        if batch is None:
            batch = self._batches[key] = _Batch(self._clock.t() + int(together.within_s * SECOND_NS))
        batch.count += 1
        ms = 0.0
        if batch.count < together.n:
            ms = await self._injector.wait_while_live(batch.until_t, batch.waits)
        if self._batches.get(key) is batch:  # full, or over: who comes now begins another
            del self._batches[key]
            batch.waits.release()
        if batch.count > 1 or ms > 0:
            self._injector.struck(strike, exchange, trade.o, f"held {ms:.0f} ms, left with {batch.count - 1} others")

    def _written(self, trade: T, line: _Line[T], matter: Matter, verdict: Verdict, exchange: Exchange) -> Letter | None:
        """The notice, mangled and then signed; None where there is none to send any more."""
        injector, fields = self._injector, line.teller.compose(trade, matter)
        if fields is None:
            return None
        place = line.places[OPERATIONS[matter.about]]
        injector.mangle(fields, place, verdict, lambda s, words: injector.struck(s, exchange, trade.o, words))
        right = line.teller.seal(trade, matter, fields, None)
        odd = oddly_signed(verdict)
        if odd is None:
            return right
        strike, variant = odd
        letter = line.teller.seal(trade, matter, fields, variant)
        if letter != right:
            injector.struck(strike, exchange, trade.o, SIGNED[variant], must(variant))
        return letter

    async def _lose(self, trade: T, line: _Line[T], attempt: _Attempt) -> None:
        """As the channel itself sees a lost notice: sent, and after its timeout unanswered."""
        sent_t = self._note_sent(trade, attempt)
        await self._clock.wait_until(sent_t + line.ladder.timeout_ns)
        self._note_answered(trade, attempt, Heard(0, ""), UNANSWERED, sent_t)

    async def _copies(
        self, trade: T, line: _Line[T], letter: Letter, attempt: _Attempt, verdict: Verdict, exchange: Exchange
    ) -> bool:
        """Sends the letter and its copies; returns when all have ended. A copy not yet sent when faults end stays. The
        first of them that is accepted is signalled where the shop is to be killed."""
        due = [
            (strike, int(strike.effect.gap_s * SECOND_NS * i))
            for strike in verdict.all(Repeat)
            if isinstance(strike.effect, Repeat)
            for i in range(1, strike.effect.copies + 1)
        ]
        struck: set[str] = set()
        kills = verdict.all(Kill)[:1]
        began_t = self._clock.t()

        async def one(copy: int) -> bool:
            if copy:
                strike, after_ns = due[copy - 1]
                await self._injector.wait_while_live(began_t + after_ns)
                if self._clock.t() < began_t + after_ns:
                    return False
                if strike.fault_id not in struck:
                    struck.add(strike.fault_id)
                    self._injector.struck(strike, exchange, trade.o, "sent again")
            accepted = await self._deliver(trade, line, letter, msgspec.structs.replace(attempt, copy=copy))
            if accepted and kills:
                self._signalled(kills.pop(), exchange, trade.o)
            return accepted

        async with asyncio.TaskGroup() as group:
            sent = [group.create_task(one(copy)) for copy in range(len(due) + 1)]
        return any(task.result() for task in sent)

    def _signalled(self, strike: Strike, exchange: Exchange, o: str | None) -> None:
        if self._signal is not None:
            self._signal(strike, exchange, o)

    async def _deliver(self, trade: T, line: _Line[T], letter: Letter, attempt: _Attempt) -> bool:
        """Sends one copy and journals how it went; whether it was accepted."""
        async with self._turns:
            sent_t = self._note_sent(trade, attempt)
            heard = await self._answer_to(line.send, letter, sent_t + line.ladder.timeout_ns)
        if heard is None:
            outcome = UNANSWERED
        elif heard.status == 0:
            outcome = ERROR
        else:
            outcome = ACCEPTED if line.teller.is_accepted(heard) else REFUSED
        self._note_answered(trade, attempt, heard or Heard(0, ""), outcome, sent_t)
        self._injector.evidence.keep(lambda: came_back(heard), lambda: went_out(letter))
        return outcome == ACCEPTED

    async def _answer_to(self, send: Send, letter: Letter, until_t: int) -> Heard | None:
        """What came back, None if nothing did in time."""
        async with asyncio.TaskGroup() as both:
            sending = both.create_task(send(letter))
            alarm = both.create_task(self._clock.wait_until(until_t))
            await asyncio.wait((sending, alarm), return_when=asyncio.FIRST_COMPLETED)
            in_time = sending.done()
            sending.cancel()
            alarm.cancel()
        return sending.result() if in_time else None

    def _note_sent(self, trade: T, attempt: _Attempt) -> int:
        t, matter = self._clock.t(), attempt.matter
        self._append(
            NoticeSent(
                t=t,
                o=trade.o,
                upstream=trade.upstream,
                trade_no=trade.trade_no,
                n=attempt.n,
                copy=attempt.copy,
                about=str(matter.about),
                notice_id=notice_id(trade.trade_no, matter),
            )
        )
        return t

    def _note_answered(self, trade: T, attempt: _Attempt, heard: Heard, outcome: str, sent_t: int) -> None:
        t = self._clock.t()
        if attempt.matter.about is About.DONE:
            trade.heard = outcome
        self._append(
            NoticeAnswered(
                t=t,
                o=trade.o,
                upstream=trade.upstream,
                trade_no=trade.trade_no,
                n=attempt.n,
                status=heard.status,
                outcome=outcome,
                words=masked(heard.words, self._secrets)[:WORDS_MAX],
                ms=round((t - sent_t) / 1e6, 3),
                copy=attempt.copy,
                about=str(attempt.matter.about),
            )
        )
