"""Alipay's gateway without sockets; requests are signed as docs/protocols/alipay.md says, not by our own code."""

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from mocks.identities import fresh
from mocks.keyring import Keyring
from mocks.payment.mock import PaymentMock
from mocks.reply import Reply
from mocks.server import Asked
from mocks.upstreams import Keys
from plan.faults import FaultPlan
from plan.run import UpstreamPlan
from plan.units import BusinessTime, WireTime
from tests.mocks.world import NOTIFY, Around, a_plan

STAMP = "2026-09-21 22:13:20"
"""What the wall clock of these worlds shows in Beijing at the beginning: 1,790,000,000 s since 1970."""


@cache
def merchant() -> Keys:
    return fresh("alipay", 1001, Keyring())


@cache
def app_key() -> RSAPrivateKey:
    key = load_pem_private_key(merchant().told["app_private_key"].encode(), None)
    assert isinstance(key, RSAPrivateKey)
    return key


def signature(fields: dict[str, str], keeps_empty: bool = False) -> str:
    text = "&".join(f"{k}={v}" for k, v in sorted(fields.items()) if k != "sign" and (v or keeps_empty))
    kind = SHA1() if fields.get("sign_type") == "RSA" else SHA256()
    return b64encode(app_key().sign(text.encode("utf-8", "surrogateescape"), PKCS1v15(), kind)).decode()


def a_call(method: str, /, biz: dict[str, Any] | str = "", **changed: str) -> dict[str, str]:
    """The signed fields of a call; an empty value leaves its field out."""
    fields = {
        "app_id": merchant().pid,
        "method": f"alipay.trade.{method}",
        "charset": "utf-8",
        "sign_type": "RSA2",
        "timestamp": STAMP,
        "version": "1.0",
        "notify_url": NOTIFY,
        "biz_content": biz if isinstance(biz, str) else json.dumps(biz, ensure_ascii=False),
    }
    fields = {k: v for k, v in (fields | changed).items() if v}
    return {"sign": signature(fields)} | fields


def an_order(n: int = 1, /, **changed: Any) -> dict[str, Any]:
    """The business content of order n; None leaves its field out."""
    order = {
        "out_trade_no": f"C{n:06d}",
        "total_amount": "10.00",
        "subject": "会员 充值&x=1",
        "passback_params": f"b{n:08d}%40buyers.example",
    }
    return {k: v for k, v in (order | changed).items() if v is not None}


class Gateway(Around[PaymentMock]):
    """The gateway and all around it."""

    def __init__(self, tasks: asyncio.TaskGroup, *faults: FaultPlan, compress: float = 1.0, **options: str) -> None:
        ladder = (BusinessTime(60), BusinessTime(180))
        upstream = UpstreamPlan("payment", "alipay", ladder, WireTime(5), options=options)
        plan = a_plan(*faults, upstreams={"alipay": upstream}, compress=compress)
        super().__init__(PaymentMock, plan, tasks, keys={"alipay": merchant()})

    async def send(self, fields: dict[str, str], body: dict[str, str] | None = None) -> Reply | None:
        """GET with the fields in the query, or POST where there is a body, too."""
        method = "GET" if body is None else "POST"
        sent = urlencode(body or {}, errors="surrogateescape").encode()
        query = urlencode(fields, errors="surrogateescape")
        asked = Asked(method, "/alipay/gateway.do", query, sent, "127.0.0.1:8000")
        return await self.mock.answer(asked)

    async def said(self, fields: dict[str, str], body: dict[str, str] | None = None) -> dict[str, Any]:
        """The whole answer, as JSON."""
        reply = await self.send(fields, body)
        assert reply is not None
        whole: dict[str, Any] = json.loads(reply.flat().body)
        return whole

    async def ask(self, method: str, biz: dict[str, Any] | str, **changed: str) -> dict[str, Any]:
        """The node of the answer to a well-signed call."""
        whole = await self.said(a_call(method, biz, **changed))
        found: dict[str, Any] = whole[f"alipay_trade_{method.replace('.', '_')}_response"]
        return found

    async def pay(self, address: str, key: str = "") -> Reply | None:
        """A program pays at an address of the cashier."""
        parts = urlsplit(address)
        asked = Asked("POST", parts.path, parts.query, urlencode({"key": key}).encode(), accept="application/json")
        return await self.mock.answer(asked)

    async def paid(self, n: int = 1, **changed: Any) -> str:
        """The number of a trade that was created and paid."""
        made = await self.ask("precreate", an_order(n, **changed))
        reply = await self.pay(made["qr_code"])
        assert reply is not None
        assert reply.fields is not None
        assert reply.fields["paid"] is True
        return str(made["qr_code"]).rpartition("=")[2]

    def told(self) -> list[dict[str, str]]:
        """What the shop was told."""
        return [dict(parse_qsl((letter.body or b"").decode(), keep_blank_values=True)) for letter in self.letters]


@asynccontextmanager
async def a_gateway(*faults: FaultPlan, compress: float = 1.0, **options: str) -> AsyncIterator[Gateway]:
    """A world; what still waits in it at the end is cancelled."""
    async with asyncio.TaskGroup() as tasks:
        made = Gateway(tasks, *faults, compress=compress, **options)
        yield made
        made.mock.injector.release()
        made.mock.stop()
