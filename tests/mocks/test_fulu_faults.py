"""What faults make of Fulu's platform: other rules of signing, odd answers and notices, orders that end otherwise."""

import json
from typing import Any

import pytest

from faults.catalog import catalog, is_legal
from faults.verdict import VALID, Outcome, Variant
from ledger.events import Credited, GoodsRefused, GoodsSold, Struck
from ledger.states import Code, Hop
from mocks.notices import PAID
from mocks.post import Letter
from mocks.supplier.fulu import Fulu
from mocks.supplier.fulu_signs import ANSWERS, NOTICES
from tests.mocks.fulu_world import (
    CARD_50,
    FuluWorld,
    a_card_order,
    a_direct,
    a_fulu,
    dumps,
    fulu_md5,
    fulu_signed,
    is_rightly_told,
    opened,
)
from tests.mocks.goods import call_of
from tests.mocks.world import a_fault

PRICED = a_direct(customer_price=10.50)
PLAIN = a_direct(charge_account="12345", external_biz_id="b00000001")


def as_client(biz: object) -> dict[str, Any]:
    """A call of a client that escapes nothing within biz_content."""
    return fulu_signed("fulu.order.direct.add", {}, biz_content=dumps(biz))


# --- requests ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("variant", "biz", "is_genuine"),
    [
        (Variant.WRONG_KEY, PLAIN, False),
        (Variant.MISSING, PLAIN, False),
        (Variant.TIME_ZONE, PLAIN, False),
        (Variant.CHARSET_GBK, PLAIN, True),
        (Variant.CHARSET_GBK, a_direct(charge_account="账号"), False),
        (Variant.JSON_ESCAPING, PLAIN, True),
        (Variant.JSON_ESCAPING, a_direct(charge_account="a/b"), False),
        (Variant.JSON_ESCAPING, a_direct(charge_account="账号"), False),
        (Variant.NUMBER_FORMAT, a_direct(charge_account="1"), True),
        (Variant.NUMBER_FORMAT, PRICED | {"customer_price": 10.0}, False),
    ],
)
async def test_a_right_signature_is_wrong_by_another_rule_only_where_that_differs(
    variant: Variant, biz: dict[str, Any], is_genuine: bool
) -> None:
    async with a_fulu() as w:
        call = await call_of(w, w.send(dumps(as_client(biz)).encode()))
        assert call.is_genuine
        assert call.is_genuine_as is not None
        assert call.is_genuine_as(variant) is is_genuine


@pytest.mark.parametrize("fault", ["sig.wrong_key", "sig.missing", "sig.charset_gbk", "sig.json_escaping"])
async def test_a_right_order_that_is_refused_asks_for_no_goods(fault: str) -> None:
    async with a_fulu(a_fault("f", fault, Hop.SHOP_SUPPLIER)) as w:
        reply = await w.send(dumps(as_client(a_direct())).encode())
        assert reply is not None
        assert json.loads(reply.body)["code"] == 1003
        assert [type(e) for e in w.events] == [GoodsRefused, Struck]
        assert w.found(Struck)[0].changed == "right signature refused"


async def test_a_clock_in_another_zone_says_that_the_call_is_too_old_by_its_signature() -> None:
    async with a_fulu(a_fault("f", "sig.time_zone", Hop.SHOP_SUPPLIER)) as w:
        assert (await w.ask("order.direct.add", a_direct()))["code"] == 1003
        assert w.found(GoodsRefused)[0].code is Code.UPSTREAM_BAD_SIGNATURE


# --- answers -----------------------------------------------------------------------------------------------------
def is_right(envelope: dict[str, Any]) -> bool:
    """As a careful client checks it."""
    return bool(envelope.get("sign") == fulu_md5(envelope["result"]))


@pytest.mark.parametrize("variant", sorted(ANSWERS))
async def test_an_odd_answer_is_wrong_to_a_careful_client_unless_it_is_valid(variant: Variant) -> None:
    async with a_fulu() as w:
        call = await call_of(w, w.call("order.direct.add", a_direct()))
        assert call.seal is not None
        plain, odd = call.act(), call.act()
        call.seal(plain, None)
        call.seal(odd, variant)
        assert odd.body != plain.body
        envelope = json.loads(odd.body)
        assert is_right(envelope) is (variant in VALID)
        told = json.loads(envelope["result"])
        assert {name: told[name] for name in told if name != "trace_id"} == json.loads(opened(plain)["result"])


@pytest.mark.parametrize("variant", sorted(ANSWERS))
async def test_an_odd_refusal_stays_a_refusal(variant: Variant) -> None:
    async with a_fulu() as w:
        call = await call_of(w, w.call("order.direct.add", a_direct(product_id=1)))
        assert call.seal is not None
        reply = call.act()
        call.seal(reply, variant)
        assert json.loads(reply.body)["code"] == 3001


async def test_the_envelope_is_signed_whole_where_the_option_says_so() -> None:
    async with a_fulu(options={"answer_sign": "envelope"}) as w:
        reply = await w.call("user.info.get", {})
        assert reply is not None
        envelope = json.loads(reply.body)
        sign = envelope.pop("sign")
        assert sign == fulu_md5(dumps(envelope)) != fulu_md5(envelope["result"])


@pytest.mark.parametrize(
    ("fault", "changed"),
    [
        ("sig.wrong_peer_key", "signed with another key"),
        ("sig.odd_escaped", "slashes and letters escaped, signed so"),
        ("sig.odd_field_order", "fields in another order"),
        ("sig.odd_extra_field", "one more field, signed too"),
        ("sig.missing", "right signature refused"),
        ("ver.renamed", "result.order_status renamed order_state"),
        ("ver.missing_field", "left out: result.order_id"),
        ("ver.code_polarity", "code 0 told as 200"),
        ("ver.enum_changed", "result.order_status untreated told as waiting"),
        ("ver.enum_unknown", "result.order_status untreated told as PARTIALLY_DONE"),
        ("ver.cents_vs_yuan", "result.price 9.5000 told as 950"),
        ("ver.num_to_string", None),
        ("sold_out", "goods: sold_out"),
        ("business_error", "goods: balance"),
        ("maintenance", "goods: maintenance"),
        ("accept_then_fail", "goods: accept_then_fail"),
        ("stays_processing", "goods: stays_processing"),
        ("empty_goods", "goods: empty"),
    ],
)
async def test_each_fault_finds_something_to_change_in_an_order(fault: str, changed: str | None) -> None:
    async with a_fulu(a_fault("f", fault, Hop.SHOP_SUPPLIER)) as w:
        await w.call("order.direct.add", a_direct())
        (struck,) = w.found(Struck)
        assert changed in (struck.changed, None)
        assert struck.o == "b00000001"


@pytest.mark.parametrize(
    ("fault", "changed"),
    [
        ("ver.renamed", "result.order_state renamed order_status"),
        ("ver.enum_changed", "result.order_state success told as finished"),
        ("ver.missing_field", "left out: result.cards"),
        ("ver.cents_vs_yuan", "result.order_price 9.5 told as 950"),
    ],
)
async def test_a_query_speaks_another_version_and_is_rightly_signed(fault: str, changed: str) -> None:
    async with a_fulu(a_fault("f", fault, Hop.SHOP_SUPPLIER)) as w:
        w.mock.injector.release()
        await w.call("order.direct.add", a_direct())
        await w.move_to_s(0.3)
        opened(await w.call("order.info.get", {"customer_order_no": "F000001"}))
        assert w.found(Struck)[-1].changed == changed


# --- orders that end otherwise -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fault", "state", "told"),
    [
        ("accept_then_fail", "failed", ["failed"]),
        ("stays_processing", "processing", []),
        ("empty_goods", "success", ["success"]),
    ],
)
async def test_a_top_up_is_taken_on_and_never_done(fault: str, state: str, told: list[str]) -> None:
    async with a_fulu(a_fault("f", fault, Hop.SHOP_SUPPLIER, first=1)) as w:
        created = await w.result("order.direct.add", a_direct())
        assert created["order_status"] == "untreated"
        await w.move_to_s(1)
        found = await w.order()
        assert (found["order_state"], found["operator_serial_number"]) == (state, "")
        assert [notice["order_status"] for notice in w.told()] == told
        assert not w.found(Credited)
        assert w.mock.open_notices == 0


@pytest.mark.parametrize(("num", "given"), [(3, 2), (2, 1), (1, 1)])
async def test_a_part_of_the_cards_is_told_as_all_of_them_and_the_rest_is_on_the_shelf_again(
    num: int, given: int
) -> None:
    async with a_fulu(a_fault("f", "partial_goods", Hop.SHOP_SUPPLIER, first=1), stock={"card_50": 3}) as w:
        await w.result("order.card.add", a_card_order(product_id=CARD_50, buy_num=num))
        await w.move_to_s(0.3)
        assert len((await w.order())["cards"]) == given
        assert len(w.found(GoodsSold)) == given
        checked = await w.result("goods.stock.check", {"product_id": CARD_50, "buy_num": 3 - given})
        assert checked["stock_status"] == "充足"
        assert (await w.ask("order.card.add", a_card_order(2, product_id=CARD_50, buy_num=4 - given)))["code"] == 3002


@pytest.mark.parametrize("outcome", list(Outcome))
async def test_a_fault_changes_nothing_where_an_order_is_refused_anyhow_or_a_repeat(outcome: Outcome) -> None:
    async with a_fulu(stock={"card_50": 0}) as w:
        await w.result("order.direct.add", a_direct())
        before = list(w.events)
        for biz in (
            a_direct(),
            a_direct(2, product_id=CARD_50),
            a_direct(3, buy_num=0),
            a_direct(4, charge_account=""),
        ):
            call = await call_of(w, w.call("order.direct.add", biz))
            assert call.sell is not None
            assert call.sell(outcome) is None
        call = await call_of(w, w.call("order.card.add", a_card_order(5, product_id=CARD_50)))
        assert call.sell is not None
        assert call.sell(outcome) is None
        assert w.events == before


@pytest.mark.parametrize("outcome", [Outcome.WRONG_REGION, Outcome.PARTIAL])
async def test_a_top_up_has_no_parts_and_no_region(outcome: Outcome) -> None:
    async with a_fulu() as w:
        call = await call_of(w, w.call("order.direct.add", a_direct()))
        assert call.sell is not None
        assert call.sell(outcome) is None
        assert w.events == []


async def test_an_answer_that_is_lost_was_an_order_all_the_same() -> None:
    async with a_fulu(a_fault("silent", "lose_answer", Hop.SHOP_SUPPLIER, first=1), on_repeat="reject") as w:
        assert await w.call("order.direct.add", a_direct()) is None
        assert (await w.ask("order.direct.add", a_direct()))["code"] == 3005
        await w.move_to_s(0.3)
        assert len(w.found(Credited)) == 1
        assert w.told()[0]["order_status"] == "success"


# --- notices -----------------------------------------------------------------------------------------------------
async def a_letter(w: FuluWorld, variant: Variant | None) -> Letter:
    """The notice of an order of cards that has ended, sealed in that way."""
    purchase = next(iter(w.mock.stock.purchases))
    fulu = w.mock._instances["fulu"]
    assert isinstance(fulu, Fulu)
    fields = fulu.compose(purchase, PAID)
    assert fields is not None
    before = dict(fields)
    letter = fulu.seal(purchase, PAID, fields, variant)
    assert fields == before
    return letter


@pytest.mark.parametrize("variant", sorted(NOTICES))
async def test_an_odd_notice_is_wrong_to_a_careful_shop_unless_it_is_valid(variant: Variant) -> None:
    async with a_fulu() as w:
        await w.result("order.card.add", a_card_order())
        await w.move_to_s(0.3)
        plain, odd = await a_letter(w, None), await a_letter(w, variant)
        assert odd != plain
        assert is_rightly_told(json.loads(plain.body or b""))
        assert is_rightly_told(json.loads(odd.body or b"")) is (variant in VALID)


@pytest.mark.parametrize(
    ("fault", "changed"),
    [
        ("notice_lost", "notice lost"),
        ("notice_repeat", "sent again"),
        ("notice_stripped", None),
        ("ver.renamed", "order_status renamed order_state"),
        ("ver.enum_unknown", "order_status success told as PARTIALLY_DONE"),
        ("ver.missing_field", "left out: order_status"),
        ("sig.wrong_peer_key", "signed with another key"),
        ("sig.json_escaping", "signed with other JSON escapes than sent"),
        ("sig.number_format", "another form of the number signed than sent"),
        ("sig.odd_escaped", "slashes and letters escaped, signed so"),
    ],
)
async def test_each_fault_of_notices_strikes_those_of_a_supplier(fault: str, changed: str | None) -> None:
    known = catalog()[fault]
    assert Hop.SUPPLIER_SHOP in known.hops
    assert is_legal(known.dialects, "fulu", Hop.SUPPLIER_SHOP)
    async with a_fulu(a_fault("f", fault, Hop.SUPPLIER_SHOP)) as w:
        await w.result("order.direct.add", a_direct())
        await w.move_to_s(0.3)
        struck = w.found(Struck)
        assert struck
        assert changed in (struck[0].changed, None)
        assert {(s.hop, s.o) for s in struck} == {("supplier>shop/fulu", "b00000001")}


async def test_a_notice_comes_before_the_answer_of_the_order_it_tells_of() -> None:
    async with a_fulu(a_fault("early", "notice_early", Hop.SUPPLIER_SHOP)) as w:
        created = await w.result("order.direct.add", a_direct())
        (notice,) = w.told()
        assert (notice["order_status"], notice["operator_serial_number"]) == ("success", w.found(Credited)[0].credit)
        assert created["order_id"] == notice["order_id"]
        await w.move_to_s(1)
        assert len(w.told()) == len(w.found(Credited)) == 1


async def test_nothing_is_told_early_where_nobody_is_told() -> None:
    async with a_fulu(a_fault("early", "notice_early", Hop.SUPPLIER_SHOP)) as w:
        await w.set_console(notify_url="")
        await w.result("order.direct.add", a_direct())
        assert w.told() == []
        assert w.found(Struck) == []


# --- versions, and outcomes that a shop cannot know --------------------------------------------------------------
async def test_a_version_is_refused_by_its_name_and_nothing_is_ordered() -> None:
    fault = a_fault("f", "ver.explicit", Hop.SHOP_SUPPLIER, select={"api_version": ["2.0"]})
    async with a_fulu(fault) as w:
        envelope = await w.ask("order.direct.add", a_direct())
        assert (envelope["code"], envelope["result"]) == (1005, "")
        await w.move_to_s(1)
        assert not w.found(Credited)


async def test_the_first_repeat_is_refused_though_the_order_was_taken_on() -> None:
    async with a_fulu(a_fault("f", "duplicate_refused", Hop.SHOP_SUPPLIER)) as w:
        assert [(await w.ask("order.direct.add", a_direct()))["code"] for _ in range(3)] == [0, 3005, 0]
        assert (await w.ask("order.direct.add", a_direct(2, buy_num=0)))["code"] == 1000
        await w.move_to_s(0.3)
        assert len(w.found(Credited)) == 1


async def test_what_became_of_an_order_is_not_known_to_who_only_sees_an_error() -> None:
    async with a_fulu(a_fault("f", "answer_unknown", Hop.SHOP_SUPPLIER, first=1)) as w:
        reply = await w.call("order.direct.add", a_direct())
        assert reply is not None
        assert reply.status == 500
        await w.move_to_s(0.3)
        assert len(w.found(Credited)) == 1


async def test_the_result_is_an_object_where_it_was_a_text() -> None:
    async with a_fulu(a_fault("f", "ver.shape", Hop.SHOP_SUPPLIER)) as w:
        reply = await w.call("order.direct.add", a_direct())
        assert reply is not None
        envelope = json.loads(reply.body)
        assert set(envelope) == {"code", "message", "result", "sign"}
        assert envelope["result"]["order_status"] == "untreated"
        assert envelope["sign"] == fulu_md5(dumps(envelope["result"]))
        assert [s.changed for s in w.found(Struck)] == ["another shape: result"]


async def test_a_refusal_has_no_other_shape() -> None:
    async with a_fulu(a_fault("f", "ver.shape", Hop.SHOP_SUPPLIER)) as w:
        assert (await w.ask("order.direct.add", a_direct(buy_num=0)))["code"] == 1000
        assert w.found(Struck) == []


async def test_an_answer_in_another_envelope_is_signed_over_its_result_all_the_same() -> None:
    async with a_fulu(a_fault("f", "ver.envelope", Hop.SHOP_SUPPLIER)) as w:
        reply = await w.call("order.direct.add", a_direct())
        assert reply is not None
        whole = json.loads(reply.body)
        assert set(whole) == {"response", "sign"}
        assert whole["sign"] == fulu_md5(whole["response"]["result"])


async def test_a_state_that_was_reached_flaps() -> None:
    async with a_fulu(a_fault("f", "state_flaps", Hop.SHOP_SUPPLIER)) as w:
        await w.result("order.direct.add", a_direct())
        await w.move_to_s(0.3)
        assert [(await w.order())["order_state"] for _ in range(4)] == ["success", "processing"] * 2


@pytest.mark.parametrize(
    ("fault", "changed"),
    [
        ("ver.date_format", "charge_finish_time"),
        ("ver.shape", "another shape: data"),
        ("ver.extra_field", "one more"),
    ],
)
async def test_a_notice_of_another_version_is_rightly_signed(fault: str, changed: str) -> None:
    async with a_fulu(a_fault("f", fault, Hop.SUPPLIER_SHOP)) as w:
        await w.result("order.direct.add", a_direct())
        await w.move_to_s(0.3)
        assert is_rightly_told(w.told()[0])
        assert w.found(Struck)[0].changed.startswith(changed)
