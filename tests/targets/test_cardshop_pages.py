"""What the shop shows: pages for buyers, books for the keeper."""

from pathlib import Path

import pytest

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
