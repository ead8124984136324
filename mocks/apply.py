"""A verdict put into effect: the fixed order of faults/verdict.py, attempt counters, and what was truly struck.

A request: refuse → lose request → check → act → mangle → slow, hang → lose answer. (A dialect that signs its answers
signs them while it renders them, after mangling.) The order of a notice is in payment/notices.py.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import msgspec

from faults.decide import Decider, Exchange
from faults.verdict import (
    Delay,
    FailCheck,
    Hang,
    LoseAnswer,
    LoseRequest,
    Outcome,
    Refuse,
    Rename,
    Strike,
    Variant,
    Verdict,
)
from ledger.clock import SECOND_NS, Clock
from ledger.events import Event, Struck
from ledger.states import Hop, Operation, Phase

Append: TypeAlias = Callable[[Event], None]
Fields: TypeAlias = dict[str, str]

TEXT = "text/plain; charset=utf-8"
JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"


class Reply(msgspec.Struct):
    """What to answer: `fields` as a JSON object, or else `body` as it is."""

    status: int = 200
    fields: dict[str, object] | None = None
    body: bytes = b""
    kind: str = TEXT
    location: str | None = None
    headers: Fields = {}


class Schema(msgspec.Struct, frozen=True):
    """What an answer or notice of a dialect is made of, for faults that name no field.

    `pair`: the field that versions disagree on, and its other name. `missing`: the field a shop misses most. `state`:
    the field that holds a state, `states` what another version calls the same ones, `no_state` a word that none knows.
    `code`: the field that tells success, `codes` other versions' values for the same. `money`: fields with amounts,
    `in_fen` whether those are whole fen, not yuan. `identifiers`: fields that tell what the goods are for.
    A field may be a dotted path into nested objects.
    """

    pair: tuple[str, str] = ("", "")
    missing: str = ""
    state: str = ""
    states: dict[str, object] = {}
    no_state: str = "PARTIALLY_DONE"
    code: str = ""
    codes: dict[str, object] = {}
    money: tuple[str, ...] = ()
    in_fen: bool = False
    identifiers: tuple[str, ...] = ()


class Place:
    """Where decisions are taken: one operation of one upstream at one hop, and how often each order came by."""

    __slots__ = ("counts", "hop", "operation", "schema", "upstream")

    def __init__(self, hop: Hop, operation: Operation, upstream: str, schema: Schema = Schema()) -> None:  # noqa: B008
        self.hop, self.operation, self.upstream, self.schema = hop, operation, upstream, schema
        self.counts: dict[str, int] = {}

    def count(self, order_key: str) -> int:
        """How often this order has come by, this time included."""
        n = self.counts[order_key] = self.counts.get(order_key, 0) + 1
        return n


class Subject(msgspec.Struct, frozen=True):
    """Whom an exchange is about. Decisions are keyed by `key`, marked with `keyed_by`; facts are written under `o`."""

    key: str
    keyed_by: str
    o: str | None


class Call(msgspec.Struct, frozen=True):
    """A request as its dialect read it: whether its signature is right, what to do then, and how it is refused.

    `is_genuine_as` checks the signature by another rule. `sell` takes the place of `act` where a goods fault strikes;
    None from it means that nothing could be changed, and `act` is done. `tell_early` sends the notice of what was just
    done and returns when it was answered. `seal` signs an answer, last, by the rule or in the way of a variant.
    """

    place: Place
    subject: Subject
    is_genuine: bool
    act: Callable[[], Reply]
    refuse: Callable[[], Reply]
    is_genuine_as: Callable[[Variant], bool] | None = None
    sell: Callable[[Outcome], Reply | None] | None = None
    tell_early: Callable[[], Awaitable[bool]] | None = None
    seal: Callable[[Reply, Variant | None], None] | None = None


class Injector:
    """Asks the decider, does what it says, and journals what changed. One for a process."""

    def __init__(self, decider: Decider, clock: Clock, append: Append) -> None:
        self.clock = clock
        self.phase = Phase.PREPARE
        self.struck_by: dict[str, int] = {}
        self._decider = decider
        self._append = append
        self._waiting: set[asyncio.Timeout] = set()

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
        waiting, self._waiting = self._waiting, set()
        now = asyncio.get_running_loop().time() if waiting else 0.0
        for scope in waiting:
            scope.reschedule(now)

    def forget(self) -> None:
        """Drops what was counted and worked out about single orders."""
        self.struck_by = {}
        self._decider.forget()

    def in_force(self) -> list[str]:
        return self._decider.in_force(self.clock.t())

    @property
    def lease_s(self) -> float:
        """Wire seconds until faults end by themselves."""
        return max(0.0, (self._decider.lease_until_t - self.clock.t()) / SECOND_NS)

    # --- deciding -----------------------------------------------------------------------------------------------
    def decide(self, exchange: Exchange) -> Verdict:
        return self._decider.verdict(exchange, self.clock.t())

    def exchange(self, place: Place, subject: Subject, attempt: int) -> Exchange:
        return Exchange(place.hop, place.operation, subject.key, attempt, place.upstream, subject.keyed_by)

    def struck(self, strike: Strike, exchange: Exchange, o: str | None, changed: str) -> None:
        """Journals that the strike truly changed the exchange."""
        self.struck_by[strike.fault_id] = self.struck_by.get(strike.fault_id, 0) + 1
        self._append(
            Struck(
                t=self.clock.t(),
                o=o,
                fault=strike.fault_id,
                hop=exchange.hashed_hop,
                operation=exchange.operation,
                attempt=exchange.attempt,
                changed=changed,
                keyed_by=exchange.keyed_by,
            )
        )

    async def wait_while_live(self, until_t: int) -> float:
        """Waits for a fault until then, or until faults are off (healed, lease over). The wire ms it took."""
        began_t = self.clock.t()
        while self.clock.t() < until_t and self._decider.is_live(self.clock.t()):
            try:
                async with asyncio.timeout(None) as scope:
                    self._waiting.add(scope)
                    await self.clock.wait_until(min(until_t, self._decider.lease_until_t))
            except TimeoutError:
                break
            finally:
                self._waiting.discard(scope)
        return (self.clock.t() - began_t) / 1e6

    # --- putting into effect ------------------------------------------------------------------------------------
    async def answer(self, call: Call) -> Reply | None:
        """What to answer; None where the connection is to be closed without a byte."""
        exchange = self.exchange(call.place, call.subject, call.place.count(call.subject.key))
        verdict = self.decide(exchange)
        if not verdict:
            return call.act() if call.is_genuine else call.refuse()
        return await self._effect(call, exchange, verdict)

    async def _effect(self, call: Call, exchange: Exchange, verdict: Verdict) -> Reply | None:
        o = call.subject.o
        if refusal := verdict.first(Refuse):
            assert isinstance(refusal.effect, Refuse)
            self.struck(refusal, exchange, o, f"answered HTTP {refusal.effect.status}")
            return Reply(refusal.effect.status, body=b"unavailable\n")
        if lost := verdict.first(LoseRequest):
            self.struck(lost, exchange, o, "request lost")
            return None
        reply = self._checked(call, exchange, verdict)
        if reply.fields is not None:
            self.rename(reply.fields, verdict, call.place, exchange, o)
        await self.delay(verdict, exchange, o, "answered")
        if hang := verdict.first(Hang):
            assert isinstance(hang.effect, Hang)
            self.struck(hang, exchange, o, "answer withheld")
            await self.wait_while_live(self.clock.t() + int(hang.effect.s * SECOND_NS))
            return None
        if lost := verdict.first(LoseAnswer):
            self.struck(lost, exchange, o, "answer lost")
            return None
        return reply

    def _checked(self, call: Call, exchange: Exchange, verdict: Verdict) -> Reply:
        if not call.is_genuine:
            return call.refuse()
        if failing := verdict.first(FailCheck):
            reply = call.refuse()
            self.struck(failing, exchange, call.subject.o, "right signature refused")
            return reply
        return call.act()

    def rename(
        self, fields: dict[str, object] | Fields, verdict: Verdict, place: Place, exchange: Exchange, o: str | None
    ) -> None:
        """Every renaming of the verdict, one after the other. What was under the new name is overwritten."""
        for strike in verdict.all(Rename):
            assert isinstance(strike.effect, Rename)
            effect = strike.effect
            field, to = (effect.field, effect.to) if effect.field and effect.to else place.schema.pair
            if field in fields and field != to:
                fields[to] = fields.pop(field)  # type: ignore[assignment]
                self.struck(strike, exchange, o, f"{field} renamed {to}")

    async def delay(self, verdict: Verdict, exchange: Exchange, o: str | None, verb: str) -> None:
        """Every delay of the verdict: they add up."""
        for strike in verdict.all(Delay):
            assert isinstance(strike.effect, Delay)
            ms = await self.wait_while_live(self.clock.t() + int(strike.effect.s * SECOND_NS))
            if ms > 0:
                self.struck(strike, exchange, o, f"{verb} {ms:.0f} ms later")
