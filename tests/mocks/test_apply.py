"""Every verdict put into effect: what the caller sees, what was done all the same, and what was truly struck."""

import asyncio
import json
from collections.abc import Awaitable
from typing import Any, get_args

import msgspec
import pytest

from faults.catalog import catalog
from faults.verdict import BuyerEffect, Effect, HouseEffect, Kill, Outcome, Variant
from ledger.clock import SECOND_NS
from ledger.events import Captured, Refunded, Struck, TradeCreated, TradeRefused
from ledger.states import Code, Hop, Operation, Phase
from mocks.apply import Call, Place, Reply, Subject
from plan.orders import order_key
from plan.units import Share, from_text
from tests.mocks.world import KEY, PID, MakeWorld, World, a_fault, an_order, signed

MAPI = "/epay/mapi.php"
QUERY = f"/epay/api.php?act=order&pid={PID}&key={KEY}&out_trade_no=C000001"


def struck(w: World) -> list[tuple[str, str, str, int]]:
    return [(s.fault, s.hop, str(s.operation), s.attempt) for s in w.found(Struck)]


def create(w: World, n: int = 1, **changed: str) -> "asyncio.Task[Reply | None]":
    """A create call under way; owned by the test."""
    return asyncio.ensure_future(w.ask(MAPI, signed(an_order(n, **changed))))


async def body_of(reply: Reply | None) -> bytes:
    """The body as it is sent, all pieces taken."""
    assert reply is not None
    flat = reply.flat()
    return b"".join([piece async for piece in flat.pieces()]) if flat.pieces is not None else flat.body


# --- every effect that a mock applies, once ----------------------------------------------------------------------
MAPI_ASKED, QUERIED, BOUGHT, TOLD = "create", "query", "buy", "notice"
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
    ("notice_early", BOUGHT): Hop.GAME_SHOP,
    ("sold_out", BOUGHT): Hop.SHOP_SUPPLIER,
}


def a_purchase(w: World, hop: Hop = Hop.SHOP_SUPPLIER, n: int = 1, **more: Any) -> Awaitable[Reply | None]:
    """A request for goods as a dialect of such an upstream reads it."""

    async def tell_early() -> bool:
        return True

    place = Place(hop, Operation.BUY, "goods")
    done: dict[str, Any] = {
        "act": lambda: Reply(fields={"cards": 1}),
        "refuse": lambda: Reply(401),
        "sell": lambda outcome: Reply(fields={"cards": str(outcome)}),
        "tell_early": tell_early if hop is Hop.SHOP_GAME else None,
    }
    key = order_key(n)
    call = Call(place, Subject(key, "key", key), is_genuine=True, **(done | more))
    return w.mock.injector.answer(call)


async def exchanged(w: World, what: str, fault: str) -> None:
    """One exchange of this kind, until all that comes of it has ended."""
    if what == QUERIED:
        await w.created()
        call: asyncio.Future[Any] = asyncio.ensure_future(w.load().ask(QUERY))
    elif what == BOUGHT:
        call = asyncio.ensure_future(
            a_purchase(w.load(), Hop.SHOP_GAME if fault == "notice_early" else Hop.SHOP_SUPPLIER)
        )
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
        upstream = "goods" if what == BOUGHT else "epay"
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


# --- a finite upstream -------------------------------------------------------------------------------------------
def full(queue: int = 0, **more: Any) -> Any:
    return a_fault("full", "capacity", params={"at_once": 2, "takes": "1 s", "queue": queue}, **more)


async def test_so_many_are_worked_on_at_once_others_wait_in_line_and_the_rest_are_refused(world: MakeWorld) -> None:
    async with world(full(queue=2)) as w:
        w.load()
        calls = [create(w, n) for n in range(1, 6)]
        await w.settle()
        assert [call.done() for call in calls] == [False] * 4 + [True]
        refused = await calls[4]
        assert refused is not None
        assert refused.status == 503
        assert not w.found(TradeCreated), "nothing is done before its turn"
        await w.move_to_s(1)
        assert [call.done() for call in calls[:4]] == [True, True, False, False]
        await w.move_to_s(2)
        assert all(call.done() for call in calls)
        assert [(s.o, s.changed) for s in w.found(Struck)] == [
            ("b00000005", "no room: answered HTTP 503"),
            ("b00000001", "0 ms in line, 1000 ms at work"),
            ("b00000002", "0 ms in line, 1000 ms at work"),
            ("b00000003", "1000 ms in line, 1000 ms at work"),
            ("b00000004", "1000 ms in line, 1000 ms at work"),
        ]


async def test_a_place_is_free_again_when_its_work_is_done(world: MakeWorld) -> None:
    async with world(full()) as w:
        w.load()
        for s in range(3):
            calls = [create(w, 2 * s + n) for n in (1, 2)]
            await w.move_to_s(s + 1)
            replies = await asyncio.gather(*calls)
            assert [reply.status for reply in replies if reply is not None] == [200, 200]


async def test_all_operations_of_an_upstream_share_its_capacity(world: MakeWorld) -> None:
    async with world(full()) as w:
        await w.created(9)
        w.load()
        calls = [create(w, 1), asyncio.ensure_future(w.ask(QUERY.replace("C000001", "C000009")))]
        await w.settle()
        third = await w.ask(MAPI, signed(an_order(2)))
        assert third is not None
        assert third.status == 503
        await w.move_to_s(1)
        assert all(call.done() for call in calls)


async def test_healing_empties_the_line_at_once(world: MakeWorld) -> None:
    async with world(full(queue=100)) as w:
        w.load()
        calls = [create(w, n) for n in range(1, 41)]
        await w.settle()
        w.mock.injector.begin(Phase.HEAL)
        for _ in range(10):
            await w.settle()
        assert all(call.done() for call in calls)
        assert w.clock.t() == 0
        assert len(w.found(TradeCreated)) == 40
        assert not w.found(Struck), "nobody waited"


async def test_one_who_leaves_the_line_takes_no_place(world: MakeWorld) -> None:
    async with world(full(queue=2)) as w:
        w.load()
        calls = [create(w, n) for n in range(1, 5)]
        await w.settle()
        calls[2].cancel()
        await w.settle()
        late = create(w, 9)
        await w.move_to_s(2)
        assert late.done()
        assert len(w.found(TradeCreated)) == 4


# --- pages, resets, bodies ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fault", "params", "status", "location", "acted"),
    [
        ("html_page", {}, 200, None, False),
        ("html_page", {"status": 502}, 502, None, False),
        ("html_page", {"status": 599, "acted": True}, 599, None, True),
        ("ver.html_instead", {"status": 404}, 404, None, False),
        ("ver.path_moved", {}, 404, None, False),
        ("ver.path_moved", {"status": 301}, 301, "/v2/", False),
    ],
)
async def test_a_page_comes_where_the_answer_was(
    world: MakeWorld, fault: str, params: dict[str, Any], status: int, location: str | None, acted: bool
) -> None:
    async with world(a_fault("page", fault, params=params)) as w:
        reply = await w.load().ask(MAPI, signed(an_order()))
        assert reply is not None
        assert (reply.status, reply.location, reply.fields) == (status, location, None)
        assert reply.kind.startswith("text/html")
        assert b"<html>" in reply.body
        assert len(w.found(TradeCreated)) == acted


async def test_a_page_hides_what_else_would_be_done_to_the_answer(world: MakeWorld) -> None:
    faults = [
        a_fault("v2", "ver.renamed", params={"field": "code", "to": "status"}),
        a_fault("page", "html_page", params={"acted": True}),
        a_fault("old", "sig.wrong_key"),
        a_fault("late", "slow", params={"ms": 100}),
    ]
    async with world(*faults) as w:
        call = create(w.load())
        await w.move_to_s(1)
        await call
        assert [s.fault for s in w.found(Struck)] == ["old", "page", "late"]


@pytest.mark.parametrize(("when", "done", "breaks"), [("before", 0, 0.0), ("after", 1, 0.0), ("mid_answer", 1, 0.5)])
async def test_a_reset_says_how_far_it_came(world: MakeWorld, when: str, done: int, breaks: float) -> None:
    async with world(a_fault("rst", "reset", params={"when": when})) as w:
        reply = await w.load().ask(MAPI, signed(an_order()))
        assert reply is not None
        assert reply.breaks == breaks
        assert len(w.found(TradeCreated)) == done


async def test_a_truncated_answer_is_the_beginning_of_the_right_one(world: MakeWorld) -> None:
    async with world(a_fault("cut", "truncate", params={"share": "50%"})) as w:
        right = await body_of(await w.ask(MAPI, signed(an_order())))
        cut = await body_of(await w.load().ask(MAPI, signed(an_order())))
        assert cut == right[: len(right) // 2]
        with pytest.raises(ValueError, match="line 1"):
            json.loads(cut)


async def test_a_body_trickles_in_pieces_from_the_first_at_once_to_the_last_when_its_time_is_over(
    world: MakeWorld,
) -> None:
    async with world(a_fault("slow", "slow_body", params={"over": "9 s"})) as w:
        right = await body_of(await w.ask(MAPI, signed(an_order())))
        reply = await w.load().ask(MAPI, signed(an_order()))
        assert reply is not None
        assert reply.pieces is not None
        came: list[tuple[int, bytes]] = []

        async def take() -> None:
            assert reply is not None
            assert reply.pieces is not None
            async for piece in reply.pieces():
                came.append((w.clock.t() // SECOND_NS, piece))

        taking = asyncio.ensure_future(take())
        await w.settle()
        assert [s for s, _ in came] == [0]
        assert not w.found(Struck), "nothing was late so far"
        await w.move_to_s(3)
        assert [s for s, _ in came] == [0, 1, 2, 3]
        w.mock.injector.begin(Phase.HEAL)
        await taking
        assert [s for s, _ in came] == [0, 1, 2, 3] + [3] * 6
        assert b"".join(piece for _, piece in came) == right
        assert len(w.found(Struck)) == 1


@pytest.mark.parametrize(
    ("given", "took_effect"),
    [
        (["slow_body", "truncate", "mid", "after", "lose_answer"], ["lose_answer"]),
        (["slow_body", "truncate", "mid", "after"], ["after"]),
        (["slow_body", "truncate", "mid"], ["truncate", "mid"]),
        (["slow_body", "truncate"], ["truncate", "slow_body"]),
        (["before", "refuse"], ["refuse"]),
        (["after", "before"], ["before"]),
        (["page", "before", "lose_request"], ["lose_request"]),
        (["ver.path_moved", "page"], ["ver.path_moved"]),
        (["refuse", "capacity"], ["capacity", "refuse"]),
    ],
)
async def test_what_comes_earlier_hides_what_comes_later(
    world: MakeWorld, given: list[str], took_effect: list[str]
) -> None:
    known: dict[str, tuple[str, dict[str, Any]]] = {
        "before": ("reset", {}),
        "after": ("reset", {"when": "after"}),
        "mid": ("reset", {"when": "mid_answer"}),
        "page": ("html_page", {}),
        "slow_body": ("slow_body", {"over": "1 s"}),
        "capacity": ("capacity", {"at_once": 1, "takes": "1 s"}),
    }
    faults = [a_fault(name, *known.get(name, (name, {}))[:1], params=known.get(name, (name, {}))[1]) for name in given]
    async with world(*faults) as w:
        call = create(w.load())
        await w.move_to_s(1)
        reply = await call
        if reply is not None and reply.pieces is not None:
            pieces = asyncio.ensure_future(body_of(reply))
            await w.move_to_s(3)
            await pieces
        assert [s.fault for s in w.found(Struck)] == took_effect


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
@pytest.mark.parametrize("name", [n for n, f in catalog().items() if f.operations == (Operation.BUY,)])
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
