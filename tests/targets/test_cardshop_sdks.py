"""Channels through other people's SDKs: the limit of their threads, and what each notice and answer is taken for."""

import asyncio
import json
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from mocks.identities import fresh
from mocks.keyring import Keyring
from mocks.upstreams import Keys
from plan.run import UpstreamPlan
from targets.cardshop import clients
from targets.cardshop.alipay import Alipay
from targets.cardshop.gateway import Gateway, GatewayError, Notice, NoticeFault, Payment, RefundRefused, Wanted
from targets.cardshop.peers import CHANNELS, DIALECTS, Peer, SettingsError
from targets.cardshop.profiles import read_profile
from targets.cardshop.sdk import SdkThreads
from targets.cardshop.settings import Settings
from targets.cardshop.states import Code
from targets.cardshop.wechat import WeChat
from tests.mocks.running import Running, as_text, keys_of, running
from tests.mocks.world import a_plan

KEYS = {dialect: fresh(dialect, 1001, Keyring()) for dialect in ("alipay", "wechat")}
TOLD = "b00000042@buyers.example;product=card_10;region=cn-east"


def a_channel(dialect: str, url: str = "http://127.0.0.1:1/", keys: Keys | None = None) -> Peer:
    keys = keys or KEYS[dialect]
    known = DIALECTS[CHANNELS][dialect]
    told = {name: keys.told[name] for name in (*known.must, *known.may)}
    return Peer(dialect, url, keys.pid, keys.key, dialect, told)


def a_gateway(channel: Peer, *, careful: bool = True, tolerant: bool = True, timeout_s: float = 5.0) -> Alipay | WeChat:
    threads = SdkThreads(4, patience_s=5.0)
    made = Alipay if channel.dialect == "alipay" else WeChat
    return made(channel, threads, timeout_s=timeout_s, is_tolerant=tolerant, is_careful=careful)


@cache
def reader(dialect: str, *, careful: bool) -> Alipay | WeChat:
    """A gateway that is asked nothing: the SDKs take long to read keys."""
    return a_gateway(a_channel(dialect), careful=careful, tolerant=careful)


@cache
def private_key(pem: str) -> RSAPrivateKey:
    key = load_pem_private_key(pem.encode(), None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, RSAPrivateKey)
    return key


def signed_by(pem: str, text: str) -> str:
    return b64encode(private_key(pem).sign(text.encode(), PKCS1v15(), SHA256())).decode()


# --- threads -----------------------------------------------------------------------------------------------------
async def test_no_more_calls_run_at_once_than_there_are_threads() -> None:
    threads, may_end, began = SdkThreads(2, patience_s=5.0), threading.Event(), list[int]()

    def call(n: int) -> int:
        began.append(n)
        assert may_end.wait(5)
        return n

    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(threads.run(lambda n=n: call(n))) for n in range(3)]  # type: ignore[misc]
        while len(began) < 2:
            await asyncio.sleep(0)
        for _ in range(20):  # the third has every chance, and does not begin
            await asyncio.sleep(0)
        assert sorted(began) == [0, 1]
        may_end.set()
    assert [call.result() for call in calls] == [0, 1, 2]


async def test_who_waits_too_long_for_a_thread_is_told_that_the_shop_is_overloaded() -> None:
    threads, may_end = SdkThreads(1, patience_s=0.02), threading.Event()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(threads.run(lambda: may_end.wait(5)))
        await asyncio.sleep(0)
        with pytest.raises(GatewayError) as given_up:
            await threads.run(lambda: True)
        may_end.set()
    assert given_up.value.code is Code.SHOP_OVERLOADED
    assert first.result()


async def test_a_call_that_nobody_waits_for_any_more_keeps_its_thread_until_it_ends() -> None:
    threads, may_end, has_begun = SdkThreads(1, patience_s=0.02), threading.Event(), threading.Event()

    def call() -> bool:
        has_begun.set()
        return may_end.wait(5)

    gone = asyncio.ensure_future(threads.run(call))
    while not has_begun.is_set():
        await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(GatewayError):
        await threads.run(lambda: True)
    may_end.set()
    while threads._free.locked():
        await asyncio.sleep(0)
    assert await threads.run(lambda: 7) == 7


async def test_what_a_call_raises_is_raised_to_its_caller() -> None:
    def call() -> int:
        raise KeyError("no such")

    with pytest.raises(KeyError):
        await SdkThreads(1, patience_s=1.0).run(call)


# --- Alipay's notices --------------------------------------------------------------------------------------------
def alipay_notice(*, key: str = "platform_private_key", **changed: str) -> Notice:
    """The signed fields of a notice; an empty text leaves its field out."""
    keys = KEYS["alipay"]
    fields = {
        "app_id": keys.pid,
        "seller_id": keys.told["seller_id"],
        "trade_no": "T1",
        "out_trade_no": "C1",
        "total_amount": "10.00",
        "trade_status": "TRADE_SUCCESS",
        "passback_params": TOLD.replace("@", "%40").replace(";", "%3B").replace("=", "%3D"),
    } | changed
    fields = {name: value for name, value in fields.items() if value}
    text = "&".join(f"{name}={value}" for name, value in sorted(fields.items()))
    fields |= {"sign": signed_by(keys.own[key], text), "sign_type": "RSA2"}
    return Notice({}, {}, fields, urlencode(fields).encode())


def tampered(notice: Notice, **changed: str) -> Notice:
    return Notice(notice.headers, notice.query, {**notice.form, **changed}, notice.body)


PAID = Payment("C1", "T1", 1000, TOLD)
REFUND = {"refund_fee": "4.00", "gmt_refund": "2026-11-24 12:00:00.000", "out_biz_no": "R1"}


@pytest.mark.parametrize(
    ("notice", "naive", "careful"),
    [
        (alipay_notice(), PAID, PAID),
        (alipay_notice(trade_status="TRADE_FINISHED"), PAID, PAID),
        (alipay_notice(total_amount="0.01"), Payment("C1", "T1", 1, TOLD), Payment("C1", "T1", 1, TOLD)),
        (alipay_notice(total_amount="", total_fee="10.00"), Payment("C1", "T1", None, TOLD), PAID),
        # A partial refund is told of with the state of a paid trade: whoever looks at the state alone delivers on it.
        (alipay_notice(**REFUND), PAID, NoticeFault.NO_PAYMENT),
        (alipay_notice(app_id="2021000000009999"), PAID, NoticeFault.WRONG_MERCHANT),
        (alipay_notice(seller_id="2088000000009999"), PAID, NoticeFault.WRONG_MERCHANT),
        (alipay_notice(trade_status="TRADE_CLOSED"), *2 * (NoticeFault.NO_PAYMENT,)),
        (alipay_notice(trade_status="WAIT_BUYER_PAY"), *2 * (NoticeFault.NO_PAYMENT,)),
        (alipay_notice(trade_status="ACCEPT"), *2 * (NoticeFault.NOT_PAID,)),
        (alipay_notice(trade_status=""), *2 * (NoticeFault.NOT_PAID,)),
        (alipay_notice(key="other_private_key"), *2 * (NoticeFault.BAD_SIGNATURE,)),
        (tampered(alipay_notice(), total_amount="0.01"), *2 * (NoticeFault.BAD_SIGNATURE,)),
        (tampered(alipay_notice(), sign_type="RSA"), *2 * (NoticeFault.BAD_SIGNATURE,)),
        (tampered(alipay_notice(), sign="签名"), *2 * (NoticeFault.BAD_SIGNATURE,)),
        (tampered(alipay_notice(), sign=""), *2 * (NoticeFault.BAD_SIGNATURE,)),
        (Notice({}, {}, {}, b""), *2 * (NoticeFault.BAD_SIGNATURE,)),
    ],
)
async def test_a_notice_of_alipay_is_taken_for(notice: Notice, naive: object, careful: object) -> None:
    assert await reader("alipay", careful=False).read_notice(notice) == naive
    assert await reader("alipay", careful=True).read_notice(notice) == careful


# --- WeChat's notices --------------------------------------------------------------------------------------------
def wechat_notice(
    resource: Mapping[str, Any],
    *,
    event: str = "TRANSACTION.SUCCESS",
    signer: str = "platform_private_key",
    key: str = "",
    **headers: str,
) -> Notice:
    keys = KEYS["wechat"]
    sealed = AESGCM((key or keys.key).encode()).encrypt(b"0123456789ab", json.dumps(resource).encode(), b"transaction")
    told = {
        "id": "N1",
        "resource_type": "encrypt-resource",
        "event_type": event,
        "resource": {
            "algorithm": "AEAD_AES_256_GCM",
            "nonce": "0123456789ab",
            "associated_data": "transaction",
            "ciphertext": b64encode(sealed).decode(),
        },
    }
    body = json.dumps(told)
    signs = {
        "Wechatpay-Timestamp": "1790000000",
        "Wechatpay-Nonce": "n",
        "Wechatpay-Serial": keys.told["platform_public_key_id"],
        "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
        "Wechatpay-Signature": signed_by(keys.own[signer], f"1790000000\nn\n{body}\n"),
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    return Notice(signs, {}, {}, body.encode())


def trade(**changed: Any) -> dict[str, Any]:
    keys = KEYS["wechat"]
    fields = {
        "appid": keys.told["appid"],
        "mchid": keys.pid,
        "out_trade_no": "C1",
        "transaction_id": "T1",
        "trade_state": "SUCCESS",
        "attach": TOLD,
        "amount": {"total": 1000, "currency": "CNY"},
    } | changed
    return {name: value for name, value in fields.items() if value is not None}


REFUNDED = trade(trade_state=None, refund_status="SUCCESS", appid=None)


@pytest.mark.parametrize(
    ("notice", "naive", "careful"),
    [
        (wechat_notice(trade()), PAID, PAID),
        (wechat_notice(trade(amount={"total": "1000"})), Payment("C1", "T1", None, TOLD), PAID),
        (wechat_notice(trade(amount=None)), *2 * (Payment("C1", "T1", None, TOLD),)),
        # The event's name is in the envelope, which a signature covers and no SDK compares with what is inside.
        (wechat_notice(REFUNDED), PAID, NoticeFault.NO_PAYMENT),
        (wechat_notice(REFUNDED, event="REFUND.SUCCESS"), *2 * (NoticeFault.NO_PAYMENT,)),
        (wechat_notice(trade(), event="REFUND.SUCCESS"), NoticeFault.NO_PAYMENT, PAID),
        (wechat_notice(trade(trade_state="CLOSED")), *2 * (NoticeFault.NO_PAYMENT,)),
        (wechat_notice(trade(trade_state="ACCEPT")), *2 * (NoticeFault.NOT_PAID,)),
        (wechat_notice(trade(trade_state=None, state="SUCCESS")), NoticeFault.NOT_PAID, PAID),
        (wechat_notice(trade(mchid="1900009999")), PAID, NoticeFault.WRONG_MERCHANT),
        (wechat_notice(trade(appid="wx9999")), PAID, NoticeFault.WRONG_MERCHANT),
        (wechat_notice(trade(), signer="stranger_private_key"), *2 * (NoticeFault.BAD_SIGNATURE,)),
        (wechat_notice(trade(), key="0" * 32), *2 * (NoticeFault.BAD_SIGNATURE,)),
        (wechat_notice(trade(), Wechatpay_Serial=""), *2 * (NoticeFault.BAD_SIGNATURE,)),
        (wechat_notice(trade(), Wechatpay_Serial="PUB_KEY_ID_OTHER"), *2 * (NoticeFault.BAD_SIGNATURE,)),
        (wechat_notice(trade(), Wechatpay_Signature_Type=""), *2 * (NoticeFault.BAD_SIGNATURE,)),
        (wechat_notice(trade(), Wechatpay_Nonce="m"), *2 * (NoticeFault.BAD_SIGNATURE,)),
        (Notice({}, {}, {}, b"{}"), *2 * (NoticeFault.BAD_SIGNATURE,)),
    ],
)
async def test_a_notice_of_wechat_is_taken_for(notice: Notice, naive: object, careful: object) -> None:
    assert await reader("wechat", careful=False).read_notice(notice) == naive
    assert await reader("wechat", careful=True).read_notice(notice) == careful


def test_each_channel_answers_notices_in_its_own_words() -> None:
    alipay, wechat = (reader(dialect, careful=True) for dialect in ("alipay", "wechat"))
    assert [alipay.told(is_taken=taken).text for taken in (True, False)] == ["success", "fail"]
    assert wechat.told(is_taken=True).status == 204
    refused = wechat.told(is_taken=False)
    assert (refused.status, json.loads(refused.text)["code"]) == (500, "FAIL")


# --- answers that are none ---------------------------------------------------------------------------------------
HTML = (200, "<html>系统繁忙</html>")


@pytest.mark.parametrize("dialect", ["alipay", "wechat"])
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (HTML, {"alipay": Code.UNKNOWN, "wechat": Code.UNKNOWN}),
        ((502, "<html>"), {"alipay": Code.REFUSED, "wechat": Code.REFUSED}),
        ((200, '{"code_url":"http://h/","alipay_trade_precreate_response":{}}'), dict.fromkeys(KEYS, None)),
        ((200, "[1]"), {"alipay": Code.UNKNOWN, "wechat": Code.UNKNOWN}),
        ((200, '{"error_response":{"code":"40002"}}'), {"alipay": Code.REFUSED, "wechat": Code.UNKNOWN}),
        ("close", {"alipay": Code.REFUSED, "wechat": Code.REFUSED}),
        ("hang", {"alipay": Code.TIMEOUT, "wechat": Code.TIMEOUT}),
    ],
)
async def test_an_answer_that_is_none_gives_no_trade_and_a_reason(
    dialect: str, answer: Any, code: dict[str, Code | None]
) -> None:
    may_end = asyncio.Event()

    async def serve(request: web.Request) -> web.StreamResponse:
        if answer == "hang":
            await may_end.wait()
        if isinstance(answer, tuple):
            return web.Response(status=answer[0], text=answer[1])
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", serve)
    async with TestServer(app) as server:
        gateway = a_gateway(a_channel(dialect, str(server.make_url("/pay/"))), timeout_s=0.1 if answer == "hang" else 5)
        with pytest.raises(GatewayError) as failed:
            await gateway.create(wanted("C1"))
        may_end.set()
    # What is not signed is no answer: each SDK says so in its own way.
    assert failed.value.code in ((code[dialect],) if code[dialect] else (Code.BAD_SIGNATURE, Code.UNKNOWN))


async def test_a_channel_that_listens_no_more_has_refused() -> None:
    for dialect in ("alipay", "wechat"):
        with pytest.raises(GatewayError) as failed:
            await a_gateway(a_channel(dialect)).query("C1")
        assert failed.value.code is Code.REFUSED


@pytest.mark.parametrize(
    ("dialect", "field"),
    [("alipay", "app_private_key"), ("alipay", "alipay_public_key"), ("wechat", "merchant_private_key"),
     ("wechat", "platform_public_key")],
)  # fmt: skip
def test_a_key_that_is_none_is_refused_before_the_shop_starts(dialect: str, field: str) -> None:
    channel = a_channel(dialect)
    spoilt = Peer(channel.name, channel.url, channel.pid, channel.key, dialect, {**channel.told, field: "no key"})
    clients.check(Settings({dialect: channel}, ""), read_profile("naive"))
    with pytest.raises(SettingsError, match=dialect) as refused:
        clients.check(Settings({dialect: spoilt}, ""), read_profile("naive"))
    assert "no key" not in str(refused.value)


# --- against the mocks -------------------------------------------------------------------------------------------
def wanted(order_no: str, fen: int = 1000, url: str = "http://127.0.0.1:1/notify") -> Wanted:
    return Wanted(order_no, "10 元游戏点卡", fen, TOLD, url, "http://127.0.0.1:1/back", "127.0.0.1")


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, dict[str, Keys]]]:
    plan = a_plan(upstreams={dialect: UpstreamPlan("payment", dialect) for dialect in KEYS})
    keys = keys_of(plan)
    with running(tmp_path_factory.mktemp("channels"), plan, ORDERJAM_UPSTREAMS=as_text(keys)) as up:
        yield up, keys


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["alipay", "wechat"])
async def test_a_payment_goes_to_the_channel_and_back(mock: tuple[Running, dict[str, Keys]], dialect: str) -> None:
    up, keys = mock
    gateway: Gateway = a_gateway(a_channel(dialect, f"{up.url}/{dialect}/", keys[dialect]))
    assert await gateway.query("C000001") is None
    made = await gateway.create(wanted("C000001"))
    assert await gateway.query("C000001") is None
    paid = await asyncio.to_thread(up.ask, made.pay_url.removeprefix(up.url), {}, Accept="application/json")
    assert json.loads(paid)["paid"] is True
    payment = await gateway.query("C000001")
    assert payment is not None
    assert (payment.order_no, payment.fen) == ("C000001", 1000)
    assert payment.trade_no
    assert not await gateway.is_refunded("C000001")
    await gateway.refund("C000001", trade_no=payment.trade_no, fen=1000, notify_url="http://127.0.0.1:1/notify")
    assert await gateway.is_refunded("C000001")
    with pytest.raises(RefundRefused):
        await gateway.refund("C000002", trade_no="", fen=1000, notify_url="http://127.0.0.1:1/notify")
    with pytest.raises(GatewayError) as differs:
        await gateway.create(wanted("C000001", 2000))
    assert differs.value.code is Code.REFUSED


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["alipay", "wechat"])
async def test_a_shop_with_anothers_key_is_refused_for_its_signature(
    mock: tuple[Running, dict[str, Keys]], dialect: str
) -> None:
    up, keys = mock
    channel = a_channel(dialect, f"{up.url}/{dialect}/", keys[dialect])
    field, other = {
        "alipay": ("app_private_key", keys["alipay"].own["other_private_key"]),
        "wechat": ("merchant_serial", "0123456789ABCDEF"),
    }[dialect]
    forged = Peer(channel.name, channel.url, channel.pid, channel.key, dialect, {**channel.told, field: other})
    for ask in _asks(a_gateway(forged)):
        with pytest.raises(GatewayError) as refused:
            await ask()
        assert refused.value.code is Code.BAD_SIGNATURE


def _asks(gateway: Gateway) -> list[Callable[[], Any]]:
    return [lambda: gateway.create(wanted("C000009")), lambda: gateway.query("C000001")]
