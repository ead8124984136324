"""What a dialect hands over to be answered: a request as it read it, of whom, and where decisions are taken."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import msgspec

from faults.verdict import Effect, Outcome, Variant
from ledger.events import Event
from ledger.states import Hop, Operation
from mocks.mangle import Schema
from mocks.reply import Reply

Append: TypeAlias = Callable[[Event], None]


class Signs(msgspec.Struct, frozen=True):
    """Which variants mean something in a dialect, by what they are signs of: the shop's requests (where the mock checks
    by the variant's rule), the mock's answers, its notices. The catalogue says the same of its faults, and a test
    compares both."""

    requests: frozenset[Variant] = frozenset()
    answers: frozenset[Variant] = frozenset()
    notices: frozenset[Variant] = frozenset()


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

    `is_genuine_as` checks the signature by another rule; `tolerated` names the rule (a Variant, or one of the dialect's
    own) by which `is_genuine` was found true where that is not the plain one. `sell` takes the place of `act` where a
    goods fault strikes; None from it means that nothing could be changed, and `act` is done. `tell_early` sends the
    notice of what was just done and returns when it was answered. `dress` does to an answer what only its dialect can
    do, and says what it changed. `seal` signs an answer, last, by the rule or in the way of a variant.
    `version`: what the request says of the version it speaks. `refuse_version`, `unknown`: how the dialect refuses a
    version, and says that it does not know what became of a request, where it has words for that. `refuse_repeat`: the
    refusal of what was done before as seen before; None where the request is no repeat.
    """

    place: Place
    subject: Subject
    is_genuine: bool
    act: Callable[[], Reply]
    refuse: Callable[[], Reply]
    is_genuine_as: Callable[[Variant], bool] | None = None
    tolerated: str | None = None
    sell: Callable[[Outcome], Reply | None] | None = None
    tell_early: Callable[[], Awaitable[bool]] | None = None
    dress: Callable[[Reply, Effect], str] | None = None
    seal: Callable[[Reply, Variant | None], None] | None = None
    version: str = ""
    refuse_version: Callable[[], Reply] | None = None
    unknown: Callable[[], Reply] | None = None
    refuse_repeat: Callable[[], Reply | None] | None = None
