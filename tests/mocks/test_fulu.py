"""Fulu's platform as its merchants see it: signatures, orders that end later, cards, goods and refusals."""

from ledger.events import Credited
from mocks.supplier.fulu_signs import compact, signature
from tests.mocks.fulu_world import (
    TOPUP_10,
    a_direct,
    a_fulu,
    is_rightly_told,
)

GOLDEN_SECRET = "0123456789abcdef0123456789abcdef"
GOLDEN = {
    "app_key": "mock-app-key",
    "method": "fulu.order.direct.add",
    "timestamp": "2026-11-23 06:34:47",
    "version": "2.0",
    "format": "json",
    "charset": "utf-8",
    "sign_type": "md5",
    "app_auth_token": "",
    "biz_content": '{"customer_order_no":"SO-JavaReact-1795415687","product_id":10000585,'
    r'"charge_account":"QQ\/\u8d26\u53f7 <&> 123","buy_num":1,'
    r'"charge_game_region":"\u7535\u4fe1\u4e00\u533a","charge_type":"Q\u5e01"}',
}


# --- the signature -----------------------------------------------------------------------------------------------
def test_the_golden_vector_is_met_whatever_the_order_of_the_fields() -> None:
    """Made by a client of somebody else; docs/protocols/fulu.md."""
    assert signature(compact(GOLDEN), GOLDEN_SECRET) == "9bf16b35fc8ca941f5a538002e3748c9"
    assert signature(compact(dict(reversed(GOLDEN.items()))), GOLDEN_SECRET) == "9bf16b35fc8ca941f5a538002e3748c9"


async def test_a_top_up_ends_later_and_the_shop_is_told() -> None:
    async with a_fulu() as w:
        created = await w.result("order.direct.add", a_direct())
        assert (created["order_status"], created["price"], created["operator_serial_number"]) == (
            "untreated",
            "9.5000",
            "",
        )
        assert (await w.order())["order_state"] == "processing"
        assert w.told() == []
        await w.move_to_s(0.3)
        (credited,) = w.found(Credited)
        found = await w.order()
        assert (found["order_state"], found["operator_serial_number"]) == ("success", credited.credit)
        (notice,) = w.told()
        assert is_rightly_told(notice)
        assert (notice["order_status"], notice["product_id"], notice["buy_num"]) == ("success", str(TOPUP_10), "1")
