"""One order, explained: everything a complaint needs as one value, which is printed, or given as JSON."""

from typing import Any

import msgspec

from ledger.clock import SECOND_NS
from ledger.rundir import RunDir
from plan.run import Plan
from reports.case import Asked, Case, Known, Notices, known
from reports.choose import ChoiceError
from reports.findings import Words
from reports.lanes import Picture, picture
from reports.sentence import sentence
from reports.table import Row, Table
from reports.told import RAW, Event, facts, frame, told


class Told(msgspec.Struct, frozen=True):
    """A fact about the order, with its time since the payment (since the first fact where nobody paid): seconds of an
    order's life, and on the wire."""

    business_s: float
    wire_s: float
    voice: str
    writer: str
    kind: str
    fields: dict[str, Any]


class Explained(msgspec.Struct, frozen=True):
    """One object of `orderjam order RUN KEY --json`. Business seconds where not named wire (a picture's times are wire
    seconds), amounts in fen, the clock in UTC. `order` and what is known from it are null for an order of the warm-up,
    which is counted nowhere; `raw` holds the bytes of struck exchanges where they were asked for."""

    key: str
    order: Row | None
    sentence: Words | None
    trades: tuple[str, ...]
    placed_at: str
    paid_at: str
    asked: Asked | None
    notices: Notices | None
    others: tuple[str, ...]
    compress: float
    picture: Picture
    events: list[Told]
    raw: list[Told]


def explain(run: RunDir, plan: Plan, table: Table, order: Row | str, *, raw: bool = False) -> Explained:
    """The order of a row, or of the bare key of the warm-up; `raw` with the bytes of its struck exchanges. ChoiceError
    where no journal tells of it."""
    key, number = (order.key, order.order_no) if isinstance(order, Row) else (order, "")
    names = {name: key for name in (key, number) if name}
    events, around = told(facts(run, raw=raw), names)[key], frame(run)
    facts_alone = [e for e in events if e.voice != RAW]
    if not facts_alone:
        raise ChoiceError(f"{run.path.name}: order {key!r} was planned, and no journal tells of it")
    p = picture(key, facts_alone, plan, around)
    k, others = None, tuple[Row, ...]()
    if isinstance(order, Row):
        others = tuple(other for other in table.of_wishes([key]) if other.key != key)
        k = known(Case(order, facts_alone, plan, around, others))
    return _explained(key, k, others, p, since_payment(events, plan))


def _explained(key: str, k: Known | None, others: tuple[Row, ...], p: Picture, events: list[Told]) -> Explained:
    return Explained(
        key=key,
        order=k.row if k else None,
        sentence=sentence(k) if k else None,
        trades=k.trades if k else (),
        placed_at=k.placed_at if k else "",
        paid_at=k.paid_at if k else "",
        asked=k.asked if k else None,
        notices=k.notices if k else None,
        others=tuple(other.key + (" (paid)" if other.paid else "") for other in others),
        compress=p.compress,
        picture=p,
        events=[e for e in events if e.voice != RAW],
        raw=[e for e in events if e.voice == RAW],
    )


def since_payment(events: list[Event], plan: Plan) -> list[Told]:
    """The facts with their times since the payment; since the first of them where nobody paid."""
    zero = next((e.t for e in events if e.kind == "captured"), events[0].t if events else 0)
    made = []
    for e in events:
        wire_s = (e.t - zero) / SECOND_NS
        made.append(Told(round(wire_s * plan.compress, 3), round(wire_s, 6), e.voice, e.writer, e.kind, e.fields))
    return made
