"""From the stories of a run to its findings: who is counted, in which order things are computed, what is claimed."""

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.clock import SECOND_NS
from ledger.journal import Wholeness
from ledger.rundir import Verdict as Verified
from ledger.states import Phase, State
from plan.gates import MEASURES, Unit
from plan.run import Plan
from reports import gate as gates
from reports.findings import SCHEMA, Claims, Finding, Findings, Invariant, PhaseRow, Words, Worst
from reports.measure import invariants, lasthop, load, outcomes, rates, series, stuck
from reports.measure.intervals import at_least, share
from reports.stories import Orders, Stories

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

EPS_S = 2.0
"""Beside a poll, how long (wire) a page may run ahead of the truth."""
WORST_MAX = 10
NO_BOOKS_NOTE = "gives no books"


class Times(msgspec.Struct, frozen=True):
    """The frame of a run, ns on its axis: start of load, heal, the end of the observation, and whether it is whole."""

    l0_t: float
    heal_t: float
    end_t: float
    is_complete: bool
    collect_note: str
    phases: list[tuple[str, float, float, str]]

    @classmethod
    def of(cls, stories: Stories) -> "Times":
        phases = stories.phases()
        began = {phase: t for phase, t, _, _ in phases}
        starts = [l0 for _, _, l0, _ in phases if np.isfinite(l0)]
        collect = began.get(Phase.COLLECT)
        end_t = collect if collect is not None else stories.last_t()
        return cls(
            l0_t=starts[0] if starts else began.get(Phase.LOAD, 0.0),
            heal_t=began.get(Phase.HEAL, np.nan),
            end_t=end_t,
            is_complete=collect is not None,
            collect_note=next((note for phase, _, _, note in phases if phase == Phase.COLLECT), ""),
            phases=phases,
        )


class Analysis(msgspec.Struct, frozen=True):
    """Findings, and the columns behind them that orders.parquet shows."""

    findings: Findings
    orders: Orders
    last_state: Ints
    ended_t: Floats
    stuck_s: Floats
    excess_s: Floats
    is_lost: Bools
    hop: Ints


class _Pages(msgspec.Struct, frozen=True):
    """What came of the pages: dwells, episodes, and until when each order was followed."""

    dwells: stuck.Dwells
    episodes: stuck.Episodes
    ended_t: Floats
    ended_state: Ints
    followed_t: Floats
    ends: invariants.Ends


def analyse(stories: Stories) -> Analysis:
    """Every number of the report."""
    plan, orders, times = stories.plan, stories.orders(), Times.of(stories)
    verified = stories.run.verify()
    pages = _read_pages(stories, orders, times)
    paid, n = orders.paid, len(orders)
    to_business = plan.compress / SECOND_NS
    episode_s = (pages.episodes.end - pages.episodes.start) * to_business
    episode_excess_s = (pages.episodes.end - pages.episodes.onset) * to_business
    stuck_s = stuck.total_by_order(pages.episodes.i, episode_s, n)
    excess_s = stuck.total_by_order(pages.episodes.i, episode_excess_s, n)
    followed = _followed(plan, orders, pages, times)
    requests = load.parse(stories.requests())
    has_books, vouched = bool(orders.books.any()), stories.has_upstream_goods
    eps = (float(plan.poll_every) + EPS_S) * SECOND_NS
    found = invariants.judged(orders, pages.ends, eps, has_books=has_books, upstream_goods=vouched)
    is_open = paid & ~np.isfinite(pages.ended_t)
    became = outcomes.outcomes(orders, pages.ends, is_open, stories.goods_shared())
    is_stuck = stuck_s > 0
    measures = {
        "stuck.rate": rates.stuck_rate(int(is_stuck.sum()), followed),
        "stuck.at_deadline": followed.open_at(followed.deadline_s) if followed.n else _none(Unit.SHARE),
        "stuck.rmst": rates.mean_time(followed),
        "stuck.excess_per_1000": rates.excess_per_1000(excess_s[paid], followed),
        "delivered.rate": _delivered(became.delivered, followed, times),
        "open.at_end": _count(int(is_open.sum()), followed.n),
        "unsent": _count(became.unsent, became.planned),
        "errors.rate": load.error_rate(requests, Unit.SHARE),
        "lateness.p99": load.lateness(orders.late_ns, Unit.WIRE_S),
        "latency.place.p95": load.latency_p95(requests, "place", Unit.WIRE_S),
        "latency.poll.p95": load.latency_p95(requests, "poll", Unit.WIRE_S),
        **{f"{gates.PREFIX}{name}": _of_invariant(one) for name, one in found.items()},
    }
    assert measures.keys() == MEASURES.keys()
    claims = _claims(stories, orders, times, verified, has_books=has_books, followed=followed)
    evidence = gates.Evidence(int(paid.sum()), plan.evidence.orders, _is_whole(verified, times))
    judged = [gates.judge(gate, measures, found, evidence) for gate in plan.gates]
    flaw = gates.generator_flaw(measures, load.late_polls(requests))
    lost = paid & (orders.goods == 0) & ~orders.is_refunded & invariants.ended_unserved(pages.ends)
    stopped_t = lasthop.stopped_t(orders, pages.episodes, times.end_t)
    bad = lasthop.Bad(is_stuck, lost, lasthop.last_hop(orders, stopped_t), stopped_t)
    told = stories.strikes()
    strikes = lasthop.Strikes(told["i"].astype(np.int64), told["fault"], told["t"])
    load_s = (times.heal_t - times.l0_t) / SECOND_NS if np.isfinite(times.heal_t) else None
    recovered = np.isin(pages.ended_state, [stuck.INDEX[State.COMPLETED], stuck.INDEX[State.REFUNDED]])
    seen_s = (times.end_t - np.nanmin(orders.captured_t)) * to_business if paid.any() else 0.0
    marks = rates.deadlines(followed, seen_s)
    findings = Findings(
        schema=SCHEMA,
        run=stories.run.path.name,
        scenario=plan.scenario,
        target=plan.target.name,
        profile=plan.target.profile,
        seed=plan.seed,
        compress=plan.compress,
        deadline_s=followed.deadline_s,
        replay=plan.made.replay,
        claims=claims,
        verdict=gates.verdict(judged, flaw, became, measures["stuck.rate"], found["lost_order"], claims.ok),
        exit_code=gates.exit_code(judged, flaw),
        measures=measures,
        invariants=found,
        gates=judged,
        outcomes=became,
        stuck=rates.stuck(orders, pages.episodes, episode_excess_s, recovered),
        deadlines=marks,
        survival=rates.survival(followed, sorted({1.0, 5.0, 15.0, 60.0, *(mark.s for mark in marks)})),
        notices_due=outcomes.notices_due(stories.open_notices(), plan, times.end_t),
        requests=load.table(requests, load_s or (times.end_t - times.l0_t) / SECOND_NS),
        latency=load.over_time(requests, times.l0_t, times.end_t),
        series=series.open_orders(
            pages.dwells,
            pages.episodes,
            orders.captured_t,
            l0_t=times.l0_t,
            end_t=times.end_t,
            load_end_t=float(np.nanmax(orders.due_t)) if np.isfinite(orders.due_t).any() else np.nan,
            heal_t=times.heal_t,
        ),
        struck=lasthop.tables(strikes, plan.faults, bad, load_s),
        health=load.health(stories.health()),
        worst=_worst(plan, orders, pages, stuck_s, bad, strikes),
        phases=[PhaseRow(p, round((t - times.l0_t) / SECOND_NS, 3), note) for p, t, _, note in times.phases],
        duration_s=round((times.end_t - times.l0_t) / SECOND_NS, 3),
    )
    return Analysis(findings, orders, pages.ends.last_state, pages.ended_t, stuck_s, excess_s, lost, bad.hop)


def _read_pages(stories: Stories, orders: Orders, times: Times) -> _Pages:
    plan, n = stories.plan, len(orders)
    good_end = np.where(np.isfinite(orders.final_t), orders.final_t, np.fmin(orders.written_t, times.end_t))
    watched_end = np.fmax(good_end, orders.last_failed_t)
    found = stuck.dwells(
        stories.seen(), good_end=good_end, watched_end=watched_end, poll=float(plan.poll_every) * SECOND_NS
    )
    threshold = np.full(len(stuck.STATES), np.nan)
    for state, after in plan.stuck_after.items():
        threshold[stuck.INDEX[state]] = round(plan.wire_s(after) * SECOND_NS)
    ended_t, ended_state = stuck.first_end(found, orders.captured_t, n)
    never_read = orders.polls_seen == 0
    last_t = np.where(never_read & times.is_complete, times.end_t, watched_end)

    def shown_t(state: State) -> Floats:
        rows, t = stories.shown(state)
        full = np.full(n, np.nan)
        full[rows] = t
        return full

    ends = invariants.Ends(
        stuck.last_state(found, n),
        invariants.gone(orders),
        shown_t(State.COMPLETED),
        shown_t(State.REFUNDED),
        times.end_t,
    )
    return _Pages(
        found, stuck.episodes(found, orders.captured_t, threshold), ended_t, ended_state, last_t, ends
    )


def _followed(plan: Plan, orders: Orders, pages: _Pages, times: Times) -> rates.Followed:
    paid = orders.paid
    ended = np.isfinite(pages.ended_t[paid])
    until = np.where(ended, pages.ended_t[paid], pages.followed_t[paid])
    waited = np.fmax(np.nan_to_num(until - orders.captured_t[paid]), 0.0)
    edges = sorted({edge for f in plan.faults if f.window for edge in (f.window.low, f.window.high)})
    load_s = (orders.captured_t[paid] - times.l0_t) / SECOND_NS
    return rates.Followed(
        duration_s=waited / SECOND_NS * plan.compress,
        ended=ended,
        cause=outcomes.causes(pages.ended_state[paid]),
        strata=np.digitize(load_s, edges).astype(np.int64),
        deadline_s=float(plan.deadline),
    )


def _none(unit: str) -> Finding:
    return Finding(None, unit, "nobody paid", n=0)


def _count(k: int, n: int) -> Finding:
    return Finding(float(k), Unit.COUNT, "counted; compared as it is", k=k, n=n)


def _of_invariant(found: Invariant) -> Finding:
    value = float(found.k) if found.evaluated else None
    return Finding(value, Unit.COUNT, found.method, k=found.k, n=found.n)


def _delivered(k: int, followed: rates.Followed, times: Times) -> Finding:
    if times.is_complete and followed.is_full(followed.deadline_s):
        return share(k, followed.n, Unit.SHARE)
    return at_least(k, followed.n, Unit.SHARE)


def _is_whole(verified: Verified, times: Times) -> bool:
    return times.is_complete and verified.wholeness is Wholeness.CLOSED


def _claims(
    stories: Stories,
    orders: Orders,
    times: Times,
    verified: Verified,
    *,
    has_books: bool,
    followed: rates.Followed,
) -> Claims:
    """What limits the numbers. Remarks that are no flaw leave `ok` as it is."""
    flaws, remarks = list[Words](), list[Words]()
    if verified.wholeness is not Wholeness.CLOSED:
        word = {"broken": "已损坏", "unclosed": "未正常结束"}[str(verified.wholeness)]
        flaws += [Words(f"journals {verified.wholeness}: {r}", f"日志{word}：{r}") for r in verified.reasons]
    if not times.is_complete:
        flaws.append(
            Words(
                "the run was cut before it collected: rates that need full follow-up are lower bounds or not estimable",
                "运行在收尾之前中断：需要完整跟踪的比率只是下限，或无法估计",
            )
        )
    elif not followed.is_full(followed.deadline_s):
        flaws.append(
            Words(
                "some open orders were not followed to their deadline: rates that need it are lower bounds or estimated",
                "部分未完结订单没有跟踪到期限：相关比率只是下限或估计值",
            )
        )
    if not np.isfinite(orders.sent_t).any():
        flaws.append(Words("no order was sent", "没有发出任何订单"))
    elif not orders.paid.any():
        flaws.append(Words("nobody paid: nothing can be said of paid orders", "没有人付款：对已付订单无从谈起"))
    if not has_books:
        note = f" ({times.collect_note})" if times.collect_note else ""
        words = Words(
            f"the shop's books were not read{note}: orphan_payment and ghost_order are not evaluated",
            "没有读到店铺账本：孤儿付款与幽灵订单两项未评估",
        )
        (remarks if NO_BOOKS_NOTE in note else flaws).append(words)
    if not stories.has_upstream_goods:
        remarks.append(
            Words(
                "the shop sells its own stock: no upstream vouches for goods, delivered means goods on the page or in "
                "the shop's books",
                "店铺销售自有库存：没有上游可为商品作证，“已发货”指页面或账本上有商品",
            )
        )
    if shared := stories.goods_shared():
        remarks.append(
            Words(
                f"{shared} goods stand on the pages of more than one order: only one of their buyers can have each",
                f"有 {shared} 件商品出现在多个订单上：每件只有一个买家能真正使用",
            )
        )
    reasons = flaws + remarks
    return Claims(not flaws, [r.en for r in reasons], [r.zh for r in reasons])


def _worst(
    plan: Plan, orders: Orders, pages: _Pages, stuck_s: Floats, bad: lasthop.Bad, strikes: lasthop.Strikes
) -> list[Worst]:
    """The worst orders: lost ones first, then those stuck longest."""
    until = np.where(np.isfinite(pages.ended_t), pages.ended_t, pages.followed_t)
    waited = np.fmax(np.nan_to_num(until - orders.captured_t), 0.0) / SECOND_NS * plan.compress
    rows = np.flatnonzero(bad.stuck | bad.lost).tolist()
    rows.sort(key=lambda i: (not bad.lost[i], -stuck_s[i], -waited[i], orders.keys[i]))
    before = lasthop.struck_before(strikes, bad.at_t)
    labels = {fault.id: fault.label.en for fault in plan.faults}
    made = []
    for i in rows[:WORST_MAX]:
        state = "gone" if pages.ends.is_gone[i] else _state_word(int(pages.ends.last_state[i]))
        struck = [fault if fault in labels else str(fault) for fault in before.get(i, [])]
        made.append(
            Worst(
                orders.keys[i],
                bool(bad.lost[i]),
                state,
                round(float(stuck_s[i]), 3),
                round(float(waited[i]), 3),
                not np.isfinite(pages.ended_t[i]),
                lasthop.HOPS[int(bad.hop[i])],
                struck,
            )
        )
    return made


def _state_word(index: int) -> str:
    return str(stuck.STATES[index]) if index >= 0 else str(State.UNKNOWN)
