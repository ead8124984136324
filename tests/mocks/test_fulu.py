"""Fulu's platform as its merchants see it: signatures, orders that end later, cards, goods and refusals."""

import json
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.events import (
    Credited,
    GoodsAccepted,
    GoodsRefused,
    GoodsRequested,
    GoodsSold,
    Struck,
    TradeRefused,
    goods_hash,
)
from ledger.states import Code, Hop, Operation
from mocks.post import Heard
from mocks.server import Asked, NoRoute
from mocks.supplier.fulu_signs import compact, escaped, signature
from mocks.supplier.mock import SupplierMock
from mocks.upstreams import Keys, SetupError
from plan.orders import account_of, order_key
from tests.mocks.fulu_world import (
    CARD_10,
    CARD_50,
    NOTIFY,
    TOPUP_10,
    FuluWorld,
    a_card_order,
    a_direct,
    a_fulu,
    a_fulu_plan,
    beijing,
    dumps,
    fulu_signed,
    is_rightly_told,
    opened,
)
from tests.mocks.world import KEY, PID, WALL_S, a_fault

GOLDEN_SECRET = "0123456789abcdef0123456789abcdef"
GOLDEN_SIGN = "9bf16b35fc8ca941f5a538002e3748c9"
GOLDEN = {
    "app_key": "mock-app-key",
    "method": "fulu.order.direct.add",
    "timestamp": "2026-11-23 06:34:47",
    "version": "2.0",
    "format": "json",
    "charset": "utf-8",
    "sign_type": "md5",
    "app_auth_token": "",
    "biz_content": '{"customer_order_no":"SO-JavaReact-1795415687","product_id":10000585,'
    r'"charge_account":"QQ\/\u8d26\u53f7 <&> 123","buy_num":1,'
    r'"charge_game_region":"\u7535\u4fe1\u4e00\u533a","charge_type":"Q\u5e01"}',
}
GOLDEN_WALL_S = 1_795_386_887
"""The golden timestamp, as seconds since 1970 (date -d '2026-11-23 06:34:47 +08:00' +%s)."""


# --- the signature -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("params", [GOLDEN, dict(reversed(GOLDEN.items()))])
def test_the_golden_vector_is_met_whatever_the_order_of_the_fields(params: dict[str, str]) -> None:
    """Made by a client of somebody else; docs/protocols/fulu.md."""
    assert signature(compact(params), GOLDEN_SECRET) == GOLDEN_SIGN


@pytest.mark.parametrize(
    ("changed", "code"),
    [({}, 3001), ({"buy_num": "2"}, 1003), ({"sign": GOLDEN_SIGN.upper()}, 1003), ({"sign": ""}, 1003)],
)
async def test_the_golden_request_is_taken_as_its_client_sent_it_and_nothing_like_it(
    changed: dict[str, str], code: int
) -> None:
    async with a_fulu(keys=Keys("mock-app-key", GOLDEN_SECRET), wall_s=GOLDEN_WALL_S) as w:
        reply = await w.send(dumps(GOLDEN | {"sign": GOLDEN_SIGN} | changed).encode())
        assert reply is not None
        assert json.loads(reply.body)["code"] == code


def test_every_escape_is_of_weight() -> None:
    assert escaped('{"a":"1/2 中😀"}') == '{"a":"1\\/2 \\u4e2d\\ud83d\\ude00"}'
    assert signature('"中"', KEY) != signature(escaped('"中"'), KEY)


async def test_a_client_that_escapes_around_biz_content_is_refused_as_the_platform_would() -> None:
    async with a_fulu() as w:
        params = fulu_signed("fulu.order.direct.add", a_direct(), biz_content=dumps(a_direct(charge_account="<&>")))
        text = dumps({name: value for name, value in params.items() if name != "sign"})
        for letter in "<>&":
            text = text.replace(letter, f"\\u{ord(letter):04x}")
        reply = await w.send(dumps(params | {"sign": signature(text, KEY)}).encode())
        assert opened(reply)["code"] == 1003


def test_a_secret_that_is_no_aes_256_key_is_refused_at_the_start() -> None:
    with pytest.raises(SetupError, match="32 characters"):
        FuluWorld(SupplierMock, a_fulu_plan(), None, keys={"fulu": Keys(PID, "too-short-a-secret")})  # type: ignore[arg-type]


# --- orders ------------------------------------------------------------------------------------------------------
async def test_a_top_up_ends_later_and_the_shop_is_told() -> None:
    async with a_fulu() as w:
        created = await w.result("order.direct.add", a_direct())
        assert (created["order_status"], created["price"], created["operator_serial_number"]) == (
            "untreated",
            "9.5000",
            "",
        )
        assert (await w.order())["order_state"] == "processing"
        assert w.told() == []
        await w.move_to_s(0.3)
        (credited,) = w.found(Credited)
        found = await w.order()
        assert (found["order_state"], found["operator_serial_number"]) == ("success", credited.credit)
        (notice,) = w.told()
        assert is_rightly_told(notice)
        assert (notice["order_status"], notice["product_id"], notice["buy_num"]) == ("success", str(TOPUP_10), "1")
        assert [type(e) for e in w.events[:3]] == [GoodsRequested, GoodsAccepted, Credited]
        assert (credited.o, credited.request_no) == ("b00000001", "F000001")
        assert w.letters[0].url == NOTIFY


async def test_cards_come_with_the_query_alone_and_openssl_can_read_them() -> None:
    async with a_fulu(stock={"card_10": 5}) as w:
        created = await w.result("order.card.add", a_card_order(buy_num=2))
        assert (created["order_status"], created["buy_num"], "cards" in created) == ("untreated", 2, False)
        assert (await w.order())["cards"] == []
        await w.move_to_s(0.3)
        found = await w.order()
        assert (found["order_state"], found["order_type"], len(found["cards"])) == ("success", 3, 2)
        cards = [f"卡号 {opened_card(c['card_number'])} 卡密 {opened_card(c['card_pwd'])}" for c in found["cards"]]
        assert [event.goods for event in w.found(GoodsSold)] == [goods_hash(card) for card in cards]
        assert "cards" not in w.told()[0]
        assert not any(card.rpartition(" ")[2] in str(w.events) for card in cards)


def opened_card(text: str) -> str:
    """Decrypted by somebody else's AES."""
    command = ["openssl", "enc", "-d", "-aes-256-ecb", "-base64", "-A", "-K", KEY.encode().hex()]
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=True)
    return done.stdout.decode()


@pytest.mark.parametrize(
    ("method", "changed", "kind"),
    [
        ("order.mobile.add", {"charge_phone": "13800000000", "charge_value": 10}, 1),
        ("order.mobile.add", {"charge_phone": "13800000000", "charge_value": 10.0}, 1),
        ("order.data.add", {"charge_phone": "13800000000", "charge_value": "10.00"}, 2),
        ("order.direct.add", {"product_id": str(TOPUP_10), "charge_account": 123456}, 4),
    ],
)
async def test_top_ups_are_ordered_in_several_ways(method: str, changed: dict[str, Any], kind: int) -> None:
    async with a_fulu() as w:
        biz = {name: value for name, value in a_direct().items() if name not in ("product_id", "charge_account")}
        await w.result(method, biz | changed)
        await w.move_to_s(0.3)
        found = await w.order()
        assert (found["order_type"], found["product_name"], found["order_state"]) == (kind, "topup_10", "success")
        assert len(w.found(Credited)) == 1


async def test_nobody_is_topped_up_who_does_not_exist() -> None:
    async with a_fulu() as w:
        await w.result("order.direct.add", a_direct(charge_account="nobody-1"))
        await w.move_to_s(0.3)
        assert (await w.order())["order_state"] == "failed"
        (refused,) = w.found(GoodsRefused)
        assert refused.code is Code.ACCOUNT_INVALID
        assert (w.told()[0]["order_status"], w.told()[0]["operator_serial_number"]) == ("failed", "")
        assert not w.found(Credited)


async def test_what_was_taken_on_is_set_aside_until_it_has_ended() -> None:
    async with a_fulu(stock={"card_10": 2, "topup_10": 1}) as w:
        await w.result("order.card.add", a_card_order(1, buy_num=2))
        assert (await w.ask("order.card.add", a_card_order(2)))["code"] == 3002
        await w.result("order.direct.add", a_direct(3, charge_account="nobody-1"))
        assert (await w.ask("order.direct.add", a_direct(4)))["code"] == 3002
        await w.move_to_s(0.3)
        await w.result("order.direct.add", a_direct(4))
        assert (await w.ask("order.card.add", a_card_order(2)))["code"] == 3002


@pytest.mark.parametrize(
    ("on_repeat", "codes", "credits"), [("replay", [0, 0], 1), ("reject", [0, 3005], 1), ("sell_again", [0, 0], 2)]
)
async def test_a_repeated_order_number_is_honoured_as_the_instance_says(
    on_repeat: str, codes: list[int], credits: int
) -> None:
    async with a_fulu(on_repeat=on_repeat) as w:
        assert [(await w.ask("order.direct.add", a_direct()))["code"] for _ in range(2)] == codes
        await w.move_to_s(0.3)
        assert len(w.found(Credited)) == credits
        assert (await w.ask("order.card.add", a_card_order()))["code"] == (3005 if on_repeat != "sell_again" else 0)


async def test_a_replayed_create_call_tells_how_the_order_stands() -> None:
    async with a_fulu() as w:
        await w.result("order.direct.add", a_direct())
        await w.move_to_s(1.3)
        again = await w.result("order.direct.add", a_direct())
        assert (again["order_status"], again["charge_finish_time"]) == ("success", beijing(WALL_S))
        assert again["operator_serial_number"] == w.found(Credited)[0].credit


# --- refusals ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("method", "biz", "number", "code"),
    [
        ("order.direct.add", a_direct(product_id=1), 3001, Code.GOODS_UNKNOWN),
        ("order.direct.add", a_direct(product_id=CARD_10), 3001, Code.GOODS_UNKNOWN),
        ("order.card.add", a_card_order(product_id=TOPUP_10), 3001, Code.GOODS_UNKNOWN),
        ("order.card.add", a_card_order(product_id="card_10"), 1000, Code.IDENTIFIERS_MISSING),
        ("order.card.add", a_card_order(buy_num=6), 3002, Code.GOODS_SOLD_OUT),
        ("order.card.add", a_card_order(buy_num=0), 1000, Code.IDENTIFIERS_MISSING),
        ("order.card.add", a_card_order(buy_num=1001), 1000, Code.IDENTIFIERS_MISSING),
        ("order.card.add", a_card_order(buy_num=True), 1000, Code.IDENTIFIERS_MISSING),
        ("order.card.add", a_card_order(buy_num=[1]), 1000, Code.IDENTIFIERS_MISSING),
        ("order.card.add", a_card_order(customer_order_no=""), 1000, Code.IDENTIFIERS_MISSING),
        ("order.card.add", a_card_order(customer_order_no="x" * 51), 1000, Code.IDENTIFIERS_MISSING),
        ("order.card.add", a_card_order(customer_order_no="a b"), 1000, Code.IDENTIFIERS_MISSING),
        ("order.direct.add", a_direct(charge_account=""), 1000, Code.IDENTIFIERS_MISSING),
        ("order.direct.add", a_direct(charge_account="x" * 257), 1000, Code.IDENTIFIERS_MISSING),
        ("order.direct.add", a_direct(charge_account={}), 1000, Code.IDENTIFIERS_MISSING),
        ("order.mobile.add", a_direct(charge_phone="1", charge_value=11), 3001, Code.GOODS_UNKNOWN),
        ("order.mobile.add", a_direct(charge_phone="1", charge_value="1e1"), 1000, Code.IDENTIFIERS_MISSING),
        ("order.mobile.add", a_direct(charge_value=10), 1000, Code.IDENTIFIERS_MISSING),
    ],
)
async def test_an_order_that_cannot_be_is_refused_and_sells_nothing(
    method: str, biz: dict[str, Any], number: int, code: Code
) -> None:
    async with a_fulu(stock={"card_10": 5}) as w:
        envelope = await w.ask(method, biz)
        assert (envelope["code"], envelope["result"]) == (number, "")
        (refused,) = w.found(GoodsRefused)
        assert (refused.code, refused.o, refused.words) == (code, "b00000001", envelope["message"])
        await w.move_to_s(1)
        assert not w.found(Credited)
        assert not w.found(GoodsSold)


@pytest.mark.parametrize(
    ("changed", "number", "code"),
    [
        ({"app_key": "another"}, 1001, Code.UPSTREAM_REFUSED),
        ({"app_key": 1001}, 1001, Code.UPSTREAM_REFUSED),
        ({"timestamp": beijing(WALL_S + 601)}, 1004, Code.UPSTREAM_BAD_SIGNATURE),
        ({"timestamp": beijing(WALL_S - 601)}, 1004, Code.UPSTREAM_BAD_SIGNATURE),
        ({"timestamp": beijing(WALL_S - 8 * 3600)}, 1004, Code.UPSTREAM_BAD_SIGNATURE),
        ({"timestamp": str(WALL_S)}, 1004, Code.UPSTREAM_BAD_SIGNATURE),
        ({"timestamp": beijing(WALL_S + 599)}, 0, None),
        ({"version": "1.0"}, 1000, Code.IDENTIFIERS_MISSING),
        ({"charset": "gbk"}, 1000, Code.IDENTIFIERS_MISSING),
        ({"sign_type": "sha256"}, 1000, Code.IDENTIFIERS_MISSING),
        ({"format": "xml"}, 1000, Code.IDENTIFIERS_MISSING),
        ({"biz_content": "no json"}, 1000, Code.IDENTIFIERS_MISSING),
        ({"biz_content": "[]"}, 1000, Code.IDENTIFIERS_MISSING),
        ({"biz_content": {"customer_order_no": "F000001"}}, 1000, Code.IDENTIFIERS_MISSING),
        ({"biz_content": "null"}, 0, None),
        ({"method": "fulu.nothing.get"}, 1002, Code.UPSTREAM_REFUSED),
        ({"method": ""}, 1002, Code.UPSTREAM_REFUSED),
    ],
)
async def test_a_call_is_taken_only_with_the_parameters_of_version_2(
    changed: dict[str, Any], number: int, code: Code | None
) -> None:
    async with a_fulu() as w:
        envelope = await w.ask("user.info.get", {}, **changed)
        assert envelope["code"] == number
        refused = w.found(TradeRefused)
        assert [(r.code, r.operation, r.words) for r in refused] == (
            [(code, Operation.CONNECT, envelope["message"])] if code else []
        )


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b"\xff", b"a=1", b"{}", b'{"app_key":"x"}'])
async def test_a_body_that_is_no_call_is_refused_with_a_code(body: bytes) -> None:
    async with a_fulu() as w:
        assert opened(await w.send(body))["code"] == (1001 if b"app_key" in body else 1000)


# --- goods -------------------------------------------------------------------------------------------------------
async def test_the_catalogue_knows_cards_from_what_is_topped_up() -> None:
    async with a_fulu(stock={"card_50": 0}) as w:
        goods = await w.result("goods.list.get", {})
        told = [(g["product_id"], g["product_name"], g["product_type"], g["purchase_price"]) for g in goods]
        assert told == [
            (CARD_10, "card_10", "卡密", 9.5),
            (CARD_50, "card_50", "卡密", 47.49),
            (TOPUP_10, "topup_10", "直充", 9.5),
        ]
        assert [g["stock_status"] for g in goods] == ["充足", "断货", "充足"]
        one = await w.result("goods.info.get", {"product_id": str(CARD_10)})
        assert one == goods[0] | {"four_category_icon": "", "detail_type": 0}


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({"product_type": "直充"}, ["topup_10"]),
        ({"product_name": "card_50"}, ["card_50"]),
        ({"face_value": 10}, ["card_10", "topup_10"]),
        ({"face_value": "49.99"}, ["card_50"]),
        ({"face_value": 1}, []),
        ({"product_id": 0}, ["card_10", "card_50", "topup_10"]),
        ({"first_category_id": 7}, ["card_10", "card_50", "topup_10"]),
    ],
)
async def test_the_catalogue_is_sifted(wanted: dict[str, Any], names: list[str]) -> None:
    async with a_fulu() as w:
        assert [g["product_name"] for g in await w.result("goods.list.get", wanted)] == names


async def test_a_template_says_what_a_top_up_needs_and_cards_have_none() -> None:
    async with a_fulu() as w:
        found = await w.result("goods.template.get", {"template_id": f"T{TOPUP_10}"})
        assert found["ElementInfo"]["Inputs"][0]["Name"] == "充值账号"
        assert (await w.ask("goods.template.get", {"template_id": f"T{CARD_10}"}))["code"] == 3001


@pytest.mark.parametrize(("num", "status"), [(2, "充足"), (3, "断货")])
async def test_stock_is_checked_for_so_many(num: int, status: str) -> None:
    async with a_fulu(stock={"card_10": 2}) as w:
        checked = await w.result("goods.stock.check", {"product_id": CARD_10, "buy_num": num})
        assert checked == {"product_id": CARD_10, "stock_status": status}
        assert (await w.ask("goods.stock.check", {"product_id": 1, "buy_num": 1}))["code"] == 3001


async def test_the_balance_falls_by_what_was_sold() -> None:
    async with a_fulu() as w:
        assert await w.result("user.info.get", None) == {"name": "orderjam", "balance": 100000.0, "is_open": 1}
        await w.result("order.direct.add", a_direct(buy_num=2))
        await w.result("order.card.add", a_card_order(2))
        await w.move_to_s(0.3)
        assert (await w.result("user.info.get", None))["balance"] == 99971.5


# --- whom it is about --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("biz", "key", "keyed_by"),
    [
        (a_direct(3), "b00000003", "key"),
        (a_direct(3, external_biz_id="x", charge_account=account_of(order_key(4))), "b00000004", "key"),
        (a_direct(3, external_biz_id="x"), "F000003", "order_number"),
        (a_direct(3, external_biz_id=None, charge_account=None), "F000003", "order_number"),
        ({}, "buy", "operation"),
    ],
)
async def test_an_order_is_about_the_key_that_is_passed_through(biz: dict[str, Any], key: str, keyed_by: str) -> None:
    async with a_fulu(a_fault("f", "refuse", Hop.SHOP_SUPPLIER)) as w:
        await w.call("order.direct.add", biz)
        (struck,) = w.found(Struck)
        assert (struck.o or "buy", struck.keyed_by) == (key, keyed_by)


async def test_a_query_is_about_the_order_of_its_number() -> None:
    async with a_fulu() as w:
        await w.result("order.direct.add", a_direct(3))
        assert (await w.ask("order.info.get", {"customer_order_no": "F9"}))["code"] == 3010
        (refused,) = w.found(TradeRefused)
        assert refused.o == "F9"
        assert (await w.order(3))["product_id"] == TOPUP_10


# --- notices, and the console ------------------------------------------------------------------------------------
async def test_a_notice_is_repeated_until_it_reads_success() -> None:
    async with a_fulu(gaps=(60,)) as w:
        w.shop = lambda letter: Heard(200, '{"code":"success"}' if len(w.letters) < 2 else " success\n")
        await w.result("order.direct.add", a_direct())
        await w.move_to_s(0.3)
        assert w.mock.open_notices == 1
        await w.move_to_s(61)
        assert w.mock.open_notices == 0
        first, second = w.told()
        assert first == second


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"app_key": "9"}, 403),
        ({"app_secret": "wrong"}, 403),
        ({"app_secret": ""}, 403),
        ({"notify_url": "http://93.184.216.34/x"}, 400),
        ({"notify_url": "http://127.0.0.1:7000/other"}, 200),
        ({"notify_url": ""}, 200),
    ],
)
async def test_only_the_merchant_says_which_address_of_this_machine_is_told(
    fields: dict[str, str], status: int
) -> None:
    async with a_fulu() as w:
        reply = await w.set_console(**fields)
        assert reply is not None
        assert reply.status == status
        assert KEY not in str(reply)
        await w.result("order.direct.add", a_direct())
        await w.move_to_s(0.3)
        told = [letter.url for letter in w.letters]
        wanted = fields.get("notify_url", NOTIFY) if status == 200 else NOTIFY
        assert told == ([wanted] if wanted else [])


async def test_a_reset_forgets_orders_and_ends_the_work_on_them() -> None:
    async with a_fulu(stock={"card_10": 1}) as w:
        await w.result("order.card.add", a_card_order())
        assert w.mock.open_notices == 1
        reset = await w.mock.answer(Asked("POST", "/_admin/reset"))
        assert reset is not None
        assert reset.fields == {"ok": True, "forgot": {"notices": 0, "trades": 1}}
        await w.move_to_s(1)
        assert (w.told(), w.found(GoodsSold), w.mock.open_notices) == ([], [], 0)
        await w.result("order.card.add", a_card_order())


async def test_admin_lists_a_top_up_with_its_credit_and_its_notice() -> None:
    async with a_fulu() as w:
        await w.result("order.direct.add", a_direct())
        await w.move_to_s(0.3)
        reply = await w.mock.answer(Asked("GET", "/_admin/trades", "key=b00000001"))
        assert reply is not None
        assert reply.fields is not None
        (row,) = json.loads(json.dumps(reply.fields["trades"]))
        assert (row["state"], row["credit"], row["last_notice"], row["notices"]) == (
            "delivered",
            w.found(Credited)[0].credit,
            "accepted",
            1,
        )


@pytest.mark.parametrize(("method", "path"), [("GET", "api/getway"), ("POST", "api/gateway"), ("GET", "console")])
async def test_other_paths_and_methods_are_nobodys(method: str, path: str) -> None:
    async with a_fulu() as w:
        with pytest.raises(NoRoute):
            await w.mock.answer(Asked(method, f"/fulu/{path}"))


values = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8), st.lists, max_leaves=4)
names = st.sampled_from([*a_direct(), "charge_phone", "charge_value", "template_id", "face_value"])


@given(st.sampled_from(["order.direct.add", "order.mobile.add", "order.info.get", "goods.list.get", "goods.info.get",
                        "goods.stock.check", "goods.template.get"]),
       st.dictionaries(names, values, max_size=6), st.binary(max_size=40))  # fmt: skip
async def test_no_call_breaks_the_mock(method: str, biz: dict[str, Any], junk: bytes) -> None:
    async with a_fulu() as w:
        assert opened(await w.call(method, biz))["code"] in (0, 1000, 3001, 3010)
        opened(await w.send(junk))
        opened(await w.send(dumps(fulu_signed(f"fulu.{method}", {}) | biz).encode()))
