"""Findings out of thin air, with every field filled, for what writes them down: no run, no statistics."""

from math import exp

from msgspec.structs import replace

from ledger.states import State
from plan.causes import MULTIPLE, NOT_STUCK, UNKNOWN, Cause
from plan.gates import MEASURES, Unit
from reports.findings import (
    SCHEMA,
    AskedUpstream,
    AtRisk,
    Capacity,
    CauseRow,
    Causes,
    Claims,
    Confused,
    Deadline,
    FaultRow,
    Finding,
    Findings,
    Flow,
    GateResult,
    Heat,
    Honesty,
    HonestyClass,
    HonestyState,
    Horizon,
    Intents,
    Lag,
    LatencySeries,
    Outcomes,
    Recovery,
    RequestRow,
    Series,
    Struck,
    Stuck,
    Survival,
    Unchanged,
    Verdict,
    Words,
)
from reports.measure.honesty import CLASSES, JUDGED
from reports.measure.intervals import share
from reports.write.words import HONESTY_WORDS

DEADLINES_S = (30.0, 120.0, 240.0, 300.0, 900.0)
LOAD_S, END_S = 40.0, 70.0
CAUSES = list(Cause)
PAID = 480


def gate(measure: str, op: str, limit: float, verdict: str, value: float | None, *bounds: float | None) -> GateResult:
    unit = MEASURES[measure].unit
    text = f"{measure} {op} {limit * 100:g}%" if unit == Unit.SHARE else f"{measure} {op} {limit:g}"
    lo, hi = bounds or (None, None)
    why = Words("as it is <found> & so on", "如所见")
    return GateResult(text, measure, op, limit, unit, verdict, why, value, bound_lo=lo, bound_hi=hi)


def gates() -> list[GateResult]:
    return [
        gate("stuck.rate", "<=", 0.01, "fail", 0.042, 0.03, 0.06),
        gate("stuck.at_deadline", "<=", 0.01, "inconclusive", 0.008, 0.004, 0.014),
        gate("stuck.rmst", "<=", 40.0, "pass", 22.5, 20.1, 25.0),
        gate("delivered.rate", ">=", 0.98, "fail", 0.93, 0.91, 0.95),
        gate("goods.paid_to_request.p95", "<=", 120.0, "fail", None, 240.0, None),
        gate("invariants.lost_order", "==", 0.0, "fail", 3.0),
        gate("invariants.refund_and_delivered", "==", 0.0, "pass", 0.0),
        gate("lateness.p99", "<=", 0.05, "pass", 0.012),
        gate("stuck.excess_per_1000", "<=", 2000.0, "inconclusive", None, None, None),
    ]


def survival() -> Survival:
    t = [round(0.8 * 1.045**i, 3) for i in range(160)]
    open_ = [round(0.97 * exp(-x / 14) + 0.02 * exp(-x / 700) + 0.006, 6) for x in t]
    at_risk = [AtRisk(s, int(PAID * (0.97 * exp(-s / 14) + 0.026))) for s in (1.0, 5.0, 15.0, 60.0, *DEADLINES_S)]
    return Survival(
        n=PAID,
        t_s=t,
        open=open_,
        lo=[round(y * 0.75, 6) for y in open_],
        hi=[round(min(y * 1.3, 1.0), 6) for y in open_],
        at_risk=sorted(at_risk, key=lambda risk: risk.s),
        outcomes=[horizon(s) for s in DEADLINES_S],
    )


def horizon(s: float) -> Horizon:
    open_ = 0.9 * exp(-s / 14) + 0.02 * exp(-s / 700) + 0.006
    refunded, failed, manual = (c * (1 - exp(-s / 90)) for c in (0.031, 0.012, 0.004))
    return Horizon(s, 1 - open_ - refunded - failed - manual, refunded, failed, manual, open_)


def deadlines() -> list[Deadline]:
    counts = (63, 15, 12, 10, 8)
    return [Deadline(s, share(k, PAID, Unit.SHARE)) for s, k in zip(DEADLINES_S, counts, strict=True)]


def series() -> Series:
    t = [round(i * 0.25, 3) for i in range(int(END_S * 4) + 1)]
    bump = [exp(-(((x - 22) / 9) ** 2)) for x in t]
    states: dict[str, list[int]] = {
        State.PAYING: [round(14 * b) for b in bump],
        State.PAID: [round(20 * b) + (x < LOAD_S) * 3 for x, b in zip(t, bump, strict=True)],
        State.SUBMITTED: [round(6 * b) for b in bump],
        State.RECHARGING: [round(31 * b) + (6 if x > 30 else 0) for x, b in zip(t, bump, strict=True)],
        State.DELAYED: [round(4 * b) for b in bump],
    }
    return Series(t, states, [round(18 * b) + (4 if x > 30 else 0) for x, b in zip(t, bump, strict=True)], 38.0, 41.0)


def fault_row(id: str, en: str, zh: str, cause: str, window: tuple[float, float] | None = None) -> FaultRow:
    start, end = window or (0.0, 41.0)
    return FaultRow(id, id, en, zh, cause, window is not None, start, end, 60, 41, 12, 1)


def faults() -> list[FaultRow]:
    return [
        fault_row("lost", "notices lost", "通知丢失", Cause.LOST_NOTICE),
        fault_row("dusk", "slow answers", "响应变慢", Cause.TIMEOUT, (10.0, 20.0)),
        fault_row(
            "db",
            "database locked for a long time by a report that somebody runs",
            "数据库被某人运行的报表长时间锁住",
            Cause.DATABASE,
            (25.0, 28.0),
        ),
    ]


def causes(n: int = 6) -> Causes:
    """The first n causes, the commonest first, and the two words that stand for none."""
    counts = [(cause, max(40 // (i + 1), 1)) for i, cause in enumerate([*CAUSES[:n], UNKNOWN, MULTIPLE])]
    judged = sum(k for _, k in counts)
    rows, flows = [], []
    for i, (cause, k) in enumerate(counts):
        found = share(k, judged, Unit.SHARE)
        rows.append(
            CauseRow(cause, cause, "中文", k, k, i % 2, 1, k * 70.0, found.value, found.lo, found.hi, {"notice": k}, [])
        )
        half = k // 2
        state, end = (State.PAID, State.RECHARGING, State.PAYING)[i % 3], ("delivered", "refunded", "lost")[i % 3]
        flows += [Flow(state, cause, end, k - half), Flow(State.RECHARGING, cause, "open", half)]
    return Causes(judged, rows, flows)


def confused(n: int = 6) -> list[Confused]:
    rows = []
    for i, cause in enumerate(CAUSES[:n]):
        found: dict[str, int] = {cause: max(30 - 3 * i, 3), CAUSES[(i + 1) % n]: i, UNKNOWN: 2, NOT_STUCK: 5}
        rows.append(Confused(cause, found))
    return [*rows, Confused(NOT_STUCK, {CAUSES[0]: 1, UNKNOWN: 3}), Confused(MULTIPLE, {MULTIPLE: 4, CAUSES[1]: 2})]


def heat(columns: int = 30) -> Heat:
    step = LOAD_S / columns
    t = [round((i + 1) * step, 3) for i in range(columns)]
    edges = [1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0]
    slow = [exp(-(((x - 15) / 5) ** 2)) for x in t]
    counts = [[round(max(12 - abs(row - 2 - 5 * s) * 5, 0)) for s in slow] for row in range(len(edges))]
    return Heat(t, edges, counts, [round(5 * s) for s in slow])


def capacity(limit: float | None = 14.2) -> Capacity:
    t = [float(i + 1) for i in range(40)]
    offered = [6.0 + 14 * exp(-(((x - 20) / 8) ** 2)) for x in t]
    ended = [min(x, 14.0) for x in offered]
    open_, left = [], 3.0
    for due, done in zip(offered, ended, strict=True):
        left = max(left + due - done, 3.0)
        open_.append(round(left))
    lo, hi = (12.5, 15.9) if limit else (None, None)
    return Capacity(t, offered, ended, open_, limit, lo, hi, 11.4, "least squares of growth on load")


def recoveries() -> list[Recovery]:
    return [
        Recovery("dusk", "slow answers", "响应变慢", 10.0, 20.0, 42.0, 210.0, None, 75.0, 1.0, 34, True, ["db"]),
        Recovery("db", "database locked", "数据库锁定", 25.0, 28.0, 12.0, None, 600.0, None, 2.5, 51),
        Recovery("calm", "a fault that hurt nobody at all, by luck", "没有影响的故障", 1.0, 3.0, *(None,) * 4, 0.0, 0),
    ]


def lag() -> Lag:
    t = [round(0.2 * 1.12**i, 3) for i in range(60)]
    return Lag(940, 921, 1.4, 38.0, 140.0, t, [round(0.96 * exp(-((x / 3) ** 0.7)) + 0.02, 6) for x in t])


def honesty() -> Honesty:
    by = {"honest": 4000.0, "late": 900.0, "optimistic": 0.0, "pessimistic": 120.0, "regressive": 40.0}
    by["false_progress"] = 700.0
    total = sum(by.values())
    states = [
        HonestyState(State.PAID, 2000.0, {**by, "false_progress": 0.0}, 0),
        HonestyState(State.RECHARGING, 3000.0, {name: s / 2 for name, s in by.items()}, 17),
    ]
    classes = [HonestyClass(name, by.get(name, 0.0), by.get(name, 0.0) / total, 30) for name in CLASSES]
    assert set(by) == set(JUDGED) <= set(HONESTY_WORDS)
    return Honesty(total, 2.2, PAID, PAID, 0, classes, states)


def latency() -> list[LatencySeries]:
    t = [float(i) for i in range(60)]
    base = {"cashier": 4.0, "pay": 9.0, "place": 40.0, "poll": 18.0}
    return [
        LatencySeries(name, t, [ms * (1 + (10 < x < 20)) for x in t], [ms * (2 + 9 * (10 < x < 20)) for x in t])
        for name, ms in base.items()
    ]


def nothing() -> Findings:
    """A run in which nobody paid, and of which nothing is known."""
    return Findings(
        schema=SCHEMA,
        run="made-up",
        scenario="made_up",
        target="cardshop",
        profile="naive",
        seed=7,
        compress=15.0,
        deadline_s=300.0,
        replay="",
        stopped="",
        claims=Claims(True, [], []),
        verdict=Verdict("pass", "", ""),
        exit_code=0,
        measures={name: Finding(None, one.unit, "none") for name, one in MEASURES.items()},
        invariants={},
        counted={},
        gates=[],
        outcomes=Outcomes(*(0,) * 3, {}, *(0,) * 15),
        intents=Intents(0, 0, 0, 0),
        disputes=None,
        stuck=Stuck(0, 0, 0, 0, 0.0, None, {}),
        breakdown={},
        honesty=Honesty(0.0, 2.2, 0, 0, 0, [HonestyClass(name, 0.0, None, 0) for name in CLASSES], []),
        asked=AskedUpstream(0, 0, None, None, None, [], []),
        unchanged=Unchanged(0, 0, None, None, None, "", False),
        settled=None,
        deadlines=[],
        survival=Survival(0, [], [], [], [], [], []),
        notices_due=[],
        requests=[],
        latency=[],
        series=Series([], {}, [], None, None),
        struck=Struck([], [], []),
        health=[],
        worst=[],
        phases=[],
        duration_s=0.0,
    )


def everything(n_causes: int = 6) -> Findings:
    """A run of which all is known."""
    t = [round(0.4 * 1.1**i, 3) for i in range(70)]
    return replace(
        nothing(),
        gates=gates(),
        asked=AskedUpstream(PAID, 470, 2.0, 60.0, 290.0, t, [0.98 * exp(-x / 8) + 0.02 for x in t]),
        deadlines=deadlines(),
        honesty=honesty(),
        survival=survival(),
        requests=[RequestRow(n, 900, 3, 0, 12.0, 4.0, 9.0, 14.5, 40.0, 100.0, {}) for n in ("place", "poll")],
        latency=latency(),
        series=series(),
        struck=Struck(faults(), [], [], [], confused(n_causes)),
        duration_s=END_S,
        causes=causes(n_causes),
        recovery=recoveries(),
        capacity=capacity(),
        heat=heat(),
        lag=lag(),
    )
