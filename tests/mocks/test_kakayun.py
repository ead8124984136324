"""卡卡云 as its merchants see it, and what faults make of it; requests are signed as docs/protocols/kakayun.md says."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faults.verdict import Outcome, Variant
from ledger.clock import SECOND_NS
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
from ledger.states import Code, Hop
from mocks.reply import Reply
from mocks.server import Asked, NoRoute
from mocks.supplier.kakayun_signs import signature
from mocks.supplier.mock import SupplierMock
from mocks.upstreams import Keys
from plan.faults import FaultPlan
from plan.orders import account_of, order_key
from plan.run import UpstreamPlan
from plan.units import WireTime
from tests.mocks.goods import PRODUCTS, REGIONS, TARGET, call_of
from tests.mocks.world import KEY, PID, WALL_S, Around, a_fault, a_plan

CARD_10, CARD_50, TOPUP_10 = 200_001, 200_002, 200_003
GOLDEN = {
    "userid": "10052",
    "timestamp": 1735002156,
    "goodsid": "720938",
    "buynum": 1,
    "attach": "13088888888",
}
GOLDEN_KEYS = {
    "9aa3034b6beba7cf5bfcf6089218a674": "82a4da7502872e7a128b510d10cad6ab",
    "9aa3034b6beba7cf5bfcf6089218a673": "921bfe2dcd4ecca574d8b8c76412ede5",
}
"""The merchant keys of the platform's own public documentation, and what it says they sign this request with."""


def kky_signed(fields: dict[str, Any], wall_s: int = WALL_S, key: str = KEY) -> dict[str, Any]:
    """The fields of a call with the merchant's identity and signature; none of them an object or a list."""
    whole = {"userid": PID, "timestamp": wall_s, **fields}
    text = "&".join(f"{name}={value}" for name, value in sorted(whole.items()) if value not in ("", None))
    return whole | {"sign": hashlib.md5((text + key).encode()).hexdigest()}


def an_order(n: int = 1, **changed: Any) -> dict[str, Any]:
    """The fields of an order of cards."""
    return {"goodsid": CARD_10, "buynum": 1, "usorderno": f"K{n:06d}", "attach": order_key(n)} | changed


def a_top_up(n: int = 1, **changed: Any) -> dict[str, Any]:
    return an_order(n, goodsid=TOPUP_10, attach=account_of(order_key(n))) | changed


class KakayunWorld(Around[SupplierMock]):
    """The supplier mock with one platform, and all around it."""

    async def send(self, path: str, body: bytes) -> Reply | None:
        return await self.mock.answer(Asked("POST", f"/kky/dockapiv3/{path}", "", body, "127.0.0.1:8000"))

    async def call(self, path: str, fields: dict[str, Any]) -> Reply | None:
        signed = kky_signed(fields, WALL_S + self.clock.t() // SECOND_NS)
        return await self.send(path, json.dumps(signed, ensure_ascii=False).encode())

    async def ask(self, path: str, fields: dict[str, Any] | None = None) -> dict[str, Any]:
        """The envelope that answers a rightly signed call."""
        return opened(await self.call(path, fields or {}))

    async def data(self, path: str, fields: dict[str, Any] | None = None) -> Any:
        envelope = await self.ask(path, fields)
        assert envelope["code"] == 1, envelope
        return envelope["data"]

    async def order(self, n: int = 1) -> dict[str, Any]:
        found: dict[str, Any] = await self.data("order/get", {"usorderno": f"K{n:06d}"})
        return found


def opened(reply: Reply | None) -> dict[str, Any]:
    assert reply is not None
    assert reply.status == 200
    found: dict[str, Any] = json.loads(json.dumps(reply.fields))
    return found


@asynccontextmanager
async def a_kky(
    *faults: FaultPlan,
    stock: dict[str, int] | None = None,
    on_repeat: str = "replay",
    cards: str = "later",
    keys: Keys | None = None,
    wall_s: int = WALL_S,
) -> AsyncIterator[KakayunWorld]:
    """A platform in load; what still goes on in it at the end is cancelled."""
    options = {"cards": cards}
    upstream = UpstreamPlan(
        "supplier", "kakayun", stock=stock or {}, on_repeat=on_repeat, takes=WireTime(0.2), options=options
    )
    plan = a_plan(*faults, upstreams={"kky": upstream}, target=TARGET, product=PRODUCTS, region=REGIONS)
    merchant = {"kky": keys} if keys is not None else None
    async with asyncio.TaskGroup() as tasks:
        made = KakayunWorld(SupplierMock, plan, tasks, keys=merchant, wall_s=wall_s)
        made.begin_load()
        yield made
        made.mock.injector.release()
        made.mock.stop()


# --- the signature -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("key", "sign"), GOLDEN_KEYS.items())
@pytest.mark.parametrize("more", [{}, {"sign": "whatever"}, {"usorderno": ""}, {"callbackurl": None}])
def test_the_golden_vectors_are_met(key: str, sign: str, more: dict[str, Any]) -> None:
    """Published by the platform itself; docs/protocols/kakayun.md."""
    assert signature({**more, **GOLDEN}, key) == sign


@pytest.mark.parametrize(("sign", "code"), [(GOLDEN_KEYS["9aa3034b6beba7cf5bfcf6089218a674"], 1206), ("x" * 32, 401)])
async def test_the_golden_request_is_taken_as_it_stands_in_the_documentation(sign: str, code: int) -> None:
    merchant = Keys("10052", "9aa3034b6beba7cf5bfcf6089218a674")
    async with a_kky(keys=merchant, wall_s=1735002156) as w:
        assert opened(await w.send("order/create", json.dumps(GOLDEN | {"sign": sign}).encode()))["code"] == code


def test_lists_are_signed_as_their_json_and_zero_is_no_empty_value() -> None:
    fields = {"b": [{"v": "张/三"}], "a": 0, "c": True, "d": ""}
    text = 'a=0&b=[{"v":"张/三"}]&c=true' + KEY
    assert signature(fields, KEY) == hashlib.md5(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("spoil", "code", "standard"),
    [
        (lambda f: f | {"buynum": 2}, 401, Code.UPSTREAM_BAD_SIGNATURE),
        (lambda f: f | {"sign": f["sign"].upper()}, 401, Code.UPSTREAM_BAD_SIGNATURE),
        (lambda f: f | {"sign": "é"}, 401, Code.UPSTREAM_BAD_SIGNATURE),
        (lambda f: f | {"sign": None}, 401, Code.UPSTREAM_BAD_SIGNATURE),
        (lambda f: f | {"userid": "9"}, 1000, Code.UPSTREAM_REFUSED),
        (lambda f: {}, 1000, Code.UPSTREAM_REFUSED),
        (lambda f: kky_signed(an_order(), WALL_S + 301), 403, Code.UPSTREAM_BAD_SIGNATURE),
        (lambda f: kky_signed(an_order(), WALL_S - 301), 403, Code.UPSTREAM_BAD_SIGNATURE),
        (lambda f: kky_signed(an_order(), WALL_S * 1000), 403, Code.UPSTREAM_BAD_SIGNATURE),
        (lambda f: kky_signed(an_order(timestamp="x")), 403, Code.UPSTREAM_BAD_SIGNATURE),
    ],
)
async def test_who_is_not_the_merchant_is_sold_nothing(spoil: Any, code: int, standard: Code) -> None:
    async with a_kky() as w:
        reply = await w.send("order/create", json.dumps(spoil(kky_signed(an_order()))).encode())
        assert opened(reply)["code"] == code
        (refused,) = w.events
        assert isinstance(refused, GoodsRefused)
        assert refused.code is standard


# --- orders ------------------------------------------------------------------------------------------------------
async def test_cards_come_later_and_are_found_by_either_number() -> None:
    async with a_kky() as w:
        made = await w.data("order/create", an_order(buynum=2))
        assert set(made) == {"orderno", "usorderno"}
        assert (await w.order())["status"] == 3
        await w.move_to_s(0.3)
        found = await w.order()
        assert (found["status"], found["money"], found["refundstatus"], found["buynum"]) == (5, "19.0000", 0, 2)
        assert [event.goods for event in w.found(GoodsSold)] == [goods_hash(card) for card in found["cardlist"]]
        assert [f"卡号 {c['card_no']} 卡密 {c['card_pwd']}" for c in found["cards"]] == found["cardlist"]
        assert await w.data("order/get", {"orderno": made["orderno"]}) == found


async def test_cards_come_at_once_where_the_option_says_so_and_top_ups_still_later() -> None:
    async with a_kky(cards="at_once") as w:
        made = await w.data("order/create", an_order())
        assert (made["status"], len(made["cardlist"])) == (5, 1)
        assert made == await w.order()
        assert (await w.data("order/create", a_top_up(2)))["status"] == 3
        await w.move_to_s(0.3)
        assert (await w.order(2))["status"] == 5


@pytest.mark.parametrize(
    "attach",
    [
        "player-00000001",
        [{"attachtype": "9", "value": "张三"}, {"attachtype": "1", "value": "player-00000001"}],
        [{"attachtype": 1, "value": "player-00000001"}],
    ],
)
async def test_a_top_up_credits_the_account_in_either_form(attach: Any) -> None:
    async with a_kky() as w:
        fields = {"userid": PID, "timestamp": WALL_S, **a_top_up(attach=attach)}
        body = json.dumps(fields | {"sign": signature(fields, KEY)}).encode()
        assert opened(await w.send("order/create", body))["code"] == 1
        await w.move_to_s(0.3)
        (credited,) = w.found(Credited)
        assert credited.o == "b00000001"
        assert (await w.order())["receipt"] == credited.credit


@pytest.mark.parametrize(
    ("on_repeat", "codes", "sold"), [("replay", [1, 1], 1), ("reject", [1, 1205], 1), ("sell_again", [1, 1], 2)]
)
async def test_a_repeated_number_is_the_same_order(on_repeat: str, codes: list[int], sold: int) -> None:
    async with a_kky(on_repeat=on_repeat) as w:
        assert [(await w.ask("order/create", an_order()))["code"] for _ in range(2)] == codes
        await w.move_to_s(0.3)
        assert len(w.found(GoodsSold)) == sold
        if on_repeat == "replay":
            assert (await w.ask("order/create", an_order(buynum=2)))["code"] == 1205


async def test_calls_without_a_number_are_two_orders() -> None:
    async with a_kky() as w:
        first, second = [await w.data("order/create", an_order(usorderno="")) for _ in range(2)]
        assert first["orderno"] != second["orderno"]


@pytest.mark.parametrize(
    ("cap", "code"),
    [("9.5", 1), ("9.5000", 1), (9.5, 1), ("10", 1), ("", 1), ("9.49", 1210), ("0", 1210), ("x", -1), ("9.5001", -1)],
)
async def test_no_order_costs_more_than_the_shop_would_pay(cap: Any, code: int) -> None:
    async with a_kky() as w:
        assert (await w.ask("order/create", an_order(maxmoney=cap)))["code"] == code


@pytest.mark.parametrize(
    ("fields", "number", "code"),
    [
        (an_order(goodsid=""), 1203, Code.IDENTIFIERS_MISSING),
        (an_order(goodsid=9), 1206, Code.GOODS_UNKNOWN),
        (an_order(goodsid="card_10"), 1206, Code.GOODS_UNKNOWN),
        (an_order(buynum=0), 1204, Code.IDENTIFIERS_MISSING),
        (an_order(buynum=""), 1204, Code.IDENTIFIERS_MISSING),
        (an_order(buynum=1001), 1204, Code.IDENTIFIERS_MISSING),
        (an_order(buynum=6), -1, Code.GOODS_SOLD_OUT),
        (an_order(usorderno="x" * 65), -1, Code.IDENTIFIERS_MISSING),
        (a_top_up(attach=""), 1208, Code.ACCOUNT_INVALID),
    ],
)
async def test_what_cannot_be_ordered_is_refused(fields: dict[str, Any], number: int, code: Code) -> None:
    async with a_kky(stock={"card_10": 5}) as w:
        envelope = await w.ask("order/create", fields)
        assert (envelope["code"], envelope["data"]) == (number, {})
        (refused,) = w.found(GoodsRefused)
        assert (refused.code, refused.words) == (code, envelope["msg"])
        await w.move_to_s(1)
        assert not w.found(GoodsSold)


@pytest.mark.parametrize(("fields", "number"), [({}, 1300), ({"usorderno": "K9"}, 1301), ({"orderno": "9"}, 1301)])
async def test_an_order_that_nobody_made_is_not_found(fields: dict[str, Any], number: int) -> None:
    async with a_kky() as w:
        assert (await w.ask("order/get", fields))["code"] == number
        assert len(w.found(TradeRefused)) == 1


# --- goods and money ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fields", "ids"),
    [
        ({}, [CARD_10, CARD_50, TOPUP_10]),
        ({"goodstype": 1}, [TOPUP_10]),
        ({"goodstype": 0}, [CARD_10, CARD_50]),
        ({"goodsname": "50"}, [CARD_50]),
        ({"goodsid": str(CARD_50)}, [CARD_50]),
        ({"groupid": 1}, [CARD_10, CARD_50, TOPUP_10]),
        ({"groupid": 2}, []),
        ({"page": 2, "limit": 2}, [TOPUP_10]),
        ({"page": "x", "limit": 0}, [CARD_10, CARD_50, TOPUP_10]),
    ],
)
async def test_the_catalogue_is_sifted_and_told_by_page(fields: dict[str, Any], ids: list[int]) -> None:
    async with a_kky() as w:
        assert [item["goodsid"] for item in await w.data("goods/all", fields)] == ids


async def test_an_item_tells_its_price_its_stock_and_what_must_be_filled_in() -> None:
    async with a_kky(stock={"card_50": 3}) as w:
        card = await w.data("goods/details", {"goodsid": CARD_50})
        assert (card["goodsprice"], card["marketprice"], card["stock"], card["goodstype"]) == (
            "47.4900",
            "49.9900",
            3,
            0,
        )
        assert (await w.data("goods/details", {"goodsid": TOPUP_10}))["attach"][0]["title"] == "充值帐号"
        assert (await w.ask("goods/details", {"goodsid": 9}))["code"] == 1206
        assert [group["groupid"] for group in await w.data("goods/group")] == [1]


async def test_the_balance_falls_by_what_was_sold() -> None:
    async with a_kky(cards="at_once") as w:
        await w.data("order/create", an_order())
        assert (await w.data("user/info"))["money"] == "99990.5000"


# --- what faults make of it --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("variant", "fields", "is_genuine"),
    [
        (Variant.WRONG_KEY, {}, False),
        (Variant.MISSING, {}, False),
        (Variant.CASE, {}, False),
        (Variant.KEY_TAIL, {}, False),
        (Variant.CHARSET_GBK, {}, True),
        (Variant.CHARSET_GBK, {"attach": "张三"}, False),
        (Variant.EMPTY_KEPT, {}, True),
        (Variant.EMPTY_KEPT, {"callbackurl": ""}, False),
        (Variant.UNSORTED, {}, False),
        (Variant.SORT_LOCALE, {}, True),
        (Variant.SORT_LOCALE, {"Zone": "1"}, False),
        (Variant.SKEW_6_MIN, {}, False),
        (Variant.SKEW_11_MIN, {}, False),
        (Variant.SKEW_1_DAY, {}, False),
        (Variant.UNIT_SKEW, {}, False),
    ],
)
async def test_a_right_signature_is_wrong_by_another_rule_only_where_that_differs(
    variant: Variant, fields: dict[str, Any], is_genuine: bool
) -> None:
    async with a_kky() as w:
        call = await call_of(w, w.call("order/create", an_order(**fields)))
        assert call.is_genuine
        assert call.is_genuine_as is not None
        assert call.is_genuine_as(variant) is is_genuine


async def test_a_shop_that_counts_in_milliseconds_is_understood_only_by_a_platform_that_does() -> None:
    async with a_kky() as w:
        body = json.dumps(kky_signed(an_order(), WALL_S * 1000)).encode()
        call = await call_of(w, w.send("order/create", body))
        assert not call.is_genuine
        assert call.is_genuine_as is not None
        assert call.is_genuine_as(Variant.UNIT_SKEW)


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
        ("ver.renamed", "data.orderno renamed orderid"),
        ("ver.missing_field", "left out: data.orderno"),
        ("ver.code_polarity", "code 1 told as 0"),
        ("ver.enum_changed", "data.status 5 told as 3"),
        ("ver.enum_unknown", "data.status 5 told as 9"),
        ("ver.cents_vs_yuan", "data.money 9.5000 told as 950"),
        ("sig.wrong_key", "right signature refused"),
        ("sig.unit_skew", "right signature refused"),
    ],
)
async def test_each_fault_finds_something_to_change_in_an_order(fault: str, changed: str) -> None:
    async with a_kky(a_fault("f", fault, Hop.SHOP_SUPPLIER), cards="at_once") as w:
        await w.call("order/create", an_order())
        (struck,) = w.found(Struck)
        assert (struck.changed, struck.o) == (changed, "b00000001")


@pytest.mark.parametrize(
    ("fault", "status", "sold"),
    [("accept_then_fail", 4, 0), ("stays_processing", 3, 0), ("empty_goods", 5, 0), ("partial_goods", 5, 1)],
)
async def test_an_order_ends_as_the_fault_says(fault: str, status: int, sold: int) -> None:
    async with a_kky(a_fault("f", fault, Hop.SHOP_SUPPLIER, first=1)) as w:
        await w.data("order/create", an_order(buynum=2))
        await w.move_to_s(1)
        found = await w.order()
        assert (found["status"], len(found["cards"]), len(w.found(GoodsSold))) == (status, sold, sold)
        assert found["refundstatus"] == (1 if status == 4 else 0)
        assert w.found(GoodsRequested)
        assert w.found(GoodsAccepted)


@pytest.mark.parametrize("outcome", list(Outcome))
async def test_a_fault_changes_nothing_where_an_order_is_refused_anyhow_or_a_repeat(outcome: Outcome) -> None:
    async with a_kky(stock={"card_50": 0}) as w:
        await w.data("order/create", an_order())
        before = list(w.events)
        for fields in (an_order(), an_order(2, goodsid=CARD_50), an_order(3, buynum=0), an_order(4, maxmoney="1")):
            call = await call_of(w, w.call("order/create", fields))
            assert call.sell is not None
            assert call.sell(outcome) is None
        assert w.events == before


async def test_what_became_of_an_order_is_told_as_unknown_and_found_by_asking() -> None:
    async with a_kky(a_fault("f", "answer_unknown", Hop.SHOP_SUPPLIER, first=1)) as w:
        assert (await w.ask("order/create", an_order()))["code"] == 9999
        await w.move_to_s(0.3)
        assert len(w.found(GoodsSold)) == 1
        await w.ask("order/get", {"usorderno": "K000001"})
        assert (await w.order())["status"] == 5


async def test_the_first_repeat_is_refused_though_the_order_was_made() -> None:
    async with a_kky(a_fault("f", "duplicate_refused", Hop.SHOP_SUPPLIER)) as w:
        assert [(await w.ask("order/create", an_order()))["code"] for _ in range(3)] == [1, 1205, 1]


async def test_a_state_that_was_reached_flaps() -> None:
    async with a_kky(a_fault("f", "state_flaps", Hop.SHOP_SUPPLIER)) as w:
        await w.data("order/create", an_order())
        await w.move_to_s(0.3)
        assert [(await w.order())["status"] for _ in range(4)] == [5, 3, 5, 3]


@pytest.mark.parametrize(("cards", "struck"), [("at_once", True), ("later", False)])
async def test_cards_come_later_only_where_they_used_to_come_at_once(cards: str, struck: bool) -> None:
    async with a_kky(a_fault("f", "ver.sync_to_async", Hop.SHOP_SUPPLIER), cards=cards) as w:
        await w.data("order/create", an_order())
        assert (await w.order())["status"] == 3
        assert bool(w.found(Struck)) is struck
        await w.data("order/create", a_top_up(2))
        await w.move_to_s(0.3)
        assert (await w.order())["status"] == 5
        assert {s.o for s in w.found(Struck)} <= {"b00000001"}


@pytest.mark.parametrize("cards", ["at_once", "later"])
async def test_the_cards_of_another_order_are_sold_to_nobody_twice(cards: str) -> None:
    async with a_kky(a_fault("f", "others_goods", Hop.SHOP_SUPPLIER), cards=cards) as w:
        for n in (1, 2, 3):
            await w.data("order/create", an_order(n))
            await w.move_to_s(0.3 * n)
        first, second, third = [(await w.order(n))["cardlist"] for n in (1, 2, 3)]
        assert first == second == third
        assert len(w.found(GoodsSold)) == 1
        assert [s.o for s in w.found(Struck)] == ["b00000002", "b00000003"]


@pytest.mark.parametrize(
    ("fault", "changed"),
    [("ver.shape", "another shape: data"), ("ver.envelope", "another envelope: response")],
)
async def test_an_answer_has_another_shape(fault: str, changed: str) -> None:
    async with a_kky(a_fault("f", fault, Hop.SHOP_SUPPLIER)) as w:
        await w.call("order/create", an_order())
        assert [s.changed for s in w.found(Struck)] == [changed]


# --- what nobody takes -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("method", "path"), [("GET", "user/info"), ("POST", "order/query"), ("POST", "")])
async def test_other_paths_and_methods_are_nobodys(method: str, path: str) -> None:
    async with a_kky() as w:
        with pytest.raises(NoRoute):
            await w.mock.answer(Asked(method, f"/kky/dockapiv3/{path}"))


numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(st.none() | st.booleans() | numbers | st.text(max_size=8), st.lists, max_leaves=4)
names = st.sampled_from([*an_order(), "maxmoney", "orderno", "page", "limit", "timestamp", "userid", "sign"])


@given(st.dictionaries(names, values, max_size=6), st.binary(max_size=40))
async def test_no_request_breaks_the_mock(fields: dict[str, Any], junk: bytes) -> None:
    async with a_kky() as w:
        whole = {"userid": PID, "timestamp": WALL_S, **fields}
        whole["sign"] = signature(whole, KEY)
        for path in ("user/info", "goods/all", "goods/details", "order/create", "order/get"):
            for body in (junk, json.dumps(fields).encode(), json.dumps(whole).encode()):
                opened(await w.send(path, body))
