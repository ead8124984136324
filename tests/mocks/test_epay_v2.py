"""Epay V2 as its clients see it: RSA both ways, the clock, answers flat and nested, refunds by number."""

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from faults.verdict import VALID, AnswerUnknown, Effect, OtherRule, RefuseRepeat, Strike, Variant, Verdict
from ledger.events import Captured, Refunded, Struck, TradeClosed, TradeRefused, Unmatched
from ledger.states import Code
from mocks.identities import fresh
from mocks.keyring import Keyring
from mocks.notices import Matter
from mocks.payment.epay_signing import is_rsa_signature, public_key
from mocks.payment.epay_v2 import ANSWERS, NOTICES, REQUESTS
from mocks.payment.mock import PaymentMock
from mocks.post import Letter
from mocks.upstreams import Keys
from plan.run import UpstreamPlan
from tests.mocks.world import RETURN, WALL_S, World, a_plan, an_order

GOLDEN = {
    "pid": "1001",
    "type": "alipay",
    "out_trade_no": "E1",
    "notify_url": "http://127.0.0.1/n",
    "return_url": "http://127.0.0.1/r",
    "name": "会员 充值&x=1",
    "money": "10.00",
    "param": "透传",
    "timestamp": "1790000000",
    "clientip": " ",
    "sign_type": "RSA",
}
GOLDEN_KEY = """-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAlY80h6LoG2l/iM838EJs
TGapzX5jHN6q4N+2p4bqNX1pGvQrlr/APrI34xbhop3h5s3ondFQOOWrmk2Mjibv
TjX6LgFvu5p9VqGeuwg0WEnoioPuE6GXF+LcdtmOccP6YPjSOzmBMhP8Zjwh7xeX
Kew/nMRdxzSI+ZpadMub6yen0SU35TvWxKBO4QkXVcxCqgHiVT4HRyGnsabStYW2
+/VJhBUnAYcAqziLfnFW4J9tIWOdqQRqIGUj9I/UMrLYeSGD6qBL/b3RhDuRRKWS
nOVZbzmcOv0j8YO1eL2pds5rUIY5PtFCZLtRtUQe48f5SZKu6/zxSvB4NU7N8MyX
xQIDAQAB
-----END PUBLIC KEY-----
"""
GOLDEN_SIGN = (
    "R+dV2hSr7G7icqg+5xW/18SsyIASwsRDsWFIvPKJDqmcMudo7qDrEQUSVE+OnO25cZpkfgcvd3g0SbrUoMzCdL8/IZMW+lUrG1ip"
    "OmmuOtoyZhGyEVgma2IkPGSzlJwS6voHM/8DvyBgH9IRlbEfACD6J0Nv4BOgp+ZjD5ECC6j6MRpxM4rX76Q54UeY9ePm1HjdTfxr"
    "efNTMwIQjhvKaNyzXR5+FHgTkGY5DWM3AmnRHKy/sowsig38HI0A3WqfHpD10mO44tVXX8k9g+Cco90Vna6DGi8dBkPCAxe29Zaj"
    "Wp8zKJ0VqYTE8gI7wadkyeT4z4GWEYB+lhEv8+5N8g=="
)
"""Made by OpenSSL (dgst -sha256 -sign) over the text in docs/protocols/epay_v2.md."""


@pytest.mark.parametrize("more", [{}, {"sitename": ""}, {"sign_type": "MD5"}])
def test_the_golden_vector_is_met(more: dict[str, str]) -> None:
    assert is_rsa_signature(GOLDEN | {"sign": GOLDEN_SIGN} | more, public_key(GOLDEN_KEY))


@pytest.mark.parametrize(
    "spoilt",
    [
        {"money": "10.0"},
        {"extra": "1"},
        {"sign": ""},
        {"sign": GOLDEN_SIGN[:-4]},
        {"sign": "no base64!"},
        {"sign": "é"},
        {"sign": GOLDEN_SIGN.replace("+", " ")},
    ],
)
def test_any_other_text_or_signature_is_refused(spoilt: dict[str, str]) -> None:
    assert not is_rsa_signature(GOLDEN | {"sign": GOLDEN_SIGN} | spoilt, public_key(GOLDEN_KEY))


class Client:
    """A merchant's side, written from the document and not with the code under test."""

    def __init__(self, world: World, told: dict[str, str], pid: str) -> None:
        self.w, self.pid = world, pid
        own, platform = (told["merchant_private_key"].encode(), told["platform_public_key"].encode())
        key, public = (
            load_pem_private_key(own, None, unsafe_skip_rsa_key_validation=True),
            load_pem_public_key(platform),
        )
        assert isinstance(key, rsa.RSAPrivateKey)
        assert isinstance(public, rsa.RSAPublicKey)
        self._key, self._public = key, public

    @staticmethod
    def text(fields: dict[str, Any]) -> bytes:
        kept = {k: v for k, v in fields.items() if k not in ("sign", "sign_type") and not isinstance(v, dict | list)}
        return "&".join(f"{k}={v}" for k, v in sorted(kept.items()) if str(v).strip()).encode()

    def signed(self, fields: dict[str, str], late_s: int = 0) -> dict[str, str]:
        stamp = str(WALL_S + self.w.clock.t() // 10**9 - late_s)
        whole = {"pid": self.pid, "timestamp": stamp, **fields}
        sign = self._key.sign(self.text(whole), padding.PKCS1v15(), SHA256())
        return whole | {"sign": b64encode(sign).decode(), "sign_type": "RSA"}

    def verifies(self, fields: dict[str, Any]) -> bool:
        """As the official client does: the signature, and a clock that is no more than 300 s away."""
        stamp = abs(int(fields.get("timestamp", 0)) - WALL_S - self.w.clock.t() // 10**9)
        try:
            sign = b64decode(fields.get("sign", ""), validate=True)
            self._public.verify(sign, self.text(fields), padding.PKCS1v15(), SHA256())
        except (InvalidSignature, ValueError):
            return False
        return stamp <= 300

    async def ask(self, path: str, **fields: str) -> dict[str, Any]:
        return await self.answer(path, self.signed(fields))

    async def answer(self, path: str, asked: dict[str, str]) -> dict[str, Any]:
        reply = await self.w.ask(f"/epay/api/{path}", asked)
        assert reply is not None
        found: dict[str, Any] = json.loads(reply.flat().body)
        return found

    async def create(self, n: int = 1, **changed: str) -> dict[str, Any]:
        order = an_order(n, **{"clientip": "127.0.0.1", "method": "web"} | changed)
        del order["pid"]
        return await self.ask("pay/create", **order)

    async def paid(self, n: int = 1, **changed: str) -> str:
        no: str = (await self.create(n, **changed))["trade_no"]
        await self.w.json(f"/epay/cashier.php?trade_no={no}", {}, accept="application/json")
        return no


@cache
def merchant() -> Keys:
    return fresh("epay_v2", 1001, Keyring())


@asynccontextmanager
async def a_client(**options: str) -> AsyncIterator[Client]:
    keys = merchant()
    async with asyncio.TaskGroup() as tasks:
        plan = a_plan(upstreams={"epay": UpstreamPlan("payment", "epay_v2", options=options)})
        world = World.__new__(World)
        super(World, world).__init__(PaymentMock, plan, tasks, keys={"epay": keys})
        yield Client(world, keys.told, keys.pid)
        world.mock.injector.release()
        world.mock.stop()


async def test_it_creates_pays_queries_and_refunds_and_signs_every_answer() -> None:
    async with a_client() as c:
        made = await c.create()
        assert (made["code"], made["pay_type"]) == (0, "jump")
        no = made["trade_no"]
        assert made["pay_info"] == f"http://127.0.0.1:8000/epay/cashier.php?trade_no={no}"
        assert (await c.ask("pay/query", out_trade_no="C000001"))["status"] == 0
        await c.w.json(f"/epay/cashier.php?trade_no={no}", {}, accept="application/json")
        paid = await c.ask("pay/query", trade_no=no)
        assert (paid["status"], paid["money"], paid["param"]) == (1, "10.00", "b00000001@buyers.example")
        refund = await c.ask("pay/refund", trade_no=no, money="4.00", out_refund_no="RF1")
        assert (refund["money"], refund["refund_no"], refund["out_refund_no"]) == ("4.00", f"{no}R1", "RF1")
        asked = await c.ask("pay/refundquery", refund_no=refund["refund_no"])
        assert (asked["status"], asked["money"], asked["out_trade_no"]) == (1, "4.00", "C000001")
        assert (await c.ask("pay/refundquery", out_refund_no="RF1"))["refund_no"] == refund["refund_no"]
        info = await c.ask("merchant/info")
        assert (info["money"], info["order_num"]) == ("6.00", 1)
        for answer in (made, paid, refund, asked, info):
            assert c.verifies(answer)
            assert not c.verifies(answer | {"code": 1})


async def test_a_refund_under_the_same_number_is_given_once() -> None:
    async with a_client() as c:
        no = await c.paid()
        first = await c.ask("pay/refund", trade_no=no, money="4.00", out_refund_no="RF1")
        assert (await c.ask("pay/refund", trade_no=no, money="4.00", out_refund_no="RF1")) == first
        assert (await c.ask("pay/refund", trade_no=no, money="5.00", out_refund_no="RF1"))["code"] == 1
        assert [event.amount_fen for event in c.w.found(Refunded)] == [400]


async def test_what_is_nested_is_not_covered_by_the_signature() -> None:
    async with a_client(query="nested") as c:
        await c.paid()
        answer = await c.ask("pay/query", out_trade_no="C000001")
        assert "status" not in answer
        assert (answer["data"]["status"], answer["data"]["trade_status"]) == (1, "TRADE_SUCCESS")
        assert c.verifies(answer)
        assert c.verifies(answer | {"data": {"status": 0}})


async def test_an_unpaid_order_is_closed_and_a_paid_one_is_not() -> None:
    async with a_client() as c:
        await c.create(1)
        assert (await c.ask("pay/close", out_trade_no="C000001"))["code"] == 0
        assert (await c.ask("pay/query", out_trade_no="C000001"))["trade_status"] == "TRADE_CLOSED"
        await c.paid(2)
        assert (await c.ask("pay/close", out_trade_no="C000002"))["code"] == 1
        assert len(c.w.found(TradeClosed)) == 1


@pytest.mark.parametrize(
    ("path", "fields", "code"),
    [
        ("pay/query", {"out_trade_no": "nope"}, Code.PAY_NOT_SUBMITTED),
        ("pay/close", {"trade_no": "1"}, Code.PAY_NOT_SUBMITTED),
        ("pay/refund", {"out_trade_no": "C000001", "money": "1.00"}, Code.UPSTREAM_REFUSED),
        ("pay/refund", {"out_trade_no": "C000002", "money": "10.01"}, Code.PAY_AMOUNT_MISMATCH),
        ("pay/refund", {"out_trade_no": "C000002", "money": "x"}, Code.PAY_AMOUNT_MISMATCH),
        ("pay/refund", {"out_trade_no": "C000002"}, Code.PAY_AMOUNT_MISMATCH),
        ("pay/refundquery", {"refund_no": "nope"}, Code.PAY_NOT_SUBMITTED),
        ("pay/refundquery", {}, Code.PAY_NOT_SUBMITTED),
        ("pay/create", {"out_trade_no": "C9"}, Code.UPSTREAM_REFUSED),
        ("pay/create", {**an_order(9, pid=""), "clientip": "1", "method": "scan"}, Code.UPSTREAM_REFUSED),
        (
            "pay/create",
            {**an_order(9, pid="", notify_url="http://example.com/n"), "clientip": "1"},
            Code.UPSTREAM_REFUSED,
        ),
        ("pay/create", {**an_order(1, pid="", money="9.00"), "clientip": "1"}, Code.PAY_AMOUNT_MISMATCH),
    ],
)
async def test_a_refusal_has_code_one_and_no_signature(path: str, fields: dict[str, str], code: Code) -> None:
    async with a_client() as c:
        await c.create(1)
        await c.paid(2)
        answer = await c.ask(path, **fields)
        assert (answer["code"], set(answer)) == (1, {"code", "msg"})
        assert [refused.code for refused in c.w.found(TradeRefused)] == [code]


@pytest.mark.parametrize(("late_s", "code"), [(300, 0), (-300, 0), (301, 1), (-301, 1), (86_400, 1)])
async def test_the_clocks_may_be_five_minutes_apart(late_s: int, code: int) -> None:
    async with a_client() as c:
        assert (await c.answer("merchant/info", c.signed({}, late_s)))["code"] == code


@pytest.mark.parametrize(
    "spoilt",
    [
        {"money": "1.00"},
        {"pid": "9"},
        {"pid": ""},
        {"timestamp": ""},
        {"timestamp": "1e9"},
        {"timestamp": "９"},
        {"sign": ""},
        {"sign": "AAAA"},
        {"sign_type": "MD5"},
    ],
)
async def test_what_is_not_the_merchants_own_is_refused_and_makes_nothing(spoilt: dict[str, str]) -> None:
    async with a_client() as c:
        order = c.signed({**an_order(1, pid=""), "clientip": "127.0.0.1"}) | spoilt
        assert (await c.answer("pay/create", order))["code"] == 1
        reply = await c.w.ask("/epay/api/pay/submit", order)
        assert reply is not None
        assert "站点提示信息" in reply.body.decode()
        assert len(c.w.mock.trades) == 0
        assert len(c.w.found(TradeRefused)) == 2


async def test_a_browser_is_led_to_the_cashier_and_below_any_folder() -> None:
    async with a_client() as c:
        order = c.signed(an_order(1, pid=""))
        reply = await c.w.ask("/epay/pay2/api/pay/submit", order)
        assert reply is not None
        trade = next(iter(c.w.mock.trades))
        assert f"window.location.href='/epay/cashier.php?trade_no={trade.trade_no}'" in reply.body.decode()


@pytest.mark.parametrize(
    ("method", "pay_type"), [("", "jump"), ("jump", "jump"), ("jsapi", "jsapi"), ("app", "app"), ("applet", "wxplugin")]
)
async def test_the_way_to_pay_follows_the_method(method: str, pay_type: str) -> None:
    async with a_client() as c:
        answer = await c.create(method=method)
        assert answer["pay_type"] == pay_type
        info = answer["pay_info"] if pay_type in ("jump", "app") else json.loads(answer["pay_info"])["url"]
        assert info.startswith("http://127.0.0.1:8000/epay/cashier.php")


async def test_the_framework_has_an_envelope_of_its_own() -> None:
    async with a_client() as c:
        reply = await c.w.ask("/epay/api/pay/nope", {})
        assert reply is not None
        assert (reply.status, reply.fields) == (404, {"code": 404, "message": "请求的接口不存在"})
        assert len(c.w.found(Unmatched)) == 1


@pytest.mark.parametrize(("effect", "code", "made"), [(AnswerUnknown(), 502, 2), (RefuseRepeat(), 1, 1)])
async def test_what_was_done_may_be_answered_as_unknown_or_as_seen_before(effect: Effect, code: int, made: int) -> None:
    async with a_client() as c:
        await c.create(1)
        rule = Verdict((Strike("it", effect),))
        c.w.mock.injector.decide = lambda exchange: rule  # type: ignore[method-assign]
        c.w.begin_load()
        answer = await c.create(2 if code == 502 else 1)
        assert (answer["code"], "sign" in answer, "message" in answer) == (code, False, code == 502)
        assert len(c.w.mock.trades) == made


# --- notices and variants ----------------------------------------------------------------------------------------
def told(letter: Letter) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(letter.url).query, keep_blank_values=True))


async def test_a_notice_is_signed_with_the_platforms_key_and_so_is_the_way_back() -> None:
    async with a_client() as c:
        no = (await c.create())["trade_no"]
        answer = await c.w.json(f"/epay/cashier.php?trade_no={no}", {}, accept="application/json")
        await c.w.settle()
        (notice,) = c.w.notices()
        assert (notice["trade_no"], notice["trade_status"], notice["api_trade_no"]) == (no, "TRADE_SUCCESS", no)
        assert c.verifies(notice)
        assert not c.verifies(notice | {"money": "0.01"})
        assert answer["return_url"].startswith(RETURN)
        back = dict(parse_qsl(urlsplit(answer["return_url"]).query))
        del back["from"]
        assert c.verifies(back)
        assert len(c.w.found(Captured)) == 1


@pytest.mark.parametrize("variant", sorted(NOTICES - {Variant.PLUS_SPACE}))
async def test_a_client_refuses_every_invalid_notice_and_takes_every_odd_one(variant: Variant) -> None:
    async with a_client() as c:
        await c.paid()
        instance: Any = c.w.mock._instances["epay"]
        trade = next(iter(c.w.mock.trades))
        fields = instance.compose(trade, Matter())
        right, odd = (instance.seal(trade, Matter(), fields, each) for each in (None, variant))
        assert right != odd
        assert c.verifies(told(right))
        assert c.verifies(told(odd)) is (variant in VALID)


async def test_a_plus_in_a_signature_breaks_where_it_was_not_encoded() -> None:
    async with a_client() as c:
        await c.paid()
        instance: Any = c.w.mock._instances["epay"]
        trade = next(iter(c.w.mock.trades))
        seen = set()
        for n in range(40):
            fields = {**instance.compose(trade, Matter()), "n": str(n)}
            right, odd = (instance.seal(trade, Matter(), fields, each) for each in (None, Variant.PLUS_SPACE))
            assert (right != odd) is ("+" in told(right)["sign"]) is not c.verifies(told(odd))
            seen.add(right == odd)
        assert False in seen


@pytest.mark.parametrize("variant", sorted(ANSWERS))
async def test_a_client_refuses_every_invalid_answer_and_takes_every_odd_one(variant: Variant) -> None:
    async with a_client() as c:
        await c.paid()
        rule = Verdict((Strike("odd", OtherRule(variant)),))
        asked = c.signed({"out_trade_no": "C000001"})
        c.w.begin_load()
        instance: Any = c.w.mock._instances["epay"]
        instance._why_not = lambda *_: None  # the request is not what this is about
        c.w.mock.injector.decide = lambda exchange: rule  # type: ignore[method-assign]
        answer = await c.answer("pay/query", asked)
        assert c.verifies(answer) is (variant in VALID)
        assert [event.must for event in c.w.found(Struck)] == ["accept" if variant in VALID else "refuse"]


EVERY = {
    Variant.WRONG_KEY, Variant.MISSING, Variant.TYPE_CONFUSION, Variant.UNSORTED, Variant.SKEW_6_MIN,
    Variant.SKEW_11_MIN, Variant.SKEW_1_DAY,
}  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "refusing"),
    [
        ({"out_trade_no": "C1"}, EVERY),
        ({"out_trade_no": "C1", "device": ""}, EVERY | {Variant.EMPTY_KEPT}),
        ({"out_trade_no": "C1", "name": "卡"}, EVERY | {Variant.URLENCODED}),
        ({"out_trade_no": "C1", "Z": "1"}, EVERY | {Variant.SORT_LOCALE}),
    ],
)
async def test_a_rule_refuses_what_the_plain_one_takes_only_where_they_differ(
    fields: dict[str, str], refusing: set[Variant]
) -> None:
    async with a_client() as c:
        instance: Any = c.w.mock._instances["epay"]
        signed = c.signed(fields)
        assert instance._why_not(signed) is None
        rules = REQUESTS - {Variant.PLUS_SPACE}
        assert {v for v in rules if instance._why_not(signed, v) is not None} == refusing
