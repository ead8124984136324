"""Timers: their order, how late they are, and that cancelled ones do not gather."""

import asyncio

import pytest

from faults.transport import timer as timer_module
from faults.transport.timer import GATHERED_MAX, Timers


@pytest.fixture(params=["timerfd", "the loop's own"])
def timers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> object:
    if request.param != "timerfd":
        monkeypatch.setattr(timer_module, "_timerfd", lambda: None)
    return request.param


async def test_timers_come_in_the_order_of_their_moments_and_not_before_them(timers: str) -> None:
    of = Timers(asyncio.get_running_loop())
    came: list[tuple[int, float]] = []
    done, begun = asyncio.Event(), of.now()
    for ms in (9, 3, 0, 6, 3, -5):
        of.at(begun + ms / 1000, lambda ms=ms: came.append((ms, of.now() - begun)))  # type: ignore[misc]
    of.at(begun + 0.012, done.set)
    await asyncio.wait_for(done.wait(), 5)
    assert [ms for ms, _ in came] == [-5, 0, 3, 3, 6, 9]
    assert all(ms / 1000 <= s for ms, s in came)
    of.close()


async def test_a_timer_comes_within_a_millisecond_more_often_than_not() -> None:
    of, late = Timers(asyncio.get_running_loop()), list[float]()
    for _ in range(15):
        came, due = asyncio.Event(), of.now() + 0.0015
        of.at(due, came.set)
        await came.wait()
        late.append(of.now() - due)
    assert sorted(late)[7] < 0.001, late
    of.close()


async def test_what_is_cancelled_never_comes_and_does_not_gather(timers: str) -> None:
    of, came = Timers(asyncio.get_running_loop()), list[str]()
    for _ in range(50):
        for timer in [of.at(of.now() + 3600, lambda: came.append("late")) for _ in range(100)]:
            timer.cancel()
    assert len(of._heap) <= 2 * GATHERED_MAX
    soon = of.at(of.now() + 0.001, lambda: came.append("soon"))
    done = asyncio.Event()
    of.at(of.now() + 0.003, done.set)
    soon.cancel()
    await asyncio.wait_for(done.wait(), 5)
    assert came == []
    of.close()


async def test_what_a_timer_sets_for_now_leaves_a_turn_to_the_loop(timers: str) -> None:
    of, turns, done = Timers(asyncio.get_running_loop()), list[str](), asyncio.Event()

    def again() -> None:
        turns.append("timer")
        if len(turns) < 10:
            of.at(of.now(), again)
            asyncio.get_running_loop().call_soon(turns.append, "loop")
        else:
            done.set()

    of.at(of.now(), again)
    await asyncio.wait_for(done.wait(), 5)
    assert "loop" in turns[1:3]
    of.close()


async def test_one_that_fails_keeps_none_of_the_others_from_coming(timers: str) -> None:
    of, done, failed = Timers(asyncio.get_running_loop()), asyncio.Event(), list[BaseException | None]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context.get("exception")))
    of.at(of.now(), lambda: 1 / 0)  # type: ignore[arg-type]
    of.at(of.now(), done.set)
    await asyncio.wait_for(done.wait(), 5)
    assert [type(error) for error in failed] == [ZeroDivisionError]
    of.close()
