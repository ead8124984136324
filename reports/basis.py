"""What all findings stand on: the frame of the run, what pages showed, who was followed how long. Times in ns."""

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.clock import SECOND_NS
from ledger.journal import Wholeness
from ledger.rundir import Verdict as Verified
from ledger.states import Phase, State
from plan.run import Plan
from reports import goods
from reports.findings import Invariant
from reports.measure import honesty, invariants, load, outcomes, rates, stuck, unchanged
from reports.orders import Orders
from reports.stories import Stories

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

EPS_S = 2.0
"""Beside a poll, how long (wire) a page may run ahead of the truth."""


class Times(msgspec.Struct, frozen=True):
    """The frame of a run: start of load, heal (NaN if never), end of the observation, and whether it came so far that
    the harness collected. `stopped`: why the load ended early, in the harness's words, else empty;
    `wall_ns`: the wall clock at the beginning of the axis, if somebody wrote it down."""

    l0_t: float
    heal_t: float
    end_t: float
    is_complete: bool
    collect_note: str
    stopped: str
    wall_ns: float | None
    phases: list[tuple[str, float, float, str]]

    @classmethod
    def of(cls, stories: Stories) -> "Times":
        phases = stories.phases()
        began = {phase: t for phase, t, _, _ in phases}
        notes = {phase: note for phase, _, _, note in reversed(phases)}
        starts = [l0_t for _, _, l0_t, _ in phases if np.isfinite(l0_t)]
        collect_t = began.get(Phase.COLLECT)
        return cls(
            l0_t=starts[0] if starts else began.get(Phase.LOAD, 0.0),
            heal_t=began.get(Phase.HEAL, np.nan),
            end_t=collect_t if collect_t is not None else stories.last_t(),
            is_complete=collect_t is not None,
            collect_note=notes.get(Phase.COLLECT, ""),
            stopped=notes.get(Phase.HEAL, "").removeprefix("stopped early: "),
            wall_ns=stories.wall_ns(),
            phases=phases,
        )

    @property
    def load_s(self) -> float | None:
        """Wire seconds from the start of load to heal."""
        return (self.heal_t - self.l0_t) / SECOND_NS if np.isfinite(self.heal_t) else None

    @property
    def seen_s(self) -> float:
        """Wire seconds from the start of load to the end."""
        return max((self.end_t - self.l0_t) / SECOND_NS, 0.0)


class Pages(msgspec.Struct, frozen=True):
    """What came of the pages, by order where it is not by dwell or episode: when and in which state an order ended
    after its payment (NaN, -1), until when it was read, and until when it was followed, read or not."""

    seen: stuck.Seen
    dwells: stuck.Dwells
    episodes: stuck.Episodes
    ended_t: Floats
    ended_state: Ints
    read_t: Floats
    followed_t: Floats
    ends: invariants.Ends


class Basis(msgspec.Struct, frozen=True):
    """Everything that findings are computed from. `stuck_s` and `excess_s` are by order, business seconds; `spent` is
    order-time (ns) by order and class of honesty."""

    plan: Plan
    orders: Orders
    times: Times
    pages: Pages
    verified: Verified
    followed: rates.Followed
    work: goods.Work
    told: honesty.Told
    spent: Floats
    went_on: Bools
    still: unchanged.Still
    requests: load.Requests
    invariants: dict[str, Invariant]
    is_lost: Bools
    stuck_s: Floats
    excess_s: Floats
    episode_excess_s: Floats
    has_books: bool
    goods_shared: int

    @property
    def to_business(self) -> float:
        """Business seconds in a ns of the wire."""
        return self.plan.compress / SECOND_NS

    @property
    def eps_s(self) -> float:
        """For how long (wire) a page may say what is not true."""
        return float(self.plan.poll_every) + EPS_S

    @property
    def waited_s(self) -> Floats:
        """By order, business seconds from payment to the end, or as far as it was followed."""
        until = np.where(np.isfinite(self.pages.ended_t), self.pages.ended_t, self.pages.followed_t)
        return np.fmax(np.nan_to_num(until - self.orders.captured_t), 0.0) * self.to_business

    @property
    def is_looked_at(self) -> Bools:
        """Orders of whose goods the end is known: all in a run that came to its end; where it was cut, those whose page
        was still read after it might have told of what was sold."""
        with np.errstate(invalid="ignore"):
            after = self.pages.read_t - self.orders.sold_t > self.eps_s * SECOND_NS
        return np.asarray(after | self.times.is_complete)

    @property
    def is_open(self) -> Bools:
        """Paid orders that had not ended, nor were held."""
        return np.asarray(self.orders.paid & ~np.isfinite(self.pages.ended_t))

    @property
    def is_whole(self) -> bool:
        """Whether the run came to its end and its journals are what was written."""
        return self.times.is_complete and self.verified.wholeness is Wholeness.CLOSED


def basis(stories: Stories) -> Basis:
    """Reads the stories of a run, blind to what struck them."""
    plan, orders, times = stories.plan, stories.orders(), Times.of(stories)
    pages = read_pages(stories, orders, times)
    episodes, to_business = pages.episodes, plan.compress / SECOND_NS
    excess_s = (episodes.end - episodes.onset) * to_business
    eps = (float(plan.poll_every) + EPS_S) * SECOND_NS
    has_books = bool(orders.books.any())
    heard = _heard(stories)
    known_t = min(times.end_t, heard.money_t, heard.goods_t)
    work = stories.work()
    told = honesty.judge(orders, pages.seen, work, until_t=pages.read_t, end_t=known_t, eps=eps)
    violated = invariants.violations(orders, pages.ends, heard, eps)
    return Basis(
        plan=plan,
        orders=orders,
        times=times,
        pages=pages,
        verified=stories.verified,
        followed=follow(plan, orders, pages, times),
        work=work,
        told=told,
        spent=honesty.by_order(told, len(orders)),
        went_on=honesty.went_on(orders, pages.seen),
        still=unchanged.longest(pages.seen, orders.captured_t, pages.followed_t, to_business),
        requests=load.parse(stories.requests()),
        invariants=invariants.counted(orders, violated, has_books=has_books, vouched=bool(orders.is_vouched.all())),
        is_lost=violated["lost_order"].did,
        stuck_s=stuck.total_by_order(episodes.i, (episodes.end - episodes.start) * to_business, len(orders)),
        excess_s=stuck.total_by_order(episodes.i, excess_s, len(orders)),
        episode_excess_s=excess_s,
        has_books=has_books,
        goods_shared=stories.goods_shared(),
    )


def _heard(stories: Stories) -> invariants.Heard:
    """Every role of the plan is one process with one journal, called as the role."""
    roles = {upstream.role for upstream in stories.plan.upstreams.values()}
    return invariants.Heard(stories.heard_t(roles - set(goods.SOURCES)), stories.heard_t(roles & set(goods.SOURCES)))


def read_pages(stories: Stories, orders: Orders, times: Times) -> Pages:
    """What came of the pages, by the dwells that they showed."""
    plan, n = stories.plan, len(orders)
    poll = float(plan.poll_every) * SECOND_NS
    seen, over = stories.seen(), np.zeros(n, dtype=bool)
    over[seen.i] = stuck.IS_TERMINAL[seen.state]  # the last one of each order stays
    # Where the driver was killed, the last good poll is not written down: it was half a poll before, more or less.
    unsaid = np.fmax(orders.written_t - np.where(over, 0.0, poll / 2), orders.last_seen_t)
    good_end = np.where(np.isfinite(orders.final_t), orders.final_t, np.fmin(unsaid, times.end_t))
    watched_end = np.fmax(good_end, orders.last_failed_t)
    found = stuck.dwells(
        stuck.since_placed(seen, orders.placed_t), good_end=good_end, watched_end=watched_end, poll=poll
    )
    threshold = np.full(len(stuck.STATES), np.nan)
    for state, after in plan.stuck_after.items():
        threshold[stuck.INDEX[state]] = round(plan.wire_s(after) * SECOND_NS)
    ended_t, ended_state = stuck.first_end(found, orders.captured_t, n)
    ends = invariants.Ends(
        stuck.last_state(found, n),
        invariants.gone(orders),
        ended_t,
        stories.shown(State.COMPLETED),
        stories.shown(State.REFUNDED),
        times.end_t,
    )
    never_read = (orders.polls_seen == 0) & times.is_complete  # nobody saw it end, until the end
    followed_t = np.where(never_read, times.end_t, watched_end)
    episodes = stuck.episodes(found, orders.captured_t, threshold)
    return Pages(seen, found, episodes, ended_t, ended_state, good_end, followed_t, ends)


def follow(plan: Plan, orders: Orders, pages: Pages, times: Times) -> rates.Followed:
    """How long each paid order took or was followed, and in which phase it was paid."""
    paid = orders.paid
    ended = np.isfinite(pages.ended_t[paid])
    until = np.where(ended, pages.ended_t[paid], pages.followed_t[paid])
    waited = np.fmax(np.nan_to_num(until - orders.captured_t[paid]), 0.0)
    could = np.nan_to_num(pages.followed_t[paid] - orders.captured_t[paid])
    edges = sorted({edge for f in plan.faults if f.window for edge in (f.window.low, f.window.high)})
    paid_s = (orders.captured_t[paid] - times.l0_t) / SECOND_NS
    return rates.Followed(
        duration_s=waited / SECOND_NS * plan.compress,
        could_s=np.fmax(could, waited) / SECOND_NS * plan.compress,
        ended=ended,
        cause=outcomes.causes(pages.ended_state[paid]),
        strata=np.digitize(paid_s, edges).astype(np.int64),
        deadline_s=float(plan.deadline),
        is_complete=times.is_complete,
    )
