"""Complaints at the cashier: from when, by whom, what the shop is told, and how the channel ends them."""

from typing import Any

import pytest

from ledger.events import Captured, Disputed, DisputeEnded, NoticeSent, Refunded, TradeRefused
from ledger.money import Fen
from ledger.states import Operation
from mocks.mangle import Mangled
from mocks.notices import Ladder, Matter
from mocks.payment.cashier import REASON_MAX
from mocks.payment.trades import Trade
from mocks.post import Heard, Letter
from plan.run import UpstreamPlan
from plan.units import BusinessTime
from tests.mocks.world import MakeWorld, World

JSON = "application/json"
HOUR = 3600
SHORT = {
    "epay": UpstreamPlan("payment", "epay", complaint_after=BusinessTime(120), forced_after=BusinessTime(60)),
}


class TellsAll:
    """A dialect that tells of everything."""

    schema: Any = None

    def compose(self, trade: Trade, matter: Matter) -> Mangled | None:
        return {"about": str(matter.about), "no": matter.no}

    def seal(self, trade: Trade, matter: Matter, fields: Mangled, variant: object) -> Letter:
        return Letter("GET", f"http://127.0.0.1/?about={fields['about']}&no={fields['no']}")

    def is_accepted(self, heard: Heard) -> bool:
        return True


async def complain(w: World, trade_no: str, words: str = "没有到账", accept: str = JSON) -> tuple[int, dict[str, Any]]:
    reply = await w.ask(f"/epay/cashier.php?trade_no={trade_no}", {"complain": words}, accept=accept)
    assert reply is not None
    return reply.status, reply.fields or {"page": reply.body.decode()}


async def test_a_complaint_is_taken_a_day_after_payment_and_the_buyer_is_told_when(world: MakeWorld) -> None:
    async with world() as w:
        no = await w.paid()
        await w.move_to_s(24 * HOUR - 1)
        status, said = await complain(w, no)
        assert (status, said["complained"]) == (425, False)
        assert "2026-09-22 22:13:20" in said["error"]  # a day after the beginning of the axis, in Beijing's time
        assert "2026-09-22 22:13:20" in said["error_en"]
        assert not w.found(Disputed)
        await w.move_to_s(24 * HOUR)
        assert await complain(w, no) == (200, {"complained": True, "dispute_no": f"{no}D1"})
        assert [(e.o, e.amount_fen, e.words) for e in w.found(Disputed)] == [("b00000001", 1000, "没有到账")]
        assert [(e.operation, e.o) for e in w.found(TradeRefused)] == [(Operation.COMPLAIN, "b00000001")]


async def test_limits_are_business_time(world: MakeWorld) -> None:
    async with world(compress=60, upstreams=SHORT) as w:
        no = await w.paid()
        await w.move_to_s(1.99)
        assert (await complain(w, no))[0] == 425
        await w.move_to_s(2)
        assert (await complain(w, no))[0] == 200
        await w.move_to_s(2.99)
        assert not w.found(Refunded)
        await w.move_to_s(3)
        assert [e.amount_fen for e in w.found(Refunded)] == [1000]
        assert [e.forced for e in w.found(DisputeEnded)] == [True]


async def test_the_shop_is_told_of_the_complaint_of_its_end_and_of_the_money_that_went(world: MakeWorld) -> None:
    async with world(upstreams=SHORT) as w:
        no = await w.paid()
        await w.settle()
        w.letters.clear()
        w.mock.notices.serve("epay", TellsAll(), Ladder.of((), 5))
        await w.move_to_s(120)
        await complain(w, no)
        await w.move_to_s(200)
        told = [(e.about, e.n) for e in w.found(NoticeSent)[1:]]
        assert told == [("disputed", 1), ("refunded", 1), ("dispute_ended", 1)]
        assert {letter.url.partition("&no=")[2] for letter in w.letters} == {f"{no}D1"}


async def test_a_shop_that_gives_the_money_back_in_time_ends_the_complaint(world: MakeWorld) -> None:
    async with world(upstreams=SHORT) as w:
        no = await w.paid()
        await w.move_to_s(120)
        await complain(w, no)
        w.mock.notices.serve("epay", TellsAll(), Ladder.of((), 5))
        trade = w.mock.trades.find("epay", trade_no=no)
        assert trade is not None
        w.mock.trades.refund(trade, Fen(1000))
        await w.move_to_s(500)
        assert [(e.t, e.forced) for e in w.found(DisputeEnded)] == [(120 * 10**9, False)]
        assert [e.amount_fen for e in w.found(Refunded)] == [1000]
        assert [e.about for e in w.found(NoticeSent)[1:]] == ["dispute_ended"]


async def test_epay_tells_its_shop_nothing_of_complaints(world: MakeWorld) -> None:
    async with world(upstreams=SHORT) as w:
        no = await w.paid()
        await w.move_to_s(120)
        await complain(w, no)
        await w.move_to_s(500)
        assert w.found(Refunded)
        assert {e.about for e in w.found(NoticeSent)} == {"done"}


@pytest.mark.parametrize("before", ["created", "closed", "refunded", "disputed"])
async def test_what_cannot_be_complained_about_is_refused_and_moves_no_money(world: MakeWorld, before: str) -> None:
    async with world(upstreams=SHORT) as w:
        no = (await w.created())["trade_no"]
        trade = w.mock.trades.find("epay", trade_no=no)
        assert trade is not None
        if before == "closed":
            w.mock.trades.close(trade)
        elif before != "created":
            w.mock.trades.capture(trade)
        if before == "refunded":
            w.mock.trades.refund(trade, Fen(1000))
        await w.move_to_s(120)
        if before == "disputed":
            await complain(w, no)
        status, said = await complain(w, no)
        assert (status, said["complained"]) == (409, False)
        assert len(w.found(Disputed)) == (before == "disputed")
        status, said = await complain(w, no, accept="text/html")
        assert status == 409
        assert "<html" in said["page"]


async def test_an_unknown_trade_cannot_be_complained_about(world: MakeWorld) -> None:
    async with world() as w:
        status, _ = await complain(w, "nobody")
        assert status == 404


PAGES = [
    ("zh", ("投诉", "提交投诉", "已投诉")),
    ("en", ("Complain", "What is wrong", "Complaint open")),
]


@pytest.mark.parametrize(("lang", "words"), PAGES)
async def test_a_person_complains_by_the_page(world: MakeWorld, lang: str, words: tuple[str, str, str]) -> None:
    async with world(upstreams=SHORT) as w:
        no = await w.paid()
        await w.move_to_s(120)
        url = f"/epay/cashier.php?trade_no={no}&lang={lang}"

        async def page(target: str, fields: dict[str, str] | None = None) -> str:
            reply = await w.ask(target, fields)
            assert reply is not None
            return reply.body.decode()

        paid = await page(url)
        assert words[0] in paid
        assert "<form" not in paid  # a program that follows the first form of a page must not complain by it
        assert words[1] in await page(f"{url}&complain")
        done = await page(url, {"complain": "<b>nothing</b>" + "x" * 500})
        assert words[2] in done
        assert "&lt;b&gt;nothing&lt;/b&gt;" in done
        assert len(w.found(Disputed)[0].words) == REASON_MAX
        assert "<textarea" not in await page(f"{url}&complain")
        assert len(w.found(Captured)) == 1


async def test_a_mock_that_forgets_ends_nobodys_complaint(world: MakeWorld) -> None:
    async with world(upstreams=SHORT) as w:
        no = await w.paid()
        await w.move_to_s(120)
        await complain(w, no)
        w.mock.forget()
        await w.move_to_s(500)
        assert not w.found(DisputeEnded)


def test_the_limits_of_the_world_are_a_day_and_three() -> None:
    plan = UpstreamPlan("payment", "epay")
    assert (plan.complaint_after.text(), plan.forced_after.text()) == ("24 h", "72 h")
