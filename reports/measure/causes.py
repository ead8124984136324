"""Why orders got stuck, found without being told what was broken: what stands for one order, and for all."""

from collections import Counter
from typing import Protocol

import msgspec
import numpy as np

from ledger.states import State
from plan.causes import CAUSES_ZH, MULTIPLE, NOT_STUCK, UNKNOWN, Cause
from reports.basis import Basis
from reports.findings import CauseRow, Causes, Flow, Words
from reports.measure.intervals import wilson
from reports.measure.invariants import KEYS_MAX
from reports.measure.lasthop import HOPS
from reports.measure.stuck import IS_COMPETING
from reports.orders import Ints, Texts

OTHERS = {
    UNKNOWN: Words("unknown", "未知"),
    MULTIPLE: Words("several causes", "多个原因"),
    NOT_STUCK: Words("nothing", "未被触及"),
}


class Found(msgspec.Struct, frozen=True):
    """What an order that got stuck, was lost or never ended is put down to.

    `cause` is a word of plan/causes.py; `also` the causes that `multiple` stands for. `hop` is the first hop (of
    reports/measure/lasthop.HOPS) that is missing. `rule` names the rule that decided, `why` is its
    evidence in a sentence.
    """

    cause: str
    hop: str
    rule: str
    why: Words
    also: tuple[str, ...] = ()


class Columns(Protocol):
    """The same as columns: the orders, their causes, the hops (index into HOPS) that were missing, and what their pages
    showed while they stood still."""

    @property
    def i(self) -> Ints: ...
    @property
    def cause(self) -> Texts: ...
    @property
    def hop(self) -> Ints: ...
    @property
    def state(self) -> Texts: ...


def causes(found: Columns, b: Basis) -> Causes:
    """A row for each cause, most orders first; `excess_s` of all of them together is that of all orders."""
    n, counts = len(found.i), Counter(found.cause.tolist())
    names = sorted(counts, key=lambda name: (-counts[name], name))
    return Causes(n, [_row(name, found, b, n) for name in names], _flows(found, b))


def words(cause: str) -> Words:
    """A cause, or what is none, in both languages; a word of another version stays as it is."""
    return OTHERS.get(cause) or Words(cause, CAUSES_ZH[Cause(cause)] if cause in set(Cause) else cause)


def _row(name: str, found: Columns, b: Basis, n: int) -> CauseRow:
    mine = found.cause == name
    i, k = found.i[mine], int(mine.sum())
    lo, hi = wilson(k, n)
    hops = Counter(found.hop[mine].tolist())
    said = words(name)
    return CauseRow(
        cause=name,
        en=said.en,
        zh=said.zh,
        orders=k,
        stuck=int((b.stuck_s[i] > 0).sum()),
        lost=int(b.is_lost[i].sum()),
        open=int(b.is_open[i].sum()),
        excess_s=float(b.excess_s[i].sum()),
        share=k / n,
        lo=lo,
        hi=hi,
        hops={HOPS[hop]: hops[hop] for hop in sorted(hops)},
        orders_first=[b.orders.keys[order] for order in i[:KEYS_MAX]],
    )


def _flows(found: Columns, b: Basis) -> list[Flow]:
    """From the state they stood still in, by cause, to what became of them; most orders first."""
    became = _became(b)[found.i].tolist()
    states = [state or str(State.UNKNOWN) for state in found.state.tolist()]
    counts = Counter(zip(states, found.cause.tolist(), became, strict=True))
    ways = sorted(counts, key=lambda way: (-counts[way], way))
    return [Flow(*way, orders=counts[way]) for way in ways]


def _became(b: Basis) -> Texts:
    """By order: delivered, refunded, held (with risk control or a person), open, lost, or nothing: its page says done
    (completed or refunded) and the buyer has neither goods nor money."""
    orders, state = b.orders, b.pages.ended_state
    held = (state != -1) & IS_COMPETING[state]
    ways = [orders.goods > 0, orders.is_refunded, held, b.is_open, b.is_lost]
    return np.select(ways, ["delivered", "refunded", "held", "open", "lost"], "nothing")
