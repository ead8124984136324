"""Answers that are pages, break off, end too early or trickle in."""

import asyncio
import json
from typing import Any

import pytest

from ledger.clock import SECOND_NS
from ledger.events import Struck, TradeCreated
from ledger.states import Phase
from tests.mocks.exchanges import MAPI, body_of, create
from tests.mocks.world import MakeWorld, a_fault, an_order, signed


# --- pages, resets, bodies ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fault", "params", "status", "location", "acted"),
    [
        ("html_page", {}, 200, None, False),
        ("html_page", {"status": 502}, 502, None, False),
        ("html_page", {"status": 599, "acted": True}, 599, None, True),
        ("ver.html_instead", {"status": 404}, 404, None, False),
        ("ver.path_moved", {}, 404, None, False),
        ("ver.path_moved", {"status": 301}, 301, "/v2/", False),
    ],
)
async def test_a_page_comes_where_the_answer_was(
    world: MakeWorld, fault: str, params: dict[str, Any], status: int, location: str | None, acted: bool
) -> None:
    async with world(a_fault("page", fault, params=params)) as w:
        reply = await w.load().ask(MAPI, signed(an_order()))
        assert reply is not None
        assert (reply.status, reply.location, reply.fields) == (status, location, None)
        assert reply.kind.startswith("text/html")
        assert b"<html>" in reply.body
        assert len(w.found(TradeCreated)) == acted


async def test_a_page_hides_what_else_would_be_done_to_the_answer(world: MakeWorld) -> None:
    faults = [
        a_fault("v2", "ver.renamed", params={"field": "code", "to": "status"}),
        a_fault("page", "html_page", params={"acted": True}),
        a_fault("old", "sig.wrong_key"),
        a_fault("late", "slow", params={"ms": 100}),
    ]
    async with world(*faults) as w:
        call = create(w.load())
        await w.move_to_s(1)
        await call
        assert [s.fault for s in w.found(Struck)] == ["old", "page", "late"]


@pytest.mark.parametrize(("when", "done", "breaks"), [("before", 0, 0.0), ("after", 1, 0.0), ("mid_answer", 1, 0.5)])
async def test_a_reset_says_how_far_it_came(world: MakeWorld, when: str, done: int, breaks: float) -> None:
    async with world(a_fault("rst", "reset", params={"when": when})) as w:
        reply = await w.load().ask(MAPI, signed(an_order()))
        assert reply is not None
        assert reply.breaks == breaks
        assert len(w.found(TradeCreated)) == done


async def test_a_truncated_answer_is_the_beginning_of_the_right_one(world: MakeWorld) -> None:
    async with world(a_fault("cut", "truncate", params={"share": "50%"})) as w:
        right = await body_of(await w.ask(MAPI, signed(an_order())))
        cut = await body_of(await w.load().ask(MAPI, signed(an_order())))
        assert cut == right[: len(right) // 2]
        with pytest.raises(ValueError, match="line 1"):
            json.loads(cut)


async def test_a_body_trickles_in_pieces_from_the_first_at_once_to_the_last_when_its_time_is_over(
    world: MakeWorld,
) -> None:
    async with world(a_fault("slow", "slow_body", params={"over": "9 s"})) as w:
        right = await body_of(await w.ask(MAPI, signed(an_order())))
        reply = await w.load().ask(MAPI, signed(an_order()))
        assert reply is not None
        assert reply.pieces is not None
        came: list[tuple[int, bytes]] = []

        async def take() -> None:
            assert reply is not None
            assert reply.pieces is not None
            async for piece in reply.pieces():
                came.append((w.clock.t() // SECOND_NS, piece))

        taking = asyncio.ensure_future(take())
        await w.settle()
        assert [s for s, _ in came] == [0]
        assert not w.found(Struck), "nothing was late so far"
        await w.move_to_s(3)
        assert [s for s, _ in came] == [0, 1, 2, 3]
        w.mock.injector.begin(Phase.HEAL)
        await taking
        assert [s for s, _ in came] == [0, 1, 2, 3] + [3] * 6
        assert b"".join(piece for _, piece in came) == right
        assert len(w.found(Struck)) == 1


@pytest.mark.parametrize(
    ("given", "took_effect"),
    [
        (["slow_body", "truncate", "mid", "after", "lose_answer"], ["lose_answer"]),
        (["slow_body", "truncate", "mid", "after"], ["after"]),
        (["slow_body", "truncate", "mid"], ["truncate", "mid"]),
        (["slow_body", "truncate"], ["truncate", "slow_body"]),
        (["before", "refuse"], ["refuse"]),
        (["after", "before"], ["before"]),
        (["page", "before", "lose_request"], ["lose_request"]),
        (["ver.path_moved", "page"], ["ver.path_moved"]),
        (["refuse", "capacity"], ["capacity", "refuse"]),
    ],
)
async def test_what_comes_earlier_hides_what_comes_later(
    world: MakeWorld, given: list[str], took_effect: list[str]
) -> None:
    known: dict[str, tuple[str, dict[str, Any]]] = {
        "before": ("reset", {}),
        "after": ("reset", {"when": "after"}),
        "mid": ("reset", {"when": "mid_answer"}),
        "page": ("html_page", {}),
        "slow_body": ("slow_body", {"over": "1 s"}),
        "capacity": ("capacity", {"at_once": 1, "takes": "1 s"}),
    }
    faults = [a_fault(name, *known.get(name, (name, {}))[:1], params=known.get(name, (name, {}))[1]) for name in given]
    async with world(*faults) as w:
        call = create(w.load())
        await w.move_to_s(1)
        reply = await call
        if reply is not None and reply.pieces is not None:
            pieces = asyncio.ensure_future(body_of(reply))
            await w.move_to_s(3)
            await pieces
        assert [s.fault for s in w.found(Struck)] == took_effect
