"""A shop with small fakes of its gateway, suppliers and game, over real sockets: what the other tests stand on."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from targets.cardshop import game, serving, supplier
from targets.cardshop.app import build_app
from targets.cardshop.database import Database
from targets.cardshop.epay import signature
from targets.cardshop.lookups import Lookups
from targets.cardshop.peers import Peer
from targets.cardshop.profiles import read_profile
from targets.cardshop.settings import Settings
from targets.cardshop.shop import Shop
from targets.cardshop.store import Store
from targets.cardshop.tables import Order
from targets.cardshop.working import work_once
from tests.targets import both

KEY, TOKEN = "the-merchant-key-of-this-test", "the-admin-token-of-this-test"
FORM = {
    "product": "card_10",
    "channel": "epay",
    "contact": "b00000042@buyers.example",
    "account": "player-00000042",
    "region": "cn-east",
}
PARAM = "b00000042@buyers.example;product=card_10;region=cn-east"
JSON = {"Accept": "application/json"}
ORDER_LIFE_S, REQUERY_S = 300.0, 10.0


@dataclass
class FakeEpay:
    """A gateway that remembers what it was asked and answers as it is told."""

    created: list[dict[str, str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    create_answer: Callable[[dict[str, str]], web.StreamResponse] | None = None
    query_answer: dict[str, Any] = field(default_factory=lambda: {"status": 0})
    refunds: list[dict[str, str]] = field(default_factory=list)
    refund_answers: list[dict[str, Any] | int] = field(default_factory=list)
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

    async def refund(self, request: web.Request) -> web.StreamResponse:
        """The next of the answers that were laid out (a number is an HTTP status), then always done."""
        self.refunds.append({name: str(value) for name, value in (await request.post()).items()})
        assert (request.query["act"], self.refunds[-1]["key"]) == ("refund", KEY)
        answer = self.refund_answers.pop(0) if self.refund_answers else {"code": 1}
        return web.Response(status=answer) if isinstance(answer, int) else web.json_response(answer)

    async def api(self, request: web.Request) -> web.StreamResponse:
        assert (request.query["act"], request.query["key"]) == ("order", KEY)
        order_no = request.query["out_trade_no"]
        self.asked.append(order_no)
        answer = {"code": 1, "trade_no": "T" + order_no, "out_trade_no": order_no, "money": "10.00"}
        return web.json_response(answer | self.query_answer)


@dataclass
class FakeSupplier:
    """A shared store that sells one more card each time, or answers as the next of `answers` says.

    `sell`: as always. `lose`: sell, and close the connection. `drop`: close it without a sale. A dict is the answer, a
    number an HTTP status. What a number was sold for is remembered, and sold again unless `rejects`.
    """

    name: str
    answers: list[Any] = field(default_factory=list)
    query_answers: list[Any] = field(default_factory=list)
    rejects: bool = True
    bought: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    sold: dict[str, list[str]] = field(default_factory=dict)
    hang: asyncio.Event | None = None
    was_asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def trade(self, request: web.Request) -> web.StreamResponse:
        form = await self._form(request)
        number = form["request_no"]
        self.bought.append(number)
        self.was_asked.set()
        if self.hang:
            await self.hang.wait()
        step = self.answers.pop(0) if self.answers else "sell"
        if step in ("sell", "lose"):
            if number in self.sold and self.rejects:
                return _envelope(0, "The request ID already exists")
            self.sold.setdefault(number, []).append(f"卡号 {form['shared_code']}-{self.name}-{len(self.bought):04d}")
        return self._close(request) if step in ("lose", "drop") else self._answer(step, number)

    async def query(self, request: web.Request) -> web.StreamResponse:
        number = (await self._form(request))["request_no"]
        self.asked.append(number)
        step = self.query_answers.pop(0) if self.query_answers else "tell"
        if step == "drop":
            return self._close(request)
        if step == "tell" and number not in self.sold:
            return _envelope(0, "订单不存在")
        return self._answer(step, number)

    async def _form(self, request: web.Request) -> dict[str, str]:
        form = {name: str(value) for name, value in (await request.post()).items()}
        assert form["sign"] == supplier.signature(form, KEY)
        assert (form["app_id"], form["app_key"]) == ("7", KEY)
        return form

    def _answer(self, step: Any, number: str) -> web.StreamResponse:
        if isinstance(step, int):
            return web.Response(status=step, text="<html>busy</html>", content_type="text/html")
        if isinstance(step, dict):
            return web.json_response(step)
        return _envelope(200, "success", {"secret": self.sold[number][-1], "tradeNo": "S1", "request_no": number})

    def _close(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()


def _envelope(code: int, words: str, data: dict[str, Any] | None = None) -> web.Response:
    return web.json_response({"code": code, "msg": words, "data": data or {}})


@dataclass
class FakeGame:
    """A top-up server that takes every order on, or answers as the next of `answers` says: a tuple of HTTP status and
    body, or `lose`: take it on and close the connection. `states` is what a query is told, by order."""

    name: str
    answers: list[Any] = field(default_factory=list)
    created: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    states: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def create(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await self._checked(request))
        assert request.headers["Idempotency-Key"] == body["reference"]
        self.created.append(body)
        step = self.answers.pop(0) if self.answers else "take"
        if isinstance(step, tuple):
            return web.json_response(step[1], status=step[0])
        state = {
            "ok": True,
            "topup_id": f"T{len(self.created)}",
            "reference": body["reference"],
            "status": "processing",
        }
        self.states.setdefault(body["reference"], state)
        if step == "lose":
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(state, status=202)

    async def query(self, request: web.Request) -> web.StreamResponse:
        await self._checked(request)
        reference = request.match_info["reference"]
        self.asked.append(reference)
        if reference not in self.states:
            return web.json_response({"ok": False, "error": {"code": "NOT_FOUND", "message": ""}}, status=404)
        return web.json_response(self.states[reference])

    async def _checked(self, request: web.Request) -> bytes:
        body = await request.read()
        text = game.request_text(request.method, request.path_qs, request.headers["X-Timestamp"], body)
        assert request.headers["X-Signature"] == game.signature(text, KEY)
        return body


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
    database_url: str
    at: list[float]
    behind: list[asyncio.Task[None]]
    suppliers: dict[str, FakeSupplier]
    game: FakeGame
    pokes: list[float]

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
                  "money": "10.00", "trade_status": "TRADE_SUCCESS", "param": PARAM} | changed  # fmt: skip
        params |= {"sign": signature(params, key), "sign_type": "MD5"}
        async with self.client.get("/notify/epay/epay", params=params) as answer:
            return await answer.text()

    async def delivered(self) -> None:
        """Wait for what is done behind the answers, and for all that is due on the queue now."""
        await asyncio.gather(*self.behind)
        while await work_once(self.shop, "test"):
            pass

    async def later(self, seconds: float) -> None:
        """So many seconds later, two at a time, with all that becomes due on the way."""
        until = self.at[0] + seconds
        while self.at[0] < until:
            self.at[0] = min(self.at[0] + 2.0, until)
            await self.delivered()

    async def topup_notice(self, order_no: str, *, key: str = KEY, **changed: Any) -> int:
        """The HTTP status that a game's notice of success is answered with."""
        body = {"event": "topup.succeeded", "event_id": "E1", "topup_id": "T1", "reference": order_no,
                "account": FORM["account"], "region": FORM["region"], "product": "topup_30", "quantity": 1,
                "status": "succeeded", "reason": "", "credit_id": "K1", "passthrough": FORM["contact"]}  # fmt: skip
        body |= changed
        sent, stamp = json.dumps(body).encode(), str(int(self.at[0]))
        headers = {"X-Timestamp": stamp, "X-Signature": game.signature(game.notice_text(stamp, sent), key)}
        async with self.client.post("/notify/topup/game", data=sent, headers=headers) as answer:
            return answer.status

    async def cancel(self, order_no: str) -> tuple[int, dict[str, Any]]:
        async with self.client.post(f"/orders/{order_no}/cancel", headers=JSON) as answer:
            return answer.status, await answer.json()

    async def books(self, query: str = "") -> dict[str, Any]:
        async with self.client.get(f"/admin/orders.json{query}", headers={"X-Admin-Token": TOKEN}) as answer:
            assert answer.status == 200
            books: dict[str, Any] = await answer.json()
            return books

    async def row(self, order_no: str) -> dict[str, Any]:
        return next(row for row in (await self.books())["orders"] if row["order_no"] == order_no)


@asynccontextmanager
async def running(
    data: Path,
    profile: str = "naive",
    *,
    stock: int = 5,
    token: str = TOKEN,
    gateway_timeout_s: float = 5.0,
    suppliers: Sequence[str] = (),
    sells_topups: bool = False,
    lock_wait_s: float = 5.0,
    more: Mapping[str, tuple[str, str, list[web.RouteDef]]] | None = None,
) -> AsyncIterator[World]:
    """`more`: suppliers of other dialects by name, each with its dialect, its key and its routes."""
    epay, topups, at = FakeEpay(), FakeGame("game"), [1_700_000_000.0]
    stores = {name: FakeSupplier(name) for name in suppliers}
    upstream = web.Application()
    upstream.add_routes(
        [
            web.post("/epay/mapi.php", epay.mapi),
            web.get("/epay/api.php", epay.api),
            web.post("/epay/api.php", epay.refund),
            web.post("/game/v1/topups", topups.create),
            web.get("/game/v1/topups/{reference}", topups.query),
        ]
    )
    for name, fake in stores.items():
        upstream.add_routes(
            [
                web.post(f"/{name}/shared/commodity/trade", fake.trade),
                web.post(f"/{name}/shared/commodity/query", fake.query),
            ]
        )
    for _, _, routes in (more or {}).values():
        upstream.add_routes(routes)
    url = both.CHOSEN.url(data)
    database = Database(url, lock_wait_s=lock_wait_s)
    behind, pokes = list[asyncio.Task[None]](), list[float]()
    store = Store(database)
    await store.open(("card_10", "card_50"), stock=stock)
    timeout = aiohttp.ClientTimeout(total=gateway_timeout_s)
    async with TestServer(upstream) as server, aiohttp.ClientSession(timeout=timeout) as session:

        def peer(name: str) -> Peer:
            return Peer(name, str(server.make_url(f"/{name}/")), "7", KEY)

        settings = Settings(
            {"epay": Peer("epay", str(server.make_url("/epay/")), "1001", KEY, "epay")},
            "",
            token,
            order_life_s=ORDER_LIFE_S,
            requery_s=REQUERY_S,
            suppliers={name: peer(name) for name in stores}
            | {
                name: Peer(name, str(server.make_url(f"/{name}/")), "7", key, dialect)
                for name, (dialect, key, _) in (more or {}).items()
            },
            games={"game": peer("game")} if sells_topups else {},
        )
        async with asyncio.TaskGroup() as deliveries:

            def spawn(work: Any) -> asyncio.Task[None]:
                behind.append(deliveries.create_task(work))
                return behind[-1]

            shop = serving.assemble(
                settings, read_profile(profile), "http://shop.example", store, database, session,
                poke=lambda: pokes.append(at[0]), spawn=spawn, now=lambda: at[0],
            )  # fmt: skip
            lookups = MeetingLookups(store)
            shop = replace(shop, lookups=lookups)
            async with TestClient(TestServer(build_app(shop))) as client:
                yield World(epay, shop, client, lookups, url, at, behind, stores, topups, pokes)
                for hang in (epay.hang, *(fake.hang for fake in stores.values())):
                    if hang:
                        hang.set()
    await database.close()


async def test_the_world_starts_healthy_and_empty(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        async with world.client.get("/healthz") as answer:
            assert (answer.status, await answer.json()) == (200, {"ok": True})
        assert await world.books() == {"orders": [], "next": None}
