"""Each switch that stands between a payment and its goods, on and off, against fakes of supplier, game and gateway."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from targets.cardshop.sweeping import sweep
from targets.cardshop.working import work_once
from tests.targets.test_cardshop_world import FORM, PARAM, World, running

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
        await world.later(40)  # all gaps between tries, each at its longest, are over by now
        assert await _state(world, order_no) == (state, code)
        assert (len(world.suppliers["a"].bought), len(world.suppliers["b"].bought)) == requests
        assert set(world.suppliers["a"].bought + world.suppliers["b"].bought) == {order_no}
        is_apology = "联系客服" in "".join((await world.poll(order_no))["goods"])
        assert is_apology == (state == "completed" and code == "goods.sold_out")
        assert len(world.epay.refunds) == (state == "refunded")


async def test_a_supplier_that_always_refuses_is_asked_until_the_tries_or_the_time_are_over(tmp_path: Path) -> None:
    async with running(tmp_path, "hardened-fail_over_supplier", suppliers=("a", "b")) as world:
        world.suppliers["a"].answers = [BROKE] * 9
        order_no = await _paid(world)
        await world.later(190)
        assert await _state(world, order_no) == ("refunded", "upstream.refused")
        assert len(world.suppliers["a"].bought) in (5, 6)  # how the gaps spread depends on the order's number
        assert len(world.epay.refunds) == 1


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


@pytest.mark.parametrize(
    ("profile", "rejects", "cards", "requests"),
    [
        ("naive", False, 2, 2),
        ("naive", True, 1, 2),  # the supplier's own care saves the careless shop
        ("naive+settle_once", False, 1, 1),
        ("naive+queue_delivery", False, 1, 1),
        ("hardened", False, 1, 1),
    ],
)
async def test_two_notices_at_once_buy_twice_unless_settled_once_or_queued(
    tmp_path: Path, profile: str, rejects: bool, cards: int, requests: int
) -> None:
    async with running(tmp_path, profile, suppliers=("a",)) as world:
        world.suppliers["a"].rejects = rejects
        order_no = await world.place()
        world.lookups.barrier = asyncio.Barrier(2)
        assert set(await asyncio.gather(world.notify(order_no), world.notify(order_no))) == {"success"}
        world.lookups.barrier = None
        await world.delivered()
        page = await world.poll(order_no)
        assert (page["state"], len(page["goods"])) == ("completed", cards)
        assert len(world.suppliers["a"].bought) == requests


async def test_a_supplier_that_sells_again_heals_by_the_channels_repeat(tmp_path: Path) -> None:
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
