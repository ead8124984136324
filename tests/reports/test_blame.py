from collections.abc import Callable, Collection
from math import sqrt
from pathlib import Path

import msgspec
import pytest

from plan.units import Window
from reports.blame import Blame, Blamed, Twins, blame, estimate
from reports.recorded import Recorded, recorded
from reports.write import blame as costs
from tests.reports.twins import DUSK, N, run_of

RunOf = Callable[..., Recorded]


@pytest.fixture(scope="module")
def run_with(tmp_path_factory: pytest.TempPathFactory) -> RunOf:
    """A run of a seed with some orders stuck or lost; each is made once."""
    made: dict[object, Recorded] = {}

    def make(stuck: Collection[int] = (), lost: Collection[int] = (), *, seed: int = 7, fault: bool = True) -> Recorded:
        key = (tuple(stuck), tuple(lost), seed, fault)
        if key not in made:
            plan = {"faults": (DUSK,)} if fault else {"without": ("dusk",)}
            made[key] = recorded(run_of(tmp_path_factory.mktemp("twin"), stuck=stuck, lost=lost, seed=seed, **plan))
        return made[key]

    return make


def pair(with_fault: Recorded, without: Recorded) -> Twins:
    return Twins(with_fault.plan.seed, with_fault, {"dusk": without})


def only(found: Blame | None) -> Blamed:
    assert found is not None
    (fault,) = found.faults
    return fault


def test_what_would_have_got_stuck_anyway_is_not_put_down_to_the_fault(run_with: RunOf) -> None:
    twins = pair(run_with([0, 1, 2, 3]), run_with([3], fault=False))
    fault = only(blame("run", [DUSK], [twins]))
    assert fault.in_window.mean == 4  # exposure over-counts
    assert fault.attributable["stuck"].mean == 3
    assert fault.attributable["lost"].mean == 0
    table = fault.pairs[0].matched["stuck"]
    assert (table.both, table.only_a, table.only_b) == (1, 3, 0)
    assert table.first_a == ["b00000000", "b00000001", "b00000002"]


def test_lost_orders_and_excess_are_counted_as_well(run_with: RunOf) -> None:
    worse, better = run_with([0], [5, 6]), run_with([], fault=False)
    fault = only(blame("run", [DUSK], [pair(worse, better)]))
    assert fault.attributable["lost"].mean == 2
    assert fault.attributable["trouble"].mean == 3
    assert fault.attributable["open"].mean == 1
    excess = worse.findings.stuck.excess_s
    assert excess > 0
    assert fault.attributable["excess_s"].mean == pytest.approx(excess, abs=1e-3)


def test_a_fault_that_saves_orders_has_a_negative_cost(run_with: RunOf) -> None:
    fault = only(blame("run", [DUSK], [pair(run_with([]), run_with([1, 2], fault=False))]))
    assert fault.attributable["stuck"].mean == -2
    assert fault.pairs[0].matched["stuck"].only_b == 2


def test_the_mean_over_pairs_has_students_interval() -> None:
    found = estimate([1, 2, 6])
    half = 4.302653 * sqrt(7) / sqrt(3)  # t of 2 degrees of freedom at 97.5 %; 1, 2, 6: mean 3, variance 7
    assert (found.mean, found.pairs) == (3, 3)
    assert found.lo == pytest.approx(3 - half, abs=1e-5)
    assert found.hi == pytest.approx(3 + half, abs=1e-5)
    assert found.method == "Student's t over pairs, 2 degrees of freedom"


@pytest.mark.slow
def test_every_seed_is_one_pair(run_with: RunOf) -> None:
    twins = [pair(run_with(range(k), seed=seed), run_with(seed=seed, fault=False)) for seed, k in ((7, 1), (8, 2))]
    found = blame("run", [DUSK], twins)
    assert found is not None
    assert found.seeds == [7, 8]
    assert only(found).attributable["stuck"].mean == 1.5


@pytest.mark.parametrize(
    ("values", "mean", "method"),
    [
        ([], None, "no pair that can be counted"),
        ([4], 4, "one pair: no interval"),
        ([4, 4, 4], 4, "all pairs alike: no spread to reckon an interval with"),
    ],
)
def test_where_there_is_no_spread_there_is_no_interval(values: list[float], mean: float | None, method: str) -> None:
    found = estimate(values)
    assert (found.mean, found.lo, found.hi, found.method) == (mean, None, None, method)


@pytest.mark.parametrize(("stopped", "says"), [("lost_orders >= 50", "was stopped early: lost_orders"), ("", "seeds")])
def test_a_pair_that_cannot_be_compared_counts_nowhere_and_says_why(run_with: RunOf, stopped: str, says: str) -> None:
    good = pair(run_with([1]), run_with(fault=False))
    twin = run_with(seed=7 if stopped else 8, fault=False)
    twin = msgspec.structs.replace(twin, findings=msgspec.structs.replace(twin.findings, stopped=stopped))
    fault = only(blame("run", [DUSK], [good, pair(run_with([1, 2, 3]), twin)]))
    assert says in fault.pairs[1].why_not
    assert (fault.attributable["stuck"].mean, fault.attributable["stuck"].pairs) == (1, 1)


def test_a_pair_on_a_machine_that_was_too_busy_counts_and_is_called_flawed(run_with: RunOf) -> None:
    base, twin = run_with([1]), run_with(fault=False)
    late = msgspec.structs.replace(twin.findings.measures["lateness.p99"], value=0.3)
    measures = {**twin.findings.measures, "lateness.p99": late}
    slow = msgspec.structs.replace(twin, findings=msgspec.structs.replace(twin.findings, measures=measures))
    found = only(blame("run", [DUSK], [pair(base, slow), pair(base, twin)]))
    assert [one.is_flawed for one in found.pairs] == [True, False]
    assert "orders were sent late (p99 300 ms > 100 ms)" in found.pairs[0].remarks[0].en
    assert found.attributable["stuck"].pairs == 2


def test_only_stuck_orders_that_were_under_way_in_the_window_are_exposed(run_with: RunOf) -> None:
    # Order n is paid at n/10 + 1 s of the load; the window of this one ends at 1.35 s.
    early = msgspec.structs.replace(DUSK, window=Window(1.0, 1.35))
    twins = pair(run_with(range(N)), run_with(fault=False))
    assert only(blame("run", [early], [twins])).in_window.mean == 4


def test_an_order_that_had_ended_before_the_window_is_not_exposed(run_with: RunOf) -> None:
    late = msgspec.structs.replace(DUSK, window=Window(20.0, 30.0))
    assert only(blame("run", [late], [pair(run_with([2]), run_with(fault=False))])).in_window.mean == 1
    gone = msgspec.structs.replace(DUSK, window=None, by_exposure=True)
    assert only(blame("run", [gone], [pair(run_with([2]), run_with(fault=False))])).in_window.mean is None


def test_the_files_hold_both_languages_and_the_same_bytes_when_written_again(run_with: RunOf, tmp_path: Path) -> None:
    found = blame("run", [DUSK], [pair(run_with([0, 1, 2, 3]), run_with([3], fault=False))])
    assert found is not None
    costs.write(found, tmp_path)
    text = (tmp_path / "blame.md").read_text(encoding="utf-8")
    assert "dusk: dusk in English dusk的中文" in text
    assert "| +3 |" in text
    assert msgspec.json.decode((tmp_path / "blame.json").read_bytes(), type=Blame) == found
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    costs.write(found, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
