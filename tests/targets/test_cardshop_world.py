"""A shop with a small fake gateway, over real sockets: what the tests beside this one stand on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from targets.cardshop.app import build_app
from targets.cardshop.gateway import Gateway, signature
from targets.cardshop.lookups import Lookups
from targets.cardshop.profiles import read_profile
from targets.cardshop.settings import Channel, Settings
from targets.cardshop.shop import Shop
from targets.cardshop.store import Store
from targets.cardshop.tables import Order

KEY, TOKEN = "the-merchant-key-of-this-test", "the-admin-token-of-this-test"
FORM = {
    "product": "card_10",
    "channel": "epay",
    "contact": "b00000042@buyers.example",
    "account": "player-00000042",
    "region": "cn-east",
}
JSON = {"Accept": "application/json"}
ORDER_LIFE_S, REQUERY_S = 300.0, 10.0


@dataclass
class FakeEpay:
    """A gateway that remembers what it was asked and answers as it is told."""

    created: list[dict[str, str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    create_answer: Callable[[dict[str, str]], web.StreamResponse] | None = None
    query_answer: dict[str, Any] = field(default_factory=lambda: {"status": 0})
    hang: asyncio.Event | None = None
    was_asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def mapi(self, request: web.Request) -> web.StreamResponse:
        params = {name: str(value) for name, value in (await request.post()).items()}
        self.created.append(params)
        self.was_asked.set()
        if self.hang:
            await self.hang.wait()
        if self.create_answer:
            return self.create_answer(params)
        trade_no = "T" + params["out_trade_no"]
        return web.json_response({"code": 1, "msg": "ok", "trade_no": trade_no, "payurl": f"pay/{trade_no}"})

    async def api(self, request: web.Request) -> web.StreamResponse:
        assert (request.query["act"], request.query["key"]) == ("order", KEY)
        order_no = request.query["out_trade_no"]
        self.asked.append(order_no)
        answer = {"code": 1, "trade_no": "T" + order_no, "out_trade_no": order_no, "money": "10.00"}
        return web.json_response(answer | self.query_answer)


class MeetingLookups(Lookups):
    """Holds the first two who read an order until both have read it."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.barrier: asyncio.Barrier | None = None

    async def find(self, order_no: str) -> Order | None:
        order = await super().find(order_no)
        if self.barrier:
            await self.barrier.wait()
        return order


@dataclass
class World:
    """One shop with its gateway; `at` is what its clock says, `behind` its background deliveries."""

    epay: FakeEpay
    shop: Shop
    client: "TestClient[web.Request, web.Application]"
    lookups: MeetingLookups
    data: Path
    at: list[float]
    behind: list[asyncio.Task[None]]

    async def place(self, **changed: str) -> str:
        async with self.client.post("/orders", data=FORM | changed, headers=JSON) as answer:
            assert answer.status == 201, await answer.text()
            return str((await answer.json())["order_no"])

    async def poll(self, order_no: str) -> dict[str, Any]:
        async with self.client.get(f"/orders/{order_no}.json") as answer:
            assert answer.status == 200
            polled: dict[str, Any] = await answer.json()
            return polled

    async def notify(self, order_no: str, *, key: str = KEY, **changed: str) -> str:
        params = {"pid": "1001", "trade_no": "T1", "out_trade_no": order_no, "type": "alipay", "name": "x",
                  "money": "10.00", "trade_status": "TRADE_SUCCESS", "param": "z"} | changed  # fmt: skip
        params |= {"sign": signature(params, key), "sign_type": "MD5"}
        async with self.client.get("/notify/epay/epay", params=params) as answer:
            return await answer.text()

    async def delivered(self) -> None:
        await asyncio.gather(*self.behind)

    async def books(self, query: str = "") -> dict[str, Any]:
        async with self.client.get(f"/admin/orders.json{query}", headers={"X-Admin-Token": TOKEN}) as answer:
            assert answer.status == 200
            books: dict[str, Any] = await answer.json()
            return books

    async def row(self, order_no: str) -> dict[str, Any]:
        return next(row for row in (await self.books())["orders"] if row["order_no"] == order_no)


@asynccontextmanager
async def running(
    data: Path, profile: str = "naive", *, stock: int = 5, token: str = TOKEN, gateway_timeout_s: float = 5.0
) -> AsyncIterator[World]:
    epay, at = FakeEpay(), [1_700_000_000.0]
    upstream = web.Application()
    upstream.add_routes([web.post("/epay/mapi.php", epay.mapi), web.get("/epay/api.php", epay.api)])
    store, behind = Store(f"sqlite+aiosqlite:///{data}/shop.db"), list[asyncio.Task[None]]()
    await store.open(("card_10", "card_50"), stock=stock)
    lookups = MeetingLookups(store)
    timeout = aiohttp.ClientTimeout(total=gateway_timeout_s)
    async with TestServer(upstream) as server, aiohttp.ClientSession(timeout=timeout) as session:
        channel = Channel("epay", str(server.make_url("/epay/")), "1001", KEY)
        async with asyncio.TaskGroup() as deliveries:

            def spawn(work: Any) -> asyncio.Task[None]:
                behind.append(deliveries.create_task(work))
                return behind[-1]

            shop = Shop(
                settings=Settings({"epay": channel}, "", token, "", ORDER_LIFE_S, REQUERY_S),
                profile=read_profile(profile),
                public_url="http://shop.example",
                store=store,
                lookups=lookups,
                gateways={"epay": Gateway(channel, session)},
                now=lambda: at[0],
                spawn=spawn,
            )
            async with TestClient(TestServer(build_app(shop))) as client:
                yield World(epay, shop, client, lookups, data, at, behind)
                if epay.hang:
                    epay.hang.set()
    await store.close()


async def test_the_world_starts_healthy_and_empty(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        async with world.client.get("/healthz") as answer:
            assert (answer.status, await answer.json()) == (200, {"ok": True})
        assert await world.books() == {"orders": [], "next": None}
