from typing import Any

import numpy as np
import pytest

from ledger import events as facts
from ledger.states import State
from reports.measure.bottleneck import Strain, flaw, strains
from tests.reports.conftest import NewRun, RunMaker, ns
from tests.reports.test_stuck import analysed

MOCKS = {"payment", "wire"}


def samples(child: str, lag_ms: list[float], cpu: list[float], from_s: float = 0.5) -> dict[str, Any]:
    n = len(lag_ms)
    return {
        "child": np.array([child] * n, dtype=object),
        "t": (from_s + np.arange(n)) * 1e9,
        "lag_ms": np.array(lag_ms, dtype=np.float64),
        "cpu": np.array(cpu, dtype=np.float64),
    }


def strained(told: dict[str, Any], load_s: float = 10.0) -> list[Strain]:
    return strains(told, l0_t=0.0, load_t=load_s * 1e9, mocks=MOCKS)


@pytest.mark.parametrize(("late", "is_flaw"), [(2, False), (3, True)])
def test_a_mock_whose_loop_was_late_for_more_than_a_fifth_of_the_load_was_the_bottleneck(
    late: int, is_flaw: bool
) -> None:
    found = flaw(strained(samples("payment", [100.1] * late + [100.0] * (10 - late), [5.0] * 10)))
    assert (found is not None) is is_flaw
    if found is not None:
        assert found.en == "the event loop of payment was late by more than 100 ms in 30% of the load"


@pytest.mark.parametrize(("full", "is_flaw"), [(5, False), (6, True)])
@pytest.mark.parametrize("child", ["payment", "driver-0", "wire"])
def test_a_process_of_ours_that_filled_a_core_for_most_of_the_load_was_the_bottleneck(
    child: str, full: int, is_flaw: bool
) -> None:
    found = flaw(strained(samples(child, [np.nan] * 10, [95.1] * full + [95.0] * (10 - full))))
    assert (found is not None) is is_flaw


@pytest.mark.parametrize("child", ["shop", "postgres", "supplier"])
def test_the_shop_and_what_the_plan_does_not_know_may_be_as_busy_as_they_like(child: str) -> None:
    assert strained(samples(child, [500.0] * 10, [100.0] * 10)) == []


def test_how_late_a_driver_was_is_told_by_its_orders_and_polls() -> None:
    assert flaw(strained(samples("driver-1", [500.0] * 10, [20.0] * 10))) is None


@pytest.mark.parametrize(("n", "is_flaw"), [(4, False), (5, True)])
def test_a_few_seconds_show_nothing_sustained(n: int, is_flaw: bool) -> None:
    assert (flaw(strained(samples("payment", [500.0] * n, [5.0] * n))) is not None) is is_flaw


def test_only_the_load_counts() -> None:
    before = samples("payment", [500.0] * 10, [100.0] * 10, from_s=-10.5)
    after = samples("payment", [500.0] * 10, [100.0] * 10, from_s=10.5)
    during = samples("payment", [1.0] * 10, [5.0] * 10)
    told = {name: np.concatenate([before[name], during[name], after[name]]) for name in during}
    assert strained(told) == [Strain("payment", 0.0, 0.0)]


def with_health(run: RunMaker, lag_ms: float) -> RunMaker:
    run.order(0).placed(11).captured(12).seen(State.PAID, 12.1).seen(State.PAID, 59, final=True).booked(State.PAID)
    for second in range(12, 24):
        run.put("harness", facts.Health(t=ns(second), child="payment", cpu=5.0, rss_mb=40.0, lag_ms=lag_ms))
    return run


def test_a_run_whose_mock_lagged_claims_no_measure_and_is_inconclusive(new_run: NewRun) -> None:
    found = analysed(with_health(new_run(1, gate_texts=("stuck.rate <= 1%",)), 130.0).write()).findings
    assert (found.exit_code, found.verdict.word, found.claims.ok) == (3, "inconclusive", False)
    assert "test bench was the bottleneck" in found.verdict.en
    assert "record is not whole" not in found.verdict.en
    assert found.claims.reasons[0].startswith("the test bench was the bottleneck, and not the shop")
    assert len(found.claims.reasons) == len(found.claims.reasons_zh)


def test_a_run_whose_mocks_kept_up_is_judged_by_its_gates(new_run: NewRun) -> None:
    found = analysed(with_health(new_run(1, gate_texts=("stuck.rate <= 1%",)), 30.0).write()).findings
    assert found.exit_code == 1
    assert not any("bottleneck" in reason for reason in found.claims.reasons)
