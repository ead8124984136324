"""Every verdict put into effect: what the caller sees, what was done all the same, and what was truly struck."""

import asyncio
from typing import Any, get_args

import msgspec
import pytest

from faults.catalog import catalog
from faults.verdict import (
    BuyerEffect,
    Down,
    Effect,
    FlapState,
    HouseEffect,
    Kill,
    OnWire,
    TellAgain,
    TrueLoss,
    Unconfirmed,
)
from ledger.clock import SECOND_NS
from ledger.events import Captured, Refunded, Struck, TradeCreated, TradeRefused
from ledger.states import Code, Hop, Operation, Phase
from mocks.reply import Reply
from plan.units import Share, from_text
from tests.mocks.exchanges import MAPI, QUERY, a_purchase, body_of, create, struck
from tests.mocks.world import KEY, PID, MakeWorld, World, a_fault, an_order, signed

# --- every effect that a mock applies, once ----------------------------------------------------------------------
MAPI_ASKED, QUERIED, BOUGHT, TOLD = "create", "query", "buy", "notice"
LOGGED_IN, REFUNDED = "login", "refund"
STRUCK: list[tuple[str, dict[str, Any], str, str]] = [
    ("capacity", {"at_once": 1, "takes": "100 ms"}, MAPI_ASKED, "0 ms in line, 100 ms at work"),
    ("refuse", {}, MAPI_ASKED, "answered HTTP 503"),
    ("lose_request", {}, MAPI_ASKED, "request lost"),
    ("loss_with_load", {"curve": [["0/s", "100%"]]}, MAPI_ASKED, "request lost"),
    ("reset", {}, MAPI_ASKED, "connection reset, nothing done"),
    ("reset", {"when": "after"}, MAPI_ASKED, "connection reset, all done"),
    ("reset", {"when": "mid_answer"}, MAPI_ASKED, "connection reset in the middle of the answer"),
    ("html_page", {}, MAPI_ASKED, "a page in place of the answer, nothing done"),
    ("html_page", {"acted": True}, MAPI_ASKED, "a page in place of the answer"),
    ("ver.html_instead", {}, MAPI_ASKED, "a page in place of the answer, nothing done"),
    ("ver.path_moved", {}, MAPI_ASKED, "a page in place of the answer, nothing done"),
    ("sig.wrong_key", {}, MAPI_ASKED, "right signature refused"),
    ("sig.missing", {}, MAPI_ASKED, "right signature refused"),
    ("sig.case", {}, MAPI_ASKED, "right signature refused"),
    ("sig.charset_gbk", {}, MAPI_ASKED, "right signature refused"),
    ("sold_out", {}, BOUGHT, "goods: sold_out"),
    ("slow", {"ms": 400}, MAPI_ASKED, "answered 400 ms later"),
    ("slow", {"normal": {"mean": 300, "sd": 0}}, MAPI_ASKED, "answered 300 ms later"),
    ("slow_body", {"over": "1 s"}, MAPI_ASKED, "body sent piece by piece"),
    ("truncate", {"share": "0%"}, MAPI_ASKED, "0 of 156 bytes sent"),
    ("hang", {}, MAPI_ASKED, "answer withheld"),
    ("lose_answer", {}, MAPI_ASKED, "answer lost"),
    ("answer_unknown", {}, MAPI_ASKED, "done, answered as unknown"),
    ("duplicate_refused", {}, BOUGHT, "repeat refused as seen before"),
    ("ver.explicit", {}, BOUGHT, "version refused, nothing done"),
    ("ver.rcon_flavour", {}, LOGGED_IN, "dressed: OtherFlavour"),
    ("big_answer", {}, BOUGHT, "dressed: BigAnswer"),
    ("ver.refund_fee", {}, REFUNDED, "dressed: CountOtherwise"),
    ("ver.content_type", {"kind": "gzip"}, MAPI_ASKED, "wrapped: gzip"),
    ("ver.decimals", {}, QUERIED, "money 10.00 told as 10.0000"),
    ("ver.extra_field", {}, MAPI_ASKED, "one more: ext_info"),
    ("ver.shape", {}, MAPI_ASKED, "another shape: data"),
    ("ver.envelope", {}, MAPI_ASKED, "another envelope: response"),
    ("ver.date_format", {}, QUERIED, "addtime 2026-09-21 22:13:20 told as 1790000000000"),
    ("ver.renamed", {"field": "payurl", "to": "qrcode"}, MAPI_ASKED, "payurl renamed qrcode"),
    ("ver.missing_field", {}, MAPI_ASKED, "left out: payurl"),
    ("ver.enum_changed", {}, QUERIED, "status 0 told as 1"),
    ("ver.enum_unknown", {}, QUERIED, "status 0 told as 9"),
    ("ver.code_polarity", {}, MAPI_ASKED, "code 1 told as 0"),
    ("ver.num_to_string", {}, MAPI_ASKED, "another type: code"),
    ("ver.cents_vs_yuan", {}, QUERIED, "money 10.00 told as 1000"),
    ("notice_early", {}, BOUGHT, "sent before the answer"),
    ("notice_late", {"by": "3 s"}, TOLD, "left 3000 ms later"),
    ("notice_lost", {}, TOLD, "notice lost"),
    ("notice_repeat", {}, TOLD, "sent again"),
    ("notice_together", {"within": "1 s"}, TOLD, "held 1000 ms, left with 0 others"),
    ("notice_stripped", {}, TOLD, "removed: param"),
    ("amount_off", {}, TOLD, "money 10.00 told as 9.99"),
    ("sig.wrong_peer_key", {}, TOLD, "signed with another key"),
    ("sig.missing", {}, TOLD, "not signed"),
    ("sig.case", {}, TOLD, "signature in upper case"),
    ("ver.renamed", {}, TOLD, "trade_status renamed status"),
    ("ver.missing_field", {}, TOLD, "left out: trade_status"),
    ("ver.enum_changed", {}, TOLD, "trade_status TRADE_SUCCESS told as TRADE_FINISHED"),
    ("ver.enum_unknown", {}, TOLD, "trade_status TRADE_SUCCESS told as PARTIALLY_DONE"),
    ("ver.cents_vs_yuan", {}, TOLD, "money 10.00 told as 1000"),
]
HOPS = {
    ("duplicate_refused", BOUGHT): Hop.SHOP_SUPPLIER,
    ("ver.explicit", BOUGHT): Hop.SHOP_SUPPLIER,
    ("big_answer", BOUGHT): Hop.SHOP_GAME,
    ("ver.rcon_flavour", LOGGED_IN): Hop.SHOP_GAME,
    ("ver.refund_fee", REFUNDED): Hop.SHOP_PAYMENT,
    ("notice_early", BOUGHT): Hop.GAME_SHOP,
    ("sold_out", BOUGHT): Hop.SHOP_SUPPLIER,
}


async def exchanged(w: World, what: str, fault: str) -> None:
    """One exchange of this kind, until all that comes of it has ended."""
    if what == QUERIED:
        await w.created()
        call: asyncio.Future[Any] = asyncio.ensure_future(w.load().ask(QUERY))
    elif what in (BOUGHT, LOGGED_IN, REFUNDED):
        at_game = fault == "notice_early" or HOPS[fault, what] is Hop.SHOP_GAME
        hop = Hop.SHOP_GAME if at_game else HOPS[fault, what]
        call = asyncio.ensure_future(a_purchase(w.load(), hop, operation=Operation(what)))
    else:
        call = asyncio.ensure_future(w.load().paid()) if what == TOLD else create(w.load())
    for s in range(1, 9):
        await w.move_to_s(s)
        w.mock.injector.renew()
    reply = await asyncio.wait_for(call, None) if call.done() else None
    if isinstance(reply, Reply) and reply.pieces is not None:
        pieces = asyncio.ensure_future(body_of(reply))
        await w.move_to_s(12)
        await pieces
    w.mock.injector.begin(Phase.HEAL)
    await w.settle()
    assert call.done()


@pytest.mark.parametrize(("fault", "params", "what", "changed"), STRUCK)
async def test_a_struck_exchange_is_journalled_once_with_what_was_changed(
    world: MakeWorld, fault: str, params: dict[str, Any], what: str, changed: str
) -> None:
    default = Hop.PAYMENT_SHOP if what == TOLD else Hop.SHOP_PAYMENT
    hop = HOPS.get((fault, what), default)
    async with world(a_fault("it", fault, hop, params=params)) as w:
        await exchanged(w, what, fault)
        upstream = "goods" if what in (BOUGHT, LOGGED_IN, REFUNDED) else "epay"
        assert [(s.changed, s.hop, s.o) for s in w.found(Struck)] == [(changed, f"{hop}/{upstream}", "b00000001")]
        assert w.mock.injector.struck_by == {"it": 1}


@pytest.mark.parametrize(("fault", "params", "what", "changed"), STRUCK)
async def test_another_order_of_the_same_kind_is_left_alone(
    world: MakeWorld, fault: str, params: dict[str, Any], what: str, changed: str
) -> None:
    """The same exchange while the fault is meant for somebody else."""
    hop = HOPS.get((fault, what), Hop.PAYMENT_SHOP if what == TOLD else Hop.SHOP_PAYMENT)
    async with world(a_fault("it", fault, hop, params=params, select={"product": ["card_99"]})) as w:
        await exchanged(w, what, fault)
        assert not w.found(Struck)


def test_every_effect_that_a_mock_applies_has_its_row() -> None:
    """A new kind of effect fails this until it is put into effect somewhere."""
    rows = set()
    for name, params, *_ in STRUCK:
        fault = catalog()[name]
        made = msgspec.convert(params, fault.params, dec_hook=from_text)
        effect = fault.effect(made) if fault.effect is not None else fault.drawn(made, 0.5) if fault.drawn else None
        rows.add(type(effect))
    others = set(get_args(BuyerEffect)) | set(get_args(HouseEffect))  # Kill is told of in test_notices.py
    others |= {FlapState, TellAgain, Unconfirmed}  # in test_apply_versions.py and test_command_queue.py
    others |= {OnWire, Down, TrueLoss}  # a proxy does that
    assert rows == set(get_args(Effect)) - others
    assert Kill in others


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


@pytest.mark.parametrize("first", ["slow", "capacity"])
async def test_what_would_come_after_a_wait_that_healing_ended_does_not_come(world: MakeWorld, first: str) -> None:
    params: dict[str, Any] = {"ms": 8000} if first == "slow" else {"at_once": 1, "takes": "8 s"}
    async with world(a_fault("wait", first, params=params), a_fault("cut", "lose_answer")) as w:
        call = create(w.load())
        await w.move_to_s(1)
        w.mock.injector.begin(Phase.HEAL)
        assert await call is not None
        assert [s.fault for s in w.found(Struck)] == ["wait"]


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
