"""Each switch that stands between a payment and its goods, on and off, against fakes of supplier, game and gateway."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from targets.cardshop.expiring import expire_due
from targets.cardshop.requerying import requery_due
from targets.cardshop.states import Code
from targets.cardshop.sweeping import recover_all, sweep
from targets.cardshop.working import work_once
from tests.targets.test_cardshop_world import FORM, ORDER_LIFE_S, PARAM, REQUERY_S, World, running

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


# --- without a fault ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("profile", ["naive", "naive+ack_after_commit", "naive+queue_delivery", "hardened"])
async def test_a_card_is_bought_once_and_shown(tmp_path: Path, profile: str) -> None:
    async with running(tmp_path, profile, suppliers=("a", "b")) as world:
        order_no = await _paid(world)
        page = await world.poll(order_no)
        assert (page["state"], page["code"]) == ("completed", None)
        assert page["goods"] == world.suppliers["a"].sold[order_no]
        assert (world.suppliers["a"].bought, world.suppliers["b"].bought) == ([order_no], [])
        assert await world.notify(order_no) == "success"
        await world.delivered()
        assert world.suppliers["a"].bought == [order_no]


@pytest.mark.parametrize("profile", ["naive", "naive+queue_delivery", "hardened"])
async def test_a_top_up_is_recharging_once_accepted_and_completed_by_its_notice(tmp_path: Path, profile: str) -> None:
    async with running(tmp_path, profile, sells_topups=True) as world:
        order_no = await _paid(world, **GAME)
        assert (await world.poll(order_no))["state"] == "recharging"
        assert world.game.created[0] | {"quantity": 1} == {
            "reference": order_no, "account": FORM["account"], "region": "cn-east", "product": "topup_30",
            "quantity": 1, "notify_url": "http://shop.example/notify/topup/game", "passthrough": FORM["contact"],
        }  # fmt: skip
        assert await world.topup_notice(order_no) == 200
        page = await world.poll(order_no)
        assert (page["state"], page["code"], page["goods"]) == ("completed", None, [])
        assert "K1" in page["receipt"]
        assert await world.topup_notice(order_no, status="failed") == 200
        assert (await world.poll(order_no))["state"] == "completed"


async def test_top_ups_are_not_sold_without_a_game_server_nor_without_a_region(tmp_path: Path) -> None:
    async with running(tmp_path) as world, world.client.post("/orders", data=FORM | GAME) as answer:
        assert answer.status == 400
    nowhere = FORM | GAME | {"region": ""}
    async with running(tmp_path, sells_topups=True) as world, world.client.post("/orders", data=nowhere) as answer:
        assert (answer.status, world.epay.created) == (400, [])


# --- what a supplier may do, switch by switch --------------------------------------------------------------------
SOLD_OUT = {"code": 0, "msg": "库存不足", "data": {}}
BROKE = {"code": 0, "msg": "余额不足", "data": {}}
EMPTY = {"code": 200, "msg": "success", "data": {"secret": ""}}
TEXT_CODE = {"code": "200", "msg": "success", "data": {"secret": "卡号 1"}}
STUCK = "recharging"


@pytest.mark.parametrize(
    ("profile", "answers", "state", "code", "requests"),
    [
        # an answer that was lost: the number may be sold, and is
        ("naive", ["lose"], STUCK, "upstream.unknown_result", (1, 0)),
        ("naive+retry_supplier", ["lose"], STUCK, "upstream.unknown_result", (6, 0)),  # refused as seen before
        ("naive+fail_over_supplier", ["lose"], STUCK, "upstream.unknown_result", (1, 0)),
        ("naive+query_supplier", ["lose"], "completed", None, (1, 0)),
        ("naive+honest_page", ["lose"], "delayed", "upstream.unknown_result", (1, 0)),
        ("naive+compensate_late", ["lose"], "refunded", "upstream.unknown_result", (1, 0)),
        ("hardened", ["lose"], "completed", None, (1, 0)),
        # a request that was lost: there is nothing under the number
        ("naive", ["drop"], STUCK, "upstream.unknown_result", (1, 0)),
        ("naive+retry_supplier", ["drop"], "completed", None, (2, 0)),
        ("naive+query_supplier", ["drop"], STUCK, "upstream.unknown_result", (1, 0)),
        ("naive+query_supplier+fail_over_supplier", ["drop"], "completed", None, (1, 1)),
        ("hardened", ["drop"], "completed", None, (1, 1)),
        # a refusal
        ("naive", [BROKE], STUCK, "upstream.refused", (1, 0)),
        ("naive+retry_supplier", [BROKE], "completed", None, (2, 0)),
        ("naive+fail_over_supplier", [BROKE], "completed", None, (1, 1)),
        ("naive+compensate_late", [BROKE], "refunded", "upstream.refused", (1, 0)),
        ("naive+queue_delivery", [BROKE], STUCK, "upstream.refused", (1, 0)),
        ("hardened-fail_over_supplier", [BROKE] * 9, "refunded", "upstream.refused", (6, 0)),
        ("naive", [SOLD_OUT], "completed", "goods.sold_out", (1, 0)),
        ("naive+retry_supplier", [SOLD_OUT], "completed", "goods.sold_out", (1, 0)),
        ("naive+compensate_late", [SOLD_OUT], "refunded", "goods.sold_out", (1, 0)),
        ("hardened", [SOLD_OUT], "completed", None, (1, 1)),
        # an answer that is none, or is strange
        ("naive", [503], STUCK, "upstream.overloaded", (1, 0)),
        ("naive+retry_supplier", [503, 503], "completed", None, (3, 0)),
        ("hardened", [503], "completed", None, (1, 1)),
        ("naive", [EMPTY], "completed", None, (1, 0)),
        ("naive+tolerant_reader", [EMPTY], STUCK, "goods.empty", (1, 0)),
        ("naive", [TEXT_CODE], STUCK, "upstream.version", (1, 0)),
        ("naive+fail_over_supplier", [TEXT_CODE], STUCK, "upstream.version", (1, 0)),
        ("naive+tolerant_reader", [TEXT_CODE], "completed", None, (1, 0)),
        ("hardened", [TEXT_CODE], "completed", None, (1, 0)),
    ],
)
async def test_what_becomes_of_a_card_when_its_supplier_fails(
    tmp_path: Path, profile: str, answers: list[Any], state: str, code: str | None, requests: tuple[int, int]
) -> None:
    async with running(tmp_path, profile, suppliers=("a", "b")) as world:
        world.suppliers["a"].answers = list(answers)
        order_no = await _paid(world)
        await world.later(170)
        await sweep(world.shop, world.at[0])
        await world.later(20)
        assert await _state(world, order_no) == (state, code)
        assert (len(world.suppliers["a"].bought), len(world.suppliers["b"].bought)) == requests
        assert set(world.suppliers["a"].bought + world.suppliers["b"].bought) == {order_no}
        is_apology = "联系客服" in "".join((await world.poll(order_no))["goods"])
        assert is_apology == (state == "completed" and code == "goods.sold_out")
        assert len(world.epay.refunds) == (state == "refunded")


async def test_a_failure_inside_the_notice_is_rolled_back_and_the_repeat_is_refused_as_seen_before(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, "naive+ack_after_commit", suppliers=("a",)) as world:
        world.suppliers["a"].answers = ["lose"]
        order_no = await world.place()
        for _ in range(3):
            assert await world.notify(order_no) == "fail"
            assert await _state(world, order_no) == ("paying", "upstream.unknown_result")
        assert len(world.suppliers["a"].sold) == 1


async def test_a_supplier_that_replays_heals_by_the_channels_repeat(tmp_path: Path) -> None:
    async with running(tmp_path, "naive+ack_after_commit", suppliers=("a",)) as world:
        world.suppliers["a"].answers, world.suppliers["a"].rejects = ["lose"], False
        order_no = await world.place()
        assert [await world.notify(order_no), await world.notify(order_no)] == ["fail", "success"]
        assert (await world.poll(order_no))["state"] == "completed"


@pytest.mark.parametrize(("profile", "others_done"), [("naive", False), ("naive+queue_delivery", True)])
async def test_a_slow_supplier_freezes_the_product_unless_delivery_is_queued(
    tmp_path: Path, profile: str, others_done: bool
) -> None:
    async with running(tmp_path, profile, suppliers=("a",)) as world:
        supplier = world.suppliers["a"]
        first, second = await world.place(), await world.place()
        supplier.hang = hang = asyncio.Event()
        await world.notify(first)
        working = asyncio.ensure_future(world.delivered())
        await supplier.was_asked.wait()
        supplier.hang = None
        await world.notify(second)
        if others_done:
            await asyncio.wait_for(_until_completed(world, second), 5)
        else:
            await asyncio.sleep(0)
            assert supplier.bought == [first]
        assert (await world.poll(second))["state"] == ("completed" if others_done else "recharging")
        hang.set()
        await working
        await world.delivered()
        assert {(await world.poll(number))["state"] for number in (first, second)} == {"completed"}


async def _until_completed(world: World, order_no: str) -> None:
    while (await world.poll(order_no))["state"] != "completed":
        await work_once(world.shop, "another")


# --- what a game may do ------------------------------------------------------------------------------------------
WRONG_REGION = (422, {"ok": False, "error": {"code": "REGION_MISMATCH", "message": ""}})
MAINTENANCE = (503, {"ok": False, "error": {"code": "MAINTENANCE", "message": ""}})
DONE = {"ok": True, "topup_id": "T1", "status": "succeeded", "credit_id": "K9"}
FAILED = {"ok": True, "topup_id": "T1", "status": "failed", "reason": "upstream.refused"}


@pytest.mark.parametrize(
    ("profile", "answers", "told", "state", "code"),
    [
        ("naive", [WRONG_REGION], None, "failed", "region.mismatch"),
        ("naive+compensate_late", [WRONG_REGION], None, "refunded", "region.mismatch"),
        ("hardened", [WRONG_REGION], None, "refunded", "region.mismatch"),
        ("naive", [MAINTENANCE], None, "failed", "upstream.refused"),
        ("naive", [], DONE, "recharging", None),  # the notice of success was lost
        ("naive+query_supplier", [], DONE, "completed", None),
        ("naive+query_supplier", [], FAILED, "failed", "upstream.refused"),
        ("hardened", [], FAILED, "refunded", "upstream.refused"),
        ("naive+query_supplier", ["lose"], DONE, "completed", None),
        ("naive+compensate_late", ["lose"], None, "manual", "upstream.unknown_result"),
        ("naive+compensate_late", [], None, "manual", "upstream.unknown_result"),
        ("hardened", [], None, "manual", "upstream.unknown_result"),
    ],
)
async def test_what_becomes_of_a_top_up_when_the_game_fails(
    tmp_path: Path, profile: str, answers: list[Any], told: dict[str, Any] | None, state: str, code: str | None
) -> None:
    async with running(tmp_path, profile, sells_topups=True) as world:
        world.game.answers = list(answers)
        order_no = await _paid(world, **GAME)
        if told is not None:
            world.game.states[order_no] = told
        await world.later(190)
        assert await _state(world, order_no) == (state, code)
        assert len(world.epay.refunds) == (state == "refunded")


async def test_an_order_in_the_hands_of_a_person_is_completed_by_a_late_notice(tmp_path: Path) -> None:
    async with running(tmp_path, "hardened", sells_topups=True) as world:
        order_no = await _paid(world, **GAME)
        await world.later(190)
        assert (await world.poll(order_no))["state"] == "manual"
        assert await world.topup_notice(order_no) == 200
        assert (await world.poll(order_no))["state"] == "completed"


@pytest.mark.parametrize(
    ("profile", "changed", "status", "state"),
    [
        ("naive", {}, 200, "completed"),
        ("naive", {"reference": ""}, 404, "recharging"),
        ("hardened", {"reference": ""}, 200, "completed"),
        ("hardened", {"reference": "", "topup_id": "T404"}, 404, "recharging"),
        ("naive", {"region": ""}, 422, "recharging"),
        ("naive+match_by_order", {"region": "", "account": "", "product": ""}, 200, "completed"),
        ("naive", {"status": "granted"}, 200, "failed"),
        ("naive+tolerant_reader", {"status": "granted"}, 422, "recharging"),
        ("naive+tolerant_reader", {"status": "SUCCESS"}, 200, "completed"),
        ("hardened", {"status": "failed", "reason": "account.invalid"}, 200, "refunding"),
        ("hardened", {"reference": "C404"}, 404, "recharging"),
    ],
)
async def test_a_games_notice_is_answered(
    tmp_path: Path, profile: str, changed: dict[str, str], status: int, state: str
) -> None:
    async with running(tmp_path, profile, sells_topups=True) as world:
        order_no = await _paid(world, **GAME)
        assert await world.topup_notice(order_no, key="forged") == 401
        assert await world.topup_notice(order_no, **changed) == status
        assert (await world.poll(order_no))["state"] == state


# --- matching ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("profile", "param", "state", "code"),
    [
        ("naive", PARAM, "completed", None),
        ("naive", FORM["contact"], "paid", "identifiers.missing"),
        ("naive", "", "paid", "identifiers.missing"),
        ("naive", PARAM.replace("region=", "area="), "paid", "identifiers.missing"),
        ("naive+queue_delivery", "", "paid", "identifiers.missing"),
        ("naive+honest_page", "", "delayed", "identifiers.missing"),
        ("naive+compensate_late", "", "refunding", "identifiers.missing"),
        ("naive+match_by_order", "", "completed", None),
        ("hardened", PARAM.replace("card_10", "card_999"), "completed", None),
    ],
)
async def test_goods_are_matched_by_param_or_by_the_order(
    tmp_path: Path, profile: str, param: str, state: str, code: str | None
) -> None:
    async with running(tmp_path, profile, suppliers=("a",)) as world:
        order_no = await world.place()
        assert await world.notify(order_no, param=param) == "success"
        await asyncio.gather(*world.behind)
        if "queue" in profile or profile == "hardened":
            await world.delivered()
        assert await _state(world, order_no) == (state, code)


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
        world.epay.refund_answers, world.epay.query_answer = answers, {"status": gateway_says}
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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("targets.cardshop.database.LOCK_WAIT_S", 0.01)
    async with running(tmp_path, "hardened", suppliers=("a",)) as world:
        order_no = await world.place()
        await world.notify(order_no)
        world.suppliers["a"].hang = hang = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(work_once(world.shop, "test"))
            await world.suppliers["a"].was_asked.wait()
            lock = sqlite3.connect(tmp_path / "shop.db", isolation_level=None)
            lock.execute("BEGIN IMMEDIATE")
            hang.set()
            while "database away" not in caplog.text:
                await asyncio.sleep(0)
            lock.execute("ROLLBACK")
            lock.close()
        await world.later(10)
        page = await world.poll(order_no)
        assert (page["state"], page["goods"]) == ("completed", world.suppliers["a"].sold[order_no])
        assert world.suppliers["a"].bought == [order_no]


async def test_without_recovery_a_job_whose_lease_ran_out_stays_where_it_is(tmp_path: Path) -> None:
    async with running(tmp_path, "naive+queue_delivery", suppliers=("a",)) as world:
        order_no = await world.place()
        await world.notify(order_no)
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
