"""Order histories of which everything is known, and what a poller would have seen of them.

Arrays of `repeats` runs of `n` orders each, one after the other; times in business seconds from the start of the load.
A history is paying, paid, submitted, recharging and an end; a fault strikes an order with a known probability and holds
it in one of these states. Then pages are read from time to time, polls fail, and somebody ends the observation.
"""

from functools import cached_property
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.clock import SECOND_NS
from ledger.states import State
from plan.run import Plan
from reports.measure.stuck import INDEX, Seen
from reports.orders import Orders
from reports.stories import Stories

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

PATH = (State.PAYING, State.PAID, State.SUBMITTED, State.RECHARGING)
HAPPY_S = (3.0, 1.5, 2.0, 6.0)
"""Mean stay in each state; exponential, as the seconds until a notice or a worker comes."""
HELD_IN = (0.4, 0.2, 0.2, 0.2)
"""In which state a struck order is held."""
REPAIR_SHAPE, REPAIR_S = 2.0, 60.0
"""Gamma: so long is a struck order held, 120 s on average, about 20 % of them shorter than any threshold …"""
NEVER = 0.08
"""… and these for ever."""
ENDS = (State.COMPLETED, State.REFUNDED, State.FAILED, State.MANUAL)
STRUCK_ENDS = (0.62, 0.18, 0.12, 0.08)
PAY_DELAY_S = 5.0
PAGE_LAG = 0.3
"""Of the orders held in recharging so many have their goods all the while, and only the page is late."""
LATENCY_S = 0.05
JITTER = 0.2


class Fault(msgspec.Struct, frozen=True):
    """Orders paid in `from_s`…`to_s` are struck with probability `within`, others with `outside`."""

    from_s: float
    to_s: float
    within: float
    outside: float


class World(msgspec.Struct, frozen=True):
    """What is simulated. `seen_s`: when the observation ends; `killed`: by the death of driver and channel, so that
    nobody writes down what pages showed last."""

    fault: Fault
    load_s: float = 600.0
    seen_s: float = 1100.0
    poll_s: float = 3.0
    failed: float = 0.0
    outage: tuple[float, float] = (0.0, 0.0)
    flaps: float = 0.0
    killed: bool = False


class Histories(msgspec.Struct, frozen=True, dict=True):
    """What truly happened. `left` (orders by 4 states): when the page left each state, inf if never; `captured` and
    `end` (index into ENDS) as they were; `goods`: when the buyer had them."""

    repeats: int
    n: int
    placed: Floats
    captured: Floats
    left: Floats
    end: Ints
    goods: Floats

    @cached_property
    def entered(self) -> Floats:
        """When the clock of each state began: the later of its entry and the payment."""
        return np.column_stack([self.captured, np.maximum(self.left[:, :-1], self.captured[:, None])])

    @cached_property
    def stayed(self) -> Floats:
        """How long in each state, from the payment on; 0 in those never reached."""
        return np.subtract(self.left, self.entered, out=np.zeros(self.left.shape), where=np.isfinite(self.entered))

    @property
    def took(self) -> Floats:
        """Seconds from payment to the end."""
        return np.asarray(self.left[:, -1] - self.captured)


def histories(world: World, repeats: int, n: int, rng: np.random.Generator) -> Histories:
    """Orders are due evenly over the load, as planned; all of them are paid."""
    due = np.tile((np.arange(n) + 0.5) / n * world.load_s, repeats)
    total = repeats * n
    captured = due + rng.exponential(PAY_DELAY_S, total)
    stays = rng.exponential(1.0, (total, len(PATH))) * HAPPY_S
    within = (captured >= world.fault.from_s) & (captured < world.fault.to_s)
    struck = rng.random(total) < np.where(within, world.fault.within, world.fault.outside)
    where = rng.choice(len(PATH), total, p=HELD_IN)
    held = rng.gamma(REPAIR_SHAPE, REPAIR_S, total)
    held[rng.random(total) < NEVER] = np.inf
    stays[np.flatnonzero(struck), where[struck]] += held[struck]
    left = captured[:, None] + np.cumsum(stays, axis=1)
    end = np.where(struck, rng.choice(len(ENDS), total, p=STRUCK_ENDS), 0)
    early = struck & (where == 3) & (rng.random(total) < PAGE_LAG)
    had = np.where(early, left[:, 2] + 1.0, left[:, 3] - np.minimum(stays[:, 3], 0.5))
    return Histories(repeats, n, due, captured, left, end, np.where(end == 0, had, np.inf))


class Changes(msgspec.Struct, frozen=True):
    """Every change of a page, sorted by order and time."""

    i: Ints
    t: Floats
    state: Ints


def changes(true: Histories, world: World, rng: np.random.Generator) -> Changes:
    """The path of each order, and flaps: another state for less than a poll, in the middle of a stay."""
    total = len(true.placed)
    path = np.tile([INDEX[s] for s in (*PATH[1:], State.COMPLETED)], (total, 1))
    path[:, -1] = np.array([INDEX[s] for s in ENDS])[true.end]
    i = [np.arange(total), np.repeat(np.arange(total), len(PATH))]
    t = [true.placed, true.left.ravel()]
    state = [np.full(total, INDEX[PATH[0]]), path.ravel()]
    if world.flaps:
        who = np.flatnonzero(rng.random(total) < world.flaps)
        stay = np.argmax(true.stayed[who], axis=1)
        from_, to = true.entered[who, stay], np.minimum(true.left[who, stay], true.entered[who, stay] + 600.0)
        at = from_ + (to - from_) * rng.random(len(who))
        back = at + world.poll_s * rng.random(len(who))
        own = np.array([INDEX[s] for s in PATH])[stay]
        fits = back < to
        who, at, back, own = who[fits], at[fits], back[fits], own[fits]
        i, t = [*i, who, who], [*t, at, back]
        state = [*state, np.where(own == INDEX[State.PAID], INDEX[State.SUBMITTED], INDEX[State.PAID]), own]
    who, when, what = np.concatenate(i), np.concatenate(t), np.concatenate(state)
    real = np.isfinite(when)
    by = np.lexsort((when[real], who[real]))
    return Changes(who[real][by], when[real][by], what[real][by])


class Polls(msgspec.Struct, frozen=True):
    """When each order's page is asked for the k-th time, and whether that fails: pure functions of order and k."""

    first: Floats
    poll_s: float
    failed: float
    outage: tuple[float, float]
    seed: int

    def at(self, i: Ints, k: Ints) -> Floats:
        return np.asarray(self.first[i] + (k + JITTER * self._drawn(i, k, 1)) * self.poll_s)

    def is_good(self, i: Ints, k: Ints) -> Bools:
        t = self.at(i, k)
        out = (t >= self.outage[0]) & (t < self.outage[1])
        return np.asarray(~out & (self._drawn(i, k, 2) >= self.failed))

    def first_good_since(self, i: Ints, t: Floats) -> Ints:
        """The first good poll that is answered after t."""
        k = np.maximum(np.floor((t - self.first[i]) / self.poll_s).astype(np.int64) - 1, 0)
        todo = np.arange(len(i))
        while len(todo):
            missed = (self.at(i[todo], k[todo]) + LATENCY_S / 2 < t[todo]) | ~self.is_good(i[todo], k[todo])
            todo = todo[missed]
            k[todo] += 1
        return k

    def last_good_before(self, i: Ints, k: Ints) -> Ints:
        """The last good poll before the k-th; -1 if there is none."""
        k, todo = k - 1, np.arange(len(i))
        while len(todo):
            todo = todo[(k[todo] >= 0) & ~self.is_good(i[todo], np.maximum(k[todo], 0))]
            k[todo] -= 1
        return k

    def _drawn(self, i: Ints, k: Ints, salt: int) -> Floats:
        """Evenly in [0, 1), by a mixing of bits (splitmix64)."""
        salted = (2 * self.seed + salt) * 0x9E3779B97F4A7C15 % (1 << 64)
        with np.errstate(over="ignore"):
            x = (i.astype(np.uint64) << np.uint64(24)) + k.astype(np.uint64) + np.uint64(salted)
            x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray((x ^ (x >> np.uint64(31))) >> np.uint64(11)) / float(1 << 53)


class Watched(msgspec.Struct, frozen=True):
    """What the journals hold of the histories: pages as they were read, and the columns of the orders (ns)."""

    seen: Seen
    orders: Orders


def watch(true: Histories, world: World, plan: Plan, rng: np.random.Generator) -> Watched:
    """Reads the pages as load/poller.py does, until the observation ends."""
    total = len(true.placed)
    polls = Polls(
        true.placed + rng.random(total) * world.poll_s,
        world.poll_s,
        world.failed,
        world.outage,
        int(rng.integers(1 << 20)),
    )
    every = changes(true, world, rng)
    k = polls.first_good_since(every.i, every.t)
    t = polls.at(every.i, k) + LATENCY_S
    next_k = np.append(k[1:], -1)
    last = np.append(every.i[1:] != every.i[:-1], True)
    shown = (last | (next_k > k)) & (t <= world.seen_s)
    i, k, t, state = every.i[shown], k[shown], t[shown], every.state[shown]
    new = np.ones(len(i), dtype=bool)
    new[1:] = (i[1:] != i[:-1]) | (state[1:] != state[:-1])
    i, k, t, state = i[new], k[new], t[new], state[new]
    old_k = polls.last_good_before(i, k)
    old_t = np.where(old_k >= 0, polls.at(i, np.maximum(old_k, 0)), np.nan)
    seen = Seen(i, _ns(t, plan), _ns(old_t, plan), state, state.astype(np.float64))
    return Watched(seen, _orders(true, world, plan, polls, seen))


def _ns(business_s: Floats, plan: Plan) -> Floats:
    return np.round(business_s / plan.compress * SECOND_NS)


def _orders(true: Histories, world: World, plan: Plan, polls: Polls, seen: Seen) -> Orders:
    """Only the columns that dwells, durations and honesty are made of."""
    every, total = np.arange(len(true.placed)), len(true.placed)
    is_over = np.zeros(total, dtype=bool)
    is_over[seen.i] = np.isin(seen.state, [INDEX[s] for s in (State.COMPLETED, State.REFUNDED, State.FAILED)])
    beyond = np.floor((world.seen_s - true.placed) / world.poll_s).astype(np.int64) + 2
    while (late := polls.at(every, beyond) + LATENCY_S > world.seen_s).any():
        beyond = np.where(late, beyond - 1, beyond)  # the last poll of all, good or not; -1 and less: none
    good = np.where(polls.is_good(every, np.maximum(beyond, 0)), beyond, polls.last_good_before(every, beyond))
    read_t = np.where(good >= 0, polls.at(every, np.maximum(good, 0)) + LATENCY_S, np.nan)
    failed_t = np.where(beyond > good, polls.at(every, np.maximum(beyond, 0)) + LATENCY_S, np.nan)
    polled, shown_t = np.zeros(total, dtype=np.int64), np.full(total, np.nan)
    polled[seen.i], shown_t[seen.i] = 1, seen.t
    heard = true.captured <= world.seen_s
    goods_t = _ns(np.where(true.goods <= world.seen_s, true.goods, np.nan), plan)
    returned = (true.end == 1) & (true.left[:, -1] <= world.seen_s)
    empty = np.full(total, np.nan)
    columns: dict[str, Any] = dict.fromkeys(Orders.__struct_fields__, empty) | {
        "keys": [""] * total,
        "placed_t": _ns(true.placed, plan),
        "captured_t": _ns(np.where(heard, true.captured, np.nan), plan),
        "final_t": empty if world.killed else _ns(np.where(is_over, np.nan, read_t), plan),
        "written_t": np.where(polled > 0, _ns(np.full(total, world.seen_s), plan), np.nan),
        "last_seen_t": shown_t,
        "last_failed_t": empty if world.killed else _ns(np.where(is_over, np.nan, failed_t), plan),
        "polls_seen": polled,
        "captured_fen": np.where(heard, 1000, 0),
        "refunded_fen": np.where(returned, 1000, 0),
        "refunded_t": np.where(returned, _ns(true.left[:, -1], plan), np.nan),
        "returned_t": np.where(returned, _ns(true.left[:, -1], plan), np.nan),
        "goods": np.isfinite(goods_t).astype(np.int64),
        "goods_t": goods_t,
        "held_t": goods_t,
        "is_vouched": np.ones(total, dtype=bool),
        "booked_state": np.full(total, "", dtype=object),
    }
    return Orders(**columns)


class Simulated(Stories):
    """Stories that were never written down: what the analysis asks of pages comes from arrays."""

    def __init__(self, watched: Watched, plan: Plan) -> None:
        self.watched, self.plan = watched, plan

    def seen(self) -> Seen:
        return self.watched.seen

    def shown(self, state: State) -> Floats:
        first = np.full(len(self.watched.orders), np.nan)
        rows = np.flatnonzero(self.watched.seen.state == INDEX[state])[::-1]  # the first one of each order stays
        first[self.watched.seen.i[rows]] = self.watched.seen.t[rows]
        return first
