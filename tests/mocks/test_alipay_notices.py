"""What Alipay tells a shop, when, and until when."""

import json
from typing import Any

import pytest

from ledger.events import NoticeAnswered, NoticeSent
from mocks.post import Heard, Letter
from tests.mocks.alipay import Gateway, a_call, a_gateway, an_order, merchant

C1 = {"out_trade_no": "C000001"}


def refused(_: Letter) -> Heard:
    return Heard(200, "fail")


def about(w: Gateway) -> list[tuple[str, str]]:
    """State and sum given back, notice by notice."""
    return [(told["trade_status"], told.get("refund_fee", "")) for told in w.told()]


async def test_a_payment_is_told_with_all_that_a_shop_must_compare() -> None:
    async with a_gateway() as w:
        trade_no = await w.paid()
        await w.settle()
        (letter,), (told,) = w.letters, w.told()
        assert (letter.method, letter.url) == ("POST", "http://127.0.0.1:9000/notify")
        assert letter.headers["Content-Type"].startswith("application/x-www-form-urlencoded")
        expected = {
            "notify_type": "trade_status_sync",
            "trade_status": "TRADE_SUCCESS",
            "trade_no": trade_no,
            "out_trade_no": "C000001",
            "total_amount": "10.00",
            "receipt_amount": "10.00",
            "subject": "会员 充值&x=1",
            "passback_params": "b00000001%40buyers.example",
            "app_id": merchant().pid,
            "auth_app_id": merchant().pid,
            "seller_id": merchant().told["seller_id"],
            "gmt_payment": "2026-09-21 22:13:20",
            "charset": "utf-8",
            "version": "1.0",
            "sign_type": "RSA2",
        }
        assert told.items() >= expected.items()
        assert "refund_fee" not in told
        assert "" not in told.values()


async def test_retries_carry_the_same_id_and_other_matters_another() -> None:
    async with a_gateway() as w:
        w.shop = refused
        await w.paid()
        await w.move_to_s(240)
        await w.ask("refund", C1 | {"refund_amount": "10.00"})
        await w.settle()
        ids = [told["notify_id"] for told in w.told()]
        assert len(set(ids[:3])) == 1
        assert len(ids) == 4
        assert ids[3] != ids[0]
        assert [told["notify_time"] for told in w.told()][:3] == [
            "2026-09-21 22:13:20", "2026-09-21 22:14:20", "2026-09-21 22:17:20",
        ]  # fmt: skip
        assert [event.notice_id for event in w.found(NoticeSent)] == ids


@pytest.mark.parametrize(
    ("status", "words", "is_accepted"),
    [
        (200, "success", True),
        (200, "success\n", False),
        (200, "SUCCESS", False),
        (200, '"success"', False),
        (200, "<html>success</html>", False),
        (200, "", False),
        (201, "success", False),
        (302, "success", False),
        (500, "success", False),
    ],
)
async def test_seven_characters_and_nothing_else_are_taken(status: int, words: str, is_accepted: bool) -> None:
    async with a_gateway() as w:
        w.shop = lambda _: Heard(status, words)
        await w.paid()
        await w.settle()
        assert [event.outcome == "accepted" for event in w.found(NoticeAnswered)] == [is_accepted]
        assert (w.mock.notices.open == 0) is is_accepted


async def test_refunds_are_told_one_by_one_with_their_sum_and_the_last_closes() -> None:
    async with a_gateway() as w:
        await w.paid()
        for no, amount in (("R1", "3.00"), ("R1", "3.00"), ("R2", "7.00")):
            await w.ask("refund", C1 | {"out_request_no": no, "refund_amount": amount})
            await w.settle()
        assert about(w) == [("TRADE_SUCCESS", ""), ("TRADE_SUCCESS", "3.00"), ("TRADE_CLOSED", "10.00")]
        first, last = w.told()[1:]
        assert (first["out_biz_no"], last["out_biz_no"]) == ("R1", "R2")
        assert first["gmt_refund"] == "2026-09-21 22:13:20.000"
        assert ("gmt_close" in first, "gmt_close" in last) == (False, True)
        assert [event.about for event in w.found(NoticeSent)] == ["done", "refunded", "refunded"]


async def test_a_payment_told_late_is_still_that_payment() -> None:
    async with a_gateway() as w:
        w.shop = refused
        await w.paid()
        await w.settle()
        w.shop = lambda _: Heard(200, "success")
        await w.ask("refund", C1 | {"refund_amount": "10.00"})
        await w.move_to_s(60)
        assert about(w) == [("TRADE_SUCCESS", ""), ("TRADE_CLOSED", "10.00"), ("TRADE_SUCCESS", "")]


@pytest.mark.parametrize("end", ["close", "cancel", "time"])
async def test_a_trade_that_nobody_pays_is_told_as_closed_once(end: str) -> None:
    async with a_gateway() as w:
        await w.ask("precreate", an_order(timeout_express="1m"))
        if end != "time":
            await w.ask(end, C1)
        await w.move_to_s(120)
        (told,) = w.told()
        assert told["trade_status"] == "TRADE_CLOSED"
        assert told["gmt_close"].startswith("2026-09-21 22:1")
        assert "gmt_payment" not in told


@pytest.mark.parametrize(
    ("given_back", "expected"),
    [("", ["TRADE_SUCCESS", "TRADE_FINISHED"]), ("4.00", ["TRADE_SUCCESS", "TRADE_SUCCESS", "TRADE_FINISHED"]),
     ("10.00", ["TRADE_SUCCESS", "TRADE_CLOSED"])],
)  # fmt: skip
async def test_a_trade_is_told_as_finished_when_nothing_can_be_given_back_any_more(
    given_back: str, expected: list[str]
) -> None:
    async with a_gateway(refund_window="10 min", compress=10) as w:
        await w.paid()
        if given_back:
            await w.ask("refund", C1 | {"out_request_no": "R1", "refund_amount": given_back})
        await w.move_to_s(59.9)
        assert "TRADE_FINISHED" not in [told["trade_status"] for told in w.told()]
        await w.move_to_s(61)
        assert [told["trade_status"] for told in w.told()] == expected


async def test_who_named_no_address_is_told_nothing() -> None:
    async with a_gateway() as w:
        made = await w.ask("precreate", an_order(), notify_url="")
        await w.pay(made["qr_code"])
        await w.ask("refund", C1 | {"refund_amount": "10.00"})
        await w.settle()
        assert w.letters == []
        assert w.mock.notices.open == 0


@pytest.mark.parametrize("changed", [{"sign_type": "RSA"}, {"sign_type": "RSA2"}])
async def test_notices_are_signed_in_the_type_of_the_order(changed: dict[str, Any]) -> None:
    async with a_gateway() as w:
        made = await w.ask("precreate", an_order(), **changed)
        await w.pay(made["qr_code"])
        await w.settle()
        assert w.told()[0]["sign_type"] == changed["sign_type"]


async def test_a_complaint_is_told_by_its_number_and_the_shop_can_ask_how_it_stands() -> None:
    async with a_gateway() as w:
        await w.paid()
        trade = next(iter(w.mock.trades))
        await w.move_to_s(24 * 3600)
        dispute = w.mock.disputes.complain(trade, "没有收到商品")
        await w.settle()
        told = w.told()[-1]
        assert (told["msg_method"], told["version"]) == ("alipay.merchant.tradecomplain.changed", "1.1")
        assert json.loads(told["biz_content"]) == {"complain_event_id": dispute.no}
        assert told["utc_timestamp"] == "1790086400000"
        node = "alipay_merchant_tradecomplain_query_response"
        call = a_call("query", {"complain_event_id": dispute.no}, method="alipay.merchant.tradecomplain.query")
        stands = (await w.said(call))[node]
        assert (stands["status"], stands["merchant_order_no"]) == ("MERCHANT_PROCESSING", "C000001")
        w.mock.trades.end_dispute(trade, forced=True)
        await w.settle()
        assert (await w.said(call))[node]["status"] == "PLATFORM_FINISH"
        assert [told.get("trade_status", "") for told in w.told()[2:]] == ["TRADE_CLOSED", ""]
        assert len({told["notify_id"] for told in w.told()}) == 4


@pytest.mark.parametrize("no", ["NONE", ""])
async def test_a_complaint_that_there_is_not_is_refused(no: str) -> None:
    async with a_gateway() as w:
        await w.paid()
        call = a_call("query", {"complain_event_id": no}, method="alipay.merchant.tradecomplain.query")
        answer = (await w.said(call))["alipay_merchant_tradecomplain_query_response"]
        assert answer["sub_code"] == "ACQ.INVALID_PARAMETER"
