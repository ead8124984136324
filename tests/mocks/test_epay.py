"""Epay V1 as its clients see it: signatures, sources, answers, refusals."""

import asyncio
from hashlib import md5
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faults.verdict import VALID, OtherRule, Strike, Variant, Verdict
from ledger.events import Captured, Refunded, Struck, TradeCreated, TradeRefused, Unmatched
from ledger.states import Code, Operation
from mocks.notices import Matter
from mocks.payment.epay import NOTICES, REQUESTS
from mocks.payment.epay_family import cut_name
from mocks.payment.epay_signing import signature
from mocks.post import Letter
from mocks.server import Asked, NoRoute
from plan.run import UpstreamPlan
from tests.mocks.world import KEY, PID, RETURN, MakeWorld, World, a_plan, an_order, signed

GOLDEN = {
    "pid": "1001",
    "type": "alipay",
    "out_trade_no": "E1",
    "notify_url": "http://127.0.0.1/n",
    "return_url": "http://127.0.0.1/r",
    "name": "会员 充值&x=1",
    "money": "10.00",
    "param": "透传",
}


# --- signatures --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("unsigned", [{}, {"sign": "abc"}, {"sign_type": "MD5"}, {"sitename": ""}])
def test_the_golden_vector_is_met(unsigned: dict[str, str]) -> None:
    """Made by other people's code; docs/protocols/epay.md."""
    assert signature(GOLDEN | unsigned, "k3yk3yk3yk3yk3yk3yk3yk3yk3yk3y12") == "fb88512038cb5852711314da5776e85f"


SIGNED_TEXT = "money=10.00&name=会员 充值&x=1&notify_url=http://127.0.0.1/n&out_trade_no=E1&param=透传&pid=1001&return_url=http://127.0.0.1/r"


@pytest.mark.parametrize(
    ("variant", "more", "expected"),
    [
        (Variant.CHARSET_GBK, {}, md5(f"{SIGNED_TEXT}&type=alipay{KEY}".encode("gbk")).hexdigest()),
        (Variant.EMPTY_KEPT, {"sitename": ""}, md5(f"{SIGNED_TEXT}&sitename=&type=alipay{KEY}".encode()).hexdigest()),
        (Variant.EMPTY_KEPT, {"sign": ""}, "fb88512038cb5852711314da5776e85f"),
        (Variant.CASE, {}, "FB88512038CB5852711314DA5776E85F"),
        (Variant.KEY_TAIL, {}, md5(f"{SIGNED_TEXT}&type=alipay&key={KEY}".encode()).hexdigest()),
        (Variant.UNSORTED, {}, md5(("&".join(f"{k}={v}" for k, v in GOLDEN.items()) + KEY).encode()).hexdigest()),
        (
            Variant.NUMBER_FORMAT,
            {},
            md5(f"{SIGNED_TEXT}&type=alipay{KEY}".replace("10.00", "10").encode()).hexdigest(),
        ),
        (
            Variant.SORT_LOCALE,
            {"Z": "1"},
            md5(f"{SIGNED_TEXT}&type=alipay&Z=1{KEY}".encode()).hexdigest(),
        ),
        (
            Variant.URLENCODED,
            {},
            md5(
                (
                    "money=10.00&name=%E4%BC%9A%E5%91%98%20%E5%85%85%E5%80%BC%26x%3D1&notify_url=http%3A%2F%2F127.0.0.1%2Fn"
                    "&out_trade_no=E1&param=%E9%80%8F%E4%BC%A0&pid=1001&return_url=http%3A%2F%2F127.0.0.1%2Fr&type=alipay"
                    + KEY
                ).encode()
            ).hexdigest(),
        ),
        (Variant.DOUBLE_ENCODED, {}, "fb88512038cb5852711314da5776e85f"),
        (Variant.DOUBLE_ENCODED, {"param": "%E9%80%8F%E4%BC%A0"}, "fb88512038cb5852711314da5776e85f"),
        (Variant.PLUS_SPACE, {"name": "会员+充值&x=1"}, "fb88512038cb5852711314da5776e85f"),
        (Variant.FIELD_ORDER, {}, "fb88512038cb5852711314da5776e85f"),
    ],
)
def test_a_variant_differs_from_the_rule_in_its_one_way(variant: Variant, more: dict[str, str], expected: str) -> None:
    assert signature(GOLDEN | more, KEY, variant) == expected


NEVER = {
    Variant.WRONG_KEY, Variant.MISSING, Variant.CASE, Variant.TYPE_CONFUSION, Variant.KEY_TAIL, Variant.UNSORTED,
    Variant.URLENCODED,
}  # fmt: skip
"""Those that differ for every order; it has an address, which looks otherwise when encoded."""
ASKS: list[tuple[dict[str, str], set[Variant]]] = [
    (an_order(name="cards", money="10"), NEVER),
    (an_order(name="cards"), NEVER | {Variant.NUMBER_FORMAT}),
    (an_order(money="10"), NEVER | {Variant.CHARSET_GBK}),
    (an_order(name="cards", money="10") | {"device": ""}, NEVER | {Variant.EMPTY_KEPT}),
    (an_order(name="a+b", money="10"), NEVER | {Variant.PLUS_SPACE}),
    (an_order(name="cards", money="10", Z="1"), NEVER | {Variant.SORT_LOCALE}),
]


@pytest.mark.parametrize(("fields", "refusing"), ASKS)
async def test_a_variant_refuses_the_right_rule_but_where_both_are_the_same(
    world: MakeWorld, fields: dict[str, str], refusing: set[Variant]
) -> None:
    async with world() as w:
        instance: Any = w.mock._instances["epay"]
        assert {v for v in REQUESTS if not instance._is_signed(signed(fields), v)} == refusing


@pytest.mark.parametrize(
    "spoil",
    [
        lambda f: f | {"money": "10"},
        lambda f: f | {"sign": f["sign"].upper()},
        lambda f: f | {"sign": ""},
        lambda f: f | {"sign": "é" * 32},
        lambda f: f | {"sign_type": "RSA"},
        lambda f: f | {"extra": "1"},
        lambda f: {k: v for k, v in f.items() if k != "sign"},
    ],
)
async def test_a_wrong_signature_is_refused_and_makes_no_trade(world: MakeWorld, spoil: Any) -> None:
    async with world() as w:
        answer = await w.json("/epay/mapi.php", spoil(signed(an_order())))
        assert answer == {"code": -1, "msg": "签名校验失败，请返回重试！"}
        (refused,) = w.found(TradeRefused)
        assert (refused.code, refused.operation, refused.o) == (
            Code.UPSTREAM_BAD_SIGNATURE,
            Operation.CREATE,
            "b00000001",
        )
        assert not w.found(TradeCreated)


async def test_a_signature_over_other_bytes_than_utf8_holds_as_it_does_in_php(world: MakeWorld) -> None:
    async with world() as w:
        fields = {k: v.encode("gbk") for k, v in an_order(name="点卡").items()}
        text = b"&".join(k.encode() + b"=" + v for k, v in sorted(fields.items()))
        fields["sign"] = md5(text + KEY.encode()).hexdigest().encode()
        reply = await w.mock.answer(Asked("POST", "/epay/mapi.php", "", urlencode(fields).encode(), "127.0.0.1"))
        assert reply is not None
        assert reply.fields is not None
        assert reply.fields["code"] == 1


# --- where fields come from --------------------------------------------------------------------------------------
async def test_a_stray_query_parameter_does_not_enter_the_signed_text(world: MakeWorld) -> None:
    async with world() as w:
        assert (await w.json("/epay/mapi.php?_input_charset=utf-8", signed(an_order())))["code"] == 1


async def test_a_query_that_holds_pid_is_taken_and_the_body_left_alone(world: MakeWorld) -> None:
    async with world() as w:
        target = f"/epay/mapi.php?{urlencode(signed(an_order()))}"
        assert (await w.json(target, {"money": "99.00", "out_trade_no": "other"}))["code"] == 1
        assert w.found(TradeCreated)[0].out_trade_no == "C000001"


# --- creating ----------------------------------------------------------------------------------------------------
async def test_mapi_answers_with_a_pay_url_on_the_host_that_was_asked(world: MakeWorld) -> None:
    async with world() as w:
        answer = await w.created()
        no = answer["trade_no"]
        assert answer["payurl"] == f"http://127.0.0.1:8000/epay/cashier.php?trade_no={no}"
        (made,) = w.found(TradeCreated)
        assert (made.trade_no, made.out_trade_no, made.amount_fen) == (no, "C000001", 1000)
        assert (made.o, made.keyed_by, made.way, made.upstream) == ("b00000001", "key", "alipay", "epay")


@pytest.mark.parametrize("path", ["/epay/submit.php", "/epay/pay/v1/submit.php"])
async def test_submit_jumps_to_the_cashier_by_one_line_of_script(world: MakeWorld, path: str) -> None:
    async with world() as w:
        for fields, query in ((signed(an_order()), ""), (None, "?" + urlencode(signed(an_order())))):
            reply = await w.ask(path + query, fields)
            assert reply is not None
            no = w.found(TradeCreated)[0].trade_no
            script = f"<script>window.location.href='./cashier.php?trade_no={no}';</script>"
            assert reply.status == 200
            assert script in reply.body.decode()


async def test_below_create_transaction_submit_redirects(world: MakeWorld) -> None:
    async with world() as w:
        fields = signed(an_order(name="", return_url=""))
        reply = await w.ask("/epay/payments/epay/v1/order/create-transaction/submit.php", fields)
        assert reply is not None
        no = w.found(TradeCreated)[0].trade_no
        assert (reply.status, reply.location) == (302, f"/epay/cashier.php?trade_no={no}")


async def test_submit_refuses_with_a_page_in_chinese_and_status_200(world: MakeWorld) -> None:
    async with world() as w:
        reply = await w.ask("/epay/submit.php", an_order() | {"sign": "wrong"})
        assert reply is not None
        assert (reply.status, reply.kind) == (200, "text/html; charset=utf-8")
        assert "签名校验失败" in reply.body.decode()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"pid": "9999"}, "商户ID不存在"),
        ({"pid": ""}, "商户ID不能为空"),
        ({"out_trade_no": ""}, "out_trade_no"),
        ({"out_trade_no": "a b"}, "格式不正确"),
        ({"out_trade_no": "x" * 65}, "格式不正确"),
        ({"type": "<script>"}, "格式不正确"),
        ({"type": ""}, "type"),
        ({"name": ""}, "name"),
        ({"notify_url": ""}, "notify_url"),
        ({"money": ""}, "money"),
        ({"money": "0.00"}, "金额"),
        ({"money": "-1"}, "金额"),
        ({"money": "1e3"}, "金额"),
        ({"money": "10.005"}, "金额"),
        ({"money": "1,000.00"}, "金额"),
        ({"notify_url": "http://shop.example/notify"}, "本机"),
        ({"notify_url": "http://127.0.0.1@shop.example/"}, "本机"),
        ({"return_url": "javascript:alert(1)"}, "本机"),
    ],
)
async def test_what_is_no_order_is_refused_with_words(world: MakeWorld, changed: dict[str, str], words: str) -> None:
    async with world() as w:
        answer = await w.json("/epay/mapi.php", signed(an_order(1, **changed)))
        assert answer["code"] == -1
        assert words in answer["msg"]
        (refused,) = w.found(TradeRefused)
        assert (refused.code, refused.words) == (Code.UPSTREAM_REFUSED, answer["msg"])
        assert not w.found(TradeCreated)


@pytest.mark.parametrize(("money", "fen"), [("10", 1000), ("10.0", 1000), ("0.01", 1), ("10.50", 1050)])
async def test_money_is_signed_as_sent_and_printed_with_two_decimals(world: MakeWorld, money: str, fen: int) -> None:
    async with world() as w:
        await w.paid(money=money)
        await w.settle()
        assert w.found(Captured)[0].amount_fen == fen
        assert w.notices()[0]["money"] == f"{fen // 100}.{fen % 100:02d}"


async def test_the_same_number_again_is_the_same_trade_unless_the_money_differs(world: MakeWorld) -> None:
    async with world() as w:
        first = await w.created(1, money="10.00")
        assert (await w.created(1, money="10"))["trade_no"] == first["trade_no"]
        other = await w.json("/epay/mapi.php", signed(an_order(1, money="11.00")))
        assert other["code"] == -1
        assert w.found(TradeRefused)[0].code is Code.PAY_AMOUNT_MISMATCH
        assert len(w.found(TradeCreated)) == 1


async def test_an_order_whose_shop_passes_nothing_through_is_keyed_by_its_number(world: MakeWorld) -> None:
    async with world() as w:
        await w.created(1, param="")
        (made,) = w.found(TradeCreated)
        assert (made.o, made.keyed_by) == ("C000001", "order_number")


async def test_a_buyer_who_comes_to_submit_tells_the_key_itself(world: MakeWorld) -> None:
    async with world() as w:
        await w.ask("/epay/submit.php", signed(an_order(1, param="")), order_key="b00000001")
        assert (w.found(TradeCreated)[0].o, w.found(TradeCreated)[0].keyed_by) == ("b00000001", "key")


def test_a_long_name_is_cut_at_a_whole_character() -> None:
    assert cut_name("卡" * 50) == "卡" * 42


# --- asking ------------------------------------------------------------------------------------------------------
async def ask_api(w: World, act: str, **fields: str) -> dict[str, Any]:
    return await w.json(f"/epay/api.php?{urlencode({'act': act, 'pid': PID, 'key': KEY} | fields)}")


async def test_an_order_answers_with_both_status_fields(world: MakeWorld) -> None:
    async with world() as w:
        no = (await w.created())["trade_no"]
        before = await ask_api(w, "order", out_trade_no="C000001")
        assert (before["code"], before["status"], before["trade_status"]) == (1, 0, "WAIT_BUYER_PAY")
        await w.paid()
        after = await ask_api(w, "order", trade_no=no)
        assert (after["code"], after["status"], after["trade_status"]) == (1, 1, "TRADE_SUCCESS")
        assert after["money"] == "10.00"
        assert after["name"] == "会员 充值&x=1"
        assert after["param"] == "b00000001@buyers.example"
        assert after["addtime"] == "2026-09-21 22:13:20"
        assert set(after) == set(
            [
                "code",
                "msg",
                "trade_no",
                "out_trade_no",
                "api_trade_no",
                "type",
                "pid",
                "addtime",
                "endtime",
                "name",
                "money",
                "status",
                "trade_status",
                "param",
                "buyer",
            ]
        )


async def test_an_order_may_be_asked_for_with_a_signature_in_place_of_the_key(world: MakeWorld) -> None:
    async with world() as w:
        await w.created()
        query = signed({"act": "order", "pid": PID, "out_trade_no": "C000001"})
        assert (await w.json(f"/epay/api.php?{urlencode(query)}"))["code"] == 1
        query["out_trade_no"] = "C000002"
        assert (await w.json(f"/epay/api.php?{urlencode(query)}"))["code"] == -2


@pytest.mark.parametrize(
    ("query", "code", "standard"),
    [
        (f"act=order&pid={PID}&key={KEY}&out_trade_no=nope", -1, Code.PAY_NOT_SUBMITTED),
        (f"act=order&pid={PID}&key=wrong&out_trade_no=C000001", -2, Code.UPSTREAM_BAD_SIGNATURE),
        (f"act=order&pid=9&key={KEY}&out_trade_no=C000001", -3, Code.UPSTREAM_REFUSED),
        (f"act=order&pid={PID}&key={KEY}", -4, Code.UPSTREAM_REFUSED),
        (f"act=order&pid={PID}&out_trade_no=C000001", -4, Code.UPSTREAM_REFUSED),
        (f"act=order&key={KEY}&out_trade_no=C000001", -4, Code.UPSTREAM_REFUSED),
        ("act=query&pid=9&key=x", -3, Code.UPSTREAM_REFUSED),
        (f"act=refund&pid={PID}&key={KEY}&out_trade_no=C000001", -4, Code.UPSTREAM_REFUSED),
    ],
)
async def test_api_refuses_with_its_codes(world: MakeWorld, query: str, code: int, standard: Code) -> None:
    async with world() as w:
        await w.created()
        answer = await w.json(f"/epay/api.php?{query}")
        assert answer["code"] == code
        assert [refused.code for refused in w.found(TradeRefused)] == [standard]
        assert KEY not in str(answer) + str(w.events)


@pytest.mark.parametrize("query", ["act=order s", "", "act=", "act=Order"])
async def test_an_unknown_act_is_code_minus_5_and_journalled_as_unmatched(world: MakeWorld, query: str) -> None:
    async with world() as w:
        assert (await w.json(f"/epay/api.php?pid={PID}&key={KEY}&{query}"))["code"] == -5
        (unmatched,) = w.found(Unmatched)
        assert (unmatched.path, unmatched.nearest) == ("/epay/api.php", "/epay/api.php?act=order")


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ({}, range(30, 10, -1)),
        ({"limit": "3"}, [30, 29, 28]),
        ({"limit": "3", "offset": "2"}, [28, 27, 26]),
        ({"limit": "51"}, range(30, 0, -1)),
        ({"limit": "x", "offset": "-1"}, range(30, 10, -1)),
        ({"limit": "0"}, []),
        ({"offset": "30"}, []),
    ],
)
async def test_the_merchant_lists_his_latest_orders(
    world: MakeWorld, asked: dict[str, str], numbers: list[int]
) -> None:
    async with world() as w:
        for n in range(1, 31):
            await w.created(n)
        answer = await ask_api(w, "orders", **asked)
        assert answer["code"] == 1
        assert [order["out_trade_no"] for order in answer["data"]] == [f"C{n:06d}" for n in numbers]
        assert not w.found(TradeRefused)


async def test_no_list_of_orders_is_longer_than_fifty(world: MakeWorld) -> None:
    async with world() as w:
        for n in range(1, 61):
            await w.created(n)
        assert len((await ask_api(w, "orders", limit="60"))["data"]) == 50


async def test_nothing_was_ever_settled_and_a_wrong_key_is_told_neither(world: MakeWorld) -> None:
    async with world() as w:
        await w.paid()
        assert await ask_api(w, "settle") == {"code": 1, "msg": "查询结算记录成功！", "data": []}
        for act in ("orders", "settle"):
            answer = await w.json(f"/epay/api.php?act={act}&pid={PID}&key=wrong")
            assert (answer["code"], "data" in answer) == (-2, False)


def an_instance(**options: str) -> dict[str, Any]:
    return {"upstreams": {"epay": UpstreamPlan("payment", "epay", options=options)}}


async def test_a_gateway_of_the_other_numbers_says_two_for_paid(world: MakeWorld) -> None:
    async with world(**an_instance(status="pending_paid")) as w:
        await w.created(1)
        await w.paid(2)
        await w.paid(3)
        await ask_api(w, "refund", out_trade_no="C000003", money="10.00")
        await w.created(4)
        trade = w.mock.trades.find("epay", order_no="C000004")
        assert trade is not None
        w.mock.trades.close(trade)
        said = [await ask_api(w, "order", out_trade_no=f"C00000{n}") for n in (1, 2, 3, 4)]
        assert [answer["status"] for answer in said] == [1, 2, 3, 4]
        assert [answer["trade_status"] for answer in said] == [
            "WAIT_BUYER_PAY", "TRADE_SUCCESS", "TRADE_CLOSED", "TRADE_CLOSED"
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("pays_by", "device", "field", "begins"),
    [
        ("payurl", "pc", "payurl", "http://127.0.0.1:8000/epay/cashier.php?trade_no="),
        ("device", "pc", "qrcode", "http://127.0.0.1:8000/epay/cashier.php?trade_no="),
        ("device", "jump", "payurl", "http://127.0.0.1:8000/epay/cashier.php?trade_no="),
        ("device", "", "payurl", "http://127.0.0.1:8000/epay/cashier.php?trade_no="),
        ("device", "wechat", "urlscheme", "weixin://dl/business/?url=http%3A%2F%2F127.0.0.1%3A8000%2Fepay%2Fcashier"),
        ("device", "alipay", "urlscheme", "alipays://platformapi/startapp?appId=20000067&url=http%3A%2F%2F127"),
    ],
)
async def test_there_is_one_way_to_pay_by_the_buyers_device(
    world: MakeWorld, pays_by: str, device: str, field: str, begins: str
) -> None:
    async with world(**an_instance(pays_by=pays_by)) as w:
        answer = await w.created(device=device)
        assert answer.keys() - {"code", "msg", "trade_no"} == {field}
        assert answer[field].startswith(begins)


async def test_a_server_that_merges_query_and_body_refuses_what_a_stray_parameter_spoils(world: MakeWorld) -> None:
    rule = Verdict((Strike("merged", OtherRule(Variant.MERGED_SOURCES)),))
    async with world() as w:
        assert (await w.json("/epay/mapi.php?_input_charset=utf-8", signed(an_order())))["code"] == 1
        w.mock.injector.decide = lambda exchange: rule  # type: ignore[method-assign]
        w.load()
        assert (await w.json("/epay/mapi.php?_input_charset=utf-8", signed(an_order(2))))["code"] == -1
        assert (await w.json("/epay/mapi.php", signed(an_order(2))))["code"] == 1
        query = signed({"pid": PID, "out_trade_no": "C000002"})
        assert (await w.json("/epay/api.php?act=order", query))["code"] == -2
        assert (await w.json("/epay/api.php?act=order", query | {"key": KEY}))["code"] == 1
        assert [e.fault for e in w.found(Struck)] == ["merged", "merged"]


def told(letter: Letter) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(letter.url).query, keep_blank_values=True))


@pytest.mark.parametrize("variant", sorted(NOTICES - {Variant.EMPTY_KEPT, Variant.PLUS_SPACE}))
async def test_a_shop_that_checks_refuses_every_invalid_notice_and_takes_every_odd_one(
    world: MakeWorld, variant: Variant
) -> None:
    async with world() as w:
        await w.paid()
        await w.settle()
        trade = next(iter(w.mock.trades))
        instance: Any = w.mock._instances["epay"]
        fields = instance.compose(trade, Matter())
        right, odd = (instance.seal(trade, Matter(), fields, each) for each in (None, variant))
        assert right != odd
        got = told(odd)
        is_right = got.get("sign") == signed(got)["sign"] and got["sign_type"] == "MD5"
        assert is_right is (variant in VALID)


async def test_a_plus_in_a_notice_arrives_as_a_space_where_it_was_not_encoded(world: MakeWorld) -> None:
    async with world() as w:
        await w.paid(name="a+b")
        trade = next(iter(w.mock.trades))
        instance: Any = w.mock._instances["epay"]
        got = told(instance.seal(trade, Matter(), instance.compose(trade, Matter()), Variant.PLUS_SPACE))
        assert got["name"] == "a b"
        assert signed(got | {"name": "a+b"})["sign"] == got["sign"] != signed(got)["sign"]


async def test_the_merchant_sees_the_money_that_is_left(world: MakeWorld) -> None:
    async with world() as w:
        await w.paid(1)
        await w.paid(2)
        await w.created(3)
        await ask_api(w, "refund", out_trade_no="C000001", money="4.00")
        info = await ask_api(w, "query")
        assert (info["code"], info["money"], info["orders"], info["pid"]) == (1, "16.00", 3, PID)


# --- giving back -------------------------------------------------------------------------------------------------
async def test_refunds_are_partial_or_whole_and_never_more_than_was_paid(world: MakeWorld) -> None:
    async with world() as w:
        no = await w.paid()
        answers = [await ask_api(w, "refund", trade_no=no, money=money) for money in ("4", "6.01", "6.00", "0.01", "0")]
        assert [answer["code"] for answer in answers] == [1, -1, 1, -1, -1]
        assert [event.amount_fen for event in w.found(Refunded)] == [400, 600]
        order = await ask_api(w, "order", trade_no=no)
        assert (order["status"], order["trade_status"]) == (2, "TRADE_CLOSED")


async def test_a_refund_by_post_takes_its_act_from_the_query(world: MakeWorld) -> None:
    async with world() as w:
        no = await w.paid()
        body = {"pid": PID, "key": KEY, "trade_no": no, "money": "10.00"}
        assert (await w.json("/epay/api.php?act=refund", body))["code"] == 1


async def test_nothing_unpaid_is_given_back(world: MakeWorld) -> None:
    async with world() as w:
        await w.created()
        answer = await ask_api(w, "refund", out_trade_no="C000001", money="1.00")
        assert answer["code"] == -1
        assert not w.found(Refunded)
        (refused,) = w.found(TradeRefused)
        assert (refused.operation, refused.o) == (Operation.REFUND, "b00000001")


# --- telling -----------------------------------------------------------------------------------------------------
async def test_a_notice_holds_the_fields_of_the_protocol_rightly_signed(world: MakeWorld) -> None:
    async with world() as w:
        no = await w.paid()
        await w.settle()
        (told,) = w.notices()
        wanted = {
            "pid": PID,
            "trade_no": no,
            "out_trade_no": "C000001",
            "type": "alipay",
            "name": "会员 充值&x=1",
            "money": "10.00",
            "trade_status": "TRADE_SUCCESS",
            "param": "b00000001@buyers.example",
        }
        assert told == signed(wanted)


async def test_without_pass_through_a_notice_holds_no_param(world: MakeWorld) -> None:
    async with world() as w:
        await w.paid(param="")
        await w.settle()
        assert "param" not in w.notices()[0]


@pytest.mark.parametrize(("url", "joint"), [("http://127.0.0.1/n", "n?pid="), ("http://127.0.0.1/n?a=1", "n?a=1&pid=")])
async def test_a_notice_is_appended_as_fits(world: MakeWorld, url: str, joint: str) -> None:
    async with world() as w:
        await w.paid(notify_url=url)
        await w.settle()
        assert joint in w.letters[0].url


async def test_the_buyer_goes_back_with_the_same_signed_fields(world: MakeWorld) -> None:
    async with world() as w:
        no = (await w.created())["trade_no"]
        answer = await w.json(f"/epay/cashier.php?trade_no={no}", {"key": "b00000001"}, accept="application/json")
        await w.settle()
        assert answer["return_url"].startswith(RETURN + "&")
        back = dict(parse_qsl(urlsplit(answer["return_url"]).query))
        assert back == {"from": "epay"} | w.notices()[0]


# --- what nobody takes -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/epay"), ("GET", "/epay/"), ("GET", "/other/mapi.php"), ("GET", "/epay/nope.php"),
     ("PUT", "/epay/mapi.php"), ("HEAD", "/epay/api.php"), ("GET", "/_admin/nope"), ("GET", "")],
)  # fmt: skip
async def test_other_paths_and_methods_are_nobodys(world: MakeWorld, method: str, path: str) -> None:
    async with world() as w:
        with pytest.raises(NoRoute):
            await w.mock.answer(Asked(method, path))


texts = st.text(max_size=12)


@given(
    st.dictionaries(st.one_of(st.sampled_from([*GOLDEN, "act", "key", "sign", "trade_no"]), texts), texts, max_size=8),
    st.binary(max_size=60),
)
async def test_no_request_breaks_the_mock(fields: dict[str, str], junk: bytes) -> None:
    async with asyncio.TaskGroup() as tasks:
        w = World(a_plan(), tasks, None)
        for file in ("mapi.php", "submit.php", "api.php", "cashier.php"):
            for body in (urlencode(fields).encode(), junk, urlencode(signed({**fields, "pid": PID})).encode()):
                for asked in (
                    Asked("POST", f"/epay/{file}", "", body),
                    Asked("GET", f"/epay/{file}", body.decode("utf-8", "surrogateescape")),
                ):
                    reply = await w.mock.answer(asked)
                    assert reply is not None
                    if reply.fields is not None:
                        msgspec.json.encode(reply.fields)
        msgspec.json.encode(w.events)
