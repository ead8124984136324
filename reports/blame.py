"""What a fault cost, by twins: the same plan and seed played with it and without it, several pairs of seeds.

Being under way while a fault was on is exposure: it counts orders that would have got stuck anyway, and misses those
that the fault reached later.
What is attributable is the difference between the twins. The unit is the pair: intervals are Student's over pairs.
"""

from collections.abc import Iterable, Sequence
from math import sqrt
from statistics import fmean, stdev

import msgspec
import numpy as np

from plan.arrivals import Schedule
from plan.faults import FaultPlan
from reports.fates import Fates, Matched, fates, matched, unmatched
from reports.findings import Words
from reports.recorded import Recorded

SCHEMA = 1
COUNTS = ("trouble", "stuck", "lost", "open", "unpaid", "excess_s")
"""What is counted in each run, over its planned orders; excess in business order-seconds."""


class Estimate(msgspec.Struct, frozen=True):
    """The mean over pairs with its two-sided 95 % interval; null where pairs are too few or all alike."""

    mean: float | None
    lo: float | None
    hi: float | None
    pairs: int
    method: str


class TwinPair(msgspec.Struct, frozen=True):
    """One seed played with the fault and without it. `matched`: orders by key, `a` with the fault, `b` without it.

    `in_window`: orders stuck in the run with the fault that were under way (paid, not ended) while it was on; `struck`:
    stuck orders that it is known to have struck. Both are exposure; null where nobody can say. `why_not` tells why a
    pair says nothing; then it counts nowhere. Of one that `is_flawed` the load generator was the bottleneck: it counts,
    and nobody should build on it.
    """

    seed: int
    with_fault: str
    without_fault: str
    why_not: str = ""
    counts_with: dict[str, float] = {}
    counts_without: dict[str, float] = {}
    matched: dict[str, Matched] = {}
    in_window: int | None = None
    struck: int | None = None
    is_flawed: bool = False
    remarks: list[Words] = []


class Blamed(msgspec.Struct, frozen=True):
    """What one fault cost: by count (COUNTS), with minus without."""

    id: str
    fault: str
    cause: str
    label: Words
    from_s: float | None
    to_s: float | None
    attributable: dict[str, Estimate]
    in_window: Estimate
    struck: Estimate
    pairs: list[TwinPair]


class Blame(msgspec.Struct, frozen=True):
    """What `orderjam blame` found."""

    schema: int
    run: str
    scenario: str
    target: str
    profile: str
    compress: float
    seeds: list[int]
    paid: float
    faults: list[Blamed]


class Twins(msgspec.Struct, frozen=True):
    """The runs of one seed: as the plan is, and without each fault that is asked of, by its id."""

    seed: int
    base: Recorded
    without: dict[str, Recorded]


def blame(run: str, faults: Sequence[FaultPlan], twins: Iterable[Twins]) -> Blame | None:
    """What each fault cost; None without twins. `run`: the name of the run that it is asked of. Twins are looked at
    one after another and not kept."""
    pairs: dict[str, list[TwinPair]] = {fault.id: [] for fault in faults}
    seeds, paid, plan = list[int](), list[float](), None
    for one in twins:
        base, plan = fates(one.base), one.base.plan
        seeds.append(one.seed)
        paid.append(float(base.paid.sum()))
        for fault in faults:
            pairs[fault.id].append(_pair(fault, one, base))
    if plan is None:
        return None
    return Blame(
        schema=SCHEMA,
        run=run,
        scenario=plan.scenario,
        target=plan.target.name,
        profile=plan.target.profile,
        compress=plan.compress,
        seeds=seeds,
        paid=fmean(paid),
        faults=[_blamed(fault, pairs[fault.id]) for fault in faults],
    )


def estimate(values: Sequence[float]) -> Estimate:
    """The mean of one value a pair, with Student's interval."""
    n = len(values)
    if n == 0:
        return Estimate(None, None, None, 0, "no pair that can be counted")
    mean = fmean(values)
    if n == 1:
        return Estimate(mean, None, None, 1, "one pair: no interval")
    if (spread := stdev(values)) == 0:
        return Estimate(mean, None, None, n, "all pairs alike: no spread to reckon an interval with")
    from scipy.stats import t  # takes 1.7 s to import

    half = float(t.ppf(0.975, n - 1)) * spread / sqrt(n)
    return Estimate(mean, mean - half, mean + half, n, f"Student's t over pairs, {n - 1} degrees of freedom")


def _blamed(fault: FaultPlan, pairs: list[TwinPair]) -> Blamed:
    counted = [pair for pair in pairs if not pair.why_not]
    return Blamed(
        id=fault.id,
        fault=fault.fault,
        cause=fault.cause,
        label=Words(fault.label.en, fault.label.zh),
        from_s=float(fault.window.low) if fault.window else None,
        to_s=float(fault.window.high) if fault.window else None,
        attributable={
            name: estimate([pair.counts_with[name] - pair.counts_without[name] for pair in counted]) for name in COUNTS
        },
        in_window=estimate([pair.in_window for pair in counted if pair.in_window is not None]),
        struck=estimate([pair.struck for pair in counted if pair.struck is not None]),
        pairs=pairs,
    )


def _pair(fault: FaultPlan, twins: Twins, base: Fates) -> TwinPair:
    twin = twins.without[fault.id]
    if why := _why_not(twins.base, twin):
        return TwinPair(twins.seed, twins.base.name, twin.name, why)
    other = fates(twin)
    both = base.paid & other.paid
    return TwinPair(
        seed=twins.seed,
        with_fault=twins.base.name,
        without_fault=twin.name,
        counts_with=_counts(base),
        counts_without=_counts(other),
        matched={
            "trouble": matched(base, base.bad, other.bad, both),
            "stuck": matched(base, base.stuck, other.stuck, both),
            "lost": matched(base, base.lost, other.lost, both),
        },
        in_window=_in_window(fault, twins.base, base),
        struck=_struck(fault, twins.base),
        is_flawed=twins.base.flaw is not None or twin.flaw is not None,
        remarks=[*_remarks(twins.base), *_remarks(twin)],
    )


def _why_not(base: Recorded, twin: Recorded) -> str:
    if why := unmatched(base.plan, twin.plan):
        return f"not of the same orders: {why}"
    for run in (base, twin):
        if run.findings.stopped:
            return f"{run.name} was stopped early: {run.findings.stopped}"
    return ""


def _counts(of: Fates) -> dict[str, float]:
    return {
        "trouble": float(of.bad.sum()),
        "stuck": float(of.stuck.sum()),
        "lost": float(of.lost.sum()),
        "open": float(of.open.sum()),
        "unpaid": float((~of.paid).sum()),
        "excess_s": round(float(of.excess_s[of.paid].sum()), 3),
    }


def _in_window(fault: FaultPlan, run: Recorded, of: Fates) -> int | None:
    """Stuck orders that were paid and had not ended at some moment of the window."""
    due = np.flatnonzero(np.isfinite(of.due_s))
    if fault.window is None or not len(due):
        return None
    first = int(due[0])
    l0_s = float(of.due_s[first]) - Schedule(run.plan.load, run.plan.seed).due_s(first)
    low, high = l0_s + float(fault.window.low), l0_s + float(fault.window.high)
    with np.errstate(invalid="ignore"):
        under_way = (of.captured_s <= high) & ~(of.ended_s < low)
    return int((of.stuck & under_way).sum())


def _struck(fault: FaultPlan, run: Recorded) -> int | None:
    """Stuck orders that the fault struck; None where it struck none that is known by its key."""
    rows = [row for row in run.findings.struck.faults if row.id == fault.id and row.orders]
    return rows[0].stuck if rows else None


def _remarks(run: Recorded) -> list[Words]:
    """What makes a run a poor twin without making it useless."""
    remarks = [] if run.flaw is None else [_of(run, run.flaw)]
    if not (claims := run.findings.claims).ok:
        remarks.append(_of(run, Words(claims.reasons[0], claims.reasons_zh[0])))
    return remarks


def _of(run: Recorded, words: Words) -> Words:
    return Words(f"{run.name}: {words.en}", f"{run.name}：{words.zh}")
