"""Versions and unknown outcomes put into effect: what the caller reads, and what was done all the same."""

import gzip

import pytest

from faults.verdict import Wrapping
from ledger.events import NoticeSent, Refunded, Struck, TradeCreated
from ledger.states import Hop, Phase
from mocks.reply import HTML, JSON, TEXT, Reply, wrapped
from tests.mocks.exchanges import MAPI, QUERY, a_purchase, body_of, struck
from tests.mocks.world import KEY, PID, MakeWorld, World, a_fault, an_order, signed

JSON_BODY = b'{"a":1}'


@pytest.mark.parametrize(
    ("wrapping", "kind", "body"),
    [
        (Wrapping.HTML, HTML, JSON_BODY),
        (Wrapping.PLAIN, TEXT, JSON_BODY),
        (Wrapping.BOM, JSON, b"\xef\xbb\xbf" + JSON_BODY),
    ],
)
def test_json_comes_in_another_wrapping(wrapping: Wrapping, kind: str, body: bytes) -> None:
    for reply in (Reply(fields={"a": 1}), Reply(body=JSON_BODY, kind=JSON)):
        assert wrapped(reply, wrapping) == Reply(body=body, kind=kind)


def test_zipped_json_says_so_and_is_the_same_every_time() -> None:
    one, other = (wrapped(Reply(fields={"a": 1}, headers={"X-Sign": "s"}), Wrapping.GZIP) for _ in range(2))
    assert one == other
    assert one.headers == {"X-Sign": "s", "Content-Encoding": "gzip"}
    assert gzip.decompress(one.body) == JSON_BODY


@pytest.mark.parametrize("wrapping", Wrapping)
@pytest.mark.parametrize("reply", [Reply(204), Reply(body=b"<html>", kind=HTML), Reply(body=b"success")])
def test_what_is_no_json_keeps_its_wrapping(wrapping: Wrapping, reply: Reply) -> None:
    assert wrapped(reply, wrapping) is reply


def test_json_that_is_called_html_anyhow_is_not_changed() -> None:
    reply = Reply(body=JSON_BODY, kind=HTML)
    assert wrapped(reply, Wrapping.HTML) is reply


async def test_an_unknown_answer_hides_that_the_work_was_done(world: MakeWorld) -> None:
    async with world(a_fault("lost", "answer_unknown")) as w:
        reply = await w.load().ask(MAPI, signed(an_order()))
        assert reply is not None
        assert (reply.status, await body_of(reply)) == (500, b"internal error\n")
        assert len(w.found(TradeCreated)) == 1
        assert struck(w) == [("lost", "shop>payment/epay", "create", 1)]


async def test_a_dialect_has_its_own_words_for_what_it_does_not_know(world: MakeWorld) -> None:
    async with world(a_fault("lost", "answer_unknown", Hop.SHOP_SUPPLIER)) as w:
        reply = await a_purchase(w.load())
        assert reply is not None
        assert reply.fields == {"code": "SYSTEM_ERROR"}


async def test_what_was_refused_by_its_signature_is_not_called_unknown(world: MakeWorld) -> None:
    async with world(a_fault("lost", "answer_unknown")) as w:
        answer = await w.load().json(MAPI, an_order() | {"sign": "wrong"})
        assert answer["code"] == -1
        assert not struck(w)


async def test_only_the_first_repeat_is_refused_as_seen_before(world: MakeWorld) -> None:
    async with world(a_fault("dup", "duplicate_refused")) as w:
        w.load()
        answers = [await w.json(MAPI, signed(an_order())) for _ in range(3)]
        assert [answer["code"] for answer in answers] == [1, -1, 1]
        assert answers[0] == answers[2]
        assert len(w.found(TradeCreated)) == 1
        assert struck(w) == [("dup", "shop>payment/epay", "create", 2)]
        other = await w.json(MAPI, signed(an_order(2)))
        assert other["code"] == 1


async def test_a_refused_version_does_nothing_and_a_dialect_without_words_for_it_is_left_alone(
    world: MakeWorld,
) -> None:
    async with world(a_fault("old", "ver.explicit", Hop.SHOP_SUPPLIER)) as w:
        done: list[str] = []

        def act() -> Reply:
            done.append("act")
            return Reply(fields={"cards": 1})

        refused = await a_purchase(w.load(), act=act)
        assert refused is not None
        assert refused.fields == {"code": "invalid-version"}
        assert done == []
        kept = await a_purchase(w, refuse_version=None)
        assert kept is not None
        assert kept.fields == {"cards": 1}
        assert [s.attempt for s in w.found(Struck)] == [1]


async def test_every_second_query_of_a_paid_trade_says_that_it_waits(world: MakeWorld) -> None:
    async with world(a_fault("flap", "state_flaps")) as w:
        await w.paid()
        w.load()
        told = [await w.json(QUERY) for _ in range(4)]
        assert [(t["status"], t["trade_status"]) for t in told] == [
            (1, "TRADE_SUCCESS"), (0, "WAIT_BUYER_PAY"), (1, "TRADE_SUCCESS"), (0, "WAIT_BUYER_PAY"),
        ]  # fmt: skip
        assert [s.attempt for s in w.found(Struck)] == [2, 4]


async def test_a_trade_that_waits_does_not_flap(world: MakeWorld) -> None:
    async with world(a_fault("flap", "state_flaps")) as w:
        await w.created()
        w.load()
        assert [(await w.json(QUERY))["status"] for _ in range(4)] == [0] * 4
        assert not struck(w)


# --- by what a client says of its version ----------------------------------------------------------------------
async def test_only_requests_of_the_version_are_struck(world: MakeWorld) -> None:
    fault = a_fault("v1", "ver.renamed", params={"field": "code", "to": "errcode"}, select={"api_version": ["MD5"]})
    async with world(fault) as w:
        w.load()
        assert "errcode" in await w.json(MAPI, signed(an_order()))
        reply = await a_purchase(w, Hop.SHOP_PAYMENT, version="2.0", act=lambda: Reply(fields={"code": 1}), dress=None)
        assert reply is not None
        assert reply.fields == {"code": 1}
        reply = await a_purchase(w, Hop.SHOP_PAYMENT, version="MD5", act=lambda: Reply(fields={"code": 1}), dress=None)
        assert reply is not None
        assert reply.fields == {"errcode": 1}


# --- told again after the money was given back -------------------------------------------------------------------
async def given_back(w: World, money: str = "10.00") -> None:
    fields = {"pid": PID, "key": KEY, "out_trade_no": "C000001", "money": money}
    assert (await w.json("/epay/api.php?act=refund", fields))["code"] == 1


async def test_the_notice_of_payment_comes_again_after_the_refund(world: MakeWorld) -> None:
    async with world(a_fault("late", "notice_after_refund", Hop.PAYMENT_SHOP, params={"after": "3 s"})) as w:
        await w.load().paid()
        await w.move_to_s(1)
        assert not struck(w)
        await given_back(w)
        await w.move_to_s(3.9)
        assert len(w.letters) == 1
        await w.move_to_s(4)
        first, again = w.notices()
        assert first == again
        assert [n.n for n in w.found(NoticeSent)] == [1, 2]
        assert struck(w) == [("late", "payment>shop/epay", "notice", 2)]


async def test_every_refund_of_a_part_is_followed_by_one(world: MakeWorld) -> None:
    async with world(a_fault("late", "notice_after_refund", Hop.PAYMENT_SHOP)) as w:
        await w.load().paid()
        await given_back(w, "4.00")
        await w.move_to_s(2)
        await given_back(w, "6.00")
        await w.move_to_s(4)
        assert len(w.found(Refunded)) == 2
        assert len(w.letters) == 3


async def test_without_the_fault_nobody_is_told_again(world: MakeWorld) -> None:
    async with world(a_fault("late", "notice_after_refund", Hop.PAYMENT_SHOP, select={"product": ["card_99"]})) as w:
        await w.load().paid()
        await given_back(w)
        await w.move_to_s(60)
        assert len(w.letters) == 1


@pytest.mark.parametrize("end", ["heal", "forget"])
async def test_what_is_still_to_be_told_again_when_faults_end_is_not(world: MakeWorld, end: str) -> None:
    async with world(a_fault("late", "notice_after_refund", Hop.PAYMENT_SHOP, params={"after": "3 s"})) as w:
        await w.load().paid()
        await given_back(w)
        await w.move_to_s(1)
        if end == "heal":
            w.mock.injector.begin(Phase.HEAL)
        else:
            w.mock.notices.forget()
        await w.move_to_s(10)
        assert len(w.letters) == 1
        assert not struck(w)
