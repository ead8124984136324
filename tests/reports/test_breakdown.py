"""Groups of orders as columns; synthetic runs for what comes of pages."""

import pytest

from ledger.states import Code, State
from plan.orders import Delay, Mix
from plan.units import BusinessTime, Share
from reports.findings import Group
from tests.reports.conftest import NewRun, RunMaker
from tests.reports.test_stuck import analysed

MIX = Mix(
    product={"card_10": Share(1)},
    channel={"epay": Share(1)},
    pay_delay=Delay(constant=BusinessTime(8)),
    region={"cn-east": Share(1)},
)


def channel(run: RunMaker, *, collected: bool = True) -> Group:
    (group,) = analysed(run.write(collected=collected)).findings.breakdown["channel"]
    return group


def test_a_group_says_what_it_can_still_rule_out(new_run: NewRun) -> None:
    run = new_run(12, mix=MIX)
    for n in range(12):
        run.order(n).happy()
    group = channel(run)
    assert (group.paid, group.stuck, group.lost, group.is_few) == (12, 0, 0, True)
    assert group.stuck_upper == pytest.approx(1 - 0.05 ** (1 / 12))
    assert group.lost_upper == pytest.approx(0.2209, abs=1e-4)


def test_late_are_those_without_an_end_by_the_deadline(new_run: NewRun) -> None:
    """30 s of the wire after payment; one ended at just that, one later, one not at all."""
    run = new_run(4, mix=MIX)
    run.order(0).happy()
    for n, ended in ((1, 42.0), (2, 42.001)):
        run.order(n).placed(11).seen(State.PAYING, 11.2).captured(12).seen(State.COMPLETED, ended)
    run.order(3).sleeping()
    group = channel(run)
    assert (group.paid, group.late, group.open, group.delivered) == (4, 2, 1, 1)


@pytest.mark.parametrize(("last", "late"), [(42.0, 1), (41.999, None)])
def test_late_is_not_told_where_one_was_not_followed_so_long(new_run: NewRun, last: float, late: int | None) -> None:
    run = new_run(2, mix=MIX)
    run.order(0).happy()
    run.order(1).placed(11).seen(State.PAYING, 11.2).captured(12).seen(State.PAYING, last, final=True)
    assert channel(run).late == late


def test_of_a_run_that_was_cut_late_is_not_told(new_run: NewRun) -> None:
    run = new_run(1, mix=MIX)
    run.order(0).happy()
    assert channel(run, collected=False).late is None


def test_honest_is_the_share_of_order_time_that_said_what_is_true(new_run: NewRun) -> None:
    """One page is 1.5 s behind, which is tolerated, of 1.5 s; the other for all its 48 s."""
    run = new_run(2, mix=MIX)
    run.order(0).placed(11).seen(State.PAYING, 11.2).captured(12).seen(State.COMPLETED, 13.5, goods=("c",))
    run.order(1).placed(11).seen(State.PAYING, 11.2).captured(12).seen(State.PAYING, 60, final=True)
    assert channel(run).honest == pytest.approx(1.5 / 49.5)


def test_codes_stand_without_shares_for_only_bad_orders_have_them(new_run: NewRun) -> None:
    run = new_run(2, mix=MIX)
    run.order(0).happy()
    run.order(1).sleeping().booked(State.PAYING, code=Code.UPSTREAM_TIMEOUT)
    (group,) = analysed(run.write()).findings.breakdown["code"]
    assert (group.name, group.paid, group.stuck) == ("upstream.timeout", 1, 1)
    assert (group.rate, group.stuck_upper, group.lost_upper) == (None, None, None)
