"""Status honesty: for how long what the page said agreed with the truth, by exact arithmetic on the columns.

Each paid order is looked at from its capture until its page has ended and says what is true, else until the end of the
observation. What happened to an order, and what its page showed, cut that time into intervals; each gets one class.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from math import sqrt

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.states import BEFORE_PAID, ENDED_UNSERVED, State
from plan.gates import Unit
from reports.findings import Finding, Honesty, HonestyClass, HonestyState
from reports.goods import Work
from reports.measure.intervals import Z95, Z95_ONE, around, skewness, wilson
from reports.measure.sorting import by_order_and_time, distinct
from reports.measure.stuck import INDEX, IS_TERMINAL, STATES, UNKNOWN, Seen, entries
from reports.orders import Orders

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

CLASSES = ("honest", "late", "optimistic", "pessimistic", "regressive", "false_progress", "unread")
HONEST, LATE, OPTIMISTIC, PESSIMISTIC, REGRESSIVE, FALSE_PROGRESS, UNREAD = range(7)
JUDGED = CLASSES[:UNREAD]
_PAGE, _BUSY, _HELD, _EARLY, _REFUND, _RETURNED, _EDGE = range(7)
SPAN = 1 << 17
"""Orders that are judged at once: what that needs stays near the processor."""
_PROGRESS = (State.SUBMITTED, State.RECHARGING)


def _of(states: tuple[State, ...] | frozenset[State]) -> Bools:
    return np.array([state in states for state in STATES])


_IS_UNPAID, _IS_UNSERVED, _IS_PROGRESS = _of(BEFORE_PAID), _of(ENDED_UNSERVED), _of(_PROGRESS)
_SAYS_ENDED = _of(ENDED_UNSERVED | {State.REFUNDED})


class Told(msgspec.Struct, frozen=True):
    """Order-time by interval, sorted by order and time: whose, from when to when (ns), what the page showed (index into
    STATES) and its class."""

    i: Ints
    start: Floats
    end: Floats
    state: Ints
    label: Ints

    @property
    def length(self) -> Floats:
        return self.end - self.start


class _Points(msgspec.Struct, frozen=True):
    """Moments at which something changed, sorted by order and time; `value` is what the kind says, `first` the row of
    the first moment of the same order."""

    i: Ints
    t: Floats
    kind: Ints
    value: Ints
    first: Ints

    def filled(self, kind: int, default: int) -> Ints:
        """The last value of a kind at or before each point of the same order."""
        own = np.where(self.kind == kind, np.arange(len(self.i)), -1)
        last = np.maximum.accumulate(own) if len(own) else own
        return np.where(last >= self.first, self.value[np.maximum(last, 0)], default)


class _Truth(msgspec.Struct, frozen=True):
    """What is true of some orders: when (ns, NaN for never), whether an upstream vouches for them, and whether the
    books contradict their page's end. `ends`: until when each is looked at."""

    captured_t: Floats
    ends: Floats
    held_t: Floats
    early_t: Floats
    refunded_t: Floats
    returned_t: Floats
    is_vouched: Bools
    contradicted: Bools

    def part(self, start: int, stop: int) -> "_Truth":
        return _Truth(*(getattr(self, name)[start:stop] for name in self.__struct_fields__))


def judge(orders: Orders, seen: Seen, work: Work, *, until_t: Floats, end_t: float, eps: float) -> Told:
    """The order-time of all paid orders. `until_t`: until when each open page was followed; `eps` in ns: what lasts no
    longer counts as honest."""
    truth = _truth(orders, seen, until_t, end_t)
    starts = range(0, max(len(orders), 1), SPAN)

    def judged(start: int) -> Told:
        stop = start + SPAN
        page, busy = (slice(*np.searchsorted(i, (start, stop)).tolist()) for i in (seen.i, work.i))
        shown = Seen(*(getattr(seen, name)[page] for name in Seen.__struct_fields__))
        worked = Work(work.i[busy] - start, work.t[busy], work.busy[busy])
        found = _judge(truth.part(start, stop), msgspec.structs.replace(shown, i=shown.i - start), worked, eps)
        return msgspec.structs.replace(found, i=found.i + start)

    if len(starts) == 1:
        return judged(0)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        parts = list(pool.map(judged, starts))
    return Told(*(np.concatenate([getattr(part, name) for part in parts]) for name in Told.__struct_fields__))


def _judge(truth: _Truth, seen: Seen, work: Work, eps: float) -> Told:
    points = _points(truth, seen, work)
    state = points.filled(_PAGE, UNKNOWN)
    whole = Told(points.i, points.t, np.append(points.t[1:], np.nan), state, _labels(truth, points, state))
    real = np.zeros(len(points.i), dtype=bool)
    real[:-1] = (points.i[1:] == points.i[:-1]) & (points.t[1:] > points.t[:-1])
    return _tolerant(_cut(_where(whole, real), len(truth.ends)), eps)


def _truth(orders: Orders, seen: Seen, until_t: Floats, end_t: float) -> _Truth:
    ended = np.zeros(len(orders), dtype=bool)
    ended[seen.i] = IS_TERMINAL[seen.state]  # the last one of each order stays
    early = np.fmin(orders.goods_t, orders.credited_t)
    return _Truth(
        captured_t=orders.captured_t,
        ends=np.where(ended, end_t, np.fmin(until_t, end_t)),
        held_t=np.where(orders.goods > 0, orders.held_t, np.nan),
        early_t=np.where((orders.goods > 0) & ~np.isfinite(early), -np.inf, early),  # in the books alone: in time
        refunded_t=orders.refunded_t,
        returned_t=np.where(orders.is_refunded, orders.returned_t, np.nan),
        is_vouched=orders.is_vouched,
        contradicted=went_on(orders, seen),
    )


def went_on(orders: Orders, seen: Seen) -> Bools:
    """Orders whose page ended expired, cancelled or failed while the books at the end tell of another state: it changed
    later, when nobody read it any more."""
    last = np.full(len(orders), UNKNOWN)
    last[seen.i] = seen.state
    changed, rows = np.zeros(len(orders), dtype=bool), np.flatnonzero(_IS_UNSERVED[last])
    booked = np.array([INDEX.get(name, UNKNOWN) for name in orders.booked_state[rows].tolist()], dtype=np.int64)
    changed[rows] = (booked != UNKNOWN) & (booked != last[rows])
    return changed


def _points(truth: _Truth, seen: Seen, work: Work) -> _Points:
    """Everything of paid orders between capture and end; what was before it stands at the capture."""
    with np.errstate(invalid="ignore"):
        looked_at = truth.ends > truth.captured_t
    by_kind = [
        (_HELD, truth.held_t, 1),
        (_EARLY, truth.early_t, 1),
        (_REFUND, truth.refunded_t, 1),
        (_RETURNED, truth.returned_t, 1),
        (_EDGE, truth.captured_t, 0),
        (_EDGE, truth.ends, 0),
    ]
    parts = [_kept(looked_at, truth, seen.i, entries(seen), _PAGE, seen.state)]
    parts.append(_kept(looked_at, truth, work.i, work.t, _BUSY, work.busy.astype(np.int64)))
    for kind, t, value in by_kind:
        rows = np.flatnonzero(~np.isnan(t))
        parts.append(_kept(looked_at, truth, rows, t[rows], kind, np.full(len(rows), value)))
    i, told_t, kinds, values = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    by = by_order_and_time(i, told_t)  # so they are sorted by t, too, and at the capture by what came first
    i = i[by]
    starts = np.ones(len(i), dtype=bool)
    starts[1:] = i[1:] != i[:-1]
    first = np.maximum.accumulate(np.where(starts, np.arange(len(i)), 0)) if len(i) else i
    return _Points(i, np.maximum(told_t[by], truth.captured_t[i]), kinds[by], values[by], first)


def _kept(
    looked_at: Bools, truth: _Truth, i: Ints, t: Floats, kind: int, value: Ints
) -> tuple[Ints, Floats, Ints, Ints]:
    """Moments of one kind, of orders that are looked at and until their end: order, time, kind and value."""
    with np.errstate(invalid="ignore"):
        keep = looked_at[i] & (t <= truth.ends[i])
    return i[keep], t[keep], np.full(int(keep.sum()), kind), value[keep]


def _labels(truth: _Truth, points: _Points, state: Ints) -> Ints:
    """The class of the interval that begins at each point; where several apply, the lowest line has it."""
    held, early = points.filled(_HELD, 0) > 0, points.filled(_EARLY, 0) > 0
    refund, returned = points.filled(_REFUND, 0) > 0, points.filled(_RETURNED, 0) > 0
    busy, ended = points.filled(_BUSY, 0) > 0, IS_TERMINAL[state]
    idle = ~busy & truth.is_vouched[points.i]
    label = np.full(len(state), HONEST)
    label[_IS_PROGRESS[state] & idle] = FALSE_PROGRESS
    label[~ended & (held | returned | _IS_UNPAID[state])] = LATE
    label[_SAYS_ENDED[state] & held] = PESSIMISTIC
    label[_IS_UNSERVED[state] & ~returned] = PESSIMISTIC
    label[(state == INDEX[State.COMPLETED]) & ~early] = OPTIMISTIC
    label[(state == INDEX[State.REFUNDED]) & ~refund] = OPTIMISTIC
    label[~ended & _had_ended(points, ended)] = REGRESSIVE
    label[_IS_UNSERVED[state] & truth.contradicted[points.i]] = UNREAD
    label[state == UNKNOWN] = UNREAD
    return label


def _had_ended(points: _Points, ended: Bools) -> Bools:
    """Whether the page of the same order had shown an end before, at or after the capture."""
    first = points.first
    # What stood before the capture and had changed by then is no end of a paid order.
    lasting = ended & (np.append(points.t[1:], np.inf) > points.t[first])
    before = np.cumsum(lasting)
    return np.asarray(before - before[first] + lasting[first] > 0)


def _cut(told: Told, n: int) -> Told:
    """Without what comes after a page has ended and says what is true, or is no longer known."""
    over = IS_TERMINAL[told.state] & ((told.label == HONEST) | (told.label == UNREAD))
    last = np.full(n, -1)
    rows = np.flatnonzero(~over)
    last[told.i[rows]] = rows
    return _where(told, np.arange(len(told.i)) <= last[told.i])


def _tolerant(told: Told, eps: float) -> Told:
    """What is dishonest for no longer than eps is honest; neighbours of one class are one stretch."""
    if not len(told.i):
        return told
    new = np.ones(len(told.i), dtype=bool)
    new[1:] = (told.i[1:] != told.i[:-1]) | (told.label[1:] != told.label[:-1])
    stretch = np.cumsum(new) - 1
    starts = np.flatnonzero(new)
    lasted = told.end[np.append(starts[1:] - 1, len(new) - 1)] - told.start[starts]
    short = lasted[stretch] <= eps
    return msgspec.structs.replace(told, label=np.where(short & (told.label != UNREAD), HONEST, told.label))


def _where(told: Told, keep: Bools) -> Told:
    return Told(told.i[keep], told.start[keep], told.end[keep], told.state[keep], told.label[keep])


def by_order(told: Told, n: int) -> Floats:
    """Order-time (ns) of every order (rows) by class (columns)."""
    flat: Floats = np.bincount(told.i * len(CLASSES) + told.label, told.length, n * len(CLASSES)).astype(np.float64)
    return flat.reshape(n, len(CLASSES))


def measures(spent: Floats, orders: Orders) -> dict[str, Finding]:
    """The share of judged order-time in each class, over paid orders; false progress over those that upstreams vouch
    for. `spent`: order-time by order and class."""
    found = {}
    for label, name in enumerate(JUDGED):
        rows = orders.paid & orders.is_vouched if label == FALSE_PROGRESS else orders.paid
        none = "not evaluated: no upstream vouches for requests" if orders.paid.any() else "nobody paid"
        found[f"honesty.{name}"] = time_share(spent[rows][:, :UNREAD], label, none)
    return found


def time_share(spent: Floats, label: int, none: str) -> Finding:
    """A ratio of sums over orders, its interval by the delta method."""
    mine, total = spent[:, label], spent.sum(axis=1)
    n, sum_ = len(spent), float(total.sum())
    if sum_ <= 0:
        return Finding(None, Unit.SHARE, none if n == 0 else "no order-time was judged", n=n)
    k, value = int(np.sum(mine > 0)), min(float(mine.sum()) / sum_, 1.0)
    off = mine - value * total
    se = sqrt(n / max(n - 1, 1) * float(np.sum(off**2))) / sum_
    if se == 0 or n < 2:  # no spread to reckon with: as if each order were one draw
        method = "share of order-time; no spread between orders: Wilson over orders"
        (lo, hi), (one_lo, one_hi) = [wilson(value * n, n, z) for z in (Z95, Z95_ONE)]
        return Finding(value, Unit.SHARE, method, k=k, n=n, lo=lo, hi=hi, bound_lo=one_lo, bound_hi=one_hi)
    method = "share of order-time, normal over orders, corrected for skewness"
    found = around(value, se, unit=Unit.SHARE, method=method, n=n, most=1.0, skew=skewness(off))
    return msgspec.structs.replace(found, k=k)


def findings(told: Told, orders: Orders, contradicted: Bools, to_business: float, eps_s: float) -> Honesty:
    """The tables of the report; durations in business seconds."""
    length = told.length * to_business
    seconds = np.bincount(told.label, length, len(CLASSES))
    judged = float(seconds[:UNREAD].sum())
    rows = [
        HonestyClass(
            name,
            s=round(float(seconds[label]), 3),
            share=float(seconds[label]) / judged if judged > 0 and label != UNREAD else None,
            orders=distinct(told.i[told.label == label]),
        )
        for label, name in enumerate(CLASSES)
    ]
    states = []
    for index in np.flatnonzero(np.bincount(told.state)).tolist():
        mine = told.state == index
        spent = np.bincount(told.label[mine], length[mine], len(CLASSES))
        false = distinct(told.i[mine & (told.label == FALSE_PROGRESS)])
        by = {name: round(float(s), 3) for name, s in zip(CLASSES, spent, strict=True)}
        states.append(HonestyState(str(STATES[index]), round(float(spent.sum()), 3), by, false))
    return Honesty(
        order_s=round(judged, 3),
        eps_wire_s=eps_s,
        judged_orders=int(orders.paid.sum()),
        vouched_orders=int((orders.paid & orders.is_vouched).sum()),
        went_on=int((orders.paid & contradicted).sum()),
        classes=rows,
        states=states,
    )
