"""Hand-made stories with episodes reckoned by hand: compress 10, so 30 business seconds are 3 s; polls every 0.2 s."""

import pytest

from ledger.rundir import RunDir
from ledger.states import State
from plan import run as plans
from reports import analysis
from reports.analysis import Analysis
from reports.measure.stuck import STATES
from tests.reports.conftest import NewRun, OrderMaker, RunMaker


def analysed(run: RunDir) -> Analysis:
    return analysis.analysed(run, plans.load(run.plan))


def episodes(run: RunMaker) -> list[tuple[int, str, float, float, bool]]:
    """Order, state, onset and end in wire seconds, and whether it had not ended."""
    found = analysed(run.write()).basis.pages.episodes
    return [
        (int(i), str(STATES[state]), round(onset / 1e9, 6), round(end / 1e9, 6), bool(censored))
        for i, state, onset, end, censored in zip(
            found.i, found.state, found.onset, found.end, found.censored, strict=True
        )
    ]


@pytest.fixture
def order(new_run: NewRun) -> OrderMaker:
    """The one order of a run: placed at 11, seen paying at 11.2."""
    return new_run(1).order(0).placed(11.0).seen(State.PAYING, 11.2)


def test_exactly_the_threshold_is_not_stuck(order: OrderMaker) -> None:
    order.captured(12.0).seen(State.COMPLETED, 15.0, goods=("card",))
    assert episodes(order.run) == []


def test_a_nanosecond_more_is_stuck(order: OrderMaker) -> None:
    order.captured(12.0).seen(State.COMPLETED, 15.000000002, last_old=15.0, goods=("card",))
    assert episodes(order.run) == [(0, "paying", 15.0, 15.0, False)]


def test_a_change_is_placed_in_the_middle_of_the_polls_around_it(order: OrderMaker) -> None:
    order.captured(12.0).seen(State.PAID, 18.0, last_old=17.0).seen(State.COMPLETED, 22.0, last_old=21.0)
    assert episodes(order.run) == [(0, "paying", 15.0, 17.5, False), (0, "paid", 20.5, 21.5, False)]


def test_the_clock_starts_at_payment_where_that_is_later_than_entry(order: OrderMaker) -> None:
    order.captured(20.0).seen(State.PAID, 22.9).seen(State.COMPLETED, 23.5)
    assert episodes(order.run) == []


def test_the_clock_starts_at_entry_where_that_is_later_than_payment(order: OrderMaker) -> None:
    order.captured(12.0).seen(State.PAID, 13.0).seen(State.COMPLETED, 17.0)
    assert episodes(order.run) == [(0, "paid", 16.0, 17.0, False)]


def test_an_unpaid_order_is_never_stuck(order: OrderMaker) -> None:
    order.seen(State.PAYING, 59.9, final=True)
    assert episodes(order.run) == []


def test_a_dwell_before_payment_does_not_count(order: OrderMaker) -> None:
    order.seen(State.PAID, 30.0).captured(31.0).seen(State.COMPLETED, 32.0)
    assert episodes(order.run) == []


def test_an_order_still_open_is_stuck_up_to_its_last_good_poll(order: OrderMaker) -> None:
    order.captured(12.0).seen(State.PAYING, 59.9, final=True)
    assert episodes(order.run) == [(0, "paying", 15.0, 59.9, True)]


def test_every_state_has_its_own_threshold(order: OrderMaker) -> None:
    order.captured(12.0).seen(State.SUBMITTED, 13.0).seen(State.RECHARGING, 18.9).seen(State.COMPLETED, 31.0)
    assert episodes(order.run) == [(0, "recharging", 30.9, 31.0, False)]


def test_a_flap_back_within_two_polls_is_no_end(order: OrderMaker) -> None:
    order.captured(12.0).seen(State.PAID, 14.0).seen(State.PAYING, 14.3).seen(State.COMPLETED, 16.0)
    assert episodes(order.run) == [(0, "paying", 15.0, 16.0, False)]


def test_several_flaps_are_merged_one_after_the_other(order: OrderMaker) -> None:
    order.captured(12.0)
    for at in (13.0, 13.6, 14.2):
        order.seen(State.PAID, at).seen(State.PAYING, at + 0.3)
    order.seen(State.COMPLETED, 16.0)
    assert episodes(order.run) == [(0, "paying", 15.0, 16.0, False)]


def test_a_longer_excursion_is_an_end(order: OrderMaker) -> None:
    order.captured(12.0).seen(State.PAID, 14.0).seen(State.PAYING, 14.5).seen(State.COMPLETED, 16.0)
    assert episodes(order.run) == []


def test_the_same_state_with_other_goods_or_code_is_the_same_dwell(order: OrderMaker) -> None:
    order.captured(12.0).seen(State.PAYING, 14.0, goods=("half",)).seen(State.COMPLETED, 16.0)
    assert episodes(order.run) == [(0, "paying", 15.0, 16.0, False)]


def test_unknown_does_not_end_an_episode(order: OrderMaker) -> None:
    order.captured(12.0).seen(State.UNKNOWN, 16.0).seen(State.COMPLETED, 20.0)
    assert episodes(order.run) == [(0, "paying", 15.0, 20.0, False)]


def test_unknown_does_not_start_an_episode(order: OrderMaker) -> None:
    order.captured(12.0).seen(State.UNKNOWN, 14.0).seen(State.COMPLETED, 20.0)
    assert episodes(order.run) == []


def test_the_same_state_on_both_sides_of_unknown_is_one_dwell(order: OrderMaker) -> None:
    order.captured(12.0).seen(State.UNKNOWN, 13.0).seen(State.PAYING, 17.0).seen(State.COMPLETED, 18.0)
    assert episodes(order.run) == [(0, "paying", 15.0, 18.0, False)]


@pytest.mark.parametrize("state", [State.HELD, State.MANUAL])
def test_held_and_manual_are_beside_the_stuck_ones(order: OrderMaker, state: State) -> None:
    order.captured(12.0).seen(state, 13.0).seen(state, 59.9, final=True)
    assert episodes(order.run) == []


def test_held_orders_are_counted_apart_and_not_as_open(order: OrderMaker) -> None:
    order.captured(12.0).seen(State.HELD, 13.0).seen(State.HELD, 59.9, final=True)
    findings = analysed(order.run.write()).findings
    assert (findings.outcomes.held, findings.outcomes.open) == (1, 0)
    assert findings.survival.outcomes[-1].manual == 1.0


def test_an_order_can_have_several_episodes_and_counts_once(order: OrderMaker) -> None:
    order.captured(12.0).seen(State.PAID, 16.0).seen(State.COMPLETED, 20.0, goods=("card",))
    findings = analysed(order.run.write()).findings
    assert (findings.measures["stuck.rate"].k, findings.stuck.episodes) == (1, 2)
    assert findings.measures["stuck.excess_per_1000"].value == pytest.approx(2 * 10.0 * 1000)
    assert {s.name: (s.k, s.excess_s) for s in findings.stuck.by["state"]} == {"paying": (1, 10.0), "paid": (1, 10.0)}


def test_failing_polls_leave_an_episode_open_but_start_none(new_run: NewRun) -> None:
    run = new_run(2)
    run.order(0).placed(11.0).seen(State.PAYING, 11.2).captured(12.0).gone(20.0, 503).seen(
        State.PAYING, 16.0, final=True
    )
    run.order(1).placed(11.0).seen(State.PAYING, 11.2).captured(12.0).gone(20.0, 503).seen(
        State.PAYING, 14.0, final=True
    )
    assert episodes(run) == [(0, "paying", 15.0, 20.0, True)]


def test_warm_up_orders_are_counted_nowhere(new_run: NewRun) -> None:
    run = new_run(1)
    run.order(0).happy()
    warm = run.order(5)
    warm.key = "w00000005"
    warm.sleeping()
    findings = analysed(run.write()).findings
    assert (findings.outcomes.planned, findings.outcomes.paid, findings.stuck.orders) == (1, 1, 0)


def test_facts_under_the_shops_own_number_are_joined_to_their_order(new_run: NewRun) -> None:
    run = new_run(1)
    order = run.order(0).placed(11.0).seen(State.PAYING, 11.2)
    order.key = order.no
    order.captured(12.0)
    order.key = "b00000000"
    order.seen(State.COMPLETED, 13.0, goods=("card",))
    findings = analysed(run.write()).findings
    assert (findings.outcomes.paid, findings.outcomes.delivered) == (1, 1)


def test_deadlines_and_the_mean_time_are_those_reckoned_by_hand(new_run: NewRun) -> None:
    """Ended 0.5 s, 10 s and not at all after payment: 5, 100 and over 300 business seconds."""
    run = new_run(3)
    run.order(0).happy()
    run.order(1).placed(11.0).seen(State.PAYING, 11.2).captured(12.0).seen(State.COMPLETED, 22.0)
    run.order(2).sleeping()
    found = analysed(run.write()).findings
    assert {d.s: (d.finding.k, d.finding.n) for d in found.deadlines} == {30: (2, 3), 120: (1, 3), 300: (1, 3)}
    assert found.measures["stuck.rmst"].value == pytest.approx((5 + 100 + 300) / 3)
    assert found.measures["open.at_end"].value == 1
    assert [risk.n for risk in found.survival.at_risk if risk.s == 60.0] == [2]
    last = found.survival.outcomes[-1]
    assert (last.delivered, last.open) == pytest.approx((2 / 3, 1 / 3))


def test_an_order_that_had_expired_before_it_was_paid_ended_at_its_payment(order: OrderMaker) -> None:
    order.seen(State.EXPIRED, 20.0).captured(25.0).booked(State.EXPIRED)
    findings = analysed(order.run.write()).findings
    assert findings.invariants["lost_order"].k == 1
    assert findings.outcomes.open == 0
    assert findings.measures["stuck.rmst"].value == 0


def test_open_orders_over_time_are_those_between_payment_and_end(new_run: NewRun) -> None:
    run = new_run(2)
    run.order(0).happy(11.0)
    run.order(1).sleeping(11.0)
    series = analysed(run.write()).findings.series
    at = dict(zip(series.t_s, zip(*series.states.values(), strict=True), strict=True))
    total = {t: sum(counts) for t, counts in at.items()}
    assert max(n for t, n in total.items() if t < 2.0) == 0
    assert max(total.values()) == 2
    assert total[series.t_s[-1]] == 1
    assert series.stuck[-1] == 1


def test_excess_is_split_by_state_by_cause_and_by_group_without_a_rest(new_run: NewRun) -> None:
    run = new_run(4)
    run.order(0).happy(11.0)
    run.order(1).sleeping(11.0)
    run.order(2).placed(11.0).seen(State.PAYING, 11.2).captured(12.0).seen(State.PAID, 16.0).seen(State.COMPLETED, 20.0)
    run.order(3).placed(11.0).seen(State.PAYING, 11.2).captured(12.0).seen(State.PAID, 13.0).seen(State.FAILED, 19.0)
    found = analysed(run.write()).findings
    total = found.stuck.excess_s
    assert total > 300
    assert sum(row.excess_s for row in found.causes.rows) == pytest.approx(total)
    assert sum(part.excess_s for part in found.stuck.by["state"]) == pytest.approx(total)
    assert all(sum(g.excess_s for g in groups) == pytest.approx(total) for groups in found.breakdown.values())
    assert found.measures["stuck.excess_per_1000"].value == pytest.approx(total * 1000 / 4)


def test_the_median_excess_of_those_not_seen_to_end_is_open(order: OrderMaker) -> None:
    found = analysed(order.captured(12.0).seen(State.PAYING, 59.9, final=True).run.write()).findings.stuck
    assert (found.excess_median_s, found.excess_median_hi_s) == (None, None)


def test_the_median_excess_has_an_interval(new_run: NewRun) -> None:
    run = new_run(12)
    for n in range(12):
        run.order(n).placed(11.0).seen(State.PAYING, 11.2).captured(12.0).seen(State.COMPLETED, 16.0 + n)
    found = analysed(run.write()).findings.stuck
    assert found.excess_median_s == pytest.approx(60.0)
    assert found.excess_median_lo_s is not None
    assert found.excess_median_hi_s is not None
    assert 10 <= found.excess_median_lo_s < 60 < found.excess_median_hi_s <= 120
