"""For how much of the wait the page named the step that an order really was in."""

from enum import StrEnum

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.states import State
from reports.findings import Finding, Named
from reports.goods import Work
from reports.measure.honesty import UNREAD, Told, time_share
from reports.measure.stuck import IS_COMPETING, STATES
from reports.orders import Orders

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Step(StrEnum):
    """Where a paid order is, by the truth alone; the last one that holds."""

    PAID = "paid"
    REFUSED = "refused"
    RECHARGING = "recharging"
    REFUNDING = "refunding"
    DELIVERED = "delivered"
    REFUNDED = "refunded"


STEPS = tuple(Step)
_PAID, _REFUSED, _RECHARGING, _REFUNDING, _DELIVERED, _REFUNDED = range(len(STEPS))
NAMED_BY: dict[Step, tuple[State, ...]] = {
    Step.PAID: (State.PAID, State.DELAYED),
    Step.REFUSED: (State.PAID, State.DELAYED),
    Step.RECHARGING: (State.SUBMITTED, State.RECHARGING, State.DELAYED),
    Step.REFUNDING: (State.REFUNDING,),
    Step.DELIVERED: (State.COMPLETED,),
    Step.REFUNDED: (State.REFUNDED,),
}
"""Nobody has been asked for the goods; all who were have refused; somebody is at work; the shop has asked for the
money back; the buyer has the goods; the buyer has the money. That something is wrong is true of whoever waits."""
_IS_NAMED = np.array([[state in NAMED_BY[step] for state in STATES] for step in STEPS])


class Spent(msgspec.Struct, frozen=True):
    """Order-time (ns) that was judged, by interval: whose, how long, at which step, and whether the page named it."""

    i: Ints
    length: Floats
    step: Ints
    named: Bools


def spent(told: Told, orders: Orders, work: Work, refund_asked_t: Floats, eps: float) -> Spent:
    """The order-time that honesty looks at, of orders that are vouched for, as far as their pages were read and told of
    no person's decision. `eps` in ns: a page that named another step for no longer counts as if it had named it."""
    i, start, end, state = _cut(told, orders, refund_asked_t)
    asked, busy = _asked(work, i, start)
    returned_t = np.where(orders.is_refunded, orders.returned_t, np.nan)
    held_t = np.where(orders.goods > 0, orders.held_t, np.nan)
    step = np.full(len(i), _PAID)
    step[asked & ~busy] = _REFUSED
    step[busy] = _RECHARGING
    with np.errstate(invalid="ignore"):
        step[refund_asked_t[i] <= start] = _REFUNDING
        step[held_t[i] <= start] = _DELIVERED
        step[returned_t[i] <= start] = _REFUNDED
    return _tolerant(Spent(i, end - start, step, _IS_NAMED[step, state]), eps)


def _tolerant(found: Spent, eps: float) -> Spent:
    if not len(found.i):
        return found
    new = np.ones(len(found.i), dtype=bool)
    new[1:] = (found.i[1:] != found.i[:-1]) | (found.named[1:] != found.named[:-1])
    stretch = np.cumsum(new) - 1
    lasted = np.bincount(stretch, found.length)[stretch]
    return Spent(found.i, found.length, found.step, found.named | (lasted <= eps))


def _cut(told: Told, orders: Orders, refund_asked_t: Floats) -> tuple[Ints, Floats, Floats, Ints]:
    """The intervals of honesty, cut once more where a refund was asked for; honesty knows of all other changes."""
    mine = (told.label != UNREAD) & orders.is_vouched[told.i] & ~IS_COMPETING[told.state]
    i, start, end, state = told.i[mine], told.start[mine], told.end[mine], told.state[mine]
    at = refund_asked_t[i]
    with np.errstate(invalid="ignore"):
        both = (start < at) & (at < end)
    rows = np.flatnonzero(both)
    until = end.copy()
    until[rows] = at[rows]
    inserted = ((i, i[rows]), (start, at[rows]), (until, end[rows]), (state, state[rows]))
    i, start, end, state = (np.insert(whole, rows + 1, part) for whole, part in inserted)
    return i, start, end, state


def _asked(work: Work, i: Ints, t: Floats) -> tuple[Bools, Bools]:
    """Whether an upstream had been asked for each order's goods by then, and whether one was at work."""
    bounds = np.searchsorted(work.i, np.arange(i.max(initial=-1) + 2))
    first, end = bounds[i], bounds[i + 1]
    last = first - 1  # the last change at or before each moment
    left = np.flatnonzero(first < end)
    while len(left):  # as often as the busiest order was asked for or refused
        left = left[work.t[last[left] + 1] <= t[left]]
        last[left] += 1
        left = left[last[left] + 1 < end[left]]
    asked = last >= first
    busy = np.zeros(len(i), dtype=bool)
    busy[asked] = work.busy[last[asked]]
    return asked, busy


def measure(found: Spent, orders: Orders) -> Finding:
    """The share of order-time in which the page named the step: a ratio of sums over orders."""
    rows = np.flatnonzero(orders.paid & orders.is_vouched)
    total = np.bincount(found.i, found.length, len(orders))[rows]
    named = np.bincount(found.i, found.length * found.named, len(orders))[rows]
    none = "not evaluated: no upstream vouches for requests" if orders.paid.any() else "nobody paid"
    made: Finding = time_share(np.column_stack([named, total - named]), 0, none)
    return made


def findings(found: Spent, share: Finding, to_business: float) -> Named | None:
    """The table by step, business seconds; None where no order-time was judged."""
    if share.value is None:
        return None
    length = found.length * to_business
    by = np.bincount(found.step, length, len(STEPS))
    named = np.bincount(found.step, length * found.named, len(STEPS))
    return Named(
        order_s=round(float(by.sum()), 3),
        named_s=round(float(named.sum()), 3),
        share=share.value,
        lo=share.lo,
        hi=share.hi,
        by_step={
            str(step): [round(float(s), 3), round(float(n), 3)]
            for step, s, n in zip(STEPS, by, named, strict=True)
            if s > 0
        },
    )


assert set(NAMED_BY) == set(STEPS)
