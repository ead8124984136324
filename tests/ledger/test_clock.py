import asyncio
import time

import pytest

from ledger.clock import SECOND_NS, Epoch, ManualClock, RunClock


async def settled() -> None:
    """Lets every task run until it waits again."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_waiters_wake_in_the_order_they_are_due_not_in_which_they_came() -> None:
    clock, woken = ManualClock(), list[tuple[str, int]]()

    async def wait(name: str, t: int) -> None:
        await clock.wait_until(t)
        woken.append((name, clock.t()))

    async with asyncio.TaskGroup() as group:
        for name, t in (("late", 30), ("early", 10), ("early too", 10), ("middle", 20)):
            group.create_task(wait(name, t))
        await settled()
        assert clock.next_due() == 10
        clock.move_to(9)
        await settled()
        assert woken == []
        clock.move_to(20)
        await settled()
        assert woken == [("early", 20), ("early too", 20), ("middle", 20)]
        assert clock.next_due() == 30
        clock.move_to(31)
    assert woken[-1] == ("late", 31)
    assert clock.next_due() is None


async def test_a_time_that_has_come_is_not_waited_for() -> None:
    clock = ManualClock(5)
    await asyncio.wait_for(clock.wait_until(5), 1)
    await asyncio.wait_for(clock.wait_until(4), 1)
    assert clock.next_due() is None


def test_a_clock_is_never_moved_backwards() -> None:
    clock = ManualClock(10)
    clock.move_to(10)
    with pytest.raises(AssertionError, match="backwards"):
        clock.move_to(9)
    assert clock.t() == 10


async def test_a_cancelled_waiter_is_forgotten_and_wakes_nobody_else() -> None:
    clock, woken = ManualClock(), list[str]()

    async def wait(name: str, t: int) -> None:
        await clock.wait_until(t)
        woken.append(name)

    async with asyncio.TaskGroup() as group:
        gone = group.create_task(wait("gone", 10))
        group.create_task(wait("kept", 20))
        await settled()
        gone.cancel()
        await settled()
        assert clock.next_due() == 20
        clock.move_to(15)
        await settled()
        assert woken == []
        clock.move_to(20)
    assert woken == ["kept"]


def test_an_epoch_comes_back_from_its_text() -> None:
    epoch = Epoch.now()
    assert Epoch.parse(str(epoch)) == epoch


@pytest.mark.parametrize(
    "text", ["", "1", "1:2:3", "a:1", "1:", ":1", " 1:2", "1:2\n", "1.0:2", "1_0:2", "１:2", "01:2"]
)
def test_what_is_not_an_epoch_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Epoch.parse(text)


async def test_the_real_clock_starts_at_its_epoch_and_has_reached_what_it_waited_for() -> None:
    clock = RunClock(Epoch.now())
    first = clock.t()
    assert 0 <= first < SECOND_NS
    await clock.wait_until(first + SECOND_NS // 100)
    assert clock.t() >= first + SECOND_NS // 100


def test_a_wall_stamp_lands_on_the_runs_axis() -> None:
    clock = RunClock(Epoch(time.monotonic_ns(), 1_700_000_000 * SECOND_NS))
    assert clock.t_of_wall(1_700_000_001.5) == 3 * SECOND_NS // 2
    assert clock.t_of_wall(1_699_999_999.0) == -SECOND_NS
