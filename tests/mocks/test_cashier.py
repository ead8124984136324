"""The cashier, for people and for programs."""

import pytest

from ledger.events import Captured, TradeRefused
from ledger.states import Operation
from tests.mocks.world import RETURN, MakeWorld, World

JSON = "application/json"


async def page(w: World, target: str, fields: dict[str, str] | None = None) -> tuple[int, str]:
    reply = await w.ask(target, fields)
    assert reply is not None
    return reply.status, reply.body.decode()


async def test_the_page_says_who_wants_how_much_for_what(world: MakeWorld) -> None:
    async with world() as w:
        no = (await w.created(name="点卡 <b>50</b>", sitename="小店"))["trade_no"]
        status, text = await page(w, f"/epay/cashier.php?trade_no={no}")
        assert status == 200
        for wanted in (
            "10.00",
            "点卡 &lt;b&gt;50&lt;/b&gt;",
            "小店",
            "立即支付",
            "支付宝",
            "C000001",
            no,
            'lang="zh-CN"',
        ):
            assert wanted in text
        assert "返回商家" not in text


async def test_the_page_speaks_english_when_asked(world: MakeWorld) -> None:
    async with world() as w:
        no = (await w.created())["trade_no"]
        _, text = await page(w, f"/epay/cashier.php?trade_no={no}&lang=en")
        assert 'lang="en"' in text
        assert "Alipay" in text
        assert "Pay ¥10.00" in text
        _, text = await page(w, f"/epay/cashier.php?trade_no={no}&lang=<script>")
        assert "立即支付" in text


async def test_a_person_pays_by_clicking_and_finds_the_way_back(world: MakeWorld) -> None:
    async with world() as w:
        no = (await w.created())["trade_no"]
        status, text = await page(w, f"/epay/cashier.php?trade_no={no}", {})
        assert status == 200
        assert "支付成功" in text
        assert f'href="{RETURN.replace("&", "&amp;")}&amp;pid=1001' in text
        assert "<form" not in text
        assert len(w.found(Captured)) == 1


async def test_a_program_pays_once_however_often_it_posts(world: MakeWorld) -> None:
    async with world() as w:
        no = (await w.created())["trade_no"]
        answers = [
            await w.json(f"/epay/cashier.php?trade_no={no}", {"key": "b00000001"}, accept=JSON) for _ in range(3)
        ]
        assert answers[0] == answers[1] == answers[2]
        assert answers[0]["paid"] is True
        assert len(w.found(Captured)) == 1
        await w.settle()
        assert len(w.letters) == 1


@pytest.mark.parametrize(("field", "header"), [("b00000001", ""), ("", "b00000001")])
async def test_the_key_that_a_buyer_tells_stands_over_the_facts_from_then_on(
    world: MakeWorld, field: str, header: str
) -> None:
    async with world() as w:
        no = (await w.created(param=""))["trade_no"]
        await w.json(f"/epay/cashier.php?trade_no={no}", {"key": field}, accept=JSON, order_key=header)
        assert w.found(Captured)[0].o == "b00000001"


async def test_what_does_not_exist_cannot_be_paid(world: MakeWorld) -> None:
    async with world() as w:
        assert (await page(w, "/epay/cashier.php?trade_no=1"))[0] == 404
        assert (await page(w, "/epay/cashier.php", {"key": "b00000001"}))[0] == 404
        reply = await w.ask("/epay/cashier.php?trade_no=1", {"key": "b00000001"}, accept=JSON)
        assert reply is not None
        assert reply.status == 404
        assert reply.fields is not None
        assert reply.fields["paid"] is False
        assert [(r.operation, r.o) for r in w.found(TradeRefused)] == [(Operation.PAY, "b00000001")] * 2


async def test_a_closed_trade_cannot_be_paid(world: MakeWorld) -> None:
    async with world() as w:
        no = (await w.created())["trade_no"]
        trade = w.mock.trades.find("epay", trade_no=no)
        assert trade is not None
        w.mock.trades.close(trade)
        status, text = await page(w, f"/epay/cashier.php?trade_no={no}")
        assert (status, "已关闭" in text, "<form" in text) == (409, True, False)
        assert (await page(w, f"/epay/cashier.php?trade_no={no}", {}))[0] == 409
        assert not w.found(Captured)


async def test_without_a_return_address_there_is_no_way_back(world: MakeWorld) -> None:
    async with world() as w:
        no = (await w.created(return_url=""))["trade_no"]
        assert (await w.json(f"/epay/cashier.php?trade_no={no}", {}, accept=JSON))["return_url"] == ""
        assert "返回商家" not in (await page(w, f"/epay/cashier.php?trade_no={no}"))[1]
