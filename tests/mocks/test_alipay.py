"""Alipay's gateway: what it takes, what it refuses and how, and what becomes of trades."""

import json
from typing import Any

import pytest

from ledger.events import Checked, Event, Refunded, TradeClosed, TradeCreated, TradeRefused, Unmatched
from ledger.states import Code, Operation
from mocks.server import Asked, NoRoute
from tests.mocks.alipay import Gateway, a_call, a_gateway, an_order, signature

C1 = {"out_trade_no": "C000001"}


def seen(gateway: Gateway, kind: type[Event]) -> int:
    return len(gateway.found(kind))


# --- what is refused before a trade is looked at -----------------------------------------------------------------
@pytest.mark.parametrize(
    ("changed", "code", "sub_code"),
    [
        ({"sign_type": ""}, "40001", "isv.missing-signature-type"),
        ({"timestamp": ""}, "40001", "isv.missing-timestamp"),
        ({"version": ""}, "40001", "isv.missing-version"),
        ({"version": "2.0"}, "40002", "isv.invalid-parameter"),
        ({"sign_type": "MD5"}, "40002", "isv.invalid-signature-type"),
        ({"timestamp": "2026-13-01 00:00:00"}, "40002", "isv.invalid-timestamp"),
        ({"timestamp": "1790000000"}, "40002", "isv.invalid-timestamp"),
        ({"charset": "latin-9"}, "40002", "isv.invalid-charset"),
        ({"format": "XML"}, "40002", "isv.invalid-format"),
        ({"notify_url": "http://198.51.100.7/n"}, "40002", "isv.invalid-parameter"),
        ({"return_url": "javascript:alert(1)"}, "40002", "isv.invalid-parameter"),
        ({"notify_url": f"http://127.0.0.1/{'n' * 300}"}, "40002", "isv.invalid-parameter"),
        ({"app_cert_sn": "0" * 32}, "40002", "isv.app-cert-not-match"),
        ({"alipay_root_cert_sn": "0" * 32}, "40002", "isv.app-cert-not-match"),
    ],
)
async def test_a_wrong_common_parameter_is_refused_by_its_name(
    changed: dict[str, str], code: str, sub_code: str
) -> None:
    async with a_gateway() as w:
        answer = await w.ask("precreate", an_order(), **changed)
        assert (answer["code"], answer["sub_code"]) == (code, sub_code)
        assert (seen(w, TradeCreated), seen(w, TradeRefused)) == (0, 1)


@pytest.mark.parametrize(
    "biz", ["[]", "{", '"text"', "nil", "[" * 100_000, '{"a":' * 5000, '{"out_trade_no":"\\ud800"}']
)
async def test_business_content_that_is_no_object_is_refused(biz: str) -> None:
    async with a_gateway() as w:
        answer = await w.ask("precreate", biz)
        assert answer["sub_code"] == "isv.invalid-parameter"


@pytest.mark.parametrize(
    ("changed", "sub_code"),
    [
        ({"app_id": "2021999999999999"}, "isv.invalid-app-id"),
        ({"app_id": ""}, "isv.missing-app-id"),
        ({"method": ""}, "isv.missing-method"),
        ({"method": "alipay.trade.sell"}, "isv.invalid-method"),
        ({"method": "\udcff"}, "isv.invalid-method"),
    ],
)
async def test_who_or_what_is_unknown_is_told_in_an_unsigned_error_response(
    changed: dict[str, str], sub_code: str
) -> None:
    async with a_gateway() as w:
        whole = await w.said(a_call("query", C1, **changed))
        assert list(whole) == ["error_response"]
        assert whole["error_response"]["sub_code"] == sub_code


async def test_an_unknown_method_is_journalled_as_unmatched() -> None:
    async with a_gateway() as w:
        await w.said(a_call("sell", C1))
        assert seen(w, TradeRefused) == 0
        assert [event.nearest for event in w.found(Unmatched)] == ["/alipay/gateway.do?method=alipay.trade.query"]


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "gateway.do"), ("GET", "mapi"), ("GET", ""), ("GET", "x/cashier")]
)
async def test_no_other_place_is_there(method: str, path: str) -> None:
    async with a_gateway() as w:
        with pytest.raises(NoRoute):
            await w.mock.answer(Asked(method, f"/alipay/{path}"))


# --- signatures --------------------------------------------------------------------------------------------------
async def test_query_and_body_are_taken_together() -> None:
    call = a_call("precreate", an_order())
    content = {"biz_content": call.pop("biz_content")}
    async with a_gateway() as w:
        whole = await w.said(call, content)
        assert whole["alipay_trade_precreate_response"]["code"] == "10000"


@pytest.mark.parametrize(
    "changed",
    [
        {"biz_content": '{"out_trade_no":"C2"}'},
        {"sign": "AAAA"},
        {"app_auth_token": "x"},
        {"timestamp": "2026-09-21 22:13:21"},
    ],
)
async def test_what_was_changed_after_signing_is_refused_and_answered_signed(changed: dict[str, str]) -> None:
    async with a_gateway() as w:
        whole = await w.said(a_call("precreate", an_order()) | changed)
        answer = whole["alipay_trade_precreate_response"]
        assert (answer["code"], answer["sub_code"]) == ("40002", "isv.invalid-signature")
        assert whole["sign"]
        assert [event.code for event in w.found(TradeRefused)] == [Code.UPSTREAM_BAD_SIGNATURE]


async def test_empty_fields_may_be_signed_and_that_is_journalled() -> None:
    fields = a_call("query", C1) | {"app_auth_token": ""}
    async with a_gateway() as w:
        for keeps_empty in (False, True):
            signed = fields | {"sign": signature(fields, keeps_empty=keeps_empty)}
            answer = (await w.said(signed))["alipay_trade_query_response"]
            assert answer["sub_code"] == "ACQ.TRADE_NOT_EXIST"
        assert [event.matched for event in w.found(Checked)] == ["empty_kept"]


async def test_a_shop_that_speaks_gbk_is_understood_and_answered_in_it() -> None:
    fields = a_call("precreate", "", charset="gbk")
    fields["biz_content"] = json.dumps(an_order(), ensure_ascii=False).encode("gbk").decode("utf-8", "surrogateescape")
    fields["sign"] = signature(fields)
    async with a_gateway() as w:
        reply = await w.send(fields)
        assert reply is not None
        assert reply.kind == "text/html; charset=gbk"
        assert json.loads(reply.body.decode("gbk"))["alipay_trade_precreate_response"]["code"] == "10000"
        assert next(iter(w.mock.trades)).order.goods == "会员 充值&x=1"


async def test_certificates_are_answered_with_a_certificate() -> None:
    async with a_gateway() as w:
        instance: Any = w.mock._instances["alipay"]
        numbers = {"app_cert_sn": instance._seal.app_cert_sn, "alipay_root_cert_sn": instance._seal.root_cert_sn}
        whole = await w.said(a_call("precreate", an_order(), **numbers))
        assert list(whole) == ["alipay_trade_precreate_response", "sign", "alipay_cert_sn"]
        whole = await w.said(a_call("query", C1))
        assert list(whole) == ["alipay_trade_query_response", "sign"]


# --- creating ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "changed",
    [
        {"out_trade_no": None}, {"out_trade_no": "C 1"}, {"out_trade_no": "单号"}, {"out_trade_no": "C" * 65},
        {"total_amount": None}, {"total_amount": "0.00"}, {"total_amount": "-1"}, {"total_amount": "1.005"},
        {"total_amount": 0.1 + 0.2}, {"total_amount": True}, {"total_amount": ["10.00"]},
        {"total_amount": "1" + "0" * 5000},
        {"subject": None}, {"subject": "x" * 257}, {"passback_params": "x" * 513},
        {"timeout_express": "15"}, {"timeout_express": "0m"}, {"timeout_express": "16d"}, {"timeout_express": "2c"},
        {"time_expire": "2026-09-21 22:13:19"}, {"time_expire": "tomorrow"}, {"time_expire": "2026-02-30 00:00:00"},
    ],
)  # fmt: skip
async def test_an_order_with_a_flaw_is_refused(changed: dict[str, Any]) -> None:
    async with a_gateway() as w:
        answer = await w.ask("precreate", an_order(**changed))
        assert (answer["code"], answer["sub_code"]) == ("40004", "ACQ.INVALID_PARAMETER")
        assert seen(w, TradeCreated) == 0


@pytest.mark.parametrize("amount", ["10", "10.5", "10.50", 10, 10.5, "100000000.00"])
async def test_amounts_are_texts_or_numbers(amount: Any) -> None:
    async with a_gateway() as w:
        assert (await w.ask("precreate", an_order(total_amount=amount)))["code"] == "10000"


async def test_too_much_is_refused_as_too_much() -> None:
    async with a_gateway() as w:
        answer = await w.ask("precreate", an_order(total_amount="100000000.01"))
        assert answer["sub_code"] == "ACQ.TOTAL_FEE_EXCEED"


async def test_the_same_order_again_is_the_same_trade_and_with_other_money_none() -> None:
    async with a_gateway() as w:
        first = await w.ask("precreate", an_order())
        assert await w.ask("precreate", an_order()) == first
        other = await w.ask("precreate", an_order(total_amount="10.01"))
        assert other["sub_code"] == "ACQ.CONTEXT_INCONSISTENT"
        assert [event.o for event in w.found(TradeCreated)] == ["b00000001"]
        assert [event.code for event in w.found(TradeRefused)] == [Code.PAY_AMOUNT_MISMATCH]


async def test_what_was_paid_or_closed_is_not_asked_for_again() -> None:
    async with a_gateway() as w:
        await w.paid(1)
        assert (await w.ask("precreate", an_order(1)))["sub_code"] == "ACQ.TRADE_HAS_SUCCESS"
        await w.ask("precreate", an_order(2))
        await w.ask("close", {"out_trade_no": "C000002"})
        assert (await w.ask("precreate", an_order(2)))["sub_code"] == "ACQ.TRADE_HAS_CLOSE"


@pytest.mark.parametrize(
    ("method", "product"),
    [("page.pay", "FAST_INSTANT_TRADE_PAY"), ("wap.pay", "QUICK_WAP_WAY"), ("wap.pay", "QUICK_WAP_PAY")],
)
async def test_a_page_sends_the_buyer_to_the_cashier_and_back(method: str, product: str) -> None:
    back = "http://127.0.0.1:9000/back?from=店"
    async with a_gateway() as w:
        reply = await w.send(a_call(method, an_order(product_code=product), return_url=back))
        assert reply is not None
        assert reply.status == 302
        assert reply.location is not None
        paid = await w.pay(reply.location)
        assert paid is not None
        assert paid.fields is not None
        address = str(paid.fields["return_url"])
        assert address.startswith("http://127.0.0.1:9000/back?from=%E5%BA%97&")
        assert f"method=alipay.trade.{method}.return" in address


@pytest.mark.parametrize("changed", [{"product_code": "QUICK_WAP_WAY"}, {"subject": None}, {}])
async def test_a_page_that_is_refused_is_a_page(changed: dict[str, Any]) -> None:
    async with a_gateway() as w:
        reply = await w.send(a_call("page.pay", an_order(**changed)))
        assert reply is not None
        assert reply.kind.startswith("text/html")
        assert "ACQ.INVALID_PARAMETER" in reply.body.decode()
        assert seen(w, TradeCreated) == 0


@pytest.mark.parametrize(
    ("limit", "compress", "at_s"),
    [
        ({"timeout_express": "2m"}, 1, 120),
        ({"timeout_express": "1h"}, 60, 60),
        ({"timeout_express": "1d"}, 3600, 24),
        ({"timeout_express": "1c"}, 60, 6400),  # 22:13:20 in Beijing
        ({"time_expire": "2026-09-21 22:15:20"}, 60, 120),
        ({"time_expire": "2026-09-21 22:16"}, 1, 160),
        ({"time_expire": "2026-09-21 22:14:00", "timeout_express": "1h"}, 1, 40),
    ],
)
async def test_a_trade_ends_at_its_limit_lengths_compressed_and_times_of_day_not(
    limit: dict[str, Any], compress: float, at_s: int
) -> None:
    async with a_gateway(compress=compress) as w:
        await w.ask("precreate", an_order(**limit))
        await w.move_to_s(at_s - 0.001)
        assert seen(w, TradeClosed) == 0
        await w.move_to_s(at_s)
        assert seen(w, TradeClosed) == 1
        assert (await w.ask("query", C1))["trade_status"] == "TRADE_CLOSED"


# --- codes to scan -----------------------------------------------------------------------------------------------
async def test_a_code_becomes_a_trade_when_it_is_opened() -> None:
    async with a_gateway(precreate="scan") as w:
        made = await w.ask("precreate", an_order())
        assert (await w.ask("query", C1))["sub_code"] == "ACQ.TRADE_NOT_EXIST"
        assert seen(w, TradeCreated) == 0
        shown = await w.mock.answer(Asked("GET", "/alipay/cashier", made["qr_code"].rpartition("?")[2]))
        assert shown is not None
        assert shown.status == 200
        assert (await w.ask("query", C1))["trade_status"] == "WAIT_BUYER_PAY"
        assert (await w.ask("precreate", an_order()))["qr_code"] == made["qr_code"]
        await w.pay(made["qr_code"])
        assert [event.o for event in w.found(TradeCreated)] == ["b00000001"]
        assert (await w.ask("query", C1))["trade_status"] == "TRADE_SUCCESS"


async def test_a_code_with_other_money_is_refused() -> None:
    async with a_gateway(precreate="scan") as w:
        await w.ask("precreate", an_order())
        answer = await w.ask("precreate", an_order(total_amount="10.01"))
        assert answer["sub_code"] == "ACQ.CONTEXT_INCONSISTENT"


@pytest.mark.parametrize("end", ["cancelled", "too late", "never made"])
async def test_a_code_that_is_void_opens_nothing(end: str) -> None:
    async with a_gateway(precreate="scan") as w:
        address = (await w.ask("precreate", an_order(timeout_express="1m")))["qr_code"]
        if end == "cancelled":
            assert await w.ask("cancel", C1) == {"code": "10000", "msg": "Success", "retry_flag": "N"} | C1
        elif end == "too late":
            await w.move_to_s(60)
        else:
            address = address[:-1]
        reply = await w.pay(address)
        assert reply is not None
        assert reply.status == 404
        assert seen(w, TradeCreated) == 0


# --- asking ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("method", ["query", "refund", "fastpay.refund.query", "close"])
async def test_a_trade_that_there_is_not_is_told(method: str) -> None:
    async with a_gateway() as w:
        answer = await w.ask(method, C1 | {"refund_amount": "1.00", "out_request_no": "R"})
        assert (answer["code"], answer["sub_code"]) == ("40004", "ACQ.TRADE_NOT_EXIST")
        assert [event.code for event in w.found(TradeRefused)] == [Code.PAY_NOT_SUBMITTED]


@pytest.mark.parametrize("method", ["query", "refund", "fastpay.refund.query", "close", "cancel"])
async def test_a_request_must_name_a_trade(method: str) -> None:
    async with a_gateway() as w:
        assert (await w.ask(method, {"refund_amount": "1.00"}))["sub_code"] == "ACQ.INVALID_PARAMETER"


async def test_a_query_in_vain_tells_of_no_money() -> None:
    async with a_gateway() as w:
        answer = await w.ask("query", C1)
        assert {answer[name] for name in answer if name.endswith("_amount")} == {"0.00"}


async def test_a_query_tells_money_only_once_it_was_taken() -> None:
    async with a_gateway() as w:
        made = await w.ask("precreate", an_order())
        unpaid = await w.ask("query", C1)
        assert (unpaid["trade_status"], unpaid["receipt_amount"]) == ("WAIT_BUYER_PAY", "0.00")
        assert "send_pay_date" not in unpaid
        await w.move_to_s(40)
        await w.pay(made["qr_code"])
        paid = await w.ask("query", {"trade_no": unpaid["trade_no"]})
        assert (paid["trade_status"], paid["receipt_amount"]) == ("TRADE_SUCCESS", "10.00")
        assert paid["send_pay_date"] == "2026-09-21 22:14:00"
        assert paid["fund_bill_list"] == [{"amount": "10.00", "fund_channel": "ALIPAYACCOUNT"}]


# --- giving back -------------------------------------------------------------------------------------------------
async def test_a_refund_is_given_once_and_its_sum_is_told() -> None:
    async with a_gateway() as w:
        await w.paid()
        told = []
        for no, amount in (("R1", "3.00"), ("R1", "3.00"), ("R2", "7.00"), ("R2", "7.00"), ("R1", "3.00")):
            answer = await w.ask("refund", C1 | {"out_request_no": no, "refund_amount": amount})
            told.append((answer["fund_change"], answer["refund_fee"]))
        assert told == [("Y", "3.00"), ("N", "3.00"), ("Y", "10.00"), ("N", "10.00"), ("N", "10.00")]
        assert [event.amount_fen for event in w.found(Refunded)] == [300, 700]
        assert (await w.ask("query", C1))["trade_status"] == "TRADE_CLOSED"


@pytest.mark.parametrize(
    ("asked", "sub_code", "code"),
    [
        ({"out_request_no": "R1", "refund_amount": "4.00"}, "ACQ.DISCORDANT_REPEAT_REQUEST", Code.PAY_AMOUNT_MISMATCH),
        ({"out_request_no": "R2", "refund_amount": "7.01"}, "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", Code.PAY_AMOUNT_MISMATCH),
        ({"out_request_no": "R2", "refund_amount": "0.00"}, "ACQ.INVALID_PARAMETER", Code.UPSTREAM_REFUSED),
        ({"out_request_no": "R2", "refund_amount": "1e1"}, "ACQ.INVALID_PARAMETER", Code.UPSTREAM_REFUSED),
        ({"out_request_no": "R" * 65, "refund_amount": "1.00"}, "ACQ.INVALID_PARAMETER", Code.UPSTREAM_REFUSED),
        ({"refund_amount": "1.00"}, "ACQ.INVALID_PARAMETER", Code.UPSTREAM_REFUSED),
        ({"out_request_no": "R2"}, "ACQ.INVALID_PARAMETER", Code.UPSTREAM_REFUSED),
    ],
)
async def test_a_refund_that_cannot_be_gives_nothing(asked: dict[str, str], sub_code: str, code: Code) -> None:
    async with a_gateway() as w:
        await w.paid()
        await w.ask("refund", C1 | {"out_request_no": "R1", "refund_amount": "3.00"})
        assert (await w.ask("refund", C1 | asked))["sub_code"] == sub_code
        refused = w.found(TradeRefused)
        assert [(event.operation, event.code) for event in refused] == [(Operation.REFUND, code)]
        assert seen(w, Refunded) == 1


async def test_all_of_it_goes_back_without_a_number_and_then_no_more() -> None:
    async with a_gateway() as w:
        await w.paid()
        assert (await w.ask("refund", C1 | {"refund_amount": "10.00"}))["fund_change"] == "Y"
        found = await w.ask("fastpay.refund.query", C1 | {"out_request_no": "C000001"})
        assert (found["refund_status"], found["refund_amount"]) == ("REFUND_SUCCESS", "10.00")
        more = await w.ask("refund", C1 | {"refund_amount": "1.00", "out_request_no": "R1"})
        assert more["sub_code"] == "ACQ.REASON_TRADE_STATUS_INVALID"


async def test_nothing_is_given_back_unpaid_or_too_late() -> None:
    async with a_gateway(refund_window="10 min", compress=10) as w:
        await w.ask("precreate", an_order(1))
        one = {"refund_amount": "10.00", "out_request_no": "R1"}
        assert (await w.ask("refund", C1 | one))["sub_code"] == "ACQ.TRADE_STATUS_ERROR"
        await w.paid(2)
        await w.move_to_s(60)
        two = {"out_trade_no": "C000002"}
        assert (await w.ask("query", two))["trade_status"] == "TRADE_FINISHED"
        assert (await w.ask("refund", two | one))["sub_code"] == "ACQ.TRADE_HAS_FINISHED"
        assert (await w.ask("cancel", two))["sub_code"] == "ACQ.TRADE_HAS_FINISHED"
        assert seen(w, Refunded) == 0


async def test_a_refund_that_was_never_asked_for_has_no_status() -> None:
    async with a_gateway() as w:
        await w.paid()
        assert await w.ask("fastpay.refund.query", C1 | {"out_request_no": "R9"}) == {"code": "10000", "msg": "Success"}


# --- ending ------------------------------------------------------------------------------------------------------
async def test_only_what_nobody_has_paid_is_closed_and_once() -> None:
    async with a_gateway() as w:
        await w.ask("precreate", an_order(1))
        assert (await w.ask("close", C1))["code"] == "10000"
        assert (await w.ask("close", C1))["sub_code"] == "ACQ.TRADE_STATUS_ERROR"
        await w.paid(2)
        assert (await w.ask("close", {"out_trade_no": "C000002"}))["sub_code"] == "ACQ.TRADE_STATUS_ERROR"
        assert seen(w, TradeClosed) == 1


async def test_cancelling_undoes_whatever_there_is_and_again_nothing_more() -> None:
    async with a_gateway() as w:
        await w.ask("precreate", an_order(1))
        await w.paid(2)
        await w.ask("refund", {"out_trade_no": "C000002", "out_request_no": "R1", "refund_amount": "4.00"})
        for _ in range(2):
            answers = [await w.ask("cancel", {"out_trade_no": f"C00000{n}"}) for n in (1, 2, 3)]
            assert [answer.get("action") for answer in answers] == ["close", "refund", None]
            assert {answer["retry_flag"] for answer in answers} == {"N"}
        assert [event.amount_fen for event in w.found(Refunded)] == [400, 600]
        assert seen(w, TradeClosed) == 1


# --- whom it is about --------------------------------------------------------------------------------------------
async def test_requests_about_one_order_are_keyed_by_what_it_passed_through() -> None:
    async with a_gateway() as w:
        await w.ask("precreate", an_order(1))
        await w.ask("refund", C1 | {"refund_amount": "x"})
        await w.ask("precreate", an_order(2, passback_params=None))
        await w.ask("refund", {"out_trade_no": "C000002", "refund_amount": "x"})
        await w.ask("query", {"out_trade_no": "NONE"})
        assert [event.o for event in w.found(TradeRefused)] == ["b00000001", "C000002", "NONE"]
        assert [event.keyed_by for event in w.found(TradeCreated)] == ["key", "order_number"]


async def test_a_forgotten_world_knows_nothing() -> None:
    async with a_gateway(precreate="scan") as w:
        address = (await w.ask("precreate", an_order()))["qr_code"]
        w.mock.forget()
        reply = await w.pay(address)
        assert reply is not None
        assert reply.status == 404
