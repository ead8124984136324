"""Dwells of a page in one state, and the stuck episodes among them.

A page change lies in (last_old_t, t] and is placed in the middle. Times are ns on the run's axis, NaN where unknown.
"""

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.states import TERMINAL, State

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

STATES = tuple(State)
INDEX = {state: i for i, state in enumerate(STATES)}
UNKNOWN = INDEX[State.UNKNOWN]
IS_TERMINAL = np.array([state in TERMINAL for state in STATES])
IS_COMPETING = np.array([state.is_competing for state in STATES])
FLAP_POLLS = 2


class Seen(msgspec.Struct, frozen=True):
    """What pages showed, sorted by order and time; `state` is an index into STATES, `says` stands for the words and the
    code beside it."""

    i: Ints
    t: Floats
    last_old_t: Floats
    state: Ints
    says: Floats


class Dwells(msgspec.Struct, frozen=True):
    """Maximal stays of an order's page in one state, sorted by order and time; never in unknown.

    `known_end` is until when the page truly showed it, `end` when another state came (or the observation ended:
    `is_last`): between the two the page could not be read, which ends no episode and starts none.
    """

    i: Ints
    state: Ints
    entry: Floats
    known_end: Floats
    end: Floats
    is_last: Bools


class Episodes(msgspec.Struct, frozen=True):
    """Dwells that outlasted their threshold. `start` is the later of entry and payment; `censored` had not ended."""

    i: Ints
    state: Ints
    start: Floats
    onset: Floats
    end: Floats
    censored: Bools

    def __len__(self) -> int:
        return len(self.i)


def entries(seen: Seen) -> Floats:
    """When each shown state began: the middle of the interval it lies in; its own time where that is not known."""
    middle = (seen.last_old_t + seen.t) / 2
    return np.where(np.isfinite(middle) & (seen.last_old_t <= seen.t), middle, seen.t)


def since_placed(seen: Seen, placed_t: Floats) -> Seen:
    """Before it was placed an order had no page: what its page showed first began after that, not when it was read."""
    first = np.ones(len(seen.i), dtype=bool)
    first[1:] = seen.i[1:] != seen.i[:-1]
    return msgspec.structs.replace(seen, last_old_t=np.where(first, placed_t[seen.i], seen.last_old_t))


def dwells(seen: Seen, *, good_end: Floats, watched_end: Floats, poll: float) -> Dwells:
    """The dwells of all orders. `good_end` and `watched_end`, by order: the last good poll, the last poll at all."""
    entry = entries(seen)
    same_order = np.zeros(len(entry), dtype=bool)
    same_order[:-1] = seen.i[1:] == seen.i[:-1]
    known_end = good_end[seen.i] if len(entry) else entry.copy()
    known_end[:-1] = np.where(same_order[:-1], entry[1:], known_end[:-1])
    known = seen.state != UNKNOWN
    i, state, entry, known_end = seen.i[known], seen.state[known], entry[known], known_end[known]
    first = np.ones(len(i), dtype=bool)
    first[1:] = (i[1:] != i[:-1]) | (state[1:] != state[:-1])
    last = np.append(first[1:], True) if len(i) else first
    made = _ended(i[first], state[first], entry[first], known_end[last], watched_end)
    return _without_flaps(made, watched_end, FLAP_POLLS * poll)


def _ended(i: Ints, state: Ints, entry: Floats, known_end: Floats, watched_end: Floats) -> Dwells:
    is_last = np.ones(len(i), dtype=bool)
    is_last[:-1] = i[1:] != i[:-1]
    end = watched_end[i] if len(i) else entry.copy()
    end[:-1] = np.where(is_last[:-1], end[:-1], entry[1:])
    return Dwells(i, state, entry, np.fmin(known_end, end), np.fmax(end, entry), is_last)


def _without_flaps(made: Dwells, watched_end: Floats, longest: float) -> Dwells:
    """Merges what went to another state and came back within so long, order by order where that happened."""
    back = np.zeros(len(made.i), dtype=bool)
    back[2:] = (
        (made.i[2:] == made.i[:-2])
        & (made.state[2:] == made.state[:-2])
        & ((made.entry[2:] - made.entry[1:-1]) <= longest)
        & ~IS_TERMINAL[made.state[1:-1]]
    )
    if not back.any():
        return made
    keep, known_end = np.ones(len(made.i), dtype=bool), made.known_end.copy()
    for order in np.unique(made.i[back]):
        stack: list[int] = []
        rows = np.arange(*np.searchsorted(made.i, (order, order + 1)))
        for row in rows:
            if len(stack) >= 2 and made.state[stack[-2]] == made.state[row]:
                away = stack[-1]
                if made.entry[row] - made.entry[away] <= longest and not IS_TERMINAL[made.state[away]]:
                    keep[away] = keep[row] = False
                    stack.pop()
                    known_end[stack[-1]] = made.known_end[row]
                    continue
            stack.append(int(row))
    return _ended(made.i[keep], made.state[keep], made.entry[keep], known_end[keep], watched_end)


def episodes(found: Dwells, captured_t: Floats, threshold: Floats) -> Episodes:
    """The stuck episodes; `threshold` by state in wire ns, NaN for states that are never stuck."""
    start = np.fmax(found.entry, captured_t[found.i]) if len(found.i) else found.entry.copy()
    paid = np.isfinite(captured_t[found.i]) if len(found.i) else np.zeros(0, dtype=bool)
    limit = threshold[found.state]
    with np.errstate(invalid="ignore"):
        stuck = paid & (found.known_end - start > limit)
    return Episodes(
        found.i[stuck],
        found.state[stuck],
        start[stuck],
        (start + limit)[stuck],
        found.end[stuck],
        found.is_last[stuck],
    )


def first_end(found: Dwells, captured_t: Floats, n: int) -> tuple[Floats, Ints]:
    """When each order first showed an end (or was held, or given to a person) at or after its payment, and that state;
    NaN and -1 where it did not. An order that had ended before it was paid ended at its payment."""
    when, state = np.full(n, np.nan), np.full(n, -1, dtype=np.int64)
    if not len(found.i):
        return when, state
    ends = IS_TERMINAL[found.state] | IS_COMPETING[found.state]
    paid_t = captured_t[found.i]
    lasts = found.is_last & IS_TERMINAL[found.state]
    rows = np.flatnonzero(ends & np.isfinite(paid_t) & (lasts | (found.end > paid_t)))[::-1]  # the first one wins
    when[found.i[rows]] = np.maximum(found.entry[rows], paid_t[rows])
    state[found.i[rows]] = found.state[rows]
    return when, state


def last_state(found: Dwells, n: int) -> Ints:
    """The state each order showed last; -1 where no page was read."""
    state = np.full(n, -1, dtype=np.int64)
    state[found.i] = found.state
    return state


def total_by_order(rows: Ints, values: Floats, n: int) -> Floats:
    """Sum of values by order."""
    total = np.zeros(n)
    np.add.at(total, rows, values)
    return total
