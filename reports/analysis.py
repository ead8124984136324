"""From the stories of a run to its findings: every number of the report, in one place."""

from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.clock import SECOND_NS
from ledger.rundir import RunDir
from ledger.states import State
from plan.causes import judged_as
from plan.gates import MEASURES, Unit
from plan.run import Plan
from reports import beside
from reports import gate as gates
from reports.basis import Basis, basis
from reports.causes.judge import Attribution, attribute
from reports.claims import claims, limited
from reports.findings import (
    SCHEMA,
    Confused,
    Deadline,
    Finding,
    Findings,
    Invariant,
    Outcomes,
    PhaseRow,
    Series,
    Settled,
    SignedRow,
    Struck,
    Worst,
)
from reports.measure import (
    asked,
    causes,
    honesty,
    invariants,
    lasthop,
    load,
    named,
    outcomes,
    rates,
    scores,
    series,
    settled,
    signed,
    stuck,
    unchanged,
    wire,
)
from reports.measure.intervals import at_least, share
from reports.stories import Stories
from reports.write.words import GONE

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

WORST_MAX = 10
MARKS_S = (1.0, 5.0, 15.0, 60.0)
"""Where, beside the deadlines, the numbers at risk are given."""


class Analysis(msgspec.Struct, frozen=True):
    """Findings, and what they were computed from, which orders.parquet shows."""

    findings: Findings
    basis: Basis
    hop: Ints
    attributed: Attribution


def analyse(stories: Stories) -> Analysis:
    """Every number of the report."""
    b = basis(stories)
    stopped_t = lasthop.stopped_t(b.orders, b.pages.episodes, b.times.end_t)
    told = stories.strikes()
    strikes = lasthop.Strikes(told["i"].astype(np.int64), told["fault"], told["t"])
    struck = lasthop.struck_before(strikes, stopped_t)
    bad = lasthop.Bad(b.stuck_s > 0, b.is_lost, lasthop.last_hop(b.orders, stopped_t), stopped_t, struck)
    with ThreadPoolExecutor() as beside_it:
        attributing = beside_it.submit(attribute, stories, b)
        findings = _findings(stories, b, bad, strikes)
        attributed = attributing.result()
    tables = msgspec.structs.replace(findings.struck, confused=_confused(b, bad, attributed))
    findings = msgspec.structs.replace(findings, causes=causes.causes(attributed, b), struck=tables)
    return Analysis(findings, b, bad.hop, attributed)


def analysed(run: RunDir, plan: Plan) -> Analysis:
    """Every number of a run, from its journals; nothing is written."""
    stories = Stories(run, plan)
    try:
        return analyse(stories)
    finally:
        stories.close()


def _confused(b: Basis, bad: lasthop.Bad, found: Attribution) -> list[Confused]:
    """What the orders were put down to, against what had truly struck them before they stopped."""
    cause_of = {fault.id: judged_as(fault.cause) for fault in b.plan.faults}
    return scores.confused(
        (scores.label(cause_of[fault] for fault in bad.struck.get(i, ()) if fault in cause_of), cause)
        for i, cause in zip(found.i.tolist(), found.cause.tolist(), strict=True)
    )


def _findings(stories: Stories, b: Basis, bad: lasthop.Bad, strikes: lasthop.Strikes) -> Findings:
    plan, times, paid = b.plan, b.times, b.orders.paid
    became = outcomes.outcomes(b.orders, b.pages.ends, b.is_open, b.goods_shared)
    wishes, paid_twice = outcomes.intents(b.orders)
    counted = {**invariants.goods_counted(b.orders, b.is_looked_at), "intents.paid_twice": paid_twice}
    ledgers, counted["money.disagree"] = beside.ledgers(b, stories)
    told_step = named.spent(b.told, b.orders, b.work, stories.refund_asked_t(), b.eps_s * SECOND_NS)
    waits, was_asked = asked.waits(b.orders, times.end_t, b.to_business)
    found = {"goods.paid_to_request.p95": asked.p95(waits, was_asked), "page.named": named.measure(told_step, b.orders)}
    measures = _measures(b, became, counted, found)
    evidence = gates.Evidence(int(paid.sum()), plan.evidence.orders, b.is_whole)
    judged = [gates.judge(gate, measures, b.invariants, evidence) for gate in plan.gates]
    flaw = gates.generator_flaw(measures, load.late_polls(b.requests)) or beside.strained(b, stories)
    claimed = claims(b)
    lost, rate = b.invariants["lost_order"], measures["stuck.rate"]
    recovered = np.isin(b.pages.ended_state, [stuck.INDEX[State.COMPLETED], stuck.INDEX[State.REFUNDED]])
    deadlines = _deadlines(b)
    return Findings(
        schema=SCHEMA,
        run=stories.run.path.name,
        scenario=plan.scenario,
        target=plan.target.name,
        profile=plan.target.profile,
        seed=plan.seed,
        compress=plan.compress,
        deadline_s=b.followed.deadline_s,
        replay=plan.made.replay,
        stopped=times.stopped,
        claims=limited(claimed, flaw),
        verdict=gates.verdict(judged, flaw, became, rate, lost, claimed.ok),
        exit_code=gates.exit_code(judged, flaw),
        measures=measures,
        invariants=b.invariants,
        counted=counted,
        gates=judged,
        outcomes=became,
        intents=wishes,
        disputes=outcomes.disputes(stories.disputes(), b.orders.keys),
        stuck=rates.stuck(b.orders, b.pages.episodes, b.episode_excess_s, recovered),
        breakdown=beside.groups(b),
        honesty=honesty.findings(b.told, b.orders, b.went_on, b.to_business, b.eps_s),
        asked=asked.findings(waits, was_asked),
        unchanged=unchanged.findings(b.still, b.orders.keys),
        settled=_settled(b),
        deadlines=deadlines,
        survival=rates.survival(b.followed, [d.s for d in deadlines], MARKS_S),
        notices_due=outcomes.notices_due(stories.open_notices(), plan, times.end_t),
        requests=load.table(b.requests, times.load_s or times.seen_s),
        latency=load.over_time(b.requests, times.l0_t, times.end_t),
        series=_series(b),
        struck=_struck(stories, b, bad, strikes),
        health=load.health(stories.health()),
        worst=_worst(b, bad),
        phases=[PhaseRow(p, round((t - times.l0_t) / SECOND_NS, 3), note) for p, t, _, note in times.phases],
        duration_s=round(times.seen_s, 3),
        without=list(plan.without),
        recovery=beside.recoveries(b),
        capacity=beside.capacities(b),
        heat=beside.heats(b),
        lag=beside.lags(b),
        named=named.findings(told_step, measures["page.named"], b.to_business),
        money=ledgers,
    )


def _deadlines(b: Basis) -> list[Deadline]:
    paid_t = b.orders.captured_t[b.orders.paid]
    return rates.deadlines(b.followed, (b.times.end_t - paid_t.min()) * b.to_business if len(paid_t) else 0.0)


def _struck(stories: Stories, b: Basis, bad: lasthop.Bad, strikes: lasthop.Strikes) -> Struck:
    tables = lasthop.tables(strikes, b.plan.faults, bad, b.times.load_s, _signed(stories, b))
    notes = [note for *_, note in b.times.phases]
    return msgspec.structs.replace(tables, wire=wire.rows(b.plan, stories.struck_at(), notes))


def _signed(stories: Stories, b: Basis) -> list[SignedRow]:
    orders = b.orders
    recovered = (orders.goods > 0) | orders.is_refunded
    return signed.rows(stories.signed(), orders.captured_t, recovered, b.is_open | b.is_lost)


def _settled(b: Basis) -> Settled | None:
    pages, times = b.pages, b.times
    return settled.settled(
        b.orders,
        pages.episodes,
        pages.ended_t,
        pages.ended_state,
        heal_t=times.heal_t,
        end_t=times.end_t,
        to_business=b.to_business,
    )


def _measures(
    b: Basis, became: Outcomes, counted: dict[str, Invariant], found: dict[str, Finding]
) -> dict[str, Finding]:
    """Every measure that a gate may name, in their order; `found` are those that came of more than the basis."""
    followed, requests = b.followed, b.requests
    full = followed.is_full(followed.deadline_s)
    made = {
        **found,
        "stuck.rate": rates.stuck_rate(int((b.stuck_s > 0).sum()), followed),
        "stuck.at_deadline": followed.open_at(followed.deadline_s),
        "stuck.rmst": rates.mean_time(followed),
        "stuck.excess_per_1000": rates.excess_per_1000(b.excess_s[b.orders.paid], followed),
        "delivered.rate": (share if full else at_least)(became.delivered, followed.n, Unit.SHARE),
        **{name: _of_invariant(one) for name, one in counted.items()},
        **unchanged.measures(b.still),
        **honesty.measures(b.spent, b.orders),
        "open.at_end": _count(became.open, followed.n),
        "unsent": _count(became.unsent, became.planned),
        "errors.rate": load.error_rate(requests, Unit.SHARE),
        "lateness.p99": load.lateness(b.orders.late_ns, Unit.WIRE_S),
        "latency.place.p95": load.latency_p95(requests, "place", Unit.WIRE_S),
        "latency.poll.p95": load.latency_p95(requests, "poll", Unit.WIRE_S),
        **{f"{gates.PREFIX}{name}": _of_invariant(one) for name, one in b.invariants.items()},
    }
    assert made.keys() == MEASURES.keys()
    return {name: made[name] for name in MEASURES}


def _count(k: int, n: int) -> Finding:
    return Finding(float(k), Unit.COUNT, "counted; compared as it is", k=k, n=n)


def _of_invariant(found: Invariant) -> Finding:
    value = float(found.k) if found.evaluated else None
    return Finding(value, Unit.COUNT, found.method, k=found.k, n=found.n)


def _series(b: Basis) -> Series:
    due_t = b.orders.due_t
    return series.open_orders(
        b.pages.dwells,
        b.pages.episodes,
        b.orders.captured_t,
        l0_t=b.times.l0_t,
        end_t=b.times.end_t,
        load_end_t=float(np.nanmax(due_t)) if np.isfinite(due_t).any() else np.nan,
        heal_t=b.times.heal_t,
    )


def _worst(b: Basis, bad: lasthop.Bad) -> list[Worst]:
    """The worst orders: lost ones first, then those stuck longest."""
    orders, waited_s = b.orders, b.waited_s
    rows = np.flatnonzero(bad.stuck | bad.lost).tolist()
    rows.sort(key=lambda i: (not bad.lost[i], -b.stuck_s[i], -waited_s[i], orders.keys[i]))
    return [
        Worst(
            key=orders.keys[i],
            lost=bool(bad.lost[i]),
            state=_page_says(b, i),
            stuck_s=round(float(b.stuck_s[i]), 3),
            waited_s=round(float(waited_s[i]), 3),
            is_open=bool(b.is_open[i]),
            hop=lasthop.HOPS[int(bad.hop[i])],
            struck=bad.struck.get(i, []),
        )
        for i in rows[:WORST_MAX]
    ]


def _page_says(b: Basis, i: int) -> str:
    index = int(b.pages.ends.last_state[i])
    if b.pages.ends.is_gone[i]:
        return GONE
    return str(stuck.STATES[index] if index >= 0 else State.UNKNOWN)
