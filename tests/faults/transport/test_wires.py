"""The proxies of a run: what the harness tells them, over real connections and a clock that tests move."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer

from faults.transport import api
from faults.transport.__main__ import Breaks
from faults.transport.admin import Admin
from faults.transport.proxies import Proxies
from faults.transport.wires import Wires
from ledger.clock import SECOND_NS, ManualClock
from ledger.events import Event, Struck
from ledger.states import Hop, Phase
from plan.run import Plan
from plan.units import Share, ShareRange, Window
from tests.faults.transport.wired import OK, an_upstream, create, query, wire_fault, with_table

MakePlan = Callable[..., Plan]


class World:
    """The wires of a plan before one upstream, and what the harness sees of them."""

    def __init__(self, plan: Plan, upstream: str, token: str | None = None) -> None:
        self.clock, self.events, self.upstream = ManualClock(), list[Event](), upstream
        self.proxies = Proxies()
        self.wires = Wires(plan, self.proxies, clock=self.clock, append=self.events.append)
        self.app = api.app(self.proxies)
        Admin(self.wires, token).install(self.app)

    def add(self, name: str = "p", hop: Hop = Hop.SHOP_PAYMENT, upstream_name: str | None = "epay") -> str:
        return self.wires.add(name, hop, upstream_name, listen="127.0.0.1:0", upstream=self.upstream)

    def load(self) -> None:
        self.wires.begin(Phase.LOAD, self.clock.t())
        self.wires.renew()
        self.wires.look()

    def move_s(self, seconds: float) -> None:
        self.clock.move_to(self.clock.t() + int(seconds * SECOND_NS))
        self.wires.look()

    @property
    def struck(self) -> list[Struck]:
        return [event for event in self.events if isinstance(event, Struck)]


@asynccontextmanager
async def a_world(plan: Plan, **more: Any) -> AsyncIterator[World]:
    async with an_upstream() as upstream:
        world = World(plan, upstream, **more)
        try:
            yield world
        finally:
            world.proxies.close()


async def ask(listen: str, *requests: bytes) -> list[bytes]:
    """The answers to requests over one connection, one after the other."""
    reader, writer = await connect(listen)
    answers = []
    for request in requests:
        writer.write(request)
        answers.append(await reader.read(65536))
    writer.close()
    return answers


async def connect(listen: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = listen.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def test_one_kept_connection_carries_struck_and_unstruck_exchanges(make_plan: MakePlan) -> None:
    fault = wire_fault(params={"ms": 1, "stream": "both"}, select={"product": ["card_50"]})
    async with a_world(with_table(make_plan(fault))) as world:
        listen = world.add()
        assert await ask(listen, *map(create, range(5))) == [OK] * 5
        assert not world.events
        world.load()
        assert await ask(listen, *map(create, range(20)), *map(query, range(20))) == [OK] * 40
    hit = [event.o for event in world.struck if event.operation == "create"]
    assert 0 < len(hit) < 20
    assert [event.o for event in world.struck if event.operation == "query"] == hit
    assert all(event.changed.startswith("request delayed by 1 ms, ") for event in world.struck)
    assert {(e.hop, e.keyed_by, e.fault) for e in world.struck} == {("shop>payment/epay", "key", "late")}


@pytest.mark.parametrize("ends", ["heal", "lease"])
async def test_what_a_fault_holds_is_let_go_when_faults_end(ends: str, make_plan: MakePlan) -> None:
    plan = with_table(make_plan(wire_fault(params={"ms": 600_000, "stream": "down"})))
    async with a_world(plan) as world:
        listen = world.add()
        world.load()
        reader, writer = await connect(listen)
        writer.write(create(1))
        while not world.struck:
            await asyncio.sleep(0)
        if ends == "heal":
            world.wires.begin(Phase.HEAL)
        else:
            world.move_s(9.9)
            assert world.wires.health()["faults"] == ["late"]
            world.move_s(0.2)
        assert await reader.read(65536) == OK
        assert world.wires.health()["faults"] == []
        writer.write(create(2))
        assert await reader.read(65536) == OK
        writer.close()
    assert [event.o for event in world.struck] == ["b00000001"]


async def test_a_peer_that_fell_silent_is_closed_when_faults_end(make_plan: MakePlan) -> None:
    first = ShareRange(Share(0.0), Share(0.001))
    plan = with_table(make_plan(wire_fault(fault="wire.half_open", params={}, orders=first)))
    async with a_world(plan) as world:
        listen = world.add()
        world.load()
        reader, writer = await connect(listen)
        writer.write(create(399))
        assert await reader.read(65536) == OK
        writer.write(create(0))
        while not world.struck:
            await asyncio.sleep(0)
        assert await ask(listen, create(1)) == [OK]
        assert not reader.at_eof()
        world.wires.begin(Phase.HEAL)
        assert await reader.read(65536) == b""
        writer.close()
    assert [(e.o, e.changed) for e in world.struck] == [("b00000000", "silent 0 ms into the request")]


async def test_a_hop_is_down_while_a_fault_wants_it_and_up_again(make_plan: MakePlan) -> None:
    downs = [
        wire_fault("cut", "wire.down", params={}, window=Window(1.0, 3.0), hops=(Hop.SHOP_DB,)),
        wire_fault("again", "wire.down", params={}, window=Window(2.0, 4.0), hops=(Hop.SHOP_DB,)),
    ]
    async with a_world(make_plan(*downs)) as world:
        listen = world.add("db", Hop.SHOP_DB, None)
        other = world.add("pay", Hop.SHOP_PAYMENT, None)
        world.load()
        reader, writer = await connect(listen)
        writer.write(b"hello")
        assert await reader.read(100) == OK
        for _ in range(3):
            world.move_s(1)
            assert await reader.read(100) == b""
            with pytest.raises(ConnectionRefusedError):
                await connect(listen)
            assert await ask(other, b"x") == [OK]
        world.move_s(1)
        assert await ask(listen, b"x") == [OK]
        writer.close()
    assert [(e.fault, e.o, e.operation, e.attempt, e.keyed_by) for e in world.struck] == [
        ("cut", None, "connect", 1, "connection"),
        ("again", None, "connect", 1, "connection"),
    ]


@pytest.mark.parametrize(("error", "breaks"), [(KeyError("x"), True), (ConnectionResetError(), False), (None, False)])
async def test_an_error_of_our_own_in_a_callback_ends_the_server(error: Exception | None, breaks: bool) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    found = Breaks(stop)
    found.take(loop, {"message": "told", "exception": error})
    assert (found.error is error and stop.is_set()) is breaks


# --- /_admin ------------------------------------------------------------------------------------------------------
@asynccontextmanager
async def admin(plan: Plan, token: str | None = None) -> AsyncIterator[tuple[World, ClientSession, str]]:
    async with a_world(plan, token=token) as world, TestServer(world.app) as server, ClientSession() as session:
        yield world, session, str(server.make_url("/")).rstrip("/")


async def test_the_harness_has_a_proxy_made_and_speaks_to_it_as_to_a_mock(make_plan: MakePlan) -> None:
    async with admin(with_table(make_plan(wire_fault()))) as (world, session, url):
        wanted = {
            "name": "pay",
            "hop": "shop>payment",
            "upstream_name": "epay",
            "listen": "127.0.0.1:0",
            "upstream": world.upstream,
        }
        async with session.post(f"{url}/_admin/proxies", json=wanted) as answer:
            made = await answer.json()
        assert (answer.status, set(made), made["name"]) == (201, {"name", "listen"}, "pay")
        async with session.get(f"{url}/proxies/pay/toxics") as answer:
            toxics = await answer.json()
        assert [(t["name"], t["type"], t["fault"]) for t in toxics] == [("late", "latency", "late")]
        async with session.post(f"{url}/_admin/phase", json={"phase": "load", "l0_t": 0}) as answer:
            assert (await answer.json())["phase"] == "load"
        async with session.post(f"{url}/_admin/lease") as answer:
            assert await answer.json() == {
                "ok": True, "phase": "load", "lag_ms": 0.0, "trades": 0, "open_notices": 0, "faults": ["late"],
                "lease_s": 10.0,
            }  # fmt: skip
        assert await ask(made["listen"], create(1)) == [OK]
        assert len(world.struck) == 1


@pytest.mark.parametrize("own", ["match", "fault"])
async def test_a_toxic_that_would_never_strike_at_a_hop_of_a_run_is_refused(own: str, make_plan: MakePlan) -> None:
    async with admin(with_table(make_plan(wire_fault()))) as (world, session, url):
        world.add()
        toxic = {"type": "latency", "match": {"path": "/x"}, "fault": "late"}
        async with session.post(f"{url}/proxies/p/toxics", json={"type": "latency", own: toxic[own]}) as answer:
            said = await answer.json(content_type=None)
        assert (answer.status, said["error"].startswith(f"bad request body: {own}: ")) == (400, True)
        async with session.post(f"{url}/proxies/p/toxics", json={"type": "latency"}) as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("phase", b"{", "send"),
        ("phase", b'{"phase": "lod"}', "prepare, warm_up, load"),
        ("phase", b'{"phase": "load", "l0_t": 1e30}', "l0_t"),
        ("phase", b"\xff", ""),
        ("phase", b"[" * 100_000, ""),
        ("proxies", b"", ""),
        ("proxies", b'{"name": "p"}', "hop"),
        ("proxies", {"hop": "shop>pay"}, "shop>pay"),
        ("proxies", {"name": ""}, "name"),
        ("proxies", {"more": 1}, "more"),
        ("proxies", {"hop": "shop"}, "no way between two"),
        ("proxies", {"upstream_name": "epai"}, "did you mean 'epay'"),
        ("proxies", {"listen": "127.0.0.1:x"}, "x"),
        ("proxies", {"listen": "192.0.2.1:0"}, "192.0.2.1"),
        ("proxies", {"upstream": "192.0.2.1:80"}, "192.0.2.1"),
        ("proxies", {"name": "there"}, "there already"),
    ],
)
async def test_a_body_that_means_nothing_is_refused_in_one_line(
    path: str, body: bytes | dict[str, object], words: str, make_plan: MakePlan
) -> None:
    async with admin(with_table(make_plan(wire_fault()))) as (world, session, url):
        world.add("there")
        right = {"name": "p", "hop": "shop>payment", "listen": "127.0.0.1:0", "upstream": world.upstream}
        sent = body if isinstance(body, bytes) else msgspec.json.encode(right | body)
        async with session.post(f"{url}/_admin/{path}", data=sent) as answer:
            said = await answer.json()
        assert (answer.status, said["ok"]) == (400, False)
        assert words in said["error"]
        assert "\n" not in said["error"]
        assert world.proxies.get("p") is None


async def test_a_port_that_is_taken_is_told(make_plan: MakePlan) -> None:
    async with admin(make_plan()) as (world, session, url):
        taken = world.add("there", Hop.SHOP_DB, None)
        wanted = {"name": "p", "hop": "shop>db", "listen": taken, "upstream": world.upstream}
        async with session.post(f"{url}/_admin/proxies", json=wanted) as answer:
            assert answer.status == 500
            assert "in use" in (await answer.json())["error"]


@pytest.mark.parametrize("path", ["/_admin/health", "/_admin/none", "/proxies", "/version"])
async def test_a_token_guards_all_of_it(path: str, make_plan: MakePlan) -> None:
    async with admin(make_plan(), "t0ken") as (_, session, url):
        for headers, refused in (
            ({}, True),
            ({"Authorization": "Bearer t0"}, True),
            ({"Authorization": "Bearer t0ken"}, False),
        ):
            async with session.get(url + path, headers=headers) as answer:
                assert (answer.status == 401) is refused


async def test_what_admin_does_not_know_is_told_with_what_it_does(make_plan: MakePlan) -> None:
    async with admin(make_plan()) as (_, session, url), session.get(f"{url}/_admin/trades") as answer:
        assert answer.status == 404
        assert "POST /_admin/proxies" in (await answer.json())["error"]
