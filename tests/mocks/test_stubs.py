"""An upstream that its user wrote down."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from ledger.events import Struck
from ledger.states import Hop
from mocks.reply import Reply
from mocks.server import Asked, NoRoute
from mocks.supplier.mock import SupplierMock
from plan.faults import FaultPlan
from plan.run import UpstreamPlan
from plan.stubs import Stub
from plan.units import Share, WireTime
from tests.mocks.world import Around, a_fault, a_plan

STUBS = (
    Stub("any", "GET", "/prices/{sku}", value={"sku": "{sku}", "price": 9.9, "more": ["{sku}-{x}", 1]}),
    Stub("gold", "GET", "/prices/gold", body="{sku} costs much"),
    Stub("list", "GET", "/prices", value=[1, {"a": None}]),
    Stub("order", "POST", "/{shop}/orders-{no}", 201, {"X-By": "us"}, body="{shop} took {no}", delay=WireTime(0.5)),
    Stub("page", "GET", "/page", headers={"content-type": "text/html"}, value={"a": 1}),
)


class StubWorld(Around[SupplierMock]):
    async def ask(self, path: str, method: str = "GET", body: bytes = b"", query: str = "") -> Reply:
        reply = await self.mock.answer(Asked(method, f"/extra{path}", query, body))
        assert reply is not None
        return reply


MakeStubs = Callable[..., AbstractAsyncContextManager[StubWorld]]


@pytest.fixture
def stubbed() -> MakeStubs:
    """Makes a supplier mock with one instance, `extra`, of the dialect stub."""

    @asynccontextmanager
    async def make(*faults: FaultPlan) -> AsyncIterator[StubWorld]:
        plan = a_plan(*faults, upstreams={"extra": UpstreamPlan("supplier", "stub", stubs=STUBS)})
        async with asyncio.TaskGroup() as tasks:
            made = StubWorld(SupplierMock, plan, tasks)
            made.begin_load()
            yield made
            made.mock.injector.release()

    return make


def said(reply: Reply) -> object:
    return reply.fields if reply.fields is not None else reply.body.decode()


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/prices/card_10", {"sku": "card_10", "price": 9.9, "more": ["card_10-{x}", 1]}),
        ("/prices/%E5%8D%A1", {"sku": "卡", "price": 9.9, "more": ["卡-{x}", 1]}),
        ("/prices/gold", "{sku} costs much"),
        ("/prices", '[1,{"a":null}]'),
        ("/page", '{"a":1}'),
    ],
)
async def test_a_path_is_answered_as_it_was_written(path: str, answer: object, stubbed: MakeStubs) -> None:
    async with stubbed() as w:
        assert said(await w.ask(path)) == answer


async def test_the_kind_of_an_answer_is_its_own_or_what_it_is_made_of(stubbed: MakeStubs) -> None:
    async with stubbed() as w:
        kinds = [(await w.ask(path)).kind for path in ("/prices", "/prices/gold", "/page")]
    assert kinds == ["application/json; charset=utf-8", "text/plain; charset=utf-8", "text/html"]


async def test_a_delay_is_waited_for_and_no_part_of_a_path_is_empty_or_two(stubbed: MakeStubs) -> None:
    async with stubbed() as w, asyncio.TaskGroup() as group:
        asking = group.create_task(w.ask("/a/orders-7", "POST"))
        await w.move_to_s(0.4)
        assert not asking.done()
        await w.move_to_s(0.5)
        reply = asking.result()
    assert (reply.status, reply.headers, said(reply)) == (201, {"X-By": "us"}, "a took 7")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/prices"), ("GET", "/prices/"), ("GET", "/prices/a/b"), ("GET", "/Prices"), ("GET", ""),
        ("GET", "/a/orders-7"), ("POST", "/a/orders-"), ("HEAD", "/prices"),
    ],
)  # fmt: skip
async def test_what_no_stub_takes_matches_nothing(method: str, path: str, stubbed: MakeStubs) -> None:
    async with stubbed() as w:
        with pytest.raises(NoRoute):
            await w.ask(path, method)


async def test_faults_strike_whoever_stands_in_the_request_and_nobody_else(stubbed: MakeStubs) -> None:
    shed = a_fault("shed", "refuse", Hop.SHOP_SUPPLIER, rate=Share(0.5), params={"status": 503})
    async with stubbed(shed) as w:
        for n in range(40):
            key = f"b{n:08d}"
            told = await w.ask("/prices", query=f"who={key}%40buyers.example")
            again = await w.ask(f"/prices/player-{n:08d}")
            assert told.status in (200, 503)
            assert again.status in (200, 503)
        struck = w.found(Struck)
        assert {event.keyed_by for event in struck} == {"key"}
        assert 20 < len(struck) < 60
        assert {event.hop for event in struck} == {"shop>supplier/extra"}
        for _ in range(20):
            await w.ask("/prices")
        assert {event.keyed_by for event in w.found(Struck)[len(struck) :]} == {"operation"}


async def test_a_slow_fault_delays_the_answer(stubbed: MakeStubs) -> None:
    async with stubbed(a_fault("slow", "slow", Hop.SHOP_SUPPLIER, params={"ms": 300})) as w:
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(w.ask("/prices/gold", query="b00000001"))
            await w.move_to_s(0.2)
            assert not asking.done()
            await w.move_to_s(0.3)
        assert said(asking.result()) == "{sku} costs much"


async def test_its_routes_are_named_where_nothing_matches(stubbed: MakeStubs) -> None:
    async with stubbed() as w:
        routes = list(w.mock.routes())
    assert "/extra/prices/{sku}" in routes
