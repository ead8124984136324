"""Faults at Alipay's gateway: which requests another rule refuses, and what struck answers and notices look like."""

import json
from typing import Any

import pytest

from faults.verdict import Variant
from ledger.events import ACCEPT, REFUSE, Struck, TradeCreated, TradeRefused
from ledger.states import Code, Hop
from mocks.payment.alipay_asked import read
from mocks.payment.alipay_turn import wrong as rule
from mocks.server import Asked
from tests.mocks.alipay import Gateway, a_call, a_gateway, an_order, merchant, signature
from tests.mocks.world import a_fault

PLAIN = a_call("precreate", an_order(1, subject="card", passback_params=None), timestamp="2026-09-21 22:13:20")
CHINESE = a_call("precreate", an_order(1))
EMPTY = PLAIN | {"app_auth_token": ""}
SORTED = dict(sorted(PLAIN.items()))


def with_sign(has_plus: bool) -> dict[str, str]:
    """A call whose signature holds a plus sign, or none: about one of two hundred."""
    for n in range(5000):
        call = PLAIN | {"biz_content": json.dumps(an_order(n))}
        call["sign"] = signature(call)
        if ("+" in call["sign"]) is has_plus:
            return call
    raise AssertionError("no such signature")


def of_utc() -> dict[str, str]:
    call = PLAIN | {"timestamp": "2026-09-21 14:13:20"}
    return call | {"sign": signature(call)}


@pytest.mark.parametrize(
    ("variant", "refused", "taken"),
    [
        (Variant.WRONG_KEY, PLAIN, None),
        (Variant.MISSING, PLAIN, None),
        (Variant.CHARSET_GBK, CHINESE, PLAIN),
        (Variant.UNSORTED, PLAIN, SORTED),
        (Variant.EMPTY_KEPT, EMPTY, PLAIN),
        (Variant.PLUS_SPACE, with_sign(True), with_sign(False)),
        (Variant.TYPE_CONFUSION, PLAIN, None),
        (Variant.TYPE_IN_STRING, PLAIN, None),
        (Variant.SKEW_6_MIN, PLAIN, None),
        (Variant.SKEW_11_MIN, of_utc(), None),
        (Variant.SKEW_1_DAY, PLAIN, None),
        (Variant.TIME_ZONE, PLAIN, None),
        (Variant.TIME_ZONE, of_utc(), None),
    ],
)
async def test_another_rule_refuses_just_the_requests_that_it_makes_different(
    variant: Variant, refused: dict[str, str], taken: dict[str, str] | None
) -> None:
    async with a_gateway() as w:
        assert wrong(w, refused, None) is None
        assert wrong(w, refused, variant) is not None
        if taken is not None:
            assert wrong(w, taken, variant) is None


def wrong(w: Gateway, fields: dict[str, str], variant: Variant | None) -> Any:
    asked = Asked("POST", "/alipay/gateway.do")
    asked.form = fields
    instance: Any = w.mock._instances["alipay"]
    return rule(read(asked, merchant().pid), instance._seal, instance._desk, variant)


async def test_query_and_body_apart_refuse_just_those_who_use_both() -> None:
    fault = a_fault("apart", "sig.merged_sources")
    async with a_gateway(fault) as w:
        w.begin_load()
        query = {k: v for k, v in CHINESE.items() if k != "biz_content"}
        whole = await w.said(query, {"biz_content": CHINESE["biz_content"]})
        assert whole["alipay_trade_precreate_response"]["sub_code"] == "isv.invalid-signature"
        whole = await w.said(CHINESE)
        assert whole["alipay_trade_precreate_response"]["code"] == "10000"
        assert len(w.found(Struck)) == 1


async def test_a_clock_that_is_off_says_so() -> None:
    async with a_gateway(a_fault("off", "sig.clock_skew", params={"by": "11 min"})) as w:
        w.begin_load()
        answer = await w.ask("precreate", an_order())
        assert (answer["sub_code"], len(w.found(TradeCreated))) == ("isv.invalid-timestamp", 0)
        assert [event.changed for event in w.found(Struck)] == ["right signature refused"]


@pytest.mark.parametrize(
    ("fault", "musts"),
    [
        ("sig.wrong_peer_key", {REFUSE}),
        ("sig.json_escaping", {REFUSE}),
        ("sig.body_reserialized", {REFUSE}),
        ("sig.odd_escaped", {ACCEPT}),
        ("sig.odd_spaced", {ACCEPT}),
        ("sig.odd_extra_field", {ACCEPT}),
        ("sig.odd_field_order", {ACCEPT}),
    ],
)
async def test_an_answer_is_struck_and_the_journal_says_what_a_shop_must_do(fault: str, musts: set[str]) -> None:
    async with a_gateway(a_fault("it", fault)) as w:
        w.begin_load()
        whole = await w.said(a_call("precreate", an_order()))
        assert whole["alipay_trade_precreate_response"]["code"] == "10000"
        assert len(w.found(TradeCreated)) == 1
        assert {event.must for event in w.found(Struck)} == musts


async def test_pages_and_errors_carry_no_signature_to_strike() -> None:
    async with a_gateway(a_fault("it", "sig.missing", Hop.SHOP_PAYMENT)) as w:
        w.begin_load()
        whole = await w.said(a_call("query", {}, app_id="2021999999999999"))
        assert list(whole) == ["error_response"]
        assert w.found(Struck) == []


@pytest.mark.parametrize(
    ("fault", "field", "told"),
    [
        ("ver.renamed", "total_fee", "10.00"),
        ("ver.enum_changed", "trade_status", "TRADE_FINISHED"),
        ("ver.enum_unknown", "trade_status", "PARTIALLY_DONE"),
        ("ver.missing_field", "trade_status", None),
        ("ver.cents_vs_yuan", "total_amount", "1000"),
        ("amount_off", "total_amount", "9.99"),
        ("notice_stripped", "passback_params", None),
    ],
)
async def test_a_mangled_notice_is_signed_over_what_it_says(fault: str, field: str, told: str | None) -> None:
    async with a_gateway(a_fault("it", fault, Hop.PAYMENT_SHOP)) as w:
        w.begin_load()
        await w.paid()
        await w.settle()
        (notice,) = w.told()
        assert notice.get(field) == told
        assert len(w.found(Struck)) == 1
        signed = {k: v for k, v in notice.items() if k not in ("sign", "sign_type")}
        instance: Any = w.mock._instances["alipay"]
        text = "&".join(f"{k}={v}" for k, v in sorted(signed.items()))
        assert notice["sign"] == instance._seal.sign(text.encode()).decode()


async def test_a_request_that_is_refused_by_a_fault_is_answered_as_the_vendor_does() -> None:
    async with a_gateway(a_fault("it", "sig.wrong_key")) as w:
        w.begin_load()
        answer = await w.ask("query", {"out_trade_no": "C000001"})
        assert (answer["code"], answer["sub_code"]) == ("40002", "isv.invalid-signature")
        assert [event.words.split()[0] for event in w.found(TradeRefused)] == ["isv.invalid-signature"]


async def test_the_node_may_stand_under_another_name() -> None:
    async with a_gateway(a_fault("it", "ver.envelope")) as w:
        w.begin_load()
        whole = await w.said(a_call("precreate", an_order()))
        assert whole["error_response"]["code"] == "10000"
        assert len(w.found(TradeCreated)) == len(w.found(Struck)) == 1


async def test_a_version_may_be_refused_by_name_and_nothing_is_done() -> None:
    async with a_gateway(a_fault("it", "ver.explicit")) as w:
        w.begin_load()
        answer = await w.ask("precreate", an_order())
        assert answer["sub_msg"] == "参数无效：version"
        assert [event.code for event in w.found(TradeRefused)] == [Code.UPSTREAM_VERSION]
        assert w.found(TradeCreated) == []


async def test_what_was_done_may_be_answered_as_unknown() -> None:
    async with a_gateway(a_fault("it", "answer_unknown")) as w:
        w.begin_load()
        whole = await w.said(a_call("precreate", an_order()))
        answer = whole["alipay_trade_precreate_response"]
        assert (answer["code"], answer["sub_code"]) == ("20000", "isp.unknow-error")
        assert whole["sign"]
        assert (len(w.found(TradeCreated)), w.found(TradeRefused)) == (1, [])


@pytest.mark.parametrize("precreate", ["trade", "scan"])
async def test_the_first_repeat_of_an_order_may_be_refused(precreate: str) -> None:
    async with a_gateway(a_fault("it", "duplicate_refused"), precreate=precreate) as w:
        w.begin_load()
        codes = [(await w.ask("precreate", an_order())).get("sub_code") for _ in range(3)]
        assert codes == [None, "ACQ.CONTEXT_INCONSISTENT", None]


async def test_a_second_refund_may_be_told_as_if_there_had_been_no_first() -> None:
    async with a_gateway(a_fault("it", "ver.refund_fee")) as w:
        await w.paid()
        w.begin_load()
        told = []
        for no, amount in (("R1", "3.00"), ("R2", "5.00")):
            refund = {"out_trade_no": "C000001", "out_request_no": no, "refund_amount": amount}
            told.append((await w.ask("refund", refund))["refund_fee"])
        assert told == ["3.00", "5.00"]
        assert [event.changed for event in w.found(Struck)] == ["refund_fee told as 5.00, that of this refund"]


async def test_a_state_may_flap() -> None:
    async with a_gateway(a_fault("it", "state_flaps")) as w:
        await w.paid()
        w.begin_load()
        states = [(await w.ask("query", {"out_trade_no": "C000001"}))["trade_status"] for _ in range(4)]
        assert states == ["TRADE_SUCCESS", "WAIT_BUYER_PAY"] * 2
