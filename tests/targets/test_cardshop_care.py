"""Late and odd payments, refunds, cancelling, and what nobody is at any more: each switch on and off, against fakes."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from targets.cardshop.expiring import expire_due
from targets.cardshop.requerying import requery_due
from targets.cardshop.states import Code
from targets.cardshop.sweeping import recover_all, sweep
from targets.cardshop.working import work_once
from tests.targets.both import locked
from tests.targets.test_cardshop_world import ORDER_LIFE_S, PARAM, REQUERY_S, World, running

pytestmark = pytest.mark.usefixtures("database")

TOPUP_PARAM = PARAM.replace("card_10", "topup_30")
GAME = {"product": "topup_30"}


async def _paid(world: World, **changed: str) -> str:
    order_no = await world.place(**changed)
    money, param = ("30.00", TOPUP_PARAM) if changed.get("product") == "topup_30" else ("10.00", PARAM)
    await world.notify(order_no, money=money, param=param)
    await world.delivered()
    return order_no


async def _state(world: World, order_no: str) -> tuple[str, str | None]:
    page = await world.poll(order_no)
    return page["state"], page["code"]


SOLD_OUT = {"code": 0, "msg": "库存不足", "data": {}}


# --- late payments, odd amounts, refunds, cancelling -------------------------------------------------------------
@pytest.mark.parametrize(
    ("profile", "answer", "expired", "state"),
    [
        ("naive", {"status": 1}, 1, "expired"),
        ("naive+query_before_expiry", {"status": 1}, 0, "completed"),
        ("naive+query_before_expiry", {"status": 0}, 1, "expired"),
        ("naive+query_before_expiry", {"code": -1, "status": None}, 0, "paying"),
        ("hardened", {"status": 1}, 0, "completed"),
        ("hardened", {"status": 1, "money": "9.99"}, 0, "refunded"),
    ],
)
async def test_an_order_expires_only_when_the_gateway_says_unpaid(
    tmp_path: Path, profile: str, answer: dict[str, Any], expired: int, state: str
) -> None:
    async with running(tmp_path, profile, suppliers=("a",)) as world:
        order_no = await world.place()
        world.epay.query_answer = {"param": PARAM} | answer
        world.at[0] += ORDER_LIFE_S
        assert await expire_due(world.shop, world.at[0]) == expired
        await world.delivered()
        assert (await world.poll(order_no))["state"] == state
        assert await expire_due(world.shop, world.at[0] + 2 * ORDER_LIFE_S) == (state == "paying")


@pytest.mark.parametrize(
    ("profile", "is_cancelled", "state", "code"),
    [
        ("naive", False, "expired", "order.expired"),
        ("naive+query_before_expiry", False, "completed", None),
        ("naive+compensate_late", False, "refunded", "order.expired"),
        ("hardened", False, "completed", None),
        ("naive", True, "cancelled", "order.cancelled"),
        ("naive+query_before_expiry", True, "cancelled", "order.cancelled"),
        ("hardened", True, "refunded", "order.cancelled"),
    ],
)
async def test_a_payment_that_comes_too_late_is_kept_delivered_or_sent_back(
    tmp_path: Path, profile: str, is_cancelled: bool, state: str, code: str | None
) -> None:
    async with running(tmp_path, profile, suppliers=("a",)) as world:
        order_no = await world.place()
        if is_cancelled:
            assert (await world.cancel(order_no))[0] == 200
        world.at[0] += ORDER_LIFE_S
        await expire_due(world.shop, world.at[0])
        assert await world.notify(order_no) == "success"
        await world.delivered()
        assert await _state(world, order_no) == (state, code)
        assert len(world.epay.refunds) == (state == "refunded")


async def test_a_wrong_amount_by_the_gateways_own_books_is_sent_back(tmp_path: Path) -> None:
    async with running(tmp_path, "hardened") as world:
        order_no = await world.place()
        assert await world.notify(order_no, money="9.99") == "fail"
        assert await _state(world, order_no) == ("paying", "pay.amount_mismatch")
        world.epay.query_answer = {"status": 1, "money": "9.99"}
        world.at[0] += REQUERY_S
        await requery_due(world.shop, world.at[0])
        await world.delivered()
        assert await _state(world, order_no) == ("refunded", "pay.amount_mismatch")
        assert world.epay.refunds[0]["money"] == "9.99"


@pytest.mark.parametrize(
    ("answers", "gateway_says", "state", "times"),
    [
        ([], 1, "refunded", 1),
        ([503], 1, "refunded", 2),
        ([503], 2, "refunded", 1),  # it was given back, only the answer was lost
        ([{"code": -1}], 2, "refunded", 1),
        ([{"code": -1}], 1, "manual", 1),
        ([{"code": -2}] * 9, 1, "manual", 6),
        ([503] * 9, 1, "manual", 6),
    ],
)
async def test_a_refund_is_tried_until_it_is_done_or_a_person_must_see_to_it(
    tmp_path: Path, answers: list[Any], gateway_says: int, state: str, times: int
) -> None:
    async with running(tmp_path, "hardened", suppliers=("a",)) as world:
        world.suppliers["a"].answers = [SOLD_OUT]
        world.epay.refund_answers, world.epay.query_answer = list(answers), {"status": gateway_says}
        order_no = await _paid(world)
        await world.later(300)
        assert (await world.poll(order_no))["state"] == state
        assert len(world.epay.refunds) == times
        assert all(refund["money"] == "10.00" for refund in world.epay.refunds)


@pytest.mark.parametrize(("profile", "status"), [("naive", 409), ("hardened-compensate_late", 409), ("hardened", 200)])
async def test_a_buyer_who_has_paid_may_go_back_until_the_goods_are_asked_for(
    tmp_path: Path, profile: str, status: int
) -> None:
    async with running(tmp_path, profile, suppliers=("a",)) as world:
        order_no = await world.place()
        await world.notify(order_no)
        await asyncio.gather(*world.behind)
        answer = await world.cancel(order_no)
        assert answer[0] == status
        assert answer[1].get("words") == ("退款中" if status == 200 else None)
        await world.delivered()
        assert (await world.poll(order_no))["state"] == ("refunded" if status == 200 else "completed")
        assert (await world.cancel(order_no))[0] == 409
        assert (await world.cancel("C404"))[0] == 404


# --- what nobody is at -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("profile", "state"),
    [
        ("naive+queue_delivery", "recharging"),
        ("naive+queue_delivery+honest_page", "delayed"),
        ("naive+queue_delivery+recover_after_crash", "completed"),
        ("naive+queue_delivery+compensate_late", "refunded"),
        ("hardened", "completed"),
    ],
)
async def test_a_job_that_vanished_is_found_again_by_the_switches_that_look(
    tmp_path: Path, profile: str, state: str
) -> None:
    async with running(tmp_path, profile, suppliers=("a",)) as world:
        order_no = await world.place()
        await world.notify(order_no)
        await asyncio.gather(*world.behind)
        await world.shop.jobs.leave(order_no, "", due=None)
        for _ in range(40):
            world.at[0] += 5
            await sweep(world.shop, world.at[0])
            await world.delivered()
        assert (await world.poll(order_no))["state"] == state


@pytest.mark.parametrize("way", ["lease ran out", "worker died", "all died"])
async def test_a_job_whose_worker_is_gone_is_taken_up_and_nothing_is_bought_twice(tmp_path: Path, way: str) -> None:
    async with running(tmp_path, "hardened", suppliers=("a", "b")) as world:
        supplier, shop = world.suppliers["a"], world.shop
        order_no = await world.place()
        await world.notify(order_no)
        await asyncio.gather(*world.behind)
        assert await shop.jobs.claim("lost", now=world.at[0], lease_s=6.0, most=9) == [order_no]
        # The worker wrote down that it asks, asked, and was killed before it read the answer.
        assert await shop.store.ask_goods(order_no, "a", at=world.at[0])
        supplier.sold[order_no] = ["卡号 7"]
        await world.delivered()
        assert (await world.poll(order_no))["state"] == "submitted"
        match way:
            case "lease ran out":
                await sweep(shop, world.at[0] + 5.9)
                assert not await shop.jobs.are_due(world.at[0])
                world.at[0] += 6.0
                await sweep(shop, world.at[0])
            case "worker died":
                await shop.jobs.release("worker", now=world.at[0], worker="another")
                assert not await shop.jobs.are_due(world.at[0])
                await shop.jobs.release("worker", now=world.at[0], worker="lost")
            case _:
                await recover_all(shop)
        assert (await world.row(order_no))["code"] == Code.SHOP_CRASHED
        await world.later(10)
        page = await world.poll(order_no)
        assert (page["state"], page["code"], page["goods"]) == ("completed", None, ["卡号 7"])
        assert (supplier.bought, world.suppliers["b"].bought) == ([], [])


async def test_a_turn_that_finds_the_database_locked_is_taken_again_once_it_is_free(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, "hardened", suppliers=("a",), lock_wait_s=0.01) as world:
        order_no = await world.place()
        await world.notify(order_no)
        await asyncio.gather(*world.behind)
        world.suppliers["a"].hang = hang = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(work_once(world.shop, "test"))
            await world.suppliers["a"].was_asked.wait()
            with locked(world.database_url):
                hang.set()
                while "database away" not in caplog.text:
                    await asyncio.sleep(0)
        await world.later(10)
        page = await world.poll(order_no)
        assert (page["state"], page["goods"]) == ("completed", world.suppliers["a"].sold[order_no])
        assert world.suppliers["a"].bought == [order_no]


async def test_without_recovery_a_job_whose_lease_ran_out_stays_where_it_is(tmp_path: Path) -> None:
    async with running(tmp_path, "naive+queue_delivery", suppliers=("a",)) as world:
        order_no = await world.place()
        await world.notify(order_no)
        await asyncio.gather(*world.behind)
        await world.shop.jobs.claim("lost", now=world.at[0], lease_s=6.0, most=9)
        world.at[0] += 1000
        assert await sweep(world.shop, world.at[0]) == 0
        await world.delivered()
        assert (await world.poll(order_no))["state"] == "recharging"


@pytest.mark.parametrize(
    ("profile", "after_payment", "while_asked"),
    [("naive+queue_delivery", "recharging", "recharging"), ("hardened", "paid", "submitted")],
)
async def test_an_honest_page_says_recharging_only_once_an_upstream_has_accepted(
    tmp_path: Path, profile: str, after_payment: str, while_asked: str
) -> None:
    async with running(tmp_path, profile, suppliers=("a",)) as world:
        order_no = await world.place()
        await world.notify(order_no)
        await asyncio.gather(*world.behind)
        assert (await world.poll(order_no))["state"] == after_payment
        world.suppliers["a"].hang = hang = asyncio.Event()
        working = asyncio.ensure_future(world.delivered())
        await world.suppliers["a"].was_asked.wait()
        page = await world.poll(order_no)
        assert (page["state"], page["node"]) == (while_asked, "正在向供货商取卡 …")
        await sweep(world.shop, world.at[0] + 40)
        assert (await world.poll(order_no))["state"] == ("delayed" if profile == "hardened" else "recharging")
        hang.set()
        await working
        assert (await world.poll(order_no))["state"] == "completed"
