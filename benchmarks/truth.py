"""How true the numbers of a report are: histories of which everything is known, read as a run reads them, many times.

    python -m benchmarks.truth            # 1,000 runs of 3,000 orders for each scenario; prints the tables
    python -m benchmarks.truth --write    # and writes them into docs/measures.md
Bias is against what the same orders would have told if everything were known of them, so chance weighs little in it;
coverage is how often the 95 % interval holds the truth. Exit 1 where a number misses what is wanted of it.
"""

import sys
from typing import Any, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from benchmarks.histories import ENDS, PATH, Fault, Histories, Simulated, World, histories, watch
from benchmarks.wire_results import DOCS, between_marks
from ledger.clock import SECOND_NS
from ledger.rundir import write_atomically
from plan.gates import Unit
from plan.run import Plan
from plan.units import BusinessTime, WireTime
from reports import basis, goods
from reports.measure import honesty, rates, stuck
from reports.measure.outcomes import ENDINGS
from reports.measure.survival import quantile_finding
from tests.reports.conftest import COMPRESS, fault, make_plan

Floats = npt.NDArray[np.float64]
Told: TypeAlias = tuple[float | None, float | None, float | None]
"""A number as a report tells it: value and 95 % interval; None is what it does not claim."""

REPEATS, ORDERS, BATCH, SEED = 1000, 3000, 50, 7
SETTLED_S = 500.0
"""After the load, where settling was not cut short."""
DEADLINES = (30.0, 120.0, 300.0)
CONSTANT, LATE = Fault(0.0, 1e9, 0.06, 0.06), Fault(400.0, 600.0, 0.2, 0.01)
BIAS_MAX, COVERS_MIN = 0.01, 0.93
MEDIAN_BIAS_MAX = 0.04
"""Episodes of states with a long threshold begin later, so that a cut leaves fewer of them, and theirs are shorter."""
MARK = "truth"


class Scenario(msgspec.Struct, frozen=True):
    """A world and the deadline that its plan gives; `is_wanted`: whether it must come out true."""

    name: str
    world: World
    deadline_s: float = 300.0
    is_wanted: bool = True


SCENARIOS = {
    "A": Scenario("settled, a constant fault strikes 6 %", World(CONSTANT)),
    "B": Scenario("settled, a late fault strikes 20 % in the last third, 1 % before", World(LATE)),
    "C": Scenario("settled, one order in 200 is struck", World(Fault(0.0, 1e9, 0.005, 0.005))),
    "D": Scenario("as A, cut 40 s after the load", World(CONSTANT, seen_s=640.0)),
    "E": Scenario("as B, cut 40 s after the load; the deadline is 120 s", World(LATE, seen_s=640.0), 120.0),
    "F": Scenario(
        "as B, driver and channel killed 20 s before the end of the load; 120 s",
        World(LATE, seen_s=580.0, killed=True),
        120.0,
    ),
    "G": Scenario(
        "as A, 10 % of polls fail and all of 20 s; a tenth of the pages flap",
        World(CONSTANT, failed=0.1, outage=(200.0, 220.0), flaps=0.1),
        is_wanted=False,
    ),
    "H": Scenario("as A, polls every T/5", World(CONSTANT, poll_s=6.0), is_wanted=False),
    "I": Scenario("as A, polls every T/2", World(CONSTANT, poll_s=15.0), is_wanted=False),
}


def plan_of(scenario: Scenario) -> Plan:
    """The plan that would have made such a run."""
    world, where = scenario.world, scenario.world.fault
    window = (where.from_s / COMPRESS, where.to_s / COMPRESS) if where.within != where.outside else None
    return msgspec.structs.replace(
        make_plan(1),
        faults=(fault("lost", window),),
        deadline=BusinessTime(scenario.deadline_s),
        poll_every=WireTime(world.poll_s / COMPRESS),
    )


def known(true: Histories, plan: Plan, world: World) -> dict[str, Floats]:
    """What everybody would tell who knew all, by statistic: one number for each run (of the median, for each order)."""
    paid = (true.captured <= world.seen_s).reshape(true.repeats, true.n)
    deadline, took = float(plan.deadline), true.took
    limit = np.array([float(plan.stuck_after[state]) for state in PATH])
    stay, end_s = true.stayed, world.load_s + SETTLED_S
    settled = np.fmin(true.left, end_s) - np.fmin(true.entered, end_s)
    excess = np.where((stay > limit) & paid.reshape(-1, 1), stay - limit, np.nan)
    within = np.maximum(settled - limit, 0.0).sum(axis=1)

    def mean(values: Any) -> Floats:
        return np.asarray((values.reshape(paid.shape) * paid).sum(axis=1) / paid.sum(axis=1))

    late, judged = _late(true, plan, world)
    found = {"stuck.rate": mean((stay > limit).any(axis=1).astype(np.float64))}
    found |= {f"stuck.at_deadline {s:g} s": mean((took > s).astype(np.float64)) for s in DEADLINES}
    found["stuck.rmst"] = mean(np.fmin(took, np.full(len(took), deadline)))
    found["stuck.excess_per_1000"] = mean(within) * 1000
    for k, name in enumerate(ENDINGS):
        found[f"{name} by deadline"] = mean(((true.end == k) & (took <= deadline)).astype(np.float64))
    by_run = excess.reshape(true.repeats, -1)
    found["median excess"] = np.nanquantile(by_run, 0.5, axis=1, method="inverted_cdf")
    found["honesty.late"] = mean(late) / mean(judged)
    return found


def _late(true: Histories, plan: Plan, world: World) -> tuple[Floats, Floats]:
    """By order, for how long the page was behind the truth, and for how long it was judged."""
    eps, seen_s = float(plan.poll_every) * COMPRESS + basis.EPS_S * COMPRESS, world.seen_s
    unpaid = np.fmin(true.left[:, 0], seen_s) - true.captured
    has_goods = true.goods <= seen_s
    behind = np.where(has_goods, np.fmin(true.left[:, -1], seen_s) - np.where(has_goods, true.goods, 0.0), 0.0)
    goes_on = np.isin(true.end, [ENDS.index(s) for s in ENDS if s in ("failed", "manual")])
    over = np.where(goes_on, seen_s, np.fmin(true.left[:, -1], seen_s))
    return np.where(unpaid > eps, unpaid, 0.0) + np.where(behind > eps, behind, 0.0), over - true.captured


def told(true: Histories, plan: Plan, world: World, rng: np.random.Generator) -> dict[str, list[Told]]:
    """What the analysis makes of what was read, by statistic, one for each run."""
    stories = Simulated(watch(true, world, plan, rng), plan)
    orders, end_t = stories.watched.orders, world.seen_s / COMPRESS * SECOND_NS
    times = basis.Times(0.0, np.nan, end_t, not world.killed, "", "", None, [])
    pages = basis.read_pages(stories, orders, times)
    followed = basis.follow(plan, orders, pages, times)
    work = goods.Work(np.arange(len(orders)), true.left[:, 1] / COMPRESS * SECOND_NS, np.ones(len(orders), dtype=bool))
    eps = (float(plan.poll_every) + basis.EPS_S) * SECOND_NS
    judged = honesty.judge(orders, pages.seen, work, until_t=pages.read_t, end_t=end_t, eps=eps)
    spent = honesty.by_order(judged, len(orders))
    run = np.arange(len(orders)) // true.n
    found: dict[str, list[Told]] = {}
    for r in range(true.repeats):
        mine = run[orders.paid] == r
        one = msgspec.structs.replace(
            followed,
            duration_s=followed.duration_s[mine],
            could_s=followed.could_s[mine],
            ended=followed.ended[mine],
            cause=followed.cause[mine],
            strata=followed.strata[mine],
        )
        rows = slice(r * true.n, (r + 1) * true.n)
        for name, number in _numbers(one, pages.episodes, rows, orders.paid[rows]).items():
            found.setdefault(name, []).append(number)
        whose = msgspec.structs.replace(orders, captured_t=orders.captured_t[rows], is_vouched=orders.is_vouched[rows])
        late = honesty.measures(spent[rows], whose)["honesty.late"]
        found.setdefault("honesty.late", []).append((late.value, late.lo, late.hi))
    return found


def _numbers(
    followed: rates.Followed, episodes: stuck.Episodes, rows: slice, paid: npt.NDArray[np.bool_]
) -> dict[str, Told]:
    first, beyond = np.searchsorted(episodes.i, (rows.start, rows.stop))
    who = episodes.i[first:beyond] - rows.start
    excess_s = (episodes.end - episodes.onset)[first:beyond] / SECOND_NS * COMPRESS
    by_order = stuck.total_by_order(who, excess_s, len(paid))
    found = {"stuck.rate": rates.stuck_rate(len(np.unique(who)), followed)}
    found |= {f"stuck.at_deadline {s:g} s": followed.open_at(s) for s in DEADLINES}
    found["stuck.rmst"] = rates.mean_time(followed)
    found["stuck.excess_per_1000"] = rates.excess_per_1000(by_order[paid], followed)
    found["median excess"] = quantile_finding(excess_s, ~episodes.censored[first:beyond], 0.5, Unit.BUSINESS_S)
    numbers: dict[str, Told] = {name: (one.value, one.lo, one.hi) for name, one in found.items()}
    ended = followed.ended_by(followed.deadline_s)
    for name in ENDINGS:
        told_of: Told = (None, None, None)
        if ended is not None:
            told_of = (getattr(ended, name), *ended.intervals[name])
        numbers[f"{name} by deadline"] = told_of
    return numbers


class Row(msgspec.Struct, frozen=True):
    """One statistic over all runs. `bias` is a share of the truth, `bias_se` its standard error; `is_bound`: only a
    lower end was claimed, and `covers` is how often the truth was not below it; `missing`: how often nothing was."""

    name: str
    truth: float
    mean: float
    bias: float
    bias_se: float
    covers: float
    missing: float
    is_bound: bool


def study(scenario: Scenario, repeats: int = REPEATS, n: int = ORDERS, seed: int = SEED) -> list[Row]:
    """Every statistic of a scenario, over so many runs of n orders each."""
    plan, world = plan_of(scenario), scenario.world
    truths: dict[str, list[Floats]] = {}
    numbers: dict[str, list[Told]] = {}
    for start in range(0, repeats, BATCH):
        rng = np.random.default_rng((seed, start))
        true = histories(world, min(BATCH, repeats - start), n, rng)
        for name, values in known(true, plan, world).items():
            truths.setdefault(name, []).append(values)
        for name, told_of in told(true, plan, world, rng).items():
            numbers.setdefault(name, []).extend(told_of)
    return [row(name, np.concatenate(truths[name]), numbers[name]) for name in truths]


def row(name: str, exact: Floats, numbers: list[Told]) -> Row:
    """The truth is the mean of what was exactly so in each run."""
    truth = float(exact.mean())
    lo = np.array([-np.inf if lo is None else lo for _, lo, _ in numbers])
    hi = np.array([np.inf if hi is None else hi for _, _, hi in numbers])
    is_told = np.array([value is not None for value, _, _ in numbers])
    values = np.array([value for value, _, _ in numbers if value is not None])
    off = values - exact[is_told]
    claims = np.isfinite(lo) | np.isfinite(hi)
    return Row(
        name,
        truth,
        float(values.mean()) if len(off) else np.nan,
        float(off.mean()) / truth if len(off) else np.nan,
        float(off.std() / len(off) ** 0.5) / truth if len(off) else np.nan,
        float(np.mean((lo <= truth) & (truth <= hi))) if claims.any() else np.nan,
        1.0 - float(is_told.mean()),
        name in ("stuck.rate", "stuck.excess_per_1000") and bool(np.all((hi == np.inf) | (hi == 1.0))),
    )


def misses(scenario: Scenario, found: Row) -> bool:
    """Whether it is farther from the truth than wanted: bias over the limit, beyond chance, or coverage under 93 %."""
    most = MEDIAN_BIAS_MAX if found.name == "median excess" else BIAS_MAX
    is_biased = not found.is_bound and abs(found.bias) - 2 * found.bias_se > most
    return scenario.is_wanted and (is_biased or found.covers < COVERS_MIN)


def cell(found: Row) -> str:
    """Bias and coverage in percent, as the page shows them."""
    if found.is_bound:
        return f"≥ · {100 * found.covers:.1f}"
    bias = "–" if found.missing == 1 else f"{100 * found.bias:+.1f}".replace("-", "−")
    return f"{bias} · {100 * found.covers:.1f}"


def table(found: dict[str, list[Row]]) -> str:
    """For docs/measures.md: what was simulated, then bias and coverage by statistic and scenario."""
    lines = [f"{letter}: {SCENARIOS[letter].name}." for letter in found]
    head = "| bias % · coverage % | truth in A | " + " | ".join(found) + " |"
    rows = [
        f"| {name} | {truth.truth:.4g} | " + " | ".join(cell(rows[k]) for rows in found.values()) + " |"
        for k, (name, truth) in enumerate((row.name, row) for row in next(iter(found.values())))
    ]
    return "\n".join([" ".join(lines), "", head, "|---|" + "---|" * (len(found) + 1), *rows])


def main() -> int:
    found = {}
    bad = []
    for letter, scenario in SCENARIOS.items():
        found[letter] = study(scenario)
        bad += [f"{letter} {row.name}: {cell(row)}" for row in found[letter] if misses(scenario, row)]
    print(table(found))
    if "--write" in sys.argv[1:]:
        page = DOCS / "measures.md"
        write_atomically(page, between_marks(page.read_text("utf-8"), MARK, table(found)).encode())
    for line in bad:
        print(f"missed: {line}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
