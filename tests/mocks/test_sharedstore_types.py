"""The shared store's other types, below their own paths on the same instance, and cards that a buyer chooses."""

import hashlib
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from faults.verdict import Variant
from ledger.events import GoodsAccepted, GoodsRefused, GoodsRequested, GoodsSold, Struck, TradeRefused, goods_hash
from ledger.states import Code, Hop, Operation
from mocks.server import Asked
from mocks.supplier.sharedstore_signs import signature
from mocks.upstreams import Keys
from plan.orders import account_of, order_key
from tests.mocks.goods import (
    StoreWorld,
    a_store,
    a_trade,
    call_of,
    store_signed,
)
from tests.mocks.world import KEY, PID, a_fault

GOLDEN_KEY = "A1B2C3D4E5F6A7B8"
SKU_10, SKU_50 = "1001", "1002"
TRADE_NO = hashlib.md5(b"S000001").hexdigest()[:24]
"""What acg-faka makes of its own request_no for a store of type 1."""


def mcy_signed(fields: dict[str, str], key: str = KEY) -> str:
    text = "&".join(f"{name}={value}" for name, value in sorted(fields.items()) if value)
    return hashlib.md5(f"{text}&key={key}".encode()).hexdigest()


async def mcy(w: StoreWorld, path: str, fields: dict[str, str] | None = None, **headers: str) -> dict[str, Any]:
    """The envelope that answers a rightly signed call of type 1, but for the headers that are changed."""
    body = fields or {}
    signed = {"Api-Id": PID, "Api-Signature": mcy_signed(body)}
    signed |= {name.replace("_", "-"): value for name, value in headers.items()}
    asked = Asked("POST", f"/cheap/plugin/open-api/{path}", "", urlencode(body).encode(), "", headers=signed)
    reply = await w.mock.answer(asked)
    assert reply is not None
    assert reply.status == 200
    found: dict[str, Any] = json.loads(json.dumps(reply.fields))
    return found


async def plugin(w: StoreWorld, action: str, fields: dict[str, str] | None = None) -> dict[str, Any]:
    """The envelope that answers a rightly signed call of type 2."""
    body = urlencode(store_signed(fields or {})).encode()
    reply = await w.mock.answer(Asked("POST", f"/cheap/plugin/SharedStock/api/{action}", "", body))
    assert reply is not None
    found: dict[str, Any] = json.loads(json.dumps(reply.fields))
    return found


def a_purchase(**changed: str) -> dict[str, str]:
    """The fields of a trade of type 1; what the buyer filled in stands at the top level."""
    return {"sku_id": SKU_10, "quantity": "1", "trade_no": TRADE_NO, "contact": "b00000001@buyers.example"} | changed


# --- type 2 ------------------------------------------------------------------------------------------------------
async def test_the_plugin_answers_as_the_store_itself_but_an_item_stands_in_its_group() -> None:
    async with a_store(stock={"card_10": 5}) as w:
        assert await plugin(w, "connect") == await w.ask("authentication/connect")
        for action, fields in [
            ("items", {}),
            ("stock", {"code": "card_10"}),
            ("valuation", {"code": "card_10", "num": "2"}),
            ("inventory", {"sharedCode": "card_10"}),
            ("inventoryState", {"shared_code": "card_10", "num": "2"}),
        ]:
            assert await plugin(w, action, fields) == await w.ask(f"commodity/{action}", fields)
        item = (await w.ask("commodity/item", {"code": "card_10"}))["data"]
        (group,) = (await plugin(w, "item", {"code": "card_10"}))["data"]
        assert group["children"] == [item]
        assert (await plugin(w, "item", {"code": "nope"}))["msg"] == "商品不存在"


async def test_a_number_bought_through_the_plugin_is_known_to_the_store_itself() -> None:
    async with a_store(on_repeat="reject") as w:
        bought = await plugin(w, "trade", a_trade())
        assert (await w.ask("commodity/query", {"request_no": "S000001"}))["data"]["secret"] == bought["data"]["secret"]
        assert (await w.buys())["msg"] == "The request ID already exists"


# --- type 1 ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fields", "sign"),
    [
        ({}, "d2e77757fbafc9d0db3ce9ebfbef9c16"),
        ({"sku_id": "71", "quantity": "2"}, "f7a4401b3c423381a79ff908727b2509"),
    ],
)
async def test_the_golden_vectors_of_type_1_are_met(fields: dict[str, str], sign: str) -> None:
    """Made by the shop's own code; docs/protocols/sharedstore.md."""
    assert signature(fields, GOLDEN_KEY) == sign


async def test_a_call_without_data_is_signed_by_the_key_alone() -> None:
    async with a_store(keys=Keys("10", GOLDEN_KEY)) as w:
        answer = await mcy(w, "connect", Api_Id="10", Api_Signature="d2e77757fbafc9d0db3ce9ebfbef9c16")
        assert answer["data"] == {"username": "orderjam", "balance": "100000.00"}


async def test_the_catalogue_of_type_1_has_items_with_skus() -> None:
    async with a_store(stock={"card_50": 3}) as w:
        items = (await mcy(w, "items"))["data"]
        told = [(i["id"], i["name"], *(i["sku"][0][name] for name in ("id", "stock_price", "stock"))) for i in items]
        assert told == [(1, "card_10", 1001, "9.50", 999_999), (2, "card_50", 1002, "47.49", 3)]
        assert set(items[0]) == {"id", "name", "introduce", "picture_url", "category", "widget", "sku"}
        assert (await mcy(w, "item", {"id": "2"}))["data"] == items[1]


@pytest.mark.parametrize(
    ("path", "fields", "data"),
    [
        ("sku/stock", {"sku_id": SKU_50}, {"stock": "3"}),
        ("sku/state", {"sku_id": SKU_50, "quantity": "3"}, {"state": True}),
        ("sku/state", {"sku_id": SKU_50, "quantity": "4"}, {"state": False}),
        ("sku/state", {"sku_id": "9999", "quantity": "1"}, {"state": False}),
        ("sku/state", {"sku_id": SKU_50, "quantity": "x"}, {"state": False}),
        ("amount", {"sku_id": SKU_10, "quantity": "3"}, {"amount": "28.50"}),
    ],
)
async def test_stock_state_and_amount_are_told_by_sku(path: str, fields: dict[str, str], data: dict[str, Any]) -> None:
    async with a_store(stock={"card_50": 3}) as w:
        assert await mcy(w, path, fields) == {"code": 200, "msg": "success", "data": data}


@pytest.mark.parametrize(
    ("path", "fields", "words", "code"),
    [
        ("item", {"id": "3"}, "商品不存在", Code.GOODS_UNKNOWN),
        ("item", {"id": "0"}, "商品不存在", Code.GOODS_UNKNOWN),
        ("item", {"id": "x"}, "商品不存在", Code.GOODS_UNKNOWN),
        ("sku/stock", {}, "商品不存在", Code.GOODS_UNKNOWN),
        ("amount", {"sku_id": SKU_10, "quantity": "0"}, "购买数量(quantity)不正确", Code.UPSTREAM_REFUSED),
    ],
)
async def test_what_type_1_cannot_tell_is_refused(path: str, fields: dict[str, str], words: str, code: Code) -> None:
    async with a_store() as w:
        assert await mcy(w, path, fields) == {"code": 0, "msg": words, "data": {}}
        (refused,) = w.found(TradeRefused)
        assert (refused.code, refused.words) == (code, words)


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Api_Id": "9"}, "商户ID不存在"),
        ({"Api_Id": ""}, "商户ID不存在"),
        ({"Api_Signature": ""}, "密钥错误"),
        ({"Api_Signature": mcy_signed(a_purchase()).upper()}, "密钥错误"),
        ({"Api_Signature": mcy_signed(a_purchase(quantity="2"))}, "密钥错误"),
        ({"Api_Signature": "\udcff"}, "密钥错误"),
    ],
)
async def test_who_is_not_the_merchant_of_type_1_is_sold_nothing(headers: dict[str, str], words: str) -> None:
    async with a_store() as w:
        assert (await mcy(w, "trade", a_purchase(), **headers))["msg"] == words
        (refused,) = w.events
        assert isinstance(refused, GoodsRefused)
        assert (refused.request_no, refused.o) == (TRADE_NO, "b00000001")


async def test_a_trade_of_type_1_gives_contents_under_the_number_that_the_shop_has_hashed() -> None:
    async with a_store() as w:
        data = (await mcy(w, "trade", a_purchase(quantity="2")))["data"]
        assert (data["trade_no"], data["amount"], data["status"]) == (TRADE_NO, "19.00", 1)
        cards = data["contents"].split("\n")
        assert [event.goods for event in w.found(GoodsSold)] == [goods_hash(card) for card in cards]
        (asked,) = w.found(GoodsRequested)
        assert (asked.request_no, asked.o, asked.product, asked.quantity) == (TRADE_NO, "b00000001", "card_10", 2)
        assert (await mcy(w, "trade", a_purchase(quantity="2")))["data"]["contents"].split("\n") == cards


@pytest.mark.parametrize("fault", ["stays_processing", "accept_then_fail"])
async def test_a_trade_of_type_1_that_is_still_worked_on_has_no_contents(fault: str) -> None:
    async with a_store(a_fault("f", fault, Hop.SHOP_SUPPLIER)) as w:
        answer = await mcy(w, "trade", a_purchase())
        assert (answer["code"], answer["data"]["status"], "contents" in answer["data"]) == (200, 0, False)
        assert w.found(GoodsAccepted)
        assert not w.found(GoodsSold)


@pytest.mark.parametrize(
    ("changed", "key", "keyed_by"),
    [
        ({}, "b00000001", "key"),
        ({"contact": "", "QQ": "b00000002@buyers.example"}, "b00000002", "key"),
        ({"contact": "", "account": account_of(order_key(3))}, "b00000003", "key"),
        ({"contact": "", "sku_id": "b00000004"}, TRADE_NO, "order_number"),
        ({"contact": "", "trade_no": ""}, "buy", "operation"),
    ],
)
async def test_a_trade_is_about_the_key_in_what_the_buyer_filled_in(
    changed: dict[str, str], key: str, keyed_by: str
) -> None:
    async with a_store() as w:
        fields = a_purchase(**changed)
        asked = Asked("POST", "/cheap/plugin/open-api/trade", "", urlencode(fields).encode())
        call = await call_of(w, w.mock.answer(asked))
        assert (call.subject.key, call.subject.keyed_by) == (key, keyed_by)
        assert call.place.operation is Operation.BUY


@pytest.mark.parametrize(
    ("fault", "changed"),
    [
        ("ver.renamed", "data.contents renamed secret"),
        ("ver.missing_field", "left out: data.contents"),
        ("ver.code_polarity", "code 200 told as 0"),
        ("ver.cents_vs_yuan", "data.amount 9.50 told as 950"),
        ("ver.enum_unknown", "data.status 1 told as 9"),
    ],
)
async def test_each_version_fault_finds_something_in_a_trade_of_type_1(fault: str, changed: str) -> None:
    async with a_store(a_fault("f", fault, Hop.SHOP_SUPPLIER)) as w:
        await mcy(w, "trade", a_purchase())
        (struck,) = w.found(Struck)
        assert struck.changed == changed


# --- other ways to sign ------------------------------------------------------------------------------------------
ODD = a_trade(race="月卡", account="QQ 12345+x", B="1")
"""A trade with a space, Chinese, a plus sign, empty values and a name in capitals."""


@pytest.mark.parametrize(
    ("variant", "fields", "is_genuine"),
    [
        (Variant.UNSORTED, ODD, False),
        (Variant.SORT_LOCALE, ODD, False),
        (Variant.SORT_LOCALE, a_trade(), True),
        (Variant.URLENCODED, ODD, False),
        (Variant.URLENCODED, a_trade(contact="b00000001"), True),
        (Variant.PLUS_SPACE, ODD, False),
        (Variant.PLUS_SPACE, a_trade(account="QQ12345+x"), True),
        (Variant.KEY_TAIL, a_trade(), False),
    ],
)
async def test_another_rule_gives_another_result_only_where_it_differs(
    variant: Variant, fields: dict[str, str], is_genuine: bool
) -> None:
    async with a_store() as w:
        call = await call_of(w, w.send("commodity/trade", store_signed(fields)))
        assert call.is_genuine
        assert call.is_genuine_as is not None
        assert call.is_genuine_as(variant) is is_genuine


@pytest.mark.parametrize(
    ("variant", "text"),
    [
        (Variant.UNSORTED, "c=x y+z~&a=中&key=k y"),
        (Variant.URLENCODED, "a=%E4%B8%AD&c=x+y%2Bz%7E&key=k+y"),
        (Variant.PLUS_SPACE, "a=中&c=x+y+z~&key=k+y"),
        (Variant.KEY_TAIL, "a=中&c=x y+z~k y"),
        (Variant.EMPTY_KEPT, "a=中&b=&c=x y+z~&key=k y"),
    ],
)
def test_each_way_signs_the_text_that_such_a_server_would(variant: Variant, text: str) -> None:
    fields = {"c": "x y+z~", "b": "", "a": "中", "sign": "whatever"}
    assert signature(fields, "k+y", variant) == hashlib.md5(text.encode()).hexdigest()


async def test_the_rules_of_type_1_differ_too() -> None:
    async with a_store(a_fault("f", "sig.key_tail", Hop.SHOP_SUPPLIER)) as w:
        assert (await mcy(w, "trade", a_purchase()))["msg"] == "密钥错误"
        (struck,) = w.found(Struck)
        assert struck.changed == "right signature refused"


# --- cards that a buyer chooses ----------------------------------------------------------------------------------
async def test_a_chosen_card_is_sold_once_and_in_turn_never_again() -> None:
    async with a_store(stock={"card_10": 5}, drafts="on") as w:
        shown = (await w.ask("commodity/draftCard", {"code": "card_10", "page": "1", "limit": "3"}))["data"]
        assert ([c["id"] for c in shown["list"]], shown["total"]) == ([1, 2, 3], 5)
        assert (await w.ask("commodity/draft", {"code": "card_10", "card_id": "2"}))["data"] == {
            "draft_premium": "0.00"
        }
        (card,) = await w.cards(1, card_id="2")
        assert "-0000002 " in card
        for refused in ("2", "99"):
            assert (await w.buys(2, card_id=refused))["msg"] == "库存不足"
        cards = await w.cards(3, num="4", card_id="0")
        assert [c.split(" ")[1][-1] for c in cards] == ["1", "3", "4", "5"]
        assert (await w.ask("commodity/draftCard", {"code": "card_10"}))["data"]["total"] == 0


@pytest.mark.parametrize(
    ("path", "fields", "words"),
    [
        ("commodity/draft", {"code": "card_10", "card_id": "9"}, "预选的卡密(card_id)不正确"),
        ("commodity/draft", {"code": "card_10", "card_id": "x"}, "预选的卡密(card_id)不正确"),
        ("commodity/draft", {"code": "card_10"}, "预选的卡密(card_id)不正确"),
        ("commodity/draftCard", {"code": "nope"}, "商品不存在"),
        ("commodity/trade", a_trade(num="2", card_id="1"), "预选的卡密(card_id)不正确"),
        ("commodity/inventoryState", {"shared_code": "card_10", "num": "1", "card_id": "9"}, "库存不足"),
    ],
)
async def test_a_choice_that_cannot_be_is_refused(path: str, fields: dict[str, str], words: str) -> None:
    async with a_store(stock={"card_10": 5}, drafts="on") as w:
        assert (await w.ask(path, fields)) == {"code": 0, "msg": words, "data": {}}


async def test_a_store_without_choice_says_so_and_sells_any_card() -> None:
    async with a_store() as w:
        for path in ("commodity/draftCard", "commodity/draft"):
            assert (await w.ask(path, {"code": "card_10", "card_id": "1"}))["msg"] == "该商品不支持预选"
        assert (await w.ask("commodity/item", {"code": "card_10"}))["data"]["draft_status"] == 0
        assert len(await w.cards(1, num="2", card_id="7")) == 2
