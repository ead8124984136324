"""What faults make of the shared store: other rules of signing, and trades that end otherwise than they say."""

from typing import Any

import pytest

from faults.verdict import Outcome, Variant
from ledger.events import (
    GoodsAccepted,
    GoodsRefused,
    GoodsRequested,
    GoodsSold,
    Struck,
    goods_hash,
)
from ledger.states import Code, Hop, Operation
from mocks.supplier.sharedstore_signs import signature
from tests.mocks.goods import StoreWorld, a_store, a_trade, call_of, store_signed
from tests.mocks.world import KEY, a_fault


# --- what faults make of it --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("variant", "fields", "is_genuine"),
    [
        (Variant.MISSING, a_trade(), False),
        (Variant.WRONG_KEY, a_trade(), False),
        (Variant.CASE, a_trade(), False),
        (Variant.CHARSET_GBK, a_trade(), True),
        (Variant.CHARSET_GBK, a_trade(race="月卡"), False),
        (Variant.EMPTY_KEPT, a_trade(), False),
        (Variant.EMPTY_KEPT, a_trade(password="x", race="y"), True),
    ],
)
async def test_a_right_signature_is_wrong_by_another_rule_only_where_that_differs(
    variant: Variant, fields: dict[str, str], is_genuine: bool
) -> None:
    async with a_store() as w:
        call = await call_of(w, w.send("commodity/trade", store_signed(fields)))
        assert call.is_genuine
        assert call.is_genuine_as is not None
        assert call.is_genuine_as(variant) is is_genuine


async def test_a_signature_by_another_rule_is_right_by_that_rule() -> None:
    async with a_store() as w:
        signed = store_signed(a_trade(race="月卡"))
        upper = await call_of(w, w.send("commodity/trade", signed | {"sign": signed["sign"].upper()}))
        gbk = signature(signed, KEY, Variant.CHARSET_GBK)
        as_gbk = await call_of(w, w.send("commodity/trade", signed | {"sign": gbk}))
        assert upper.is_genuine_as is not None
        assert as_gbk.is_genuine_as is not None
        assert (upper.is_genuine, upper.is_genuine_as(Variant.CASE)) == (False, True)
        assert (as_gbk.is_genuine, as_gbk.is_genuine_as(Variant.CHARSET_GBK)) == (False, True)


async def sold(w: StoreWorld, outcome: Outcome, n: int = 1, **changed: str) -> dict[str, Any] | None:
    """What comes of a trade on which this outcome strikes; None where it changes nothing."""
    call = await call_of(w, w.send("commodity/trade", store_signed(a_trade(n, **changed))))
    assert call.sell is not None
    reply = call.sell(outcome)
    if reply is None:
        return None
    assert reply.fields is not None
    return reply.fields


@pytest.mark.parametrize(
    ("outcome", "words", "code"),
    [
        (Outcome.SOLD_OUT, "库存不足", Code.GOODS_SOLD_OUT),
        (Outcome.BALANCE, "余额不足", Code.UPSTREAM_REFUSED),
        (Outcome.MAINTENANCE, "商品维护中", Code.UPSTREAM_REFUSED),
    ],
)
async def test_a_refusing_fault_refuses_and_leaves_the_number_free(outcome: Outcome, words: str, code: Code) -> None:
    async with a_store(on_repeat="reject") as w:
        assert await sold(w, outcome) == {"code": 0, "msg": words, "data": {}}
        assert [type(e) for e in w.events] == [GoodsRequested, GoodsRefused]
        assert w.found(GoodsRefused)[0].code is code
        assert (await w.ask("commodity/query", {"request_no": "S000001"}))["msg"] == "订单不存在"
        await w.cards()


@pytest.mark.parametrize(
    ("outcome", "status", "kinds"),
    [
        (Outcome.ACCEPT_THEN_FAIL, 2, [GoodsRequested, GoodsAccepted, GoodsRefused]),
        (Outcome.STAYS_PROCESSING, 0, [GoodsRequested, GoodsAccepted]),
        (Outcome.EMPTY, 1, [GoodsRequested]),
    ],
)
async def test_what_gets_no_cards_answers_success_without_any_for_good(
    outcome: Outcome, status: int, kinds: list[type]
) -> None:
    async with a_store() as w:
        answer = await sold(w, outcome)
        assert answer is not None
        assert (answer["code"], answer["data"]["secret"]) == (200, "")
        found = (await w.ask("commodity/query", {"request_no": "S000001"}))["data"]
        assert (found["status"], found["secret"]) == (status, "")
        assert (await w.buys())["data"]["secret"] == ""
        assert [type(e) for e in w.events] == [*kinds, GoodsRequested]


@pytest.mark.parametrize(("num", "given", "truly"), [("3", 2, 2), ("2", 1, 1), ("1", 1, 1)])
async def test_a_part_of_the_goods_is_told_as_all_of_them(num: str, given: int, truly: int) -> None:
    async with a_store() as w:
        answer = await sold(w, Outcome.PARTIAL, num=num)
        assert answer is not None
        cards = answer["data"]["secret"].split("\n")
        assert len(cards) == given
        hashes = [event.goods for event in w.found(GoodsSold)]
        assert len(hashes) == truly
        assert ([goods_hash(card) for card in cards] == hashes) is (num != "1")
        assert (await w.ask("commodity/query", {"request_no": "S000001"}))["data"]["secret"].split("\n") == cards


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.WRONG_REGION])
async def test_a_fault_changes_nothing_where_the_trade_is_refused_anyhow_or_a_repeat(outcome: Outcome) -> None:
    async with a_store(stock={"card_50": 0}) as w:
        await w.cards(1)
        before = list(w.events)
        assert await sold(w, outcome, 1) is None
        assert await sold(w, outcome, 2, shared_code="nope") is None
        assert await sold(w, outcome, 3, shared_code="card_50") is None
        assert await sold(w, outcome, 4, num="0") is None
        assert w.events == before


async def test_a_store_knows_no_regions() -> None:
    async with a_store() as w:
        assert await sold(w, Outcome.WRONG_REGION) is None
        assert w.events == []


async def test_a_right_signature_that_is_refused_asks_for_no_goods() -> None:
    fault = a_fault("old_key", "sig.wrong_key", Hop.SHOP_SUPPLIER)
    async with a_store(fault) as w:
        assert (await w.buys())["msg"] == "密钥错误"
        assert [type(e) for e in w.events] == [GoodsRefused, Struck]
        (struck,) = w.found(Struck)
        assert (struck.hop, struck.operation, struck.o) == ("shop>supplier/cheap", "buy", "b00000001")


async def test_an_answer_that_is_lost_was_a_sale_all_the_same() -> None:
    async with a_store(a_fault("silent", "lose_answer", Hop.SHOP_SUPPLIER, first=1)) as w:
        assert await w.send("commodity/trade", store_signed(a_trade())) is None
        assert len(w.found(GoodsSold)) == 1
        assert len(await w.cards()) == 1
        assert len(w.found(GoodsSold)) == 1


# --- whole faults, as a scenario names them ----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fault", "changed"),
    [
        ("sold_out", "goods: sold_out"),
        ("business_error", "goods: balance"),
        ("maintenance", "goods: maintenance"),
        ("accept_then_fail", "goods: accept_then_fail"),
        ("stays_processing", "goods: stays_processing"),
        ("empty_goods", "goods: empty"),
        ("partial_goods", "goods: partial"),
        ("ver.renamed", "data.secret renamed contents"),
        ("ver.missing_field", "left out: data.secret"),
        ("ver.code_polarity", "code 200 told as 0"),
        ("ver.num_to_string", "another type: code, data.amount, data.stock"),
        ("ver.cents_vs_yuan", "data.amount 9.50 told as 950"),
        ("sig.case", "right signature refused"),
        ("sig.empty_kept", "right signature refused"),
        ("sig.missing", "right signature refused"),
    ],
)
async def test_each_fault_finds_something_to_change_in_a_trade(fault: str, changed: str) -> None:
    async with a_store(a_fault("f", fault, Hop.SHOP_SUPPLIER)) as w:
        await w.send("commodity/trade", store_signed(a_trade()))
        (struck,) = w.found(Struck)
        assert (struck.fault, struck.changed, struck.o) == ("f", changed, "b00000001")


@pytest.mark.parametrize(
    ("fault", "changed"),
    [
        ("ver.enum_changed", "data.status 1 told as 3"),
        ("ver.enum_unknown", "data.status 1 told as 9"),
        ("ver.renamed", "data.secret renamed contents"),
    ],
)
async def test_a_query_speaks_another_version(fault: str, changed: str) -> None:
    async with a_store() as w, a_store(a_fault("f", fault, Hop.SHOP_SUPPLIER)) as other:
        assert (await w.buys())["code"] == (await other.buys())["code"] == 200
        await other.ask("commodity/query", {"request_no": "S000001"})
        assert other.found(Struck)[-1].changed == changed
        assert other.found(Struck)[-1].operation is Operation.QUERY


async def test_a_mangled_answer_leaves_the_next_one_whole() -> None:
    async with a_store(a_fault("f", "ver.renamed", Hop.SHOP_SUPPLIER, first=1)) as w:
        assert "contents" in (await w.buys())["data"]
        assert "secret" in (await w.buys())["data"]


# --- outcomes that a shop cannot know ----------------------------------------------------------------------------
async def test_cards_that_used_to_come_at_once_come_later_and_are_found_by_asking_again() -> None:
    async with a_store(a_fault("f", "ver.sync_to_async", Hop.SHOP_SUPPLIER, first=1), stock={"card_10": 1}) as w:
        assert (await w.buys())["data"]["secret"] == ""
        assert (await w.ask("commodity/query", {"request_no": "S000001"}))["data"]["status"] == 0
        assert (await w.buys(2))["msg"] == "库存不足"
        await w.move_to_s(0.3)
        found = (await w.ask("commodity/query", {"request_no": "S000001"}))["data"]
        assert (found["status"], found["secret"]) == (1, (await w.buys())["data"]["secret"])
        assert [type(e) for e in w.events if type(e) in (GoodsAccepted, GoodsSold)] == [GoodsAccepted, GoodsSold]
        (sold,) = w.found(GoodsSold)
        assert sold.goods == goods_hash(found["secret"])
        w.mock.stop()


async def test_the_cards_of_another_order_are_sold_to_nobody_twice() -> None:
    async with a_store(a_fault("f", "others_goods", Hop.SHOP_SUPPLIER)) as w:
        theirs = await w.cards(1, num="2")
        assert w.found(Struck) == []
        assert await w.cards(2, num="2") == theirs
        assert (await w.ask("commodity/query", {"request_no": "S000002"}))["data"]["secret"].split("\n") == theirs
        assert len(w.found(GoodsSold)) == 2
        assert len(await w.cards(3, num="3")) == 3
        assert [s.o for s in w.found(Struck)] == ["b00000002"]


@pytest.mark.parametrize("on_repeat", ["replay", "reject"])
async def test_the_first_repeat_is_refused_though_the_trade_was_done(on_repeat: str) -> None:
    async with a_store(a_fault("f", "duplicate_refused", Hop.SHOP_SUPPLIER), on_repeat=on_repeat) as w:
        cards = await w.cards()
        assert (await w.buys())["msg"] == "The request ID already exists"
        again = await w.buys()
        assert again["code"] == (200 if on_repeat == "replay" else 0)
        assert len(w.found(Struck)) == (1 if on_repeat == "replay" else 0)
        assert [goods_hash(card) for card in cards] == [event.goods for event in w.found(GoodsSold)]


@pytest.mark.parametrize(
    ("fault", "changed"),
    [("ver.shape", "another shape: data"), ("ver.envelope", "another envelope: response")],
)
async def test_an_answer_has_another_shape(fault: str, changed: str) -> None:
    async with a_store(a_fault("f", fault, Hop.SHOP_SUPPLIER)) as w:
        answer = await w.buys()
        assert w.found(Struck)[0].changed == changed
        assert isinstance(answer["data"], list) if fault == "ver.shape" else "code" in answer["response"]


@pytest.mark.parametrize(("meant", "struck"), [("0", True), ("1", False), ("2", False)])
async def test_a_fault_can_be_for_shops_of_one_type_alone(meant: str, struck: bool) -> None:
    async with a_store(a_fault("f", "ver.renamed", Hop.SHOP_SUPPLIER, select={"api_version": [meant]})) as w:
        await w.buys()
        assert bool(w.found(Struck)) is struck
