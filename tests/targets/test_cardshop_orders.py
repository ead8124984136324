"""An order from the form to the goods, against a small fake gateway."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from targets.cardshop.epay import signature
from targets.cardshop.expiring import expire_due, sweep_interval_s
from targets.cardshop.peers import Peer
from targets.cardshop.requerying import requery_due
from targets.cardshop.store import APOLOGY
from tests.targets.both import locked
from tests.targets.test_cardshop_world import FORM, JSON, KEY, ORDER_LIFE_S, PARAM, REQUERY_S, running

pytestmark = pytest.mark.usefixtures("database")


# --- placing -----------------------------------------------------------------------------------------------------
async def test_the_gateway_is_asked_with_a_valid_signature_and_what_the_docs_say_of_param(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        order_no = await world.place()
        (asked,) = world.epay.created
        assert asked["sign"] == signature(asked, KEY)
        assert (
            asked
            | {
                "pid": "1001",
                "type": "alipay",
                "out_trade_no": order_no,
                "money": "10.00",
                "param": PARAM,
                "notify_url": "http://shop.example/notify/epay/epay",
                "return_url": f"http://shop.example/orders/{order_no}",
            }
            == asked
        )


async def test_a_placed_order_is_answered_and_polled_as_documented(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        async with world.client.post("/orders", data=FORM, headers=JSON) as answer:
            placed = await answer.json()
        number = placed["order_no"]
        assert placed["pay_url"] == f"{world.shop.gateways['epay'].channel.url}pay/T{number}"
        assert (placed["page"], placed["poll"]) == (f"/orders/{number}", f"/orders/{number}.json")
        assert await world.poll(number) == {
            "order_no": number, "state": "paying", "words": "支付中", "words_en": "Payment in progress", "code": None,
            "node": "正在等待支付通道确认 …", "node_en": "Waiting for the payment channel to confirm …",
            "goods": [], "receipt": "", "receipt_en": "", "product": "card_10", "price_fen": 1000, "waited_s": 0,
        }  # fmt: skip


async def test_a_browser_is_sent_to_the_cashier(tmp_path: Path) -> None:
    async with running(tmp_path) as world, world.client.post("/orders", data=FORM, allow_redirects=False) as answer:
        assert answer.status == 303
        assert "/epay/pay/TC" in answer.headers["Location"]


@pytest.mark.parametrize("changed", [{"product": "card_11"}, {"channel": "x"}, {"contact": ""}, {"account": "a\nb"}])
async def test_bad_input_is_refused_with_one_line_and_leaves_no_row(tmp_path: Path, changed: dict[str, str]) -> None:
    async with running(tmp_path) as world:
        async with world.client.post("/orders", data=FORM | changed, headers=JSON) as answer:
            refused = await answer.json()
        assert (answer.status, refused["code"]) == (400, "unknown")
        assert refused["error"].startswith(next(iter(changed)))
        assert (await world.books())["orders"] == []
        assert world.epay.created == []


GATEWAY_FAILURES = [
    (lambda _: web.json_response({"code": -1, "msg": "金额超限"}), "upstream.refused", "金额超限"),
    (lambda _: web.json_response({"code": -1, "msg": "签名校验失败"}), "upstream.bad_signature", "签名校验失败"),
    (lambda _: web.Response(status=503), "upstream.refused", "HTTP 503"),
    (lambda _: web.Response(status=302, headers={"Location": "/"}), "upstream.refused", "HTTP 302"),
    (lambda _: web.Response(text="<html>维护中</html>", content_type="text/html"), "unknown", "无法识别"),
    (lambda _: web.Response(body=b"\xff\xfe{"), "unknown", "无法识别"),
    (lambda _: web.json_response([1]), "unknown", "无法识别"),
    (lambda _: web.json_response({"code": 1, "trade_no": "T"}), "unknown", "无法识别"),
]


@pytest.mark.parametrize(("answer", "code", "said"), GATEWAY_FAILURES)
async def test_a_gateway_that_gives_no_trade_leaves_the_row_created(
    tmp_path: Path, answer: Callable[[dict[str, str]], web.StreamResponse], code: str, said: str
) -> None:
    async with running(tmp_path) as world:
        world.epay.create_answer = answer
        async with world.client.post("/orders", data=FORM, headers=JSON) as refused:
            words = await refused.json()
        assert (refused.status, words["code"]) == (502, code)
        assert words["error"].startswith("加载失败")
        assert said in words["error"]
        row = await world.row(words["order_no"])
        assert (row["state"], row["code"], row["trade_no"]) == ("created", code, "")


async def test_a_gateway_that_hangs_is_a_timeout(tmp_path: Path) -> None:
    async with running(tmp_path, gateway_timeout_s=0.05) as world:
        world.epay.hang = asyncio.Event()
        async with world.client.post("/orders", data=FORM, headers=JSON) as refused:
            assert (refused.status, (await refused.json())["code"]) == (502, "upstream.timeout")


async def test_a_gateway_that_listens_no_more_has_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        channel = Peer("epay", "http://127.0.0.1:1/epay/", "1001", KEY, "epay")
        world.shop.gateways["epay"].channel = channel
        async with world.client.post("/orders", data=FORM) as refused:
            page = await refused.text()
        assert refused.status == 502
        assert "加载失败" in page
        assert "upstream.refused" in page


async def test_a_notice_that_overtakes_the_gateways_answer_is_kept(tmp_path: Path) -> None:
    async with running(tmp_path, "hardened") as world:
        world.epay.hang = asyncio.Event()
        placing = asyncio.ensure_future(world.place())
        await world.epay.was_asked.wait()
        assert await world.notify(world.epay.created[0]["out_trade_no"]) == "success"
        await world.delivered()
        world.epay.hang.set()
        row = await world.row(await placing)
        assert (row["state"], row["trade_no"]) == ("completed", "T" + row["order_no"])


# --- notices -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("profile", ["naive", "hardened", "naive+settle_once", "naive+ack_after_commit"])
async def test_a_notice_brings_exactly_one_card_in_every_profile(tmp_path: Path, profile: str) -> None:
    async with running(tmp_path, profile) as world:
        order_no = await world.place()
        assert await world.notify(order_no) == "success"
        await world.delivered()
        page, row = await world.poll(order_no), await world.row(order_no)
        assert (page["state"], page["words"], page["code"], len(page["goods"])) == ("completed", "已完成", None, 1)
        assert (row["paid_fen"], row["paid_at"], row["goods"]) == (1000, world.at[0], page["goods"])
        assert await world.notify(order_no) == "success"
        await world.delivered()
        assert (await world.poll(order_no))["goods"] == page["goods"]


@pytest.mark.parametrize(
    ("profile", "cards"),
    [
        ("naive", 2),
        ("naive+ack_after_commit", 2),
        ("naive+queue_delivery", 1),  # the outbox has room for one job an order
        ("naive+settle_once", 1),
        ("hardened", 1),
    ],
)
async def test_two_notices_at_once_bring_two_cards_unless_settled_once(
    tmp_path: Path, profile: str, cards: int
) -> None:
    async with running(tmp_path, profile) as world:
        order_no = await world.place()
        world.lookups.barrier = asyncio.Barrier(2)
        assert set(await asyncio.gather(world.notify(order_no), world.notify(order_no))) == {"success"}
        world.lookups.barrier = None
        await world.delivered()
        assert len((await world.poll(order_no))["goods"]) == cards
        assert (await world.row(order_no))["state"] == "completed"


@pytest.mark.parametrize(
    ("profile", "money", "answer", "state", "code"),
    [
        ("naive", "0.01", "success", "completed", None),
        ("naive", "9.99", "success", "completed", None),
        ("naive+verify_amount", "9.99", "fail", "paying", "pay.amount_mismatch"),
        ("naive+verify_amount", "10.01", "fail", "paying", "pay.amount_mismatch"),
        ("naive+verify_amount", "10", "success", "completed", None),
        ("hardened-verify_amount", "0.01", "success", "completed", None),
    ],
)
async def test_an_amount_counts_as_the_switch_says(
    tmp_path: Path, profile: str, money: str, answer: str, state: str, code: str | None
) -> None:
    async with running(tmp_path, profile) as world:
        order_no = await world.place()
        assert await world.notify(order_no, money=money) == answer
        await world.delivered()
        row = await world.row(order_no)
        assert (row["state"], row["code"]) == (state, code)
        assert row["paid_fen"] == round(float(money) * 100)


@pytest.mark.parametrize(
    ("profile", "answer", "after"),
    [
        ("naive", (200, "success"), "paying"),
        ("naive+settle_once", (200, "success"), "paying"),
        ("naive+ack_after_commit", (503, "fail"), "completed"),
        ("hardened", (503, "fail"), "completed"),
    ],
)
async def test_a_locked_database_loses_the_order_unless_acknowledged_after_the_commit(
    tmp_path: Path, profile: str, answer: tuple[int, str], after: str
) -> None:
    async with running(tmp_path, profile, lock_wait_s=0.01) as world:
        order_no = await world.place()
        with locked(world.database_url):
            params = {"pid": "1001", "out_trade_no": order_no, "money": "10.00", "trade_status": "TRADE_SUCCESS"}
            params |= {"sign": signature(params, KEY)}
            async with world.client.get("/notify/epay/epay", params=params) as answered:
                assert (answered.status, await answered.text()) == answer
            await world.delivered()
        # A channel repeats what was not answered with success, and nothing else.
        if answer[1] != "success":
            await world.notify(order_no)
        await world.delivered()
        assert (await world.poll(order_no))["state"] == after


@pytest.mark.parametrize("profile", ["naive", "naive+settle_once+requery_unpaid+queue_delivery"])
async def test_a_notice_for_an_expired_order_is_acknowledged_and_forgotten(tmp_path: Path, profile: str) -> None:
    async with running(tmp_path, profile) as world:
        order_no = await world.place()
        assert await expire_due(world.shop, world.at[0] + ORDER_LIFE_S - 0.001) == 0
        assert await expire_due(world.shop, world.at[0] + ORDER_LIFE_S) == 1
        assert await world.notify(order_no) == "success"
        await world.delivered()
        page = await world.poll(order_no)
        assert (page["state"], page["words"], page["code"], page["goods"]) == ("expired", "已过期", "order.expired", [])


async def test_a_completed_order_never_expires(tmp_path: Path) -> None:
    async with running(tmp_path, "hardened") as world:
        order_no = await world.place()
        await world.notify(order_no)
        await world.delivered()
        assert await expire_due(world.shop, world.at[0] + 10 * ORDER_LIFE_S) == 0
        assert (await world.poll(order_no))["state"] == "completed"


async def test_a_forged_notice_is_refused_and_noted_without_changing_the_state(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        order_no = await world.place()
        assert await world.notify(order_no, key="another key") == "fail"
        page = await world.poll(order_no)
        assert (page["state"], page["code"], page["goods"]) == ("paying", "notice.bad_signature", [])
        assert await world.notify(order_no) == "success"
        await world.delivered()
        assert (await world.poll(order_no))["code"] is None
        assert await world.notify(order_no, key="another key") == "fail"
        assert (await world.poll(order_no))["code"] is None


@pytest.mark.parametrize("changed", [{"pid": "1002"}, {"trade_status": "TRADE_CLOSED"}, {"out_trade_no": "C404"}])
async def test_a_notice_that_is_not_about_a_payment_here_changes_nothing(
    tmp_path: Path, changed: dict[str, str]
) -> None:
    async with running(tmp_path) as world:
        order_no = await world.place()
        assert await world.notify(order_no, **changed) == "fail"
        page = await world.poll(order_no)
        assert (page["state"], page["code"]) == ("paying", None)


async def test_a_notice_may_come_in_the_body_and_not_to_an_unknown_channel(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        order_no = await world.place()
        params = {"pid": "1001", "out_trade_no": order_no, "money": "10.00", "trade_status": "TRADE_SUCCESS"}
        params |= {"sign": signature(params, KEY)}
        async with world.client.post("/notify/epay/other", data=params) as answer:
            assert (answer.status, await answer.text()) == (404, "fail")
        async with world.client.post("/notify/epay/epay?_input_charset=utf-8", data=params) as answer:
            assert await answer.text() == "success"


@pytest.mark.parametrize("profile", ["naive", "naive+settle_once", "hardened-compensate_late"])
async def test_sold_out_after_payment_ends_with_an_apology_for_goods(tmp_path: Path, profile: str) -> None:
    async with running(tmp_path, profile, stock=1) as world:
        first, second = await world.place(), await world.place()
        for order_no in (first, second):
            assert await world.notify(order_no) == "success"
            await world.delivered()
        assert APOLOGY not in (await world.poll(first))["goods"]
        page = await world.poll(second)
        assert (page["state"], page["code"], page["goods"]) == ("completed", "goods.sold_out", [APOLOGY])


# --- asking the gateway ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("answer", "state", "code"),
    [
        ({"status": 1}, "completed", None),
        ({"status": "1"}, "completed", None),
        ({"status": 0}, "paying", None),
        ({"status": 2}, "paying", None),
        ({"status": "paid"}, "paying", None),
        ({"status": None}, "paying", None),
        ({"code": -1, "status": 1}, "paying", None),
        ({"status": 1, "money": "ten"}, "paying", None),
        ({"status": 1, "money": "9.99"}, "paying", "pay.amount_mismatch"),
        ({"status": 1, "out_trade_no": "C-another"}, "paying", None),
    ],
)
async def test_only_a_plain_yes_of_the_gateway_settles_an_unpaid_order(
    tmp_path: Path, answer: dict[str, Any], state: str, code: str | None
) -> None:
    async with running(tmp_path, "hardened-compensate_late") as world:
        order_no = await world.place()
        world.epay.query_answer = answer
        assert await requery_due(world.shop, world.at[0] + REQUERY_S) == 1
        await world.delivered()
        page = await world.poll(order_no)
        assert (page["state"], page["code"]) == (state, code)


async def test_only_unpaid_unexpired_orders_older_than_the_interval_are_asked_about(tmp_path: Path) -> None:
    async with running(tmp_path, "hardened") as world:
        paid, old = await world.place(), await world.place()
        await world.notify(paid)
        assert await requery_due(world.shop, world.at[0] + REQUERY_S - 0.001) == 0
        assert await requery_due(world.shop, world.at[0] + REQUERY_S) == 1
        assert await requery_due(world.shop, world.at[0] + ORDER_LIFE_S) == 0
        assert world.epay.asked == [old]


async def test_a_gateway_that_cannot_be_asked_leaves_the_order_and_keeps_its_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, "hardened") as world:
        order_no = await world.place()
        world.shop.gateways["epay"].channel = Peer("epay", "http://127.0.0.1:1/", "1001", KEY, "epay")
        with caplog.at_level(logging.DEBUG):
            await requery_due(world.shop, world.at[0] + REQUERY_S)
        assert order_no in caplog.text
        assert KEY not in caplog.text
        assert (await world.poll(order_no))["state"] == "paying"


# --- what lies below ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("life_s", "interval_s"), [(300.0, 5.0), (20.0, 20 / 60), (0.1, 0.05), (86400.0, 5.0)])
def test_the_sweeper_looks_sixty_times_a_life_within_limits(life_s: float, interval_s: float) -> None:
    assert sweep_interval_s(life_s) == pytest.approx(interval_s)


async def test_stock_is_printed_once_and_survives_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path, stock=3) as world:
        await world.notify(await world.place())
        await world.delivered()
    async with running(tmp_path, stock=3) as world:
        assert await world.shop.store.stock_left() == {"card_10": 2, "card_50": 3}
        assert len((await world.books())["orders"]) == 1


async def test_a_hundred_at_once_get_a_hundred_different_cards(tmp_path: Path) -> None:
    async with running(tmp_path, "hardened", stock=100) as world:
        numbers = await asyncio.gather(*(world.place() for _ in range(100)))
        assert set(await asyncio.gather(*(world.notify(number) for number in numbers))) == {"success"}
        await world.delivered()
        pages = await asyncio.gather(*(world.poll(number) for number in numbers))
        assert len({card for page in pages for card in page["goods"]}) == 100
