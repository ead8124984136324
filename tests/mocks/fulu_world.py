"""Fulu's platform without sockets; requests are signed as docs/protocols/fulu.md says, not by our code."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from ledger.clock import SECOND_NS
from mocks.reply import Reply
from mocks.server import Asked
from mocks.supplier.mock import SupplierMock
from mocks.upstreams import Keys
from plan.faults import FaultPlan
from plan.orders import order_key
from plan.run import Plan, UpstreamPlan
from plan.units import BusinessTime, WireTime
from tests.mocks.goods import PRODUCTS, REGIONS, TARGET
from tests.mocks.world import KEY, PID, WALL_S, Around, a_plan

NOTIFY = "http://127.0.0.1:9000/notify/fulu"
CARD_10, CARD_50, TOPUP_10 = 10_000_001, 10_000_002, 10_000_003
"""The goods of the target in tests/mocks/goods.py, in the order of their names."""


def fulu_md5(text: str, key: str = KEY) -> str:
    return hashlib.md5(("".join(sorted(text)) + key).encode()).hexdigest()


def dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def beijing(wall_s: int) -> str:
    return (datetime.fromtimestamp(wall_s, UTC) + timedelta(hours=8)).strftime("%Y-%m-%d %H:%M:%S")


def fulu_signed(method: str, biz: object, wall_s: int = WALL_S, /, **changed: Any) -> dict[str, Any]:
    """All parameters of a call, rightly signed; what is changed is changed before."""
    params = {
        "app_key": PID,
        "method": method,
        "timestamp": beijing(wall_s),
        "version": "2.0",
        "format": "json",
        "charset": "utf-8",
        "sign_type": "md5",
        "app_auth_token": "",
        "biz_content": json.dumps(biz),
    } | changed
    return params | {"sign": fulu_md5(dumps(params))}


def a_direct(n: int = 1, **changed: Any) -> dict[str, Any]:
    """biz_content of a top-up for order n."""
    biz = {
        "product_id": TOPUP_10,
        "customer_order_no": f"F{n:06d}",
        "charge_account": "QQ/账号 1",
        "buy_num": 1,
        "external_biz_id": order_key(n),
    }
    return biz | changed


def a_card_order(n: int = 1, **changed: Any) -> dict[str, Any]:
    """biz_content of an order of cards."""
    biz = {
        "product_id": CARD_10,
        "customer_order_no": f"F{n:06d}",
        "buy_num": 1,
        "external_biz_id": order_key(n),
    }
    return biz | changed


def a_fulu_plan(
    *faults: FaultPlan,
    stock: dict[str, int] | None = None,
    on_repeat: str = "replay",
    takes: float = 0.2,
    gaps: tuple[float, ...] = (60, 180),
    options: dict[str, str] | None = None,
) -> Plan:
    ladder = tuple(BusinessTime(gap) for gap in gaps)
    fulu = UpstreamPlan(
        "supplier",
        "fulu",
        ladder,
        stock=stock or {},
        on_repeat=on_repeat,
        takes=WireTime(takes),
        options=options or {},
    )
    return a_plan(*faults, upstreams={"fulu": fulu}, target=TARGET, product=PRODUCTS, region=REGIONS)


class FuluWorld(Around[SupplierMock]):
    """The supplier mock with one Fulu platform, and all around it."""

    async def send(self, body: bytes) -> Reply | None:
        return await self.mock.answer(Asked("POST", "/fulu/api/getway", "", body, "127.0.0.1:8000"))

    async def call(self, method: str, biz: object, /, **changed: Any) -> Reply | None:
        """Sends a rightly signed call, now."""
        wall_s = WALL_S + self.clock.t() // SECOND_NS
        return await self.send(dumps(fulu_signed(f"fulu.{method}", biz, wall_s, **changed)).encode())

    async def ask(self, method: str, biz: object, /, **changed: Any) -> dict[str, Any]:
        """The envelope that answers a rightly signed call, its own signature checked."""
        return opened(await self.call(method, biz, **changed))

    async def result(self, method: str, biz: object) -> Any:
        """The result of a call that went well."""
        envelope = await self.ask(method, biz)
        assert envelope["code"] == 0, envelope
        return json.loads(envelope["result"])

    async def order(self, n: int = 1) -> dict[str, Any]:
        found: dict[str, Any] = await self.result("order.info.get", {"customer_order_no": f"F{n:06d}"})
        return found

    async def set_console(self, **fields: str) -> Reply | None:
        whole = {"app_key": PID, "app_secret": KEY, "notify_url": NOTIFY} | fields
        return await self.mock.answer(Asked("POST", "/fulu/console", "", urlencode(whole).encode(), "127.0.0.1:8000"))

    def told(self) -> list[dict[str, Any]]:
        """The notices, as the shop got them."""
        return [json.loads(letter.body or b"") for letter in self.letters]


def opened(reply: Reply | None) -> dict[str, Any]:
    """The envelope of an answer that is rightly signed."""
    assert reply is not None
    envelope: dict[str, Any] = json.loads(reply.body)
    assert (reply.status, envelope["sign"]) == (200, fulu_md5(envelope["result"]))
    return envelope


def is_rightly_told(notice: dict[str, Any]) -> bool:
    return bool(notice.get("sign") == fulu_md5(dumps({k: v for k, v in notice.items() if k != "sign"})))


@asynccontextmanager
async def a_fulu(
    *faults: FaultPlan, keys: Keys | None = None, wall_s: int = WALL_S, **plan: Any
) -> AsyncIterator[FuluWorld]:
    """A platform in load, whose console names the shop; what still goes on in it at the end is cancelled."""
    merchant = {"fulu": keys} if keys is not None else None
    async with asyncio.TaskGroup() as tasks:
        made = FuluWorld(SupplierMock, a_fulu_plan(*faults, **plan), tasks, keys=merchant, wall_s=wall_s)
        made.begin_load()
        await made.set_console()
        yield made
        made.mock.injector.release()
        made.mock.stop()
