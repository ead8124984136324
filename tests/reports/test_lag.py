"""How far pages were behind, in wire seconds of synthetic runs at compress 10."""

import pytest

from ledger.states import State
from plan.run import UpstreamPlan
from reports import beside
from reports.findings import Lag
from reports.measure import lag
from tests.reports.conftest import NewRun, OrderMaker, make_plan
from tests.reports.test_stuck import analysed

SUPPLIED = {**make_plan().upstreams, "cheap": UpstreamPlan("supplier", "sharedstore")}


@pytest.fixture
def order(new_run: NewRun) -> OrderMaker:
    """Placed at 11, seen paying at 11.2, paid at 12; a supplier sells what it ordered. The run ends at 60."""
    return new_run(1, upstreams=SUPPLIED).order(0).placed(11.0).seen(State.PAYING, 11.2).captured(12.0)


def waits(order: OrderMaker) -> list[tuple[float, bool]]:
    """Wire seconds of each change and whether it was shown: money taken, goods there, money back."""
    b = analysed(order.run.write()).basis
    read_t = beside.known_until(b)
    found = lag.waits(b.orders, b.pages.dwells, read_t, 1e-9)
    return [(round(s, 6), shown) for s, shown in zip(found.s.tolist(), found.shown.tolist(), strict=True)]


def test_each_change_is_shown_by_the_first_state_that_knows_of_it(order: OrderMaker) -> None:
    order.seen(State.PAID, 13).requested(13.5).credited(14, "x").seen(State.RECHARGING, 15)
    assert waits(order.seen(State.COMPLETED, 17)) == [(1, True), (3, True)]


def test_a_card_is_there_when_the_page_shows_it(order: OrderMaker) -> None:
    order.requested(13).sold(14, "c").seen(State.RECHARGING, 15, goods=("c",))
    assert waits(order.seen(State.COMPLETED, 17, goods=("c",))) == [(3, True), (2, True)]


@pytest.mark.parametrize("state", [State.SUBMITTED, State.DELAYED, State.FAILED, State.HELD, State.REFUNDING])
def test_any_state_after_the_payment_shows_that_money_was_taken(order: OrderMaker, state: State) -> None:
    assert waits(order.seen(state, 15)) == [(3, True)]


@pytest.mark.parametrize("state", [State.EXPIRED, State.CANCELLED])
def test_an_order_expired_or_cancelled_does_not_show_it(order: OrderMaker, state: State) -> None:
    """Its page has ended and stays as it is, until its driver wrote for the last time: there, at 50."""
    order.seen(state, 15)
    order.run.order(1).placed(49).seen(State.PAYING, 50)
    assert waits(order) == [(38, False)]


def test_a_page_that_knew_before_is_not_behind(order: OrderMaker) -> None:
    assert waits(order.seen(State.PAID, 11.5).seen(State.COMPLETED, 13).requested(13).sold(14, "c")) == [(0, True)]


def test_a_page_that_went_back_before_the_payment_is(order: OrderMaker) -> None:
    """It showed paid from 11.4 to 11.9 and again at 14."""
    order.seen(State.PAID, 11.3).seen(State.EXPIRED, 11.9)
    assert waits(order.seen(State.PAID, 14)) == [(2, True)]


def test_what_was_never_shown_is_cut_at_the_last_good_poll(order: OrderMaker) -> None:
    assert waits(order.requested(13).credited(14, "x").seen(State.PAYING, 30, final=True)) == [(18, False), (16, False)]


def test_what_came_after_the_last_poll_is_not_asked_of_the_page(order: OrderMaker) -> None:
    assert waits(order.seen(State.PAID, 13).seen(State.PAID, 30, final=True).credited(31, "x")) == [(1, True)]


def test_money_back_is_shown_by_refunded_alone_and_only_where_it_is_all_back(order: OrderMaker) -> None:
    order.seen(State.PAID, 13).refunded(14, 400).refunded(16, 600).seen(State.REFUNDING, 15)
    assert waits(order.seen(State.REFUNDED, 20)) == [(1, True), (4, True)]


def test_money_back_in_part_is_nothing_that_a_page_must_call_refunded(order: OrderMaker) -> None:
    assert waits(order.seen(State.PAID, 13).refunded(14, 400)) == [(1, True)]


def test_what_a_page_showed_after_its_end_nobody_knows(order: OrderMaker) -> None:
    """The books say it was completed; the page had expired at 15, and is not read any more."""
    order.seen(State.EXPIRED, 15).booked(State.COMPLETED)
    order.run.order(1).placed(49).seen(State.PAYING, 50)
    assert waits(order) == [(3, False)]


def test_the_distribution_is_kaplan_meiers_in_business_seconds(new_run: NewRun) -> None:
    run = new_run(4)
    for n, behind in enumerate((1.0, 2.0, 3.0)):
        run.order(n).placed(11).seen(State.PAYING, 11.2).captured(12).seen(State.PAID, 12 + behind)
    run.order(3).placed(11).seen(State.PAYING, 11.2).captured(12).seen(State.PAYING, 13.5, final=True)
    found = analysed(run.write()).findings.lag
    assert found is not None
    assert (found.n, found.shown, found.median_s, found.p95_s, found.max_s) == (4, 3, 20, 30, 30)
    assert (found.t_s, found.waiting) == ([10, 20, 30], [0.75, 0.375, 0])


def test_nobody_paid_has_no_lag(new_run: NewRun) -> None:
    run = new_run(1)
    run.order(0).placed(11)
    found: Lag | None = analysed(run.write()).findings.lag
    assert found is None
