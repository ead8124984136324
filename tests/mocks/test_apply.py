"""Every verdict put into effect: what the caller sees, what was done all the same, and what was truly struck."""

import asyncio
from typing import Any

import pytest

from faults.verdict import Effect
from ledger.clock import SECOND_NS
from ledger.events import Captured, Refunded, Struck, TradeCreated, TradeRefused
from ledger.states import Code, Hop, Operation, Phase
from mocks.apply import Reply
from plan.units import Share
from tests.mocks.world import KEY, PID, MakeWorld, World, a_fault, an_order, signed

MAPI = "/epay/mapi.php"
QUERY = f"/epay/api.php?act=order&pid={PID}&key={KEY}&out_trade_no=C000001"


def struck(w: World) -> list[tuple[str, str, str, int]]:
    return [(s.fault, s.hop, str(s.operation), s.attempt) for s in w.found(Struck)]


def create(w: World, n: int = 1, **changed: str) -> "asyncio.Task[Reply | None]":
    """A create call under way; owned by the test."""
    return asyncio.ensure_future(w.ask(MAPI, signed(an_order(n, **changed))))


# --- one effect at a time ----------------------------------------------------------------------------------------
async def test_refused_is_answered_with_the_status_and_nothing_else_done(world: MakeWorld) -> None:
    async with world(a_fault("shed", "refuse", params={"status": 429})) as w:
        reply = await w.load().ask(MAPI, signed(an_order()))
        assert reply is not None
        assert reply.status == 429
        assert struck(w) == [("shed", "shop>payment/epay", "create", 1)]
        assert w.events == w.found(Struck)


async def test_a_lost_request_is_closed_without_a_byte_and_nothing_done(world: MakeWorld) -> None:
    async with world(a_fault("crowd", "loss_with_load", params={"curve": [["0/s", "100%"]]})) as w:
        assert await w.load().ask(MAPI, signed(an_order())) is None
        assert struck(w) == [("crowd", "shop>payment/epay", "create", 1)]
        assert not w.found(TradeCreated)


async def test_a_failed_check_is_answered_as_a_wrong_signature(world: MakeWorld) -> None:
    async with world(a_fault("old", "sig.wrong_key")) as w:
        answer = await w.load().json(MAPI, signed(an_order()))
        wrong = await w.json(MAPI, an_order() | {"sign": "wrong"})
        assert answer == wrong == {"code": -1, "msg": "签名校验失败，请返回重试！"}
        assert [r.code for r in w.found(TradeRefused)] == [Code.UPSTREAM_BAD_SIGNATURE] * 2
        assert struck(w) == [("old", "shop>payment/epay", "create", 1)], "a wrong signature fails by itself"
        assert not w.found(TradeCreated)


async def test_a_renamed_status_takes_the_place_of_trade_status(world: MakeWorld) -> None:
    async with world(a_fault("v2", "ver.renamed")) as w:
        await w.paid()
        answer = await w.load().json(QUERY)
        assert "status" not in answer
        assert answer["trade_status"] == 1
        assert struck(w) == [("v2", "shop>payment/epay", "query", 1)]


async def test_renaming_what_is_not_there_strikes_nothing(world: MakeWorld) -> None:
    fault = a_fault("v2", "ver.renamed", params={"field": "qrcode", "to": "code_url"})
    async with world(fault, a_fault("pair", "ver.renamed")) as w:
        await w.load().created()
        assert not struck(w)


async def test_a_delay_is_waited_for_after_the_work_is_done(world: MakeWorld) -> None:
    async with world(a_fault("slow", "slow", params={"ms": 400}), a_fault("far", "slow", params={"ms": 100})) as w:
        call = create(w.load())
        await w.settle()
        assert len(w.found(TradeCreated)) == 1
        assert not struck(w)
        await w.move_to_s(0.499)
        assert not call.done()
        await w.move_to_s(0.5)
        assert (await call) is not None
        assert [(s.fault, s.changed, s.t) for s in w.found(Struck)] == [
            ("slow", "answered 400 ms later", 400_000_000),
            ("far", "answered 100 ms later", 500_000_000),
        ]


async def test_a_lost_answer_leaves_the_work_done(world: MakeWorld) -> None:
    async with world(a_fault("cut", "lose_answer")) as w:
        assert await w.load().ask(MAPI, signed(an_order())) is None
        assert len(w.found(TradeCreated)) == 1
        assert struck(w) == [("cut", "shop>payment/epay", "create", 1)]


async def test_a_hang_acts_and_then_closes_when_its_time_is_over(world: MakeWorld) -> None:
    async with world(a_fault("stuck", "hang", params={"lasts": "4 s"})) as w:
        call = create(w.load())
        await w.move_to_s(3.9)
        assert not call.done()
        await w.move_to_s(4)
        assert await call is None
        assert len(w.found(TradeCreated)) == 1
        assert struck(w) == [("stuck", "shop>payment/epay", "create", 1)]


@pytest.mark.parametrize(
    ("operation", "hop"), [("cashier", Hop.BUYER_PAYMENT), ("pay", Hop.BUYER_PAYMENT), ("refund", Hop.SHOP_PAYMENT)]
)
async def test_money_moves_although_the_answer_is_lost(world: MakeWorld, operation: str, hop: Hop) -> None:
    async with world(a_fault("cut", "lose_answer", hop)) as w:
        no = await w.paid(1)
        other = (await w.created(2))["trade_no"]
        w.load()
        if operation == "refund":
            fields = {"pid": PID, "key": KEY, "trade_no": no, "money": "10.00"}
            assert await w.ask("/epay/api.php?act=refund", fields) is None
            assert len(w.found(Refunded)) == 1
        elif operation == "pay":
            assert await w.ask(f"/epay/cashier.php?trade_no={other}", {"key": "b00000002"}) is None
            assert len(w.found(Captured)) == 2
        else:
            assert await w.ask(f"/epay/cashier.php?trade_no={other}") is None
        assert struck(w) == [("cut", f"{hop}/epay", operation, 1)]


# --- together ----------------------------------------------------------------------------------------------------
ALL = {
    "late": ("slow", {"ms": 100}),
    "cut": ("lose_answer", {}),
    "stuck": ("hang", {"lasts": "1 s"}),
    "v2": ("ver.renamed", {"field": "code", "to": "status"}),
    "old": ("sig.wrong_key", {}),
    "crowd": ("loss_with_load", {"curve": [["0/s", "100%"]]}),
    "shed": ("refuse", {"status": 503}),
}


@pytest.mark.parametrize(
    ("given", "took_effect"),
    [
        (list(ALL), ["shed"]),
        (["late", "cut", "stuck", "v2", "old", "crowd"], ["crowd"]),
        (["late", "cut", "stuck", "v2", "old"], ["old", "v2", "late", "stuck"]),
        (["cut", "late", "v2"], ["v2", "late", "cut"]),
        (["cut", "stuck"], ["stuck"]),
    ],
)
async def test_faults_that_meet_take_effect_in_the_fixed_order(
    world: MakeWorld, given: list[str], took_effect: list[str]
) -> None:
    """Whatever the order of the scenario; and what came to nothing is not struck."""
    faults = [a_fault(name, ALL[name][0], params=ALL[name][1]) for name in given]
    async with world(*faults) as w:
        call = create(w.load())
        await w.move_to_s(2)
        await call
        assert [s.fault for s in w.found(Struck)] == took_effect


async def test_of_two_refusals_the_one_named_first_wins(world: MakeWorld) -> None:
    faults = [a_fault("a", "refuse", params={"status": 500}), a_fault("b", "refuse", params={"status": 503})]
    async with world(*faults) as w:
        reply = await w.load().ask(MAPI, signed(an_order()))
        assert reply is not None
        assert reply.status == 500
        assert struck(w) == [("a", "shop>payment/epay", "create", 1)]


# --- who and when ------------------------------------------------------------------------------------------------
async def test_attempts_are_counted_for_each_order_hop_and_operation_apart(world: MakeWorld) -> None:
    shed = a_fault("shed", "refuse", Hop.SHOP_PAYMENT, first=2)
    async with world(shed) as w:
        w.load()
        for _ in range(3):
            await w.ask(MAPI, signed(an_order(1)))
        await w.ask(QUERY)
        await w.ask(MAPI, signed(an_order(2)))
        hop = "shop>payment/epay"
        expected = [("create", 1), ("create", 2), ("query", 1), ("create", 1)]
        assert struck(w) == [("shed", hop, operation, n) for operation, n in expected]
        assert [s.o for s in w.found(Struck)] == ["b00000001"] * 3 + ["b00000002"]


async def test_requests_before_the_load_count_as_attempts_but_are_not_struck(world: MakeWorld) -> None:
    async with world(a_fault("shed", "refuse")) as w:
        await w.created()
        await w.load().ask(MAPI, signed(an_order()))
        assert struck(w) == [("shed", "shop>payment/epay", "create", 2)]


async def test_without_pass_through_decisions_stay_keyed_by_the_order_number(world: MakeWorld) -> None:
    async with world(a_fault("cut", "lose_answer", rate=Share(1.0))) as w:
        await w.created(1, param="")
        no = w.found(TradeCreated)[0].trade_no
        await w.ask(f"/epay/cashier.php?trade_no={no}", {"key": "b00000001"})
        await w.load().ask(QUERY)
        (cut,) = w.found(Struck)
        assert (cut.keyed_by, cut.attempt, cut.o) == ("order_number", 1, "b00000001")


async def test_merchant_info_is_keyed_by_its_operation_alone(world: MakeWorld) -> None:
    async with world(a_fault("shed", "refuse", first=1)) as w:
        w.load()
        for _ in range(2):
            await w.ask(f"/epay/api.php?act=query&pid={PID}&key={KEY}")
        assert [(s.o, s.keyed_by, s.operation, s.attempt) for s in w.found(Struck)] == [
            (None, "operation", Operation.MERCHANT, 1)
        ]


async def test_warm_up_is_never_struck(world: MakeWorld) -> None:
    async with world(a_fault("shed", "refuse")) as w:
        await w.load().created(1, param="w00000001")
        assert not struck(w)


# --- the end of faults -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("fault", ["hang", "slow"])
async def test_healing_ends_every_wait_at_once(world: MakeWorld, fault: str) -> None:
    params: dict[str, Any] = {"lasts": "8 s"} if fault == "hang" else {"ms": 8000}
    async with world(a_fault("stuck", fault, params=params)) as w:
        calls = [create(w.load(), n) for n in range(1, 4)]
        await w.move_to_s(1)
        assert not any(call.done() for call in calls)
        w.mock.injector.begin(Phase.HEAL)
        replies = await asyncio.gather(*calls)
        assert [reply is None for reply in replies] == [fault == "hang"] * 3
        assert len(struck(w)) == 3
        assert (await w.created(9))["code"] == 1
        assert len(struck(w)) == 3


async def test_a_lease_that_runs_out_ends_hangs_and_stops_faults(world: MakeWorld) -> None:
    async with world(a_fault("stuck", "hang", params={"lasts": "60 s"})) as w:
        call = create(w.load())
        await w.move_to_s(9.9)
        assert not call.done()
        await w.move_to_s(10)
        assert await call is None
        await w.created(2)
        assert len(struck(w)) == 1


async def test_a_renewed_lease_lets_a_hang_last(world: MakeWorld) -> None:
    async with world(a_fault("stuck", "hang", params={"lasts": "14 s"})) as w:
        call = create(w.load())
        await w.move_to_s(6)
        w.mock.injector.renew()
        await w.move_to_s(13.9)
        assert not call.done()
        await w.move_to_s(14)
        assert await call is None
        assert w.clock.t() == 14 * SECOND_NS


@pytest.mark.parametrize("phase", [p for p in Phase if p is not Phase.LOAD])
async def test_no_other_phase_than_load_has_faults(world: MakeWorld, phase: Phase) -> None:
    async with world(a_fault("shed", "refuse")) as w:
        w.load().mock.injector.begin(phase)
        await w.created()
        assert not struck(w)


def test_every_effect_of_the_catalogue_has_a_test_here() -> None:
    """A new kind of effect fails this until it is put into effect somewhere."""
    requests = {"Refuse", "LoseRequest", "FailCheck", "Rename", "Delay", "Hang", "LoseAnswer"}
    assert {effect.__name__ for effect in Effect.__args__} == requests | {"SignWrongly", "Lose", "Repeat"}
