"""WeChat Pay without sockets: a merchant who signs and checks as docs/protocols/wechat.md says, not by our code."""

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

from ledger.clock import SECOND_NS
from mocks.identities import fresh
from mocks.keyring import Keyring
from mocks.payment.mock import PaymentMock
from mocks.post import Letter
from mocks.reply import Reply
from mocks.server import Asked
from mocks.upstreams import Keys
from plan.faults import FaultPlan
from plan.run import UpstreamPlan
from plan.units import BusinessTime, WireTime
from tests.mocks.world import WALL_S, Around, a_plan

NOTIFY, REFUNDS = "http://127.0.0.1:9000/notify", "http://127.0.0.1:9000/refunds"
PAY, REFUND = "/v3/pay/transactions", "/v3/refund/domestic/refunds"
HOST = "127.0.0.1:8000"
NONCE = "593BEC0C930BF1AFEB40B4A08C8FB242"


@cache
def the_keys() -> Keys:
    return fresh("wechat", 1001, Keyring())


@cache
def private(pem: str) -> RSAPrivateKey:
    key = load_pem_private_key(pem.encode(), None)
    assert isinstance(key, RSAPrivateKey)
    return key


@cache
def public_of(pem: str) -> RSAPublicKey:
    key = load_pem_x509_certificate(pem.encode()).public_key()
    assert isinstance(key, RSAPublicKey)
    return key


def matches(key: RSAPublicKey, signature: str, text: bytes) -> bool:
    try:
        key.verify(b64decode(signature), text, PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


def authorization(
    method: str,
    target: str,
    body: bytes,
    *,
    wall_s: int = WALL_S,
    key: str = "",
    text: bytes | None = None,
    **changed: str,
) -> str:
    """The header of a request for that target, its parts changed one by one; or over another text."""
    keys = the_keys()
    signed = text if text is not None else f"{method}\n{target}\n{wall_s}\n{NONCE}\n".encode() + body + b"\n"
    signature = private(key or keys.told["merchant_private_key"]).sign(signed, PKCS1v15(), SHA256())
    parts = {
        "mchid": keys.pid,
        "nonce_str": NONCE,
        "signature": b64encode(signature).decode(),
        "timestamp": str(wall_s),
        "serial_no": keys.told["merchant_serial"],
    } | changed
    return "WECHATPAY2-SHA256-RSA2048 " + ",".join(f'{name}="{value}"' for name, value in parts.items())


def an_order(n: int = 1, **changed: Any) -> dict[str, Any]:
    """The body of order n, for every way of paying; None leaves a field out."""
    fields: dict[str, Any] = {
        "appid": the_keys().told["appid"],
        "mchid": the_keys().pid,
        "description": "会员 充值&x=1",
        "out_trade_no": f"C{n:06d}",
        "notify_url": NOTIFY,
        "amount": {"total": 1999, "currency": "CNY"},
        "attach": f"b{n:08d}@buyers.example",
        "payer": {"openid": "o-buyer"},
        "scene_info": {"payer_client_ip": "127.0.0.1", "h5_info": {"type": "Wap"}},
    }
    return {name: value for name, value in (fields | changed).items() if value is not None}


def a_refund(n: int = 1, refund: int = 1999, **changed: Any) -> dict[str, Any]:
    amount = {"refund": refund, "total": 1999, "currency": "CNY"}
    fields = {"out_trade_no": f"C{n:06d}", "out_refund_no": f"R{n:06d}", "amount": amount, "notify_url": REFUNDS}
    return fields | changed


class WeChatWorld(Around[PaymentMock]):
    """The payment mock with one WeChat Pay, and all around it."""

    def __init__(self, tasks: asyncio.TaskGroup, *faults: FaultPlan, **upstream: Any) -> None:
        ladder = (BusinessTime(15), BusinessTime(15))
        plan = a_plan(*faults, upstreams={"wechat": UpstreamPlan("payment", "wechat", ladder, WireTime(5), **upstream)})
        super().__init__(PaymentMock, plan, tasks, keys={"wechat": the_keys()})

    @property
    def wall_s(self) -> int:
        return WALL_S + self.clock.t() // SECOND_NS

    async def send(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        signed: str | None = None,
        serial: str = "",
        prefix: str = "/wechat",
    ) -> Reply:
        """The answer, whatever it is; `signed` is the Authorization header of one who signs otherwise."""
        header = authorization(method, target, body, wall_s=self.wall_s) if signed is None else signed
        path, _, query = target.partition("?")
        asked = Asked(method, prefix + path, query, body, HOST, authorization=header)
        asked.headers = {"Wechatpay-Serial": serial} if serial else {}
        reply = await self.mock.answer(asked)
        assert reply is not None
        return reply.flat()

    async def ask(self, method: str, target: str, body: object = None, **more: Any) -> tuple[int, Any]:
        """Status and object of an answer whose signature was checked over the bytes that came."""
        text = json.dumps(body, ensure_ascii=False).encode() if body is not None else b""
        reply = await self.send(method, target, text, **more)
        assert self.is_signed(reply.headers, reply.body), "the answer is not signed"
        return reply.status, json.loads(reply.body) if reply.body else None

    def is_signed(self, headers: dict[str, str], body: bytes) -> bool:
        """Whether these headers sign these bytes by a key of the platform that the merchant knows or finds listed."""
        own = the_keys().own
        known = {
            the_keys().told["platform_serial"]: public_of(own["platform_certificate"]),
            the_keys().told["platform_public_key_id"]: public_of(own["platform_certificate"]),
            serial_of(own["next_platform_certificate"]): public_of(own["next_platform_certificate"]),
        }
        key = known.get(headers["Wechatpay-Serial"])
        text = f"{headers['Wechatpay-Timestamp']}\n{headers['Wechatpay-Nonce']}\n".encode() + body + b"\n"
        is_fresh = abs(int(headers["Wechatpay-Timestamp"]) - self.wall_s) <= 300
        is_named = headers.get("Wechatpay-Signature-Type") == "WECHATPAY2-SHA256-RSA2048"
        return key is not None and is_fresh and is_named and matches(key, headers.get("Wechatpay-Signature", ""), text)

    async def ordered(self, n: int = 1, way: str = "native", **changed: Any) -> Any:
        status, answer = await self.ask("POST", f"{PAY}/{way}", an_order(n, **changed))
        assert status == 200, answer
        return answer

    async def pay(self, address: str) -> Reply:
        """What a buyer's program hears at the address that an order was answered with."""
        path, _, query = address.removeprefix(f"http://{HOST}").partition("?")
        reply = await self.mock.answer(Asked("POST", path, query, b"", HOST, "application/json"))
        assert reply is not None
        return reply

    async def paid(self, n: int = 1, **changed: Any) -> Any:
        """The transaction of an order that was paid, as a query tells of it."""
        reply = await self.pay((await self.ordered(n, **changed))["code_url"])
        assert reply.status == 200
        await self.settle()
        status, found = await self.query(n)
        assert status == 200
        return found

    async def query(self, n: int = 1) -> tuple[int, Any]:
        return await self.ask("GET", f"{PAY}/out-trade-no/C{n:06d}?mchid={the_keys().pid}")


def opened(letter: Letter) -> dict[str, Any]:
    """The notice with its resource decrypted."""
    assert letter.body is not None
    told: dict[str, Any] = json.loads(letter.body)
    told["resource"] = json.loads(plain(told["resource"]))
    return told


def plain(sealed: dict[str, str]) -> bytes:
    """InvalidTag where it cannot be opened."""
    opening = AESGCM(the_keys().key.encode())
    return opening.decrypt(
        sealed["nonce"].encode(), b64decode(sealed["ciphertext"]), sealed["associated_data"].encode()
    )


@cache
def serial_of(pem: str) -> str:
    return f"{load_pem_x509_certificate(pem.encode()).serial_number:X}"


MakeWeChat = Callable[..., AbstractAsyncContextManager[WeChatWorld]]


@asynccontextmanager
async def a_wechat(*faults: FaultPlan, **upstream: Any) -> AsyncIterator[WeChatWorld]:
    async with asyncio.TaskGroup() as tasks:
        made = WeChatWorld(tasks, *faults, **upstream)
        yield made
        made.mock.injector.release()
        made.mock.stop()
