"""A supplier and a game server without sockets; requests are signed as docs/protocols.md says, not by our code."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

from mocks.call import Call
from mocks.game.mock import GameMock
from mocks.reply import Reply
from mocks.server import Asked
from mocks.supplier.mock import SupplierMock
from mocks.upstreams import Keys
from plan.faults import FaultPlan
from plan.orders import order_key
from plan.run import Plan, TargetPlan, UpstreamPlan
from plan.units import BusinessTime, Share, WireTime
from tests.mocks.world import KEY, PID, WALL_S, Around, a_plan

NOTIFY = "http://127.0.0.1:9000/notify/topup"
PRICES = {"card_10": 1000, "card_50": 4999, "topup_10": 1000}
TARGET = TargetPlan("cardshop", "", "naive", prices=PRICES, needs={"topup_10": "game"})
PRODUCTS = {"card_10": Share(0.5), "topup_10": Share(0.5)}
REGIONS = {"cn-east": Share(0.5), "cn-south": Share(0.5)}


def a_store_plan(
    *faults: FaultPlan, stock: dict[str, int] | None = None, on_repeat: str = "replay", drafts: str = "off"
) -> Plan:
    """A plan with two suppliers, cheap and good; the stock is that of each."""
    options = {"drafts": drafts}
    store = UpstreamPlan("supplier", "sharedstore", stock=stock or {}, on_repeat=on_repeat, options=options)
    return a_plan(*faults, upstreams={"cheap": store, "good": store}, target=TARGET, product=PRODUCTS, region=REGIONS)


def a_game_plan(
    *faults: FaultPlan, on_repeat: str = "replay", takes: float = 0.2, gaps: tuple[float, ...] = (60, 180)
) -> Plan:
    """A plan with one game server."""
    ladder = tuple(BusinessTime(gap) for gap in gaps)
    game = UpstreamPlan("game", "topup", ladder, on_repeat=on_repeat, takes=WireTime(takes))
    return a_plan(*faults, upstreams={"game": game}, target=TARGET, product=PRODUCTS, region=REGIONS)


# --- the shared store --------------------------------------------------------------------------------------------
def store_signed(fields: dict[str, str], key: str = KEY, pid: str = PID) -> dict[str, str]:
    """The fields of a call with the shop's identity and signature; no nested names but those in their final order."""
    whole = {"app_id": pid, "app_key": key, **fields}
    text = "&".join(f"{name}={value}" for name, value in sorted(whole.items()) if value)
    return whole | {"sign": hashlib.md5(f"{text}&key={key}".encode()).hexdigest()}


def a_trade(n: int = 1, **changed: str) -> dict[str, str]:
    """The fields of a trade for order n, unsigned."""
    fields = {
        "shared_code": "card_10",
        "contact": f"{order_key(n)}@buyers.example",
        "num": "1",
        "card_id": "0",
        "device": "0",
        "password": "",
        "race": "",
        "request_no": f"S{n:06d}",
    }
    return fields | changed


class StoreWorld(Around[SupplierMock]):
    """The supplier mock and all around it."""

    async def send(self, path: str, fields: dict[str, str], at: str = "cheap", method: str = "POST") -> Reply | None:
        """Sends the fields as they are."""
        body = urlencode(fields).encode()
        return await self.mock.answer(Asked(method, f"/{at}/shared/{path}", "", body, "127.0.0.1:8000"))

    async def ask(self, path: str, fields: dict[str, str] | None = None, at: str = "cheap") -> dict[str, Any]:
        """The envelope that answers a rightly signed call."""
        reply = await self.send(path, store_signed(fields or {}), at)
        assert reply is not None
        assert (reply.status, reply.fields is None) == (200, False)
        found: dict[str, Any] = json.loads(json.dumps(reply.fields))
        return found

    async def buys(self, n: int = 1, at: str = "cheap", **changed: str) -> dict[str, Any]:
        return await self.ask("commodity/trade", a_trade(n, **changed), at)

    async def cards(self, n: int = 1, at: str = "cheap", **changed: str) -> list[str]:
        """The cards of a trade that went well."""
        answer = await self.buys(n, at, **changed)
        assert answer["code"] == 200, answer
        return str(answer["data"]["secret"]).split("\n")


# --- the game server ---------------------------------------------------------------------------------------------
def hmac_hex(text: bytes, key: str = KEY) -> str:
    return hmac.new(key.encode(), text, hashlib.sha256).hexdigest()


def game_headers(
    method: str, target: str, body: bytes, *, wall_s: int = WALL_S, once: str = "", key: str = KEY
) -> dict[str, str]:
    """The headers of a rightly signed request."""
    text = f"{method}\n{target}\n{wall_s}\n{hashlib.sha256(body).hexdigest()}"
    headers = {"X-Partner": PID, "X-Timestamp": str(wall_s), "X-Signature": hmac_hex(text.encode(), key)}
    return headers | ({"Idempotency-Key": once} if once else {})


def a_top_up(n: int = 1, **changed: Any) -> dict[str, Any]:
    """The body of a create call for order n, whose account is nobody's in particular."""
    body = {
        "reference": f"G{n:06d}",
        "account": f"someone-{n}",
        "region": "cn-east",
        "product": "topup_10",
        "quantity": 1,
        "notify_url": NOTIFY,
        "passthrough": f"{order_key(n)}@buyers.example",
    }
    return body | changed


class GameWorld(Around[GameMock]):
    """The game server mock and all around it."""

    async def send(
        self, method: str, path: str, body: bytes = b"", once: str = "", headers: dict[str, str] | None = None
    ) -> Reply | None:
        """Sends the body as it is, rightly signed but for what `headers` change."""
        target, _, query = f"/game/v1/{path}".partition("?")
        wall_s = WALL_S + self.clock.t() // 1_000_000_000
        signed = game_headers(method, f"/game/v1/{path}", body, wall_s=wall_s, once=once) | (headers or {})
        return await self.mock.answer(Asked(method, target, query, body, "127.0.0.1:8000", headers=signed))

    async def ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, once: str = ""
    ) -> tuple[int, dict[str, Any]]:
        """Status and JSON of the answer to a rightly signed request."""
        reply = await self.send(method, path, json.dumps(body).encode() if body is not None else b"", once)
        assert reply is not None
        found: dict[str, Any] = json.loads(json.dumps(reply.fields))
        return reply.status, found

    async def creates(self, n: int = 1, once: str = "", **changed: Any) -> tuple[int, dict[str, Any]]:
        """A create call; its Idempotency-Key is the reference if none is said."""
        body = a_top_up(n, **changed)
        return await self.ask("POST", "topups", body, once or body["reference"])

    def told(self) -> list[dict[str, Any]]:
        """The notices, as the shop got them."""
        return [json.loads(letter.body or b"") for letter in self.letters]


async def call_of(world: Around[Any], sending: Awaitable[Reply | None]) -> Call:
    """What the dialect makes of a request, before anything is decided or done."""
    seen: list[Call] = []

    async def answer(call: Call) -> Reply | None:
        seen.append(call)
        return None

    injector = world.mock.injector
    injector.answer = answer
    try:
        await sending
    finally:
        del injector.answer  # the class's own again
    (call,) = seen
    return call


@asynccontextmanager
async def a_store(*faults: FaultPlan, keys: Keys | None = None, **plan: Any) -> AsyncIterator[StoreWorld]:
    """A supplier in load, in which faults strike."""
    merchants = dict.fromkeys(("cheap", "good"), keys) if keys is not None else None
    async with asyncio.TaskGroup() as tasks:
        made = StoreWorld(SupplierMock, a_store_plan(*faults, **plan), tasks, keys=merchants)
        made.begin_load()
        yield made
        made.mock.injector.release()


@asynccontextmanager
async def a_game(*faults: FaultPlan, **plan: Any) -> AsyncIterator[GameWorld]:
    """A game server in load; what still goes on in it at the end is cancelled."""
    async with asyncio.TaskGroup() as tasks:
        made = GameWorld(GameMock, a_game_plan(*faults, **plan), tasks)
        made.begin_load()
        yield made
        made.mock.injector.release()
        made.mock.stop()
