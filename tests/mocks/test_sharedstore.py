"""The shared store as the shops that buy from it see it: signatures, answers, refusals, and what faults make of it."""

import asyncio
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.events import (
    GoodsRefused,
    GoodsRequested,
    GoodsSold,
    TradeRefused,
    Unmatched,
    goods_hash,
)
from ledger.states import Code, Hop, Operation
from mocks.server import Asked, NoRoute
from mocks.supplier.mock import SupplierMock, prices
from mocks.supplier.sharedstore_signs import nest, signature, signed_text
from plan.orders import order_key
from plan.run import TargetPlan
from tests.mocks.goods import PRODUCTS, StoreWorld, a_store, a_store_plan, a_trade, call_of, store_signed
from tests.mocks.world import KEY, PID, a_fault, a_plan

GOLDEN_KEY = "A1B2C3D4E5F6A7B8"
GOLDEN_SHOP = {"app_id": "10", "app_key": GOLDEN_KEY}
TRADE = {
    "shared_code": "P1",
    "contact": "13800000000",
    "num": "2",
    "card_id": "0",
    "device": "0",
    "password": "",
    "race": "月卡",
    "request_no": "REQ0",
    "sku[区]": "一 区",
    "account": "QQ 12345+x",
}


# --- the signature -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fields", "sign"),
    [
        ({}, "c1d677e48c290e8042de53b49b19e2f9"),
        (TRADE, "59888af59828cd81d8f3829a9b27941a"),
        ({"code": "P1", "race": "月卡", "sku[颜色]": "红 色&1"}, "dd0445106e1a4aa22c8e2c5587f4d8a4"),
    ],
)
@pytest.mark.parametrize("more", [{}, {"sign": "whatever"}, {"device_id": ""}])
def test_the_golden_vectors_are_met(fields: dict[str, str], sign: str, more: dict[str, str]) -> None:
    """Made by the shop's own code; docs/protocols.md."""
    assert signature(GOLDEN_SHOP | fields | more, GOLDEN_KEY) == sign


def test_the_key_is_url_decoded_too() -> None:
    assert signature({"a": "1"}, "x%41y+z") == signature({"a": "1"}, "xAy z")
    assert signature({"a": "1"}, "xAy+z") != signature({"a": "1"}, "xAy%2Bz")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"b": "2", "a": "1"}, "a=1&b=2"),
        ({"a": "", "b": "0"}, "b=0"),
        ({"z": "1", "sku[b]": "2", "sku[a]": "3", "a": "4"}, "a=4&sku[b]=2&sku[a]=3&z=1"),
        ({"sku[a]": ""}, "sku[a]="),
        ({"s[a][x]": "1", "s[b]": "2", "s[a][y]": "3"}, "s[a][x]=1&s[a][y]=3&s[b]=2"),
        ({"s[]": "1", "t": "2"}, "s[0]=1&t=2"),
        ({"10": "a", "9": "b", "-1": "c", "a": "d", "01": "e"}, "-1=c&01=e&9=b&10=a&a=d"),
        ({"B": "1", "a": "2", "_": "3"}, "B=1&_=3&a=2"),
        ({"[a]": "1"}, "[a]=1"),
        ({"a[": "1"}, "a[=1"),
        ({"sku[区]": "一 区&=+"}, "sku[区]=一 区&=+"),
    ],
)
def test_pairs_are_signed_as_http_build_query_writes_them(fields: dict[str, str], text: str) -> None:
    assert signed_text(fields) == text


def test_a_later_nested_name_takes_the_place_of_a_plain_one() -> None:
    assert nest({"a": "1", "a[b]": "2"}) == {"a": {"b": "2"}}
    assert nest({"a[b]": "2", "a": "1"}) == {"a": "1"}


@pytest.mark.parametrize(
    ("spoil", "words", "code"),
    [
        (lambda f: f | {"num": "2"}, "密钥错误", Code.UPSTREAM_BAD_SIGNATURE),
        (lambda f: f | {"sign": f["sign"].upper()}, "密钥错误", Code.UPSTREAM_BAD_SIGNATURE),
        (lambda f: f | {"sign": ""}, "密钥错误", Code.UPSTREAM_BAD_SIGNATURE),
        (lambda f: f | {"sign": "é" * 32}, "密钥错误", Code.UPSTREAM_BAD_SIGNATURE),
        (lambda f: f | {"extra": "1"}, "密钥错误", Code.UPSTREAM_BAD_SIGNATURE),
        (lambda f: f | {"app_key": "another-key-of-the-shop"}, "密钥错误", Code.UPSTREAM_BAD_SIGNATURE),
        (lambda f: {k: v for k, v in f.items() if k != "app_key"}, "密钥错误", Code.UPSTREAM_BAD_SIGNATURE),
        (lambda f: {k: v for k, v in f.items() if k != "sign"}, "密钥错误", Code.UPSTREAM_BAD_SIGNATURE),
        (lambda f: f | {"app_id": "9"}, "商户ID不存在", Code.UPSTREAM_REFUSED),
        (lambda f: {k: v for k, v in f.items() if k != "app_id"}, "商户ID不存在", Code.UPSTREAM_REFUSED),
    ],
)
async def test_who_is_not_the_merchant_is_refused_and_sold_nothing(spoil: Any, words: str, code: Code) -> None:
    async with a_store() as w:
        reply = await w.send("commodity/trade", spoil(store_signed(a_trade())))
        assert reply is not None
        assert (reply.status, reply.fields) == (200, {"code": 0, "msg": words, "data": {}})
        (refused,) = w.events
        assert isinstance(refused, GoodsRefused)
        assert (refused.code, refused.o, refused.request_no) == (code, "b00000001", "S000001")


async def test_a_nested_field_is_signed_in_its_place() -> None:
    async with a_store() as w:
        fields = a_trade() | {"sku[区]": "一 区", "account": "QQ 1+x", "race": "月卡"}
        assert (await w.ask("commodity/trade", fields))["code"] == 200


# --- what can be asked -------------------------------------------------------------------------------------------
async def test_connect_tells_the_balance_less_what_was_sold() -> None:
    async with a_store() as w:
        assert (await w.ask("authentication/connect"))["data"] == {"shopName": "orderjam", "balance": "100000.00"}
        await w.cards(num="2")
        assert (await w.ask("authentication/connect"))["data"]["balance"] == "99981.00"
        assert (await w.ask("authentication/connect", at="good"))["data"]["balance"] == "100000.00"


async def test_the_catalogue_holds_what_needs_no_game_server_at_95_percent() -> None:
    async with a_store(stock={"card_50": 3}) as w:
        (group,) = (await w.ask("commodity/items"))["data"]
        assert {(i["code"], i["price"], i["stock"]) for i in group["children"]} == {
            ("card_10", "9.50", 999_999),
            ("card_50", "47.49", 3),
        }
        assert (await w.ask("commodity/item", {"code": "card_50"}))["data"] in group["children"]


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        (TargetPlan("x", "", "naive"), {"card_10": 0, "topup_10": 0}),
        (TargetPlan("x", "", "naive", prices={"gift": 999}), {"card_10": 0, "topup_10": 0, "gift": 949}),
        (
            TargetPlan("x", "", "naive", prices={"card_10": 1, "topup_10": 100}, needs={"topup_10": "game"}),
            {"card_10": 0},
        ),
        (TargetPlan("x", "", "naive", prices={"card_10": 100}, needs={"card_10": "supplier"}), {"card_10": 95}),
    ],
)
def test_prices_are_whole_fen_rounded_down_and_nothing_where_unknown(
    target: TargetPlan, wanted: dict[str, int]
) -> None:
    found = prices(a_plan(target=target, product=PRODUCTS))
    assert {product: fen for product, fen in found.items() if product in wanted} == wanted
    assert "topup_10" not in found or not target.needs.get("topup_10")


async def test_stock_price_and_inventory_are_told_in_three_spellings() -> None:
    async with a_store(stock={"card_10": 5}) as w:
        assert (await w.ask("commodity/stock", {"code": "card_10"}))["data"] == {"stock": "5"}
        assert (await w.ask("commodity/valuation", {"code": "card_10", "num": "3"}))["data"] == {"price": "28.50"}
        inventory = (await w.ask("commodity/inventory", {"sharedCode": "card_10"}))["data"]
        assert set(inventory) == set(
            ["count", "delivery_way", "draft_status", "price", "user_price", "config", "factory_price", "is_category"]
        )
        assert inventory["count"] == 5
        state = await w.ask("commodity/inventoryState", {"shared_code": "card_10", "num": "5", "card_id": "0"})
        assert (state["code"], state["data"]) == (200, {})


@pytest.mark.parametrize(
    ("path", "fields", "words", "code"),
    [
        ("commodity/item", {"code": "nope"}, "商品不存在", Code.GOODS_UNKNOWN),
        ("commodity/item", {}, "商品不存在", Code.GOODS_UNKNOWN),
        ("commodity/item", {"code": "topup_10"}, "商品不存在", Code.GOODS_UNKNOWN),
        ("commodity/item", {"shared_code": "card_10"}, "商品不存在", Code.GOODS_UNKNOWN),
        ("commodity/stock", {"code": "nope"}, "商品不存在", Code.GOODS_UNKNOWN),
        ("commodity/inventory", {"code": "card_10"}, "商品不存在", Code.GOODS_UNKNOWN),
        ("commodity/inventoryState", {"shared_code": "card_10", "num": "6"}, "库存不足", Code.GOODS_SOLD_OUT),
        ("commodity/inventoryState", {"shared_code": "card_10"}, "购买数量(num)不正确", Code.UPSTREAM_REFUSED),
        ("commodity/valuation", {"code": "card_10", "num": "0"}, "购买数量(num)不正确", Code.UPSTREAM_REFUSED),
        ("commodity/query", {"request_no": "S9"}, "订单不存在", Code.UPSTREAM_REFUSED),
        ("commodity/query", {}, "订单不存在", Code.UPSTREAM_REFUSED),
    ],
)
async def test_what_cannot_be_told_is_refused_with_its_sentence(
    path: str, fields: dict[str, str], words: str, code: Code
) -> None:
    async with a_store(stock={"card_10": 5}) as w:
        answer = await w.ask(path, fields)
        assert answer == {"code": 0, "msg": words, "data": {}}
        (refused,) = w.events
        assert isinstance(refused, TradeRefused)
        assert (refused.code, refused.words) == (code, words)


# --- buying ------------------------------------------------------------------------------------------------------
async def test_a_trade_gives_one_card_a_line_and_journals_each_by_its_hash() -> None:
    async with a_store(stock={"card_10": 5}) as w:
        answer = await w.buys(num="2")
        data = answer["data"]
        assert set(data) == {"secret", "url", "amount", "tradeNo", "leave_message", "stock"}
        assert (answer["code"], data["amount"], data["stock"]) == (200, "19.00", "3")
        cards = data["secret"].split("\n")
        assert len(set(cards)) == 2
        (asked,) = w.found(GoodsRequested)
        assert (asked.upstream, asked.product, asked.request_no, asked.quantity, asked.o) == (
            "cheap",
            "card_10",
            "S000001",
            2,
            "b00000001",
        )
        assert [(e.goods, e.o, e.request_no) for e in w.found(GoodsSold)] == [
            (goods_hash(card), "b00000001", "S000001") for card in cards
        ]
        assert not any(card.rpartition(" ")[2] in str(w.events) for card in cards)


async def test_a_query_gives_the_same_cards_again() -> None:
    async with a_store() as w:
        bought = (await w.buys())["data"]
        found = (await w.ask("commodity/query", {"request_no": "S000001"}))["data"]
        assert found == {
            "tradeNo": bought["tradeNo"],
            "request_no": "S000001",
            "status": 1,
            "secret": bought["secret"],
            "amount": "9.50",
        }
        assert len(w.found(GoodsSold)) == 1
        assert (await w.ask("commodity/query", {"request_no": "S000001"}, at="good"))["code"] == 0


@pytest.mark.parametrize(
    ("changed", "words", "code"),
    [
        ({"shared_code": "nope"}, "商品不存在", Code.GOODS_UNKNOWN),
        ({"shared_code": "topup_10"}, "商品不存在", Code.GOODS_UNKNOWN),
        ({"shared_code": ""}, "商品不存在", Code.GOODS_UNKNOWN),
        ({"num": "6"}, "库存不足", Code.GOODS_SOLD_OUT),
        ({"num": ""}, "购买数量(num)不正确", Code.UPSTREAM_REFUSED),
        ({"num": "0"}, "购买数量(num)不正确", Code.UPSTREAM_REFUSED),
        ({"num": "-1"}, "购买数量(num)不正确", Code.UPSTREAM_REFUSED),
        ({"num": "1001"}, "购买数量(num)不正确", Code.UPSTREAM_REFUSED),
        ({"num": "１"}, "购买数量(num)不正确", Code.UPSTREAM_REFUSED),
        ({"num": "1.0"}, "购买数量(num)不正确", Code.UPSTREAM_REFUSED),
        ({"request_no": ""}, "请求编号(request_no)不正确", Code.UPSTREAM_REFUSED),
        ({"request_no": "a b"}, "请求编号(request_no)不正确", Code.UPSTREAM_REFUSED),
        ({"request_no": "x" * 65}, "请求编号(request_no)不正确", Code.UPSTREAM_REFUSED),
    ],
)
async def test_what_cannot_be_bought_is_refused_with_its_sentence(
    changed: dict[str, str], words: str, code: Code
) -> None:
    async with a_store(stock={"card_10": 5}) as w:
        answer = await w.buys(1, **changed)
        assert answer == {"code": 0, "msg": words, "data": {}}
        (refused,) = w.found(GoodsRefused)
        assert (refused.code, refused.words, refused.o) == (code, words, "b00000001")
        assert not w.found(GoodsSold)


async def test_stock_that_runs_out_refuses_the_next_and_only_at_this_upstream() -> None:
    async with a_store(stock={"card_10": 1}) as w:
        await w.cards(1)
        assert (await w.buys(2))["msg"] == "库存不足"
        assert [type(e) for e in w.events] == [GoodsRequested, GoodsSold, GoodsRequested, GoodsRefused]
        await w.cards(2, at="good")


async def test_cards_are_unique_over_two_instances() -> None:
    async with a_store() as w:
        cards = [card for n in range(1, 21) for card in await w.cards(n, at=("cheap", "good")[n % 2], num="2")]
        assert len(set(cards)) == 40


async def test_a_repeated_number_is_replayed() -> None:
    async with a_store() as w:
        assert (await w.buys())["data"]["secret"] == (await w.buys())["data"]["secret"]
        assert [type(e) for e in w.events] == [GoodsRequested, GoodsSold, GoodsRequested]


async def test_a_repeated_number_is_rejected_as_the_real_server_does() -> None:
    async with a_store(on_repeat="reject") as w:
        await w.cards()
        assert await w.buys() == {"code": 0, "msg": "The request ID already exists", "data": {}}
        assert (await w.ask("commodity/query", {"request_no": "S000001"}))["data"]["status"] == 1
        assert [type(e) for e in w.events] == [GoodsRequested, GoodsSold, GoodsRequested, GoodsRefused]


async def test_a_repeated_number_is_sold_again() -> None:
    async with a_store(on_repeat="sell_again") as w:
        assert await w.cards() != await w.cards()
        assert len(w.found(GoodsSold)) == 2


# --- whom it is about --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fields", "subject"),
    [
        (a_trade(3), ("b00000003", "key")),
        (a_trade(3, contact="b00000003.2@buyers.example"), ("b00000003.2", "key")),
        (a_trade(3, contact="13800000000"), ("S000003", "order_number")),
        (a_trade(3, contact="", request_no=""), ("buy", "operation")),
    ],
)
async def test_a_trade_is_about_the_key_in_its_contact(fields: dict[str, str], subject: tuple[str, str]) -> None:
    async with a_store() as w:
        call = await call_of(w, w.send("commodity/trade", store_signed(fields)))
        assert (call.subject.key, call.subject.keyed_by) == subject
        assert (call.place.hop, call.place.operation, call.place.upstream) == (
            Hop.SHOP_SUPPLIER,
            Operation.BUY,
            "cheap",
        )


async def test_a_query_without_contact_is_about_the_purchase_of_its_number() -> None:
    async with a_store() as w:
        await w.cards(3)
        asked = [{"request_no": "S000003"}, {"request_no": "S9"}, {"request_no": "S9", "contact": order_key(4)}]
        subjects = [(await call_of(w, w.send("commodity/query", store_signed(fields)))).subject for fields in asked]
        assert [(s.key, s.keyed_by) for s in subjects] == [
            ("b00000003", "key"),
            ("S9", "order_number"),
            ("b00000004", "key"),
        ]


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        ("authentication/connect", Operation.CONNECT),
        ("commodity/items", Operation.CATALOGUE),
        ("commodity/item", Operation.CATALOGUE),
        ("commodity/stock", Operation.STOCK),
        ("commodity/inventory", Operation.STOCK),
        ("commodity/inventoryState", Operation.STOCK),
        ("commodity/valuation", Operation.PRICE),
    ],
)
async def test_other_calls_are_about_their_operation(path: str, operation: Operation) -> None:
    async with a_store() as w:
        call = await call_of(w, w.send(path, store_signed({"contact": order_key(1)})))
        assert (call.place.operation, call.subject.key, call.subject.keyed_by) == (operation, operation, "operation")
        assert call.subject.o is None
        assert call.sell is None


# --- /_admin, and what nobody takes ------------------------------------------------------------------------------
async def test_admin_lists_purchases_by_number_and_key_and_never_a_card() -> None:
    async with a_store() as w:
        card = (await w.cards(1))[0]
        await w.cards(2, at="good")

        async def listed(query: str) -> list[dict[str, Any]]:
            reply = await w.mock.answer(Asked("GET", "/_admin/trades", query))
            assert reply is not None
            assert reply.fields is not None
            found: list[dict[str, Any]] = msgspec.json.decode(msgspec.json.encode(reply.fields["trades"]))
            return found

        (one,) = await listed("out_trade_no=S000001")
        assert one["goods"] == [goods_hash(card)]
        assert (one["upstream"], one["key"], one["product"], one["state"], one["sold"], one["amount_fen"]) == (
            "cheap",
            "b00000001",
            "card_10",
            "delivered",
            1,
            950,
        )
        assert await listed(f"trade_no={one['trade_no']}") == await listed("key=b00000001") == [one]
        assert len(await listed("")) == 2
        for query in ("out_trade_no=S9", "key=b00000009", "trade_no=9", "key=b00000002&out_trade_no=S000001"):
            assert await listed(query) == []
        assert card.rpartition(" ")[2] not in str(await listed(""))
        reset = await w.mock.answer(Asked("POST", "/_admin/reset"))
        assert reset is not None
        assert reset.fields == {"ok": True, "forgot": {"notices": 0, "trades": 2}}
        assert (w.mock.trades_made, w.mock.open_notices) == (0, 0)


async def test_attempts_are_counted_again_after_a_reset() -> None:
    async with a_store(a_fault("first", "refuse", Hop.SHOP_SUPPLIER, first=1)) as w:
        statuses = []
        for n in range(3):
            if n == 2:
                await w.mock.answer(Asked("POST", "/_admin/reset"))
            reply = await w.send("commodity/trade", store_signed(a_trade()))
            assert reply is not None
            statuses.append(reply.status)
        assert statuses == [503, 200, 503]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/cheap/shared/commodity/trade"),
        ("PUT", "/cheap/shared/commodity/trade"),
        ("POST", "/cheap"),
        ("POST", "/cheap/"),
        ("POST", "/cheap/shared/commodity/"),
        ("POST", "/other/shared/commodity/trade"),
        ("POST", "/cheap/shared/commodity/trade/"),
        ("POST", "/cheap/plugin/SharedStock/api/nope"),
        ("GET", "/cheap/plugin/open-api/items"),
    ],
)
async def test_other_paths_and_methods_are_nobodys(method: str, path: str) -> None:
    async with a_store() as w:
        with pytest.raises(NoRoute):
            await w.mock.answer(Asked(method, path))
        assert not w.found(Unmatched)


texts = st.text(max_size=12)


@given(
    st.dictionaries(
        st.one_of(
            st.sampled_from([*a_trade(), "code", "sharedCode", "app_id", "sign", "sku[a]", "sku[]", "s[a]["]), texts
        ),
        texts,
        max_size=8,
    ),
    st.binary(max_size=60),
)
async def test_no_request_breaks_the_mock(fields: dict[str, str], junk: bytes) -> None:
    async with asyncio.TaskGroup() as tasks:
        w = StoreWorld(SupplierMock, a_store_plan(), tasks)
        for route in w.mock.routes():
            if route.startswith("/_admin"):
                continue
            sealed = {"app_id": PID, "app_key": KEY, **fields}
            sealed["sign"] = signature(sealed, KEY)
            for body in (urlencode(fields).encode(), junk, urlencode(sealed).encode()):
                reply = await w.mock.answer(Asked("POST", route, "", body))
                assert reply is not None
                assert reply.status == 200
                msgspec.json.encode(reply.fields)
        msgspec.json.encode(w.events)
