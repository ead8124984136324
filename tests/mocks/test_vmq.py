"""V免签 as shops see it: positional signatures, amounts that tell payers apart, states, notices."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import md5
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faults.verdict import VALID, Variant
from ledger.events import Captured, TradeClosed, TradeRefused
from ledger.money import Fen
from ledger.states import Code
from mocks.notices import Matter
from mocks.payment.vmq import NOTICES, REQUESTS, really_price, signature
from mocks.post import Heard
from plan.run import UpstreamPlan
from tests.mocks.world import KEY, NOTIFY, RETURN, WALL_S, World, make_world

GOLDEN = {"payId": "V1", "param": "透传", "type": "1", "price": "10.00"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (GOLDEN, "e7c8847e7137100691a15a2957e04991"),
        (GOLDEN | {"reallyPrice": "10.01"}, "9ea0cd1a4182391817e00178f25b243e"),
        ({"orderId": "V1"}, "c3b8b756d97049c1824f5523461e8a79"),
    ],
)
def test_the_golden_vectors_are_met(values: dict[str, str], expected: str) -> None:
    """Made by md5sum over the texts in docs/protocols/vmq.md."""
    assert signature(values, "k3yk3yk3yk3yk3yk3yk3yk3yk3yk3y12") == expected


def test_values_that_run_into_each_other_are_signed_alike() -> None:
    assert signature(GOLDEN | {"payId": "V", "param": "1透传"}, KEY) == signature(GOLDEN, KEY)


@given(st.integers(1, 10_000), st.sets(st.integers(0, 12)), st.sampled_from([1, -1]), st.sampled_from([1, 10]))
def test_a_payer_gets_the_nearest_free_amount_or_none(price: int, taken: set[int], step: int, slots: int) -> None:
    found = really_price(Fen(price), step=step, slots=slots, is_free=lambda fen: abs(fen - price) not in taken)
    free = [price + step * i for i in range(slots) if i not in taken and price + step * i > 0]
    assert found == (free[0] if free else None)


def signed(fields: dict[str, str], *names: str) -> dict[str, str]:
    text = "".join(fields.get(name, "") for name in names or ("payId", "param", "type", "price"))
    return fields | {"sign": md5((text + KEY).encode()).hexdigest()}


def an_order(n: int = 1, /, **changed: str) -> dict[str, str]:
    fields = {
        "payId": f"V{n:06d}", "type": "1", "price": "10.00", "param": f"b{n:08d}", "notifyUrl": NOTIFY,
        "returnUrl": RETURN,
    }  # fmt: skip
    return fields | changed


class Client:
    def __init__(self, world: World) -> None:
        self.w = world

    async def ask(self, path: str, fields: dict[str, str]) -> dict[str, Any]:
        return await self.w.json(f"/epay/{path}?{urlencode(fields)}")

    async def create(self, n: int = 1, **changed: str) -> dict[str, Any]:
        return await self.ask("createOrder", signed(an_order(n, **changed)))

    async def pay(self, order_id: str) -> dict[str, Any]:
        return await self.w.json(f"/epay/payPage/pay.html?orderId={order_id}", {}, accept="application/json")

    async def paid(self, n: int = 1, **changed: str) -> str:
        order_id: str = (await self.create(n, **changed))["data"]["orderId"]
        assert (await self.pay(order_id))["paid"]
        await self.w.settle()
        return order_id

    async def state(self, order_id: str) -> int:
        state: int = (await self.ask("getOrder", {"orderId": order_id}))["data"]["state"]
        return state


@asynccontextmanager
async def a_client(**options: str) -> AsyncIterator[Client]:
    async with make_world(upstreams={"epay": UpstreamPlan("payment", "vmq", options=options)}) as w:
        yield Client(w)


async def test_it_creates_pays_and_tells_the_shop() -> None:
    async with a_client() as c:
        made = await c.create()
        data = made["data"]
        assert (made["code"], made["msg"]) == (1, "成功")
        no = data["orderId"]
        assert data == {
            "payId": "V000001", "orderId": no, "payType": 1, "price": "10.00", "reallyPrice": "10.00", "isAuto": 1,
            "payUrl": f"http://127.0.0.1:8000/epay/payPage/pay.html?orderId={no}", "state": 0, "timeOut": "5",
            "date": WALL_S,
        }  # fmt: skip
        assert (await c.ask("checkOrder", {"orderId": no}))["msg"] == "订单未支付"
        await c.pay(no)
        await c.w.settle()
        (told,) = c.w.notices()
        assert told == signed(
            {"payId": "V000001", "param": "b00000001", "type": "1", "price": "10.00", "reallyPrice": "10.00"},
            "payId", "param", "type", "price", "reallyPrice",
        )  # fmt: skip
        back = (await c.ask("checkOrder", {"orderId": no}))["data"]
        assert back.startswith(f"{RETURN}&payId=V000001&")
        assert dict(parse_qsl(urlsplit(back).query))["sign"] == told["sign"]
        assert [e.o for e in c.w.found(Captured)] == ["b00000001"]


async def test_two_open_orders_of_one_price_differ_and_a_paid_one_makes_room() -> None:
    async with a_client() as c:
        prices = [(await c.create(n))["data"]["reallyPrice"] for n in range(1, 4)]
        assert prices == ["10.00", "10.01", "10.02"]
        assert (await c.create(4, type="2"))["data"]["reallyPrice"] == "10.00"
        first = next(iter(c.w.mock.trades)).trade_no
        await c.pay(first)
        assert (await c.create(5))["data"]["reallyPrice"] == "10.00"
        assert (await c.create(6, price="10"))["data"]["reallyPrice"] == "10.03"
        assert [e.amount_fen for e in c.w.found(Captured)] == [1000]


async def test_what_is_paid_is_the_other_amount_and_the_notice_names_both() -> None:
    async with a_client(differs="down") as c:
        await c.create(1)
        await c.paid(2)
        (told,) = c.w.notices()
        assert (told["price"], told["reallyPrice"]) == ("10.00", "9.99")
        assert [e.amount_fen for e in c.w.found(Captured)] == [999]


async def test_the_eleventh_open_order_of_a_price_is_refused_where_there_are_ten() -> None:
    async with a_client(slots="ten") as c:
        assert [(await c.create(n))["code"] for n in range(1, 12)] == [1] * 10 + [-1]
        assert (await c.create(12, price="99.00"))["code"] == 1
        await c.w.move_to_s(300)  # all are closed
        assert (await c.create(13))["data"]["reallyPrice"] == "10.00"


async def test_an_order_that_nobody_pays_is_closed_after_five_minutes() -> None:
    async with a_client() as c:
        no = (await c.create())["data"]["orderId"]
        await c.w.move_to_s(299)
        assert await c.state(no) == 0
        await c.w.move_to_s(300)
        assert await c.state(no) == -1
        assert (await c.ask("checkOrder", {"orderId": no}))["msg"] == "订单已过期"
        assert (await c.pay(no))["paid"] is False
        assert len(c.w.found(TradeClosed)) == 1
        assert c.w.notices() == []


@pytest.mark.parametrize(
    ("words", "state"), [("success", 1), ("SUCCESS", 2), ("success\n", 2), ("<p>success</p>", 2), ("fail", 2)]
)
async def test_an_order_whose_notice_the_shop_did_not_take_is_in_state_two(words: str, state: int) -> None:
    async with a_client() as c:
        c.w.shop = lambda letter: Heard(200, words)
        assert await c.state(await c.paid()) == state
        assert len(c.w.letters) == 1


async def test_the_shop_closes_what_is_open_and_nothing_else() -> None:
    async with a_client() as c:
        no = (await c.create(1))["data"]["orderId"]
        assert (await c.ask("closeOrder", {"orderId": no, "sign": "0" * 32}))["code"] == -1
        assert await c.state(no) == 0
        assert (await c.ask("closeOrder", signed({"orderId": no}, "orderId")))["code"] == 1
        assert await c.state(no) == -1
        for closed in (no, await c.paid(2)):
            assert (await c.ask("closeOrder", signed({"orderId": closed}, "orderId")))["msg"] == "订单状态不允许关闭"


async def test_the_watched_phone_is_well() -> None:
    async with a_client() as c:
        assert (await c.ask("getState", signed({"t": "17"}, "t")))["data"]["jkstate"] == "1"
        assert (await c.ask("getState", {"t": "17", "sign": "x"}))["code"] == -1


async def test_a_browser_is_led_to_the_page() -> None:
    async with a_client() as c:
        reply = await c.w.ask(f"/epay/createOrder?{urlencode(signed(an_order(isHtml='1')))}")
        assert reply is not None
        no = next(iter(c.w.mock.trades)).trade_no
        assert f"window.location.href='payPage/pay.html?orderId={no}'" in reply.body.decode()
        page = await c.w.ask(f"/epay/payPage/pay.html?orderId={no}")
        assert page is not None
        assert "10.00" in page.body.decode()
        await c.w.ask(f"/epay/payPage/pay.html?trade_no={no}", {})
        assert len(c.w.found(Captured)) == 1


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"payId": ""}, Code.UPSTREAM_REFUSED),
        ({"payId": "x" * 65}, Code.UPSTREAM_REFUSED),
        ({"type": "3"}, Code.UPSTREAM_REFUSED),
        ({"type": ""}, Code.UPSTREAM_REFUSED),
        ({"price": "0"}, Code.UPSTREAM_REFUSED),
        ({"price": "-1"}, Code.UPSTREAM_REFUSED),
        ({"price": "1e3"}, Code.UPSTREAM_REFUSED),
        ({"notifyUrl": ""}, Code.UPSTREAM_REFUSED),
        ({"notifyUrl": "http://example.com/"}, Code.UPSTREAM_REFUSED),
        ({"returnUrl": "http://example.com/"}, Code.UPSTREAM_REFUSED),
        ({"sign": "0" * 32}, Code.UPSTREAM_BAD_SIGNATURE),
        ({"sign": ""}, Code.UPSTREAM_BAD_SIGNATURE),
        ({"sign": "é"}, Code.UPSTREAM_BAD_SIGNATURE),
    ],
)
async def test_what_is_not_an_order_is_refused_and_makes_nothing(changed: dict[str, str], code: Code) -> None:
    async with a_client() as c:
        answer = await c.ask("createOrder", signed(an_order(**changed)) | {k: v for k, v in changed.items()})
        assert (answer["code"], answer["data"]) == (-1, None)
        assert [refused.code for refused in c.w.found(TradeRefused)] == [code]
        assert len(c.w.mock.trades) == 0
        assert KEY not in str(answer)


async def test_a_number_seen_before_is_refused_though_its_answer_may_have_been_lost() -> None:
    async with a_client() as c:
        await c.create()
        assert (await c.create())["msg"] == "商户订单号已存在"
        assert len(c.w.mock.trades) == 1


@pytest.mark.parametrize("path", ["getOrder", "checkOrder", "closeOrder"])
async def test_an_unknown_order_is_refused(path: str) -> None:
    async with a_client() as c:
        await c.create()
        for no in ("", "nope"):
            answer = await c.ask(path, signed({"orderId": no}, "orderId"))
            assert (answer["code"], answer["msg"]) == (-1, "云端订单编号不存在")


@pytest.mark.parametrize("variant", sorted(NOTICES))
async def test_a_shop_that_checks_refuses_every_invalid_notice_and_takes_every_odd_one(variant: Variant) -> None:
    async with a_client() as c:
        await c.paid(param="b00000001 透传")
        instance: Any = c.w.mock._instances["epay"]
        trade = next(iter(c.w.mock.trades))
        fields = instance.compose(trade, Matter())
        right, odd = (instance.seal(trade, Matter(), fields, each) for each in (None, variant))
        assert right != odd
        got = dict(parse_qsl(urlsplit(odd.url).query))
        expected = signed(got, "payId", "param", "type", "price", "reallyPrice")
        assert (got.get("sign") == expected["sign"]) is (variant in VALID)


@pytest.mark.parametrize(
    ("changed", "refusing"),
    [
        ({"price": "10"}, REQUESTS - {Variant.CHARSET_GBK, Variant.NUMBER_FORMAT, Variant.URLENCODED}),
        ({}, REQUESTS - {Variant.CHARSET_GBK, Variant.URLENCODED}),
        ({"param": "透传"}, REQUESTS),
    ],
)
async def test_a_rule_refuses_what_the_plain_one_takes_only_where_they_differ(
    changed: dict[str, str], refusing: set[Variant]
) -> None:
    values = {name: an_order(**changed)[name] for name in ("payId", "param", "type", "price")}
    right = signature(values, KEY)
    assert {v for v in REQUESTS - {Variant.MISSING} if signature(values, KEY, v) != right} == refusing - {
        Variant.MISSING
    }
