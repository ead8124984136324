import asyncio

import pytest

from harness.abort import Watchman
from ledger.status import DriverStatus
from plan.gates import parse_abort


@pytest.mark.parametrize(
    ("condition", "totals", "why"),
    [
        ("lost_orders >= 2", DriverStatus(lost=2), "stopped early: lost_orders >= 2 (2 paid orders whose page ended"),
        ("overdue_orders >= 1", DriverStatus(overdue=7), "stopped early: overdue_orders >= 1 (7 paid orders that show"),
        ("open_orders >= 50", DriverStatus(open=50), "stopped early: open_orders >= 50 (50 paid orders that have not"),
        ("failed_requests >= 9", DriverStatus(errors=9), "stopped early: failed_requests >= 9 (9 requests without"),
    ],
)
def test_a_run_is_stopped_at_its_limit_and_says_for_what(condition: str, totals: DriverStatus, why: str) -> None:
    watchman = Watchman([parse_abort(condition)])
    assert watchman.judge(totals)
    assert watchman.why.startswith(why)


@pytest.mark.parametrize(
    ("condition", "totals"),
    [
        ("lost_orders >= 2", DriverStatus(lost=1, open=9, overdue=9, errors=9)),
        ("overdue_orders >= 3", DriverStatus(overdue=2, lost=9)),
        ("open_orders >= 50", DriverStatus(open=49, paid=99)),
        ("failed_requests >= 9", DriverStatus(errors=8, requests=99)),
    ],
)
def test_a_run_below_its_limit_goes_on(condition: str, totals: DriverStatus) -> None:
    watchman = Watchman([parse_abort(condition)])
    assert not watchman.judge(totals)
    assert watchman.why == ""


async def test_the_load_is_stopped_as_soon_as_a_condition_is_met() -> None:
    stop = asyncio.Event()
    await asyncio.wait_for(
        Watchman([parse_abort("lost_orders >= 1")]).watch(lambda: DriverStatus(lost=1), stop), timeout=5
    )
    assert stop.is_set()


async def test_a_run_without_conditions_is_never_stopped() -> None:
    stop = asyncio.Event()
    await asyncio.wait_for(Watchman([]).watch(lambda: DriverStatus(lost=10**6), stop), timeout=5)
    assert not stop.is_set()


def test_how_far_each_condition_is_can_be_seen() -> None:
    watchman = Watchman([parse_abort("lost_orders >= 50"), parse_abort("open_orders >= 9")])
    assert watchman.counts(DriverStatus(lost=3, open=4)) == ["lost_orders 3/50", "open_orders 4/9"]
