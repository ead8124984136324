"""What faults make of the top-up server: other rules of signing, top-ups that end otherwise than they say."""

import json
from typing import Any

import pytest

from faults.verdict import Outcome, Variant
from ledger.events import (
    Credited,
    GoodsAccepted,
    GoodsRefused,
    GoodsRequested,
    NoticeSent,
    Struck,
)
from ledger.states import Code, Hop
from mocks.post import Heard, Letter
from tests.mocks.goods import (
    GameWorld,
    a_game,
    a_top_up,
    call_of,
)
from tests.mocks.world import a_fault

TAKES_S = 0.2


# --- what faults make of it --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("variant", "account", "is_genuine"),
    [
        (Variant.MISSING, "someone", False),
        (Variant.WRONG_KEY, "someone", False),
        (Variant.CASE, "someone", False),
        (Variant.CHARSET_GBK, "someone", True),
        (Variant.CHARSET_GBK, "张三", False),
        (Variant.EMPTY_KEPT, "someone", True),
        (Variant.BODY_RESERIALIZED, "someone", True),  # the body of this test is written as a framework would
        (Variant.SKEW_6_MIN, "someone", False),
        (Variant.SKEW_11_MIN, "someone", False),
        (Variant.SKEW_1_DAY, "someone", False),
        (Variant.SKEW_4_MIN, "someone", True),
    ],
)
async def test_a_right_signature_is_wrong_by_another_rule_only_where_that_differs(
    variant: Variant, account: str, is_genuine: bool
) -> None:
    async with a_game() as w:
        body = json.dumps(a_top_up(account=account), ensure_ascii=False).encode()
        call = await call_of(w, w.send("POST", "topups", body, "once"))
        assert call.is_genuine
        assert call.is_genuine_as is not None
        assert call.is_genuine_as(variant) is is_genuine


async def sold(w: GameWorld, outcome: Outcome, n: int = 1, **changed: Any) -> tuple[int, dict[str, Any]] | None:
    """What comes of a create call on which this outcome strikes; None where it changes nothing."""
    body = json.dumps(a_top_up(n, **changed)).encode()
    call = await call_of(w, w.send("POST", "topups", body, f"once-{n}"))
    assert call.sell is not None
    reply = call.sell(outcome)
    if reply is None:
        return None
    assert reply.fields is not None
    return reply.status, reply.fields


@pytest.mark.parametrize(
    ("outcome", "status", "name", "code"),
    [
        (Outcome.BALANCE, 402, "INSUFFICIENT_BALANCE", Code.UPSTREAM_REFUSED),
        (Outcome.MAINTENANCE, 503, "MAINTENANCE", Code.UPSTREAM_REFUSED),
        (Outcome.WRONG_REGION, 422, "REGION_MISMATCH", Code.REGION_MISMATCH),
    ],
)
async def test_a_refusing_fault_refuses_and_leaves_the_key_free(
    outcome: Outcome, status: int, name: str, code: Code
) -> None:
    async with a_game(on_repeat="reject") as w:
        answer = await sold(w, outcome)
        assert answer is not None
        assert (answer[0], answer[1]["error"]["code"]) == (status, name)
        assert [type(e) for e in w.events] == [GoodsRequested, GoodsRefused]
        assert w.found(GoodsRefused)[0].code is code
        assert (await w.creates(1, "once-1"))[0] == 202


async def test_what_is_accepted_and_fails_tells_the_shop_so() -> None:
    async with a_game() as w:
        answer = await sold(w, Outcome.ACCEPT_THEN_FAIL)
        assert answer is not None
        assert (answer[0], answer[1]["status"]) == (202, "processing")
        await w.move_to_s(TAKES_S)
        (told,) = w.told()
        assert (told["event"], told["status"], told["reason"], told["credit_id"]) == (
            "topup.failed",
            "failed",
            "MAINTENANCE",
            "",
        )
        assert (await w.ask("GET", "topups/G000001"))[1]["status"] == "failed"
        assert (await w.creates(1, "once-1"))[1]["status"] == "failed"
        assert [type(e) for e in w.events[:3]] == [GoodsRequested, GoodsAccepted, GoodsRefused]
        assert not w.found(Credited)


async def test_what_stays_in_processing_is_never_credited_nor_told_of() -> None:
    async with a_game() as w:
        assert await sold(w, Outcome.STAYS_PROCESSING) is not None
        await w.move_to_s(3600)
        assert (await w.ask("GET", "topups/G000001"))[1]["status"] == "processing"
        assert ([type(e) for e in w.events], w.letters) == ([GoodsRequested, GoodsAccepted], [])
        assert w.mock.open_notices == 0


@pytest.mark.parametrize("outcome", [Outcome.SOLD_OUT, Outcome.EMPTY, Outcome.PARTIAL])
async def test_a_game_server_does_no_such_thing(outcome: Outcome) -> None:
    async with a_game() as w:
        assert await sold(w, outcome) is None
        assert w.events == []


@pytest.mark.parametrize("outcome", list(Outcome))
async def test_a_fault_changes_nothing_where_the_call_is_refused_anyhow_or_a_repeat(outcome: Outcome) -> None:
    async with a_game() as w:
        await w.creates(1, "once-1")
        before = list(w.events)
        assert await sold(w, outcome, 1) is None
        assert await sold(w, outcome, 2, product="nope") is None
        assert await sold(w, outcome, 3, account="nobody") is None
        assert await sold(w, outcome, 4, region="") is None
        assert w.events == before


async def test_a_right_signature_that_is_refused_asks_for_no_goods() -> None:
    async with a_game(a_fault("old_key", "sig.wrong_key", Hop.SHOP_GAME)) as w:
        assert (await w.creates())[0] == 401
        assert [type(e) for e in w.events] == [GoodsRefused, Struck]
        assert w.found(Struck)[0].hop == "shop>game/game"


async def test_an_answer_that_is_lost_was_a_top_up_all_the_same() -> None:
    async with a_game(a_fault("silent", "lose_answer", Hop.SHOP_GAME, first=1)) as w:
        assert await w.send("POST", "topups", json.dumps(a_top_up()).encode(), "once") is None
        assert (await w.creates(1, "once"))[0] == 202
        await w.move_to_s(TAKES_S)
        assert len(w.found(Credited)) == 1


async def test_a_lost_notice_of_a_game_server_is_sent_again_and_struck_on_its_own_hop() -> None:
    async with a_game(a_fault("lost", "notice_lost", Hop.GAME_SHOP, first=1)) as w:
        await w.creates()
        await w.move_to_s(TAKES_S + 61)
        assert [event.n for event in w.found(NoticeSent)] == [1, 2]
        assert len(w.letters) == 1
        assert w.found(Struck)[0].hop == "game>shop/game"


# --- whole faults, as a scenario names them ----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fault", "changed"),
    [
        ("business_error", "goods: balance"),
        ("maintenance", "goods: maintenance"),
        ("wrong_region_refused", "goods: wrong_region"),
        ("accept_then_fail", "goods: accept_then_fail"),
        ("stays_processing", "goods: stays_processing"),
        ("ver.renamed", "status renamed state"),
        ("ver.missing_field", "left out: status"),
        ("ver.code_polarity", "ok true told as 0"),
        ("ver.enum_changed", "status processing told as pending"),
        ("ver.enum_unknown", "status processing told as PARTIALLY_DONE"),
        ("sig.case", "right signature refused"),
        ("sig.missing", "right signature refused"),
    ],
)
async def test_each_fault_finds_something_to_change_in_a_create_call(fault: str, changed: str) -> None:
    async with a_game(a_fault("f", fault, Hop.SHOP_GAME)) as w:
        await w.creates()
        (struck,) = w.found(Struck)
        assert (struck.fault, struck.changed, struck.o) == ("f", changed, "b00000001")


@pytest.mark.parametrize(
    ("fault", "changed"),
    [
        ("sig.wrong_peer_key", "signed with another key"),
        ("sig.missing", "not signed"),
        ("sig.case", "signature in upper case"),
        ("ver.renamed", "status renamed state"),
        ("ver.missing_field", "left out: status"),
        ("ver.enum_changed", "status succeeded told as done"),
        ("ver.enum_unknown", "status succeeded told as PARTIALLY_DONE"),
        ("notice_stripped", "removed: reference, passthrough"),
        ("notice_early", "sent before the answer"),
        ("notice_repeat", "sent again"),
    ],
)
async def test_each_fault_finds_something_to_change_in_a_notice(fault: str, changed: str) -> None:
    async with a_game(a_fault("f", fault, Hop.GAME_SHOP)) as w:
        await w.creates()
        await w.move_to_s(TAKES_S)
        (struck,) = w.found(Struck)
        assert (struck.fault, struck.changed, struck.hop) == ("f", changed, "game>shop/game")
        assert w.letters


async def test_a_query_tells_numbers_as_texts() -> None:
    async with a_game(a_fault("f", "ver.num_to_string", Hop.SHOP_GAME)) as w:
        await w.creates()
        assert (await w.ask("GET", "topups/G000001"))[1]["quantity"] == "1"
        assert [struck.changed for struck in w.found(Struck)] == ["another type: quantity"]


@pytest.mark.parametrize("fault", ["sig.empty_kept", "sig.charset_gbk"])
async def test_a_rule_that_makes_no_difference_strikes_nobody(fault: str) -> None:
    async with a_game(a_fault("f", fault, Hop.GAME_SHOP), a_fault("g", fault, Hop.SHOP_GAME)) as w:
        assert (await w.creates())[0] == 202
        await w.move_to_s(TAKES_S)
        assert (len(w.letters), w.found(Struck)) == (1, [])


async def test_an_early_notice_reaches_the_shop_before_the_answer_does() -> None:
    async with a_game(a_fault("f", "notice_early", Hop.GAME_SHOP)) as w:
        answered: list[str] = []

        def shop(letter: Letter) -> Heard:
            answered.append("notice")
            return Heard(204, "")

        w.shop = shop
        status, answer = await w.creates()
        answered.append("answer")
        assert (status, answer["status"], answered) == (202, "processing", ["notice", "answer"])
        await w.move_to_s(60)
        assert (len(w.found(Credited)), len(w.letters)) == (1, 1)
