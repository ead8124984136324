"""Runs side by side, and order by order where they are of the same orders: descriptive, without a verdict.

Orders of one run share its windows and its luck, so what differs between two runs may be chance; builds are judged by
several runs each.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np

from plan.causes import UNKNOWN
from reports.fates import OUTCOMES, Fates, Matched, fates, first_keys, matched, unmatched
from reports.findings import Finding, Invariant, Words
from reports.measure.survival import LogRank, logrank
from reports.recorded import Recorded

SCHEMA = 1
RUNS_MAX = 6
LETTERS = "ABCDEF"


class ComparisonError(Exception):
    """Runs that cannot be compared: one line with the reason."""


class Head(msgspec.Struct, frozen=True):
    """One of the runs. `letter` names it in the tables."""

    letter: str
    run: str
    scenario: str
    target: str
    profile: str
    seed: int
    without: list[str]
    planned: int
    paid: int
    verdict: str
    claims_ok: bool
    git: str


class Row(msgspec.Struct, frozen=True):
    """One number in each of the runs, null where one does not have it."""

    name: str
    found: list[Finding | None]


class InvariantRow(msgspec.Struct, frozen=True):
    name: str
    found: list[Invariant | None]


class CauseRow(msgspec.Struct, frozen=True):
    """How many orders each run puts down to a cause."""

    cause: str
    en: str
    zh: str
    orders: list[int]


class DeadlineRow(msgspec.Struct, frozen=True):
    """Share of paid orders open so long after payment (business s)."""

    s: float
    found: list[Finding | None]


class Change(msgspec.Struct, frozen=True):
    """Orders that ended otherwise."""

    a: str
    b: str
    orders: int
    first: list[str]


class Changed(msgspec.Struct, frozen=True):
    """One order that ended otherwise, or was in trouble in one run alone."""

    key: str
    a: str
    b: str
    stuck_a: bool
    stuck_b: bool
    excess_a_s: float
    excess_b_s: float


class Pair(msgspec.Struct, frozen=True):
    """Two runs order by order: planned orders that were paid for in both, matched by key. `why_not` tells why they are
    not of the same orders; then all else is empty. In trouble: stuck, lost, open at the end, or ended with nothing;
    `saved` were so in `a` alone, `harmed` in `b` alone. `tables`: stuck, lost, open, trouble, delivered."""

    a: str
    b: str
    why_not: str = ""
    paid_both: int = 0
    paid_only_a: int = 0
    paid_only_b: int = 0
    saved: int = 0
    harmed: int = 0
    saved_first: list[str] = []
    harmed_first: list[str] = []
    tables: dict[str, Matched] = {}
    changes: list[Change] = []
    orders: list[Changed] = []


class Comparison(msgspec.Struct, frozen=True):
    """What `orderjam compare` tells. `pairs`: the first run against each other one. `pace`: the log-rank test of
    payment to the end over all runs, within each channel; null where nobody ended."""

    schema: int
    compress: float
    runs: list[Head]
    warnings: list[Words]
    measures: list[Row]
    invariants: list[InvariantRow]
    outcomes: dict[str, list[int]]
    deadlines: list[DeadlineRow]
    causes: list[CauseRow]
    pairs: list[Pair]
    pace: LogRank | None = None


def compare(runs: Sequence[Recorded], *, all_orders: bool = False) -> Comparison:
    """Two to six runs of one compress; ComparisonError otherwise. `all_orders` lists every order that changed."""
    if not 2 <= len(runs) <= RUNS_MAX:
        raise ComparisonError(f"{len(runs)} given; legal: 2 to {RUNS_MAX} runs")
    if len(compressed := {run.plan.compress for run in runs}) > 1:
        words = ", ".join(f"{run.name} {run.plan.compress:g}" for run in runs)
        raise ComparisonError(f"compress differs ({words}): their durations are not of one kind; never compared")
    told = [fates(run) for run in runs]
    pairs = [
        _pair(*((runs[i], told[i], LETTERS[i]) for i in (0, other)), all_orders=all_orders)
        for other in range(1, len(runs))
    ]
    return Comparison(
        schema=SCHEMA,
        compress=compressed.pop(),
        runs=[_head(letter, run) for letter, run in zip(LETTERS, runs, strict=False)],
        warnings=_warnings(runs, pairs),
        measures=[
            Row(name, [run.findings.measures.get(name) for run in runs])
            for name in _names(runs, lambda run: run.findings.measures)
            if not name.startswith("invariants.")
        ],
        invariants=[
            InvariantRow(name, [run.findings.invariants.get(name) for run in runs])
            for name in _names(runs, lambda run: run.findings.invariants)
        ],
        outcomes={
            word: counts
            for index, word in enumerate(OUTCOMES)
            if any(counts := [int((one.outcome == index).sum()) for one in told])
        },
        deadlines=_deadlines(runs),
        causes=_causes(runs),
        pairs=pairs,
        pace=_pace(told),
    )


def _pace(told: Sequence[Fates]) -> LogRank | None:
    of = np.repeat(np.arange(len(told)), [int(one.paid.sum()) for one in told])
    waited_s = np.concatenate([one.waited_s[one.paid] for one in told])
    ended = np.concatenate([np.isfinite(one.ended_s[one.paid]) for one in told])
    channel = np.unique(np.concatenate([one.channel[one.paid] for one in told]).astype(str), return_inverse=True)[1]
    return logrank(waited_s, ended, of, channel)


def _names(runs: Sequence[Recorded], of: Callable[[Recorded], Mapping[str, object]]) -> list[str]:
    return list(dict.fromkeys(name for run in runs for name in of(run)))


def _head(letter: str, run: Recorded) -> Head:
    found = run.findings
    return Head(
        letter=letter,
        run=run.name,
        scenario=found.scenario,
        target=found.target,
        profile=found.profile,
        seed=found.seed,
        without=list(run.plan.without),
        planned=found.outcomes.planned,
        paid=found.outcomes.paid,
        verdict=found.verdict.word,
        claims_ok=found.claims.ok,
        git=run.plan.made.git,
    )


_DIFFERENCES: dict[str, tuple[str, Callable[[Recorded], object]]] = {
    "scenario": ("场景", lambda run: run.plan.scenario),
    "seed": ("种子", lambda run: run.plan.seed),
    "target": ("被测店铺", lambda run: run.plan.target.name),
    "profile": ("配置", lambda run: run.plan.target.profile),
    "number of orders": ("计划订单数", lambda run: run.plan.load.orders),
    "deadline": ("期限", lambda run: f"{run.plan.deadline:g} s"),
    "commit": ("版本", lambda run: run.plan.made.git or "unknown"),
}


def _warnings(runs: Sequence[Recorded], pairs: Sequence[Pair]) -> list[Words]:
    """What a reader must know before laying one number beside another."""
    found = []
    for name, (zh, of) in _DIFFERENCES.items():
        values = list(dict.fromkeys(str(of(run)) for run in runs))
        if len(values) > 1:
            told = ", ".join(values)
            found.append(Words(f"{name} differs: {told}", f"{zh}不同：{told}"))
    first, *others = (run.plan for run in runs)
    if any(plan.stuck_after != first.stuck_after for plan in others):
        found.append(Words("the stuck thresholds differ", "卡单阈值不同"))
    if any(plan.load.points != first.load.points for plan in others):
        found.append(Words("the load differs: another curve of arrivals", "负载不同：到达曲线不一样"))
    if any(plan.faults != first.faults for plan in others):
        found.append(Words("the faults differ", "故障不同"))
    for letter, run in zip(LETTERS, runs, strict=False):
        if not run.findings.claims.ok:
            found.append(Words(f"{letter} claims less than usual: see its report", f"{letter} 的结论受限：见其报告"))
        if flaw := run.flaw:
            en, zh = (
                f"{letter}: the load generator was the bottleneck: {flaw.en}",
                f"{letter} 的瓶颈是发压端：{flaw.zh}",
            )
            found.append(Words(en, zh))
    for pair in pairs:
        if pair.why_not:
            found.append(
                Words(
                    f"{pair.a} and {pair.b} are not of the same orders ({pair.why_not}): side by side only",
                    f"{pair.a} 与 {pair.b} 的订单不同（{pair.why_not}）：只能并排，不能逐单比较",
                )
            )
    return found


def _deadlines(runs: Sequence[Recorded]) -> list[DeadlineRow]:
    by_run = [{d.s: d.finding for d in run.findings.deadlines} for run in runs]
    return [DeadlineRow(s, [found.get(s) for found in by_run]) for s in sorted({s for found in by_run for s in found})]


def _causes(runs: Sequence[Recorded]) -> list[CauseRow]:
    """By cause, most orders first; empty where no run was attributed."""
    by_run = [{row.cause: row for row in run.findings.causes.rows} for run in runs]
    words = {cause: row for rows in by_run for cause, row in rows.items()}
    found = [
        CauseRow(cause, row.en, row.zh, [rows[cause].orders if cause in rows else 0 for rows in by_run])
        for cause, row in words.items()
    ]
    return sorted(found, key=lambda row: (-max(row.orders), row.cause == UNKNOWN, row.cause))


def _pair(a: tuple[Recorded, Fates, str], b: tuple[Recorded, Fates, str], *, all_orders: bool) -> Pair:
    (run_a, x, letter_a), (run_b, y, letter_b) = a, b
    if why := unmatched(run_a.plan, run_b.plan):
        return Pair(letter_a, letter_b, why)
    both = x.paid & y.paid
    tables = {
        name: matched(x, in_x, in_y, both)
        for name, in_x, in_y in (
            ("trouble", x.bad, y.bad),
            ("stuck", x.stuck, y.stuck),
            ("lost", x.lost, y.lost),
            ("open", x.open, y.open),
            ("delivered", x.got, y.got),
        )
    }
    trouble = tables["trouble"]
    return Pair(
        a=letter_a,
        b=letter_b,
        paid_both=int(both.sum()),
        paid_only_a=int((x.paid & ~y.paid).sum()),
        paid_only_b=int((y.paid & ~x.paid).sum()),
        saved=trouble.only_a,
        harmed=trouble.only_b,
        saved_first=trouble.first_a,
        harmed_first=trouble.first_b,
        tables=tables,
        changes=_changes(x, y),
        orders=_listed(x, y) if all_orders else [],
    )


def _changes(x: Fates, y: Fates) -> list[Change]:
    """From which outcome to which, most orders first."""
    words, k = list(OUTCOMES), len(OUTCOMES)
    code = x.outcome * k + y.outcome
    counts = np.bincount(code, minlength=k * k)
    rows = [c for c in np.argsort(-counts, kind="stable").tolist() if counts[c] and c // k != c % k]
    return [Change(words[c // k], words[c % k], int(counts[c]), first_keys(x, code == c)) for c in rows]


def _listed(x: Fates, y: Fates) -> list[Changed]:
    """Every order that ended otherwise, or was in trouble in one of the runs alone."""
    words = list(OUTCOMES)
    rows = np.flatnonzero((x.outcome != y.outcome) | (x.bad != y.bad) | (x.stuck != y.stuck)).tolist()
    return [
        Changed(
            key=str(x.keys[i]),
            a=words[int(x.outcome[i])],
            b=words[int(y.outcome[i])],
            stuck_a=bool(x.stuck[i]),
            stuck_b=bool(y.stuck[i]),
            excess_a_s=round(float(x.excess_s[i]), 3),
            excess_b_s=round(float(y.excess_s[i]), 3),
        )
        for i in rows
    ]


assert len(LETTERS) == RUNS_MAX
