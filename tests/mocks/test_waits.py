"""A finite upstream: its places, the line before them, and who is turned away."""

import asyncio
from typing import Any

from ledger.events import Struck, TradeCreated
from ledger.states import Phase
from tests.mocks.exchanges import MAPI, QUERY, create
from tests.mocks.world import MakeWorld, a_fault, an_order, signed


# --- a finite upstream -------------------------------------------------------------------------------------------
def full(queue: int = 0, **more: Any) -> Any:
    return a_fault("full", "capacity", params={"at_once": 2, "takes": "1 s", "queue": queue}, **more)


async def test_so_many_are_worked_on_at_once_others_wait_in_line_and_the_rest_are_refused(world: MakeWorld) -> None:
    async with world(full(queue=2)) as w:
        w.load()
        calls = [create(w, n) for n in range(1, 6)]
        await w.settle()
        assert [call.done() for call in calls] == [False] * 4 + [True]
        refused = await calls[4]
        assert refused is not None
        assert refused.status == 503
        assert not w.found(TradeCreated), "nothing is done before its turn"
        await w.move_to_s(1)
        assert [call.done() for call in calls[:4]] == [True, True, False, False]
        await w.move_to_s(2)
        assert all(call.done() for call in calls)
        assert [(s.o, s.changed) for s in w.found(Struck)] == [
            ("b00000005", "no room: answered HTTP 503"),
            ("b00000001", "0 ms in line, 1000 ms at work"),
            ("b00000002", "0 ms in line, 1000 ms at work"),
            ("b00000003", "1000 ms in line, 1000 ms at work"),
            ("b00000004", "1000 ms in line, 1000 ms at work"),
        ]


async def test_a_place_is_free_again_when_its_work_is_done(world: MakeWorld) -> None:
    async with world(full()) as w:
        w.load()
        for s in range(3):
            calls = [create(w, 2 * s + n) for n in (1, 2)]
            await w.move_to_s(s + 1)
            replies = await asyncio.gather(*calls)
            assert [reply.status for reply in replies if reply is not None] == [200, 200]


async def test_all_operations_of_an_upstream_share_its_capacity(world: MakeWorld) -> None:
    async with world(full()) as w:
        await w.created(9)
        w.load()
        calls = [create(w, 1), asyncio.ensure_future(w.ask(QUERY.replace("C000001", "C000009")))]
        await w.settle()
        third = await w.ask(MAPI, signed(an_order(2)))
        assert third is not None
        assert third.status == 503
        await w.move_to_s(1)
        assert all(call.done() for call in calls)


async def test_healing_empties_the_line_at_once(world: MakeWorld) -> None:
    async with world(full(queue=100)) as w:
        w.load()
        calls = [create(w, n) for n in range(1, 41)]
        await w.settle()
        w.mock.injector.begin(Phase.HEAL)
        for _ in range(10):
            await w.settle()
        assert all(call.done() for call in calls)
        assert w.clock.t() == 0
        assert len(w.found(TradeCreated)) == 40
        assert not w.found(Struck), "nobody waited"


async def test_one_who_leaves_the_line_takes_no_place(world: MakeWorld) -> None:
    async with world(full(queue=2)) as w:
        w.load()
        calls = [create(w, n) for n in range(1, 5)]
        await w.settle()
        calls[2].cancel()
        await w.settle()
        late = create(w, 9)
        await w.move_to_s(2)
        assert late.done()
        assert len(w.found(TradeCreated)) == 4
