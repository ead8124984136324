"""The shop and Fulu: its signature, what each answer is taken for, and cards that come later."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from targets.cardshop.fulu import Fulu, NoticeForged, deciphered, signature, text_signature
from targets.cardshop.hearing import tell_suppliers_where
from targets.cardshop.peers import Peer
from targets.cardshop.states import Code
from targets.cardshop.upstreams import Accepted, Answer, Delivered, Nothing, Outcome, Refused, Unknown, Wanted
from tests.targets.test_cardshop_world import World, running

SECRET = "0123456789abcdef0123456789abcdef"
PEER = Peer("fulu", "http://127.0.0.1:1/fulu/", "7", SECRET, "fulu")
CARD = "卡号 F-1 卡密 P-1"

# Made by a PHP client of somebody else: docs/protocols/fulu.md.
GOLDEN = {
    "app_key": "mock-app-key",
    "method": "fulu.order.direct.add",
    "timestamp": "2026-11-23 06:34:47",
    "version": "2.0",
    "format": "json",
    "charset": "utf-8",
    "sign_type": "md5",
    "app_auth_token": "",
    "biz_content": r'{"customer_order_no":"SO-JavaReact-1795415687","product_id":10000585,'
    r'"charge_account":"QQ\/\u8d26\u53f7 <&> 123","buy_num":1,"charge_game_region":"\u7535\u4fe1\u4e00\u533a",'
    r'"charge_type":"Q\u5e01"}',
}


def test_the_signature_agrees_with_the_published_sample() -> None:
    assert signature(GOLDEN, SECRET) == "9bf16b35fc8ca941f5a538002e3748c9"
    assert signature(dict(reversed(GOLDEN.items())) | {"sign": "x"}, SECRET) == "9bf16b35fc8ca941f5a538002e3748c9"


@pytest.mark.parametrize("changed", [{"app_key": "another"}, {"more": 1}, {"biz_content": "{}"}])
def test_a_changed_field_changes_the_signature(changed: dict[str, object]) -> None:
    assert signature(GOLDEN | changed, SECRET) != "9bf16b35fc8ca941f5a538002e3748c9"


def enciphered(text: str) -> str:
    raw = text.encode()
    padded = raw + bytes([16 - len(raw) % 16]) * (16 - len(raw) % 16)
    cipher = Cipher(AES(SECRET.encode()), ECB()).encryptor()
    return b64encode(cipher.update(padded) + cipher.finalize()).decode()


@pytest.mark.parametrize("text", ["", None, "no Base64!", b64encode(b"15 bytes, no 16").decode(), enciphered("x")[:-4]])
def test_what_is_no_part_of_a_card_is_nothing(text: object) -> None:
    assert deciphered(text, SECRET) == ""


def test_a_part_of_a_card_is_read_with_the_secret_alone() -> None:
    assert deciphered(enciphered("P-1"), SECRET) == "P-1"
    assert deciphered(enciphered("P-1"), SECRET[::-1]) == ""


def cards(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"card_number": enciphered(number), "card_pwd": enciphered(word) if word else ""} for number, word in pairs]


def found(state: str = "success", **changed: Any) -> dict[str, Any]:
    result = {"order_id": "F1", "order_state": state, "cards": cards(("F-1", "P-1"))} | changed
    return {"code": 0, "message": "成功", "result": json.dumps({k: v for k, v in result.items() if v is not None})}


STRANGE = Refused(Code.VERSION, is_certain=False)


@pytest.mark.parametrize(
    ("body", "strict", "tolerant"),
    [
        (found(), *2 * (Delivered((CARD,)),)),
        (found("processing", cards=[]), *2 * (Accepted("F1"),)),
        (found("untreated", cards=[]), *2 * (Accepted("F1"),)),
        (found("failed", cards=[]), *2 * (Refused(Code.REFUSED, is_final=True),)),
        (found(cards=[]), *2 * (Delivered(()),)),
        (found(cards=cards(("F-1", ""))), Delivered(("卡号 F-1 卡密 ",)), Delivered(())),
        (found(order_state=None, order_status="success"), STRANGE, Delivered((CARD,))),
        (found("finished"), STRANGE, Delivered((CARD,))),
        (found("finished", cards=[]), STRANGE, Unknown(Code.VERSION)),
        (found() | {"code": "0"}, Refused(Code.REFUSED), Delivered((CARD,))),
        (found() | {"code": 200}, Refused(Code.REFUSED), Delivered((CARD,))),
        ({"code": 0, "result": "[1]"}, STRANGE, Unknown(Code.VERSION)),
        ({"code": 0, "result": "{"}, STRANGE, Unknown(Code.VERSION)),
        ({"code": 3002, "result": ""}, *2 * (Refused(Code.SOLD_OUT),)),
        ({"code": 3001, "result": ""}, *2 * (Refused(Code.GOODS_UNKNOWN),)),
        ({"code": 1003, "result": ""}, *2 * (Refused(Code.BAD_SIGNATURE),)),
        ({"code": 9, "result": ""}, *2 * (Refused(Code.REFUSED),)),
        ({"code": 3010, "result": ""}, *2 * (Nothing(),)),
        # Seen before means taken on before: whoever took it for a refusal would order the same elsewhere.
        ({"code": 3005, "result": ""}, *2 * (Unknown(Code.UNKNOWN_RESULT),)),
    ],
)
async def test_an_answer_is_taken_for(body: dict[str, Any], strict: Outcome, tolerant: Outcome) -> None:
    async with ClientSession() as session:
        for is_tolerant, read in ((False, strict), (True, tolerant)):
            fulu = Fulu(PEER, session, is_tolerant=is_tolerant, now=lambda: 0.0)
            assert fulu._read(Answer(200, body), "order_state") == read


NOTICE = {"order_id": "F1", "customer_order_no": "C1", "order_status": "success", "price": "9.5000", "buy_num": "1"}


def told(secret: str = SECRET, **changed: Any) -> bytes:
    fields = NOTICE | changed
    return json.dumps(fields | {"sign": signature(fields, secret)}, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "body",
    [told("f" * 32), told().replace(b"C1", b"C2"), json.dumps(NOTICE).encode(), b"[1]", b"{", b"\xff", b'{"sign": 1}'],
)
async def test_a_notice_that_is_not_the_platforms_is_not_believed(body: bytes) -> None:
    async with ClientSession() as session:
        fulu = Fulu(PEER, session, is_tolerant=True, now=lambda: 0.0)
        assert fulu.read_notice(told()).number == "C1"
        with pytest.raises(NoticeForged):
            fulu.read_notice(body)


# --- a shop that buys there --------------------------------------------------------------------------------------
class FakeFulu:
    """A platform that takes every order on, and has its card once `is_done`; or answers as the next of `answers` says:
    an object, or `lose`: take it on and close the connection. `forges`: it signs with another key."""

    def __init__(self) -> None:
        self.ordered: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.answers: list[Any] = []
        self.told_where: list[dict[str, str]] = []
        self.is_done = self.forges = False

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/fulu/api/getway", self.getway), web.post("/fulu/console", self.console)]

    async def console(self, request: web.Request) -> web.Response:
        self.told_where.append({name: str(value) for name, value in (await request.post()).items()})
        return web.json_response({"ok": True})

    async def getway(self, request: web.Request) -> web.StreamResponse:
        fields = await request.json()
        assert fields["sign"] == signature(fields, SECRET)
        assert (fields["app_key"], fields["version"]) == ("7", "2.0")
        assert fields["timestamp"].startswith("2023-11-15 06:1")  # in Beijing
        biz = json.loads(fields["biz_content"])
        match fields["method"]:
            case "fulu.goods.list.get":
                return self._answer([{"product_id": 10000001, "product_name": biz["product_name"]}])
            case "fulu.order.card.add":
                self.ordered.append(biz)
                step = self.answers.pop(0) if self.answers else "take"
                if step == "lose":
                    assert request.transport is not None
                    request.transport.abort()
                if isinstance(step, dict):
                    return web.json_response(step)
                return self._answer({"order_id": "F1", "order_status": "untreated"})
            case "fulu.order.info.get":
                self.asked.append(biz["customer_order_no"])
                if biz["customer_order_no"] not in [order["customer_order_no"] for order in self.ordered]:
                    return web.json_response({"code": 3010, "message": "订单不存在", "result": ""})
                state = {"order_state": "success", "cards": cards(("F-1", "P-1"))}
                return self._answer(state if self.is_done else {"order_state": "processing", "cards": []})
        raise AssertionError(fields["method"])

    def _answer(self, result: object) -> web.Response:
        text = json.dumps(result, ensure_ascii=False)
        sign = text_signature(text, SECRET[::-1] if self.forges else SECRET)
        return web.json_response({"code": 0, "message": "成功", "result": text, "sign": sign})


@asynccontextmanager
async def a_shop(data: Path, profile: str) -> AsyncIterator[tuple[World, FakeFulu]]:
    platform = FakeFulu()
    async with running(data, profile, more={"fulu": ("fulu", SECRET, platform.routes())}) as world:
        yield world, platform


async def hears(world: World, body: bytes) -> str:
    async with world.client.post("/notify/fulu/fulu", data=body) as answer:
        assert answer.status == 200
        return await answer.text()


@pytest.mark.parametrize("profile", ["naive", "hardened"])
async def test_a_card_comes_once_the_platform_says_that_it_is_there(tmp_path: Path, profile: str) -> None:
    async with a_shop(tmp_path, profile) as (world, platform):
        order_no = await world.place()
        assert await world.notify(order_no) == "success"
        await world.delivered()
        assert (await world.poll(order_no))["state"] == "recharging"
        assert platform.ordered[0] == {
            "product_id": 10000001,
            "customer_order_no": order_no,
            "buy_num": 1,
            "external_biz_id": "b00000042@buyers.example",
        }
        platform.is_done = True
        assert await hears(world, told(customer_order_no=order_no)) == "success"
        polled = await world.poll(order_no)
        assert (polled["state"], polled["goods"]) == ("completed", [CARD])
        assert await hears(world, told(customer_order_no=order_no)) == "success"
        assert len((await world.poll(order_no))["goods"]) == 1


@pytest.mark.parametrize(
    ("profile", "state"), [("naive", "recharging"), ("naive+query_supplier", "completed"), ("hardened", "completed")]
)
async def test_a_notice_that_is_lost_is_made_up_for_by_asking(tmp_path: Path, profile: str, state: str) -> None:
    async with a_shop(tmp_path, profile) as (world, platform):
        order_no = await world.place()
        await world.notify(order_no)
        await world.delivered()
        platform.is_done = True
        await world.later(60)
        assert (await world.poll(order_no))["state"] == state


async def test_an_order_whose_answer_was_lost_is_asked_about_and_not_placed_again(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "hardened") as (world, platform):
        platform.answers, platform.is_done = ["lose"], True
        order_no = await world.place()
        await world.notify(order_no)
        await world.later(60)
        assert (await world.poll(order_no))["goods"] == [CARD]
        assert len(platform.ordered) == 1


async def test_cards_that_are_not_properly_signed_are_not_handed_over(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "hardened") as (world, platform):
        order_no = await world.place()
        await world.notify(order_no)
        await world.delivered()
        platform.is_done = platform.forges = True
        await world.later(30)
        assert (await world.poll(order_no))["goods"] == []
        platform.forges = False
        await world.later(60)
        assert (await world.poll(order_no))["goods"] == [CARD]


async def test_a_notice_is_not_taken_while_its_order_cannot_be_asked_about(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "naive") as (world, platform):
        order_no = await world.place()
        await world.notify(order_no)
        await world.delivered()
        platform.is_done = platform.forges = True
        assert await hears(world, told(customer_order_no=order_no)) == "fail"
        platform.forges = False
        assert await hears(world, told(customer_order_no=order_no, order_status="who knows")) == "fail"
        assert await hears(world, told(customer_order_no="C0")) == "fail"
        assert await hears(world, told("f" * 32, customer_order_no=order_no)) == "fail"
        assert (await world.poll(order_no))["state"] == "recharging"
        assert await hears(world, told(customer_order_no=order_no)) == "success"


async def test_the_platform_is_told_where_notices_go(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "naive") as (world, platform):
        await tell_suppliers_where(world.shop)
        assert platform.told_where == [
            {"app_key": "7", "app_secret": SECRET, "notify_url": "http://shop.example/notify/fulu/fulu"}
        ]


async def test_nothing_is_ordered_while_the_number_of_a_product_is_not_known() -> None:
    async with ClientSession() as session:
        fulu = Fulu(PEER, session, is_tolerant=True, now=lambda: 0.0)
        bought = await fulu.buy(Wanted("C1", "card_10", "", "", "b00000042"))
    assert bought == Refused(Code.REFUSED)
