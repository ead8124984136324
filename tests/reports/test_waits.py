"""Payment to the first request at an upstream, and the longest time in which a page stood still."""

import numpy as np
import pytest

from ledger.states import Code, State
from plan.run import UpstreamPlan
from reports.measure.survival import kaplan_meier, quantile, quantile_finding
from tests.reports.conftest import NewRun, OrderMaker, make_plan
from tests.reports.test_stuck import analysed

SUPPLIED = {**make_plan().upstreams, "cheap": UpstreamPlan("supplier", "sharedstore")}
P95 = "goods.paid_to_request.p95"
STILL = "page.unchanged.p95"


def test_a_quantile_is_where_the_curve_comes_down_to_it() -> None:
    durations = np.arange(1, 401, dtype=np.float64)
    found = quantile_finding(durations, np.ones(400, dtype=bool), 0.95, "business s")
    assert found.value == 380
    assert found.lo is not None
    assert found.hi is not None
    assert found.bound_lo is not None
    assert found.bound_hi is not None
    assert 360 < found.lo < found.bound_lo < 380 < found.bound_hi < found.hi < 398


def test_few_orders_prove_no_upper_end() -> None:
    found = quantile_finding(np.arange(1.0, 11.0), np.ones(10, dtype=bool), 0.95, "business s")
    assert (found.value, found.hi, found.bound_hi) == (10, None, None)


def test_who_was_never_seen_counts_as_long_as_he_was_followed() -> None:
    """Of 20, two were not asked for within 300: the 95th percentile lies beyond, surely beyond the first 18."""
    durations, ended = np.array([*range(1, 19), 300.0, 310.0]), np.array([True] * 18 + [False] * 2)
    assert quantile(kaplan_meier(durations, ended), 0.5) == 10
    found = quantile_finding(durations, ended, 0.95, "business s")
    assert (found.value, found.bound_hi) == (None, None)
    assert found.bound_lo is not None
    assert found.bound_lo >= 10
    assert "not estimable" in found.method


def test_the_wait_for_the_first_request_is_business_time_and_the_first_alone(new_run: NewRun) -> None:
    run = new_run(3, upstreams=SUPPLIED)
    for n, gap in enumerate((0.5, 2.0, 4.0)):
        run.order(n).placed(11).captured(12).requested(12 + gap).requested(30).seen(State.RECHARGING, 59, final=True)
    found = analysed(run.write()).findings
    assert (found.asked.n, found.asked.asked) == (3, 3)
    assert (found.asked.median_s, found.asked.p95_s, found.asked.max_s) == (20, 40, 40)


def test_orders_never_asked_for_are_told_and_fail_a_gate_that_they_surely_break(new_run: NewRun) -> None:
    run = new_run(40, upstreams=SUPPLIED, gate_texts=(f"{P95} <= 30 s", f"{P95} <= 10 min"))
    for n in range(40):
        order = run.order(n).placed(11).captured(12).seen(State.PAID, 59, final=True)
        if n >= 20:
            order.requested(13)
    found = analysed(run.write()).findings
    assert (found.asked.n, found.asked.asked) == (40, 20)
    measure = found.measures[P95]
    assert (measure.value, measure.hi) == (None, None)
    assert measure.lo == pytest.approx(480)
    assert [gate.verdict for gate in found.gates] == ["fail", "inconclusive"]


def test_without_an_upstream_the_wait_is_not_evaluated(new_run: NewRun) -> None:
    run = new_run(1, gate_texts=(f"{P95} <= 30 s",))
    run.order(0).happy()
    found = analysed(run.write()).findings
    assert found.asked.n == 0
    assert (found.measures[P95].value, found.gates[0].verdict) == (None, "inconclusive")


@pytest.fixture
def order(new_run: NewRun) -> OrderMaker:
    return new_run(1).order(0).placed(11.0).seen(State.PAYING, 11.2).captured(12.0)


def longest(order: OrderMaker) -> tuple[float, bool]:
    still = analysed(order.run.write()).basis.still
    return round(float(still.longest_s[0]), 6), bool(still.is_open[0])


def test_a_stand_still_is_between_changes_after_the_payment(order: OrderMaker) -> None:
    order.seen(State.PAID, 14).seen(State.RECHARGING, 20).seen(State.COMPLETED, 23, goods=("c",))
    assert longest(order) == (60, False)


def test_words_and_codes_that_change_are_a_change(order: OrderMaker) -> None:
    order.seen(State.PAID, 14).seen(State.PAID, 16, words="正在对接").seen(State.PAID, 19, code=Code.UPSTREAM_TIMEOUT)
    order.seen(State.COMPLETED, 21, goods=("c",))
    assert longest(order) == (30, False)


def test_other_goods_in_the_same_words_are_none(order: OrderMaker) -> None:
    order.seen(State.PAID, 14).seen(State.PAID, 16, goods=("c",)).seen(State.COMPLETED, 21, goods=("c",))
    assert longest(order) == (70, False)


def test_an_open_order_stood_still_for_at_least_so_long(order: OrderMaker) -> None:
    order.seen(State.PAID, 14).seen(State.PAID, 50, final=True)
    assert longest(order) == (360, True)


def test_a_page_that_nobody_could_read_stood_still_to_the_end(new_run: NewRun) -> None:
    assert longest(new_run(1).order(0).placed(11).captured(12)) == (480, True)


def test_the_longest_of_all_is_no_upper_end_while_orders_are_open(new_run: NewRun) -> None:
    run = new_run(2, gate_texts=("page.unchanged.max <= 10 min", "page.unchanged.max <= 1 min"))
    run.order(0).happy()
    run.order(1).sleeping()
    found = analysed(run.write()).findings
    assert found.unchanged.worst == "b00000001"
    assert found.unchanged.worst_is_open
    assert found.measures["page.unchanged.max"].value == pytest.approx(479)
    assert [gate.verdict for gate in found.gates] == ["inconclusive", "fail"]


def test_unpaid_orders_have_no_stand_still(new_run: NewRun) -> None:
    run = new_run(1)
    run.order(0).placed(11).seen(State.PAYING, 11.2).seen(State.PAYING, 59, final=True)
    found = analysed(run.write()).findings
    assert (found.unchanged.n, found.measures[STILL].value) == (0, None)
