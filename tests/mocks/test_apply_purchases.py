"""Other rules of signing, goods sold in the way of a fault, notices before the answer."""

import asyncio
from typing import Any

import pytest

from faults.catalog import catalog
from faults.verdict import Outcome, Variant
from ledger.events import Struck, TradeRefused
from ledger.states import Code, Hop, Operation, Phase
from mocks.reply import Reply
from plan.units import Share
from tests.mocks.exchanges import MAPI, QUERY, a_purchase, struck
from tests.mocks.world import MakeWorld, a_fault, an_order, signed


# --- signatures --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fault", "changed", "strikes"),
    [
        ("sig.charset_gbk", {}, True),
        ("sig.charset_gbk", {"name": "cards"}, False),
        ("sig.empty_kept", {}, False),
        ("sig.missing", {"name": "cards"}, True),
        ("sig.case", {"name": "cards"}, True),
    ],
)
async def test_another_rule_strikes_only_where_it_gives_another_result(
    world: MakeWorld, fault: str, changed: dict[str, Any], strikes: bool
) -> None:
    async with world(a_fault("rule", fault)) as w:
        answer = await w.load().json(MAPI, signed(an_order(**changed)))
        assert (answer["code"] == 1) is not strikes
        assert len(w.found(Struck)) == strikes
        assert [r.code for r in w.found(TradeRefused)] == [Code.UPSTREAM_BAD_SIGNATURE] * strikes


async def test_empty_fields_are_signed_by_an_upstream_that_keeps_them(world: MakeWorld) -> None:
    async with world(a_fault("rule", "sig.empty_kept")) as w:
        answer = await w.load().json(MAPI, signed(an_order() | {"device": ""}))
        assert answer["code"] == -1
        assert struck(w) == [("rule", "shop>payment/epay", "create", 1)]


async def test_another_rule_may_take_what_is_wrong_by_the_right_one(world: MakeWorld) -> None:
    fields = signed(an_order())
    async with world(a_fault("rule", "sig.case")) as w:
        answer = await w.load().json(MAPI, fields | {"sign": fields["sign"].upper()})
        assert answer["code"] == 1
        assert [s.changed for s in w.found(Struck)] == ["wrong signature taken"]


async def test_a_key_in_clear_knows_no_rule_of_signing(world: MakeWorld) -> None:
    async with world(a_fault("rule", "sig.missing"), a_fault("case", "sig.case")) as w:
        await w.created()
        answer = await w.load().json(QUERY)
        assert answer["code"] == 1
        assert not w.found(Struck)


@pytest.mark.parametrize(
    ("fault", "variants", "struck_as"),
    [
        (None, [None], []),
        ("sig.case", [None, Variant.CASE], ["signature in upper case"]),
        ("sig.empty_kept", [None, Variant.EMPTY_KEPT], ["empty fields signed"]),
    ],
)
async def test_a_dialect_that_signs_its_answers_signs_them_last_and_wrongly_where_a_fault_says_so(
    world: MakeWorld, fault: str | None, variants: list[Variant | None], struck_as: list[str]
) -> None:
    asked_for: list[Variant | None] = []

    def seal(reply: Reply, variant: Variant | None) -> None:
        asked_for.append(variant)
        assert reply.fields is not None
        assert "sign" not in reply.fields, "each answer is signed once"
        reply.fields["sign"] = f"{sorted(reply.fields)} {variant}"

    faults = [a_fault("v2", "ver.renamed", Hop.SHOP_GAME, params={"field": "cards", "to": "codes"})]
    if fault is not None:
        faults.append(a_fault("wrong", fault, Hop.SHOP_GAME))
    async with world(*faults) as w:
        reply = await a_purchase(w.load(), Hop.SHOP_GAME, seal=seal, tell_early=None)
        assert reply is not None
        assert reply.fields is not None
        assert reply.fields["sign"] == f"['codes'] {variants[-1]}", "what is signed is what was mangled"
        assert asked_for == variants
        assert [s.changed for s in w.found(Struck)] == ["cards renamed codes", *struck_as]
        w.mock.injector.begin(Phase.SETTLE)
        reply = await a_purchase(w, Hop.SHOP_GAME, seal=seal, tell_early=None)
        assert reply is not None
        assert reply.fields == {"cards": 1, "sign": "['cards'] None"}


# --- goods -------------------------------------------------------------------------------------------------------
GOODS = [name for name, f in catalog().items() if f.effect is not None and f.operations == (Operation.BUY,)]


@pytest.mark.parametrize("name", [name for name in GOODS if name != "big_answer"])
async def test_goods_are_sold_in_the_way_of_the_fault(world: MakeWorld, name: str) -> None:
    fault = catalog()[name]
    hop = fault.hops[0]
    asked_for: list[Outcome] = []

    def sell(outcome: Outcome) -> Reply:
        asked_for.append(outcome)
        return Reply(fields={"cards": 0})

    async with world(a_fault("it", name, hop)) as w:
        reply = await a_purchase(w.load(), hop, sell=sell)
        assert reply is not None
        assert reply.fields == {"cards": 0}
        assert [s.changed for s in w.found(Struck)] == [f"goods: {asked_for[0]}"]
        assert len(asked_for) == 1


async def test_where_goods_cannot_be_sold_so_they_are_sold_as_asked_and_nothing_is_struck(world: MakeWorld) -> None:
    async with world(a_fault("it", "sold_out", Hop.SHOP_SUPPLIER)) as w:
        w.load()
        for sell in (None, lambda outcome: None):
            reply = await a_purchase(w, sell=sell)
            assert reply is not None
            assert reply.fields == {"cards": 1}
        assert not w.found(Struck)


# --- notices before the answer -----------------------------------------------------------------------------------
@pytest.mark.parametrize("told", [True, False])
async def test_an_early_notice_is_sent_after_the_work_and_before_the_answer(world: MakeWorld, told: bool) -> None:
    order: list[str] = []

    async def tell_early() -> bool:
        order.append("told")
        await asyncio.sleep(0)
        return told

    def act() -> Reply:
        order.append("done")
        return Reply(fields={})

    async with world(a_fault("early", "notice_early", Hop.GAME_SHOP)) as w:
        await a_purchase(w.load(), Hop.SHOP_GAME, act=act, tell_early=tell_early)
        assert order == ["done", "told"]
        assert struck(w) == [("early", "game>shop/goods", "notice", 1)] * told


async def test_an_early_notice_is_decided_as_the_first_notice_whoever_asks_and_however_often(world: MakeWorld) -> None:
    async with world(a_fault("early", "notice_early", Hop.GAME_SHOP, rate=Share(0.5))) as w:
        w.load()
        for n in (*range(40), *reversed(range(40))):
            await a_purchase(w, Hop.SHOP_GAME, n)
        found = [(s.o, s.hop, s.operation, s.attempt) for s in w.found(Struck)]
        assert found[: len(found) // 2] == found[: len(found) // 2 - 1 : -1]
        assert 20 < len(found) < 60
        assert {(hop, operation, n) for _, hop, operation, n in found} == {("game>shop/goods", Operation.NOTICE, 1)}
