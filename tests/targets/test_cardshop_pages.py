"""What the shop shows: pages for buyers, books for the keeper."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from targets.cardshop.nodes import next_of, node_of, reason_of
from targets.cardshop.pages import Pages, View, order_json
from targets.cardshop.peers import Peer
from targets.cardshop.states import ENDS, WORDS, Code, Known, State
from targets.cardshop.tables import Order
from tests.targets.test_cardshop_world import KEY, TOKEN, running


# --- pages -------------------------------------------------------------------------------------------------------
async def test_pages_speak_both_languages_load_nothing_and_hold_no_secret(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        unpaid, done = await world.place(contact='<b>"x"</b>'), await world.place()
        await world.notify(done)
        await world.delivered()
        paths = {
            "/": ("去支付", "Pay with"),
            f"/orders/{unpaid}": ("支付中", "Payment in progress"),
            f"/orders/{done}": ("已完成", "Completed"),
            "/orders/C404": ("没有这个订单", "There is no such order"),
            "/lookup": ("查询订单", "My orders"),
            '/lookup?contact=<b>"x"</b>': ("支付中", "Payment in progress"),
            "/lookup?contact=nobody": ("没有找到订单", "No orders found"),
            f"/admin/orders?token={TOKEN}": ("最新订单", "Newest orders"),
        }
        for path, (zh, en) in paths.items():
            joint = "&" if "?" in path else "?"
            for asked, words in ((path, zh), (f"{path}{joint}lang=en", en), (f"{path}{joint}lang=xx", zh)):
                async with world.client.get(asked) as answer:
                    page = await answer.text()
                    assert answer.status == (404 if "C404" in path else 200)
                assert words in page
                assert "prefers-color-scheme: dark" in page
                assert not any(bad in page for bad in ("<b>", "src=", "@import", "url(", KEY, TOKEN))
                assert '<link rel="icon" href="data:,">' in page


async def test_the_order_page_shows_goods_only_when_delivered_and_the_pay_link_only_before(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        order_no = await world.place()
        async with world.client.get(f"/orders/{order_no}") as answer:
            before = await answer.text()
        await world.notify(order_no)
        await world.delivered()
        (card,) = (await world.poll(order_no))["goods"]
        async with world.client.get(f"/orders/{order_no}") as answer:
            after = await answer.text()
        assert f"/epay/pay/T{order_no}" in before
        assert card not in before
        assert card in after
        assert f"/epay/pay/T{order_no}" not in after


async def test_an_unknown_order_is_404_as_page_and_as_json(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        async with world.client.get("/orders/C404.json") as answer:
            assert (answer.status, (await answer.json())["error"]) == (404, "没有这个订单")
        async with world.client.get("/orders/C404") as answer:
            assert answer.status == 404


# --- the keeper's view -------------------------------------------------------------------------------------------
async def test_the_books_are_read_in_pages_until_next_is_null(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        numbers = [await world.place() for _ in range(3)]
        first = await world.books("?limit=2")
        second = await world.books(f"?limit=2&after={first['next']}")
        assert [row["order_no"] for row in first["orders"] + second["orders"]] == numbers
        assert second["next"] is None
        assert set(first["orders"][0]) == {
            "id", "order_no", "trade_no", "contact", "account", "product", "channel", "region", "state", "code",
            "price_fen", "paid_fen", "upstream", "tries", "receipt", "goods", "created_at", "paid_at", "updated_at",
        }  # fmt: skip


@pytest.mark.parametrize("query", ["?after=x", "?after=-1", "?limit=0", "?limit=1001", "?limit=1e3"])
async def test_a_page_of_the_books_that_makes_no_sense_is_refused(tmp_path: Path, query: str) -> None:
    async with running(tmp_path) as world:
        answer = await world.client.get(f"/admin/orders.json{query}", headers={"X-Admin-Token": TOKEN})
        assert answer.status == 400


@pytest.mark.parametrize(("token", "given"), [(TOKEN, ""), (TOKEN, "wrong"), (TOKEN, TOKEN[:-1]), ("", ""), ("", "x")])
async def test_without_the_admin_token_the_books_stay_closed(tmp_path: Path, token: str, given: str) -> None:
    async with running(tmp_path, token=token) as world:
        for path in ("/admin/orders.json", "/admin/orders"):
            async with world.client.get(path, headers={"X-Admin-Token": given}) as answer:
                assert answer.status == 403
            async with world.client.get(path, params={"token": given}) as answer:
                assert answer.status == 403


# --- the order page in every state ---------------------------------------------------------------------------------
ORDER = Order(
    id=1, order_no="C1", trade_no="T1", contact="b00000001@buyers.example", account="player-00000001",
    product="card_10", channel="epay", region="cn-east", state=State.PAID, code=None, price_fen=1000, paid_fen=1000,
    told="", upstream="", known=Known.NOTHING, tries=0, refusals="", receipt="", apology=None,
    pay_url="http://127.0.0.1/pay", created_at=900.0, paid_at=1000.0, changed_at=1000.0, updated_at=1000.0,
)  # fmt: skip
PAGES = Pages({"epay": Peer("epay", "http://127.0.0.1/", "1001", KEY, "epay")})


@pytest.mark.parametrize("product", ["card_10", "topup_30", "card_of_last_year"])
@pytest.mark.parametrize("known", Known)
@pytest.mark.parametrize("state", State)
def test_every_state_is_shown_in_both_languages_and_only_in_the_one_asked_for(
    state: State, known: Known, product: str
) -> None:
    order = replace(ORDER, state=state, known=known, product=product, tries=2, code=Code.TIMEOUT)
    view = View(order, 1042.0, compensates=True)
    for lang, words, other in (("zh", 0, 1), ("en", 1, 0)):
        page = PAGES.order(view, lang)
        text = page.split("<script>")[0]
        for shown in (WORDS[state], node_of(order), next_of(order), reason_of(order)):
            assert shown[words] in text
            assert not shown[other] or shown[other] not in text
    assert ("<script>" in page) == (state not in ENDS)
    assert ('id="bar" hidden' in page) == (view.reached < 0)


def test_every_code_has_its_reason_in_both_languages() -> None:
    for code in Code:
        zh, en = reason_of(replace(ORDER, code=code))
        assert len({zh, en, ""}) == 3


@pytest.mark.parametrize(
    ("changed", "node"),
    [
        ({"state": State.PAYING}, "正在等待支付通道确认 …"),
        ({"state": State.PAID}, "已收到付款，正在排队处理 …"),
        ({"state": State.SUBMITTED, "known": Known.OPEN, "tries": 1}, "正在向供货商取卡 …"),
        (
            {"state": State.SUBMITTED, "known": Known.OPEN, "tries": 1, "product": "topup_6"},
            "正在对接游戏服务器 …",
        ),
        ({"state": State.DELAYED, "known": Known.UNCLEAR, "tries": 2}, "供货商无响应，第 2 次重试 …"),
        ({"state": State.DELAYED, "known": Known.OPEN, "tries": 3}, "正在第 2 次重试供货商 …"),
        (
            {"state": State.RECHARGING, "known": Known.ACCEPTED, "product": "topup_6"},
            "游戏服务器已受理，正在等待到账 …",
        ),
        ({"state": State.REFUNDING}, "正在通过支付通道原路退款 …"),
    ],
)
def test_the_node_names_the_step_that_is_under_way(changed: dict[str, Any], node: str) -> None:
    assert node_of(replace(ORDER, **changed))[0] == node


@pytest.mark.parametrize(
    ("changed", "reached"),
    [
        ({"state": State.PAYING}, 0),
        ({"state": State.SUBMITTED}, 1),
        ({"state": State.DELAYED}, 0),
        ({"state": State.DELAYED, "tries": 1, "known": Known.UNCLEAR}, 1),
        ({"state": State.DELAYED, "tries": 1, "known": Known.ACCEPTED}, 2),
        ({"state": State.COMPLETED}, 3),
        ({"state": State.REFUNDING}, -1),
        ({"state": State.MANUAL}, -1),
    ],
)
def test_the_bar_stands_where_the_order_truly_is(changed: dict[str, Any], reached: int) -> None:
    assert View(replace(ORDER, **changed), 1000.0, compensates=False).reached == reached


@pytest.mark.parametrize(
    ("changed", "compensates", "may_cancel", "may_pay"),
    [
        ({"state": State.CREATED, "pay_url": ""}, False, True, False),
        ({"state": State.PAYING}, False, True, True),
        ({"state": State.PAID}, False, False, False),
        ({"state": State.PAID}, True, True, False),
        ({"state": State.DELAYED}, True, True, False),
        ({"state": State.DELAYED, "known": Known.OPEN}, True, False, False),
        ({"state": State.SUBMITTED, "known": Known.OPEN}, True, False, False),
        ({"state": State.COMPLETED}, True, False, False),
        ({"state": State.CANCELLED}, True, False, False),
    ],
)
def test_buttons_stand_only_where_they_are_of_use(
    changed: dict[str, Any], compensates: bool, may_cancel: bool, may_pay: bool
) -> None:
    view = View(replace(ORDER, **changed), 1000.0, compensates=compensates)
    assert (view.may_cancel, view.may_pay) == (may_cancel, may_pay)


@pytest.mark.parametrize(
    ("changed", "waited_s"),
    [({}, 42), ({"paid_at": None, "state": State.PAYING}, 142), ({"state": State.COMPLETED, "changed_at": 1007.5}, 7)],
)
def test_the_wait_counts_from_the_payment_until_the_end(changed: dict[str, Any], waited_s: int) -> None:
    assert View(replace(ORDER, **changed), 1042.0, compensates=False).waited_s == waited_s


def test_only_a_completed_top_up_has_a_receipt_and_its_goods_are_none() -> None:
    done = replace(ORDER, product="topup_30", state=State.COMPLETED, receipt="K1")
    answer = order_json(View(done, 1042.0, compensates=False))
    assert answer["goods"] == []
    assert answer["receipt"] == "已直充到 player-00000001（cn-east），凭证 K1"
    assert order_json(View(replace(done, state=State.RECHARGING), 1042.0, compensates=False))["receipt"] == ""
    assert order_json(View(replace(done, product="card_10"), 1042.0, compensates=False))["receipt"] == ""
