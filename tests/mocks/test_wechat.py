"""WeChat Pay v3: orders, queries, closing, refunds, complaints, certificates, refusals and notices."""

import json
import re
from html import unescape
from typing import Any

import msgspec
import pytest
from cryptography.x509 import load_pem_x509_certificate

from ledger.events import (
    Captured,
    Checked,
    NoticeAnswered,
    NoticeSent,
    Refunded,
    TradeClosed,
    TradeCreated,
    TradeRefused,
)
from ledger.states import Code
from mocks.payment.wechat import WeChat
from mocks.post import Heard
from mocks.server import Asked, NoRoute
from mocks.upstreams import Keys, SetupError
from plan.units import BusinessTime
from tests.mocks.wechat import (
    HOST,
    NOTIFY,
    PAY,
    REFUND,
    REFUNDS,
    MakeWeChat,
    a_refund,
    a_wechat,
    an_order,
    authorization,
    opened,
    plain,
    serial_of,
    the_keys,
)
from tests.mocks.world import WALL_S


@pytest.fixture
def wechat() -> MakeWeChat:
    return a_wechat


def body_of(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


CASHIER = f"http://{HOST}/wechat/cashier?prepay_id="


# --- orders ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("way", "field", "trade_type"),
    [
        ("native", "code_url", "NATIVE"),
        ("jsapi", "prepay_id", "JSAPI"),
        ("h5", "h5_url", "MWEB"),
        ("app", "prepay_id", "APP"),
    ],
)
async def test_each_way_of_paying_leads_to_the_cashier_and_to_a_transaction_of_its_type(
    wechat: MakeWeChat, way: str, field: str, trade_type: str
) -> None:
    async with wechat() as w:
        answer = await w.ordered(1, way)
        assert list(answer) == [field]
        page = CASHIER + answer[field] if field == "prepay_id" else answer[field]
        assert page.startswith(CASHIER + "wx")
        assert (await w.query())[1] == {
            "appid": the_keys().told["appid"],
            "mchid": the_keys().pid,
            "out_trade_no": "C000001",
            "trade_state": "NOTPAY",
            "trade_state_desc": "订单未支付",
            "attach": "b00000001@buyers.example",
            "amount": {"total": 1999, "payer_total": 1999, "currency": "CNY", "payer_currency": "CNY"},
        }
        assert json.loads((await w.pay(page)).flat().body) == {"paid": True, "return_url": ""}
        _, paid = await w.query()
        assert (paid["trade_state"], paid["trade_type"], paid["payer"]) == (
            "SUCCESS",
            trade_type,
            {"openid": "o-buyer"},
        )
        assert paid["success_time"] == "2026-09-21T22:13:20+08:00"
        assert [(e.o, e.way, e.amount_fen) for e in w.found(TradeCreated)] == [("b00000001", way, 1999)]


async def test_the_same_order_is_one_trade_and_over_another_amount_it_is_refused(wechat: MakeWeChat) -> None:
    async with wechat() as w:
        assert await w.ordered(1) == await w.ordered(1)
        status, answer = await w.ask("POST", f"{PAY}/native", an_order(1, amount={"total": 2000}))
        assert (status, answer["code"]) == (403, "OUT_TRADE_NO_USED")
        assert len(w.found(TradeCreated)) == 1
        assert [e.code for e in w.found(TradeRefused)] == [Code.PAY_AMOUNT_MISMATCH]


@pytest.mark.parametrize(
    ("way", "changed", "field"),
    [
        ("native", {"amount": {"total": 19.99}}, "/amount/total"),
        ("native", {"amount": {"total": 1999.0}}, "/amount/total"),
        ("native", {"amount": {"total": "1999"}}, "/amount/total"),
        ("native", {"amount": {"total": True}}, "/amount/total"),
        ("native", {"amount": {"total": 0}}, "/amount/total"),
        ("native", {"amount": {"total": 10**11}}, "/amount/total"),
        ("native", {"amount": {}}, "/amount/total"),
        ("native", {"amount": {"total": 1, "currency": "USD"}}, "/amount/currency"),
        ("native", {"amount": 1999}, "/amount"),
        ("native", {"description": ""}, "/description"),
        ("native", {"description": "会" * 128}, "/description"),
        ("native", {"out_trade_no": "C0001"}, "/out_trade_no"),
        ("native", {"out_trade_no": "C" * 33}, "/out_trade_no"),
        ("native", {"out_trade_no": "C000001\n"}, "/out_trade_no"),
        ("native", {"out_trade_no": "C00/001"}, "/out_trade_no"),
        ("native", {"out_trade_no": 1000000}, "/out_trade_no"),
        ("native", {"notify_url": None}, "/notify_url"),
        ("native", {"notify_url": "https://shop.example/notify"}, "/notify_url"),
        ("native", {"attach": "x" * 129}, "/attach"),
        ("native", {"mchid": "1900001002"}, "/mchid"),
        ("native", {"time_expire": "2026-09-21 22:20:00"}, "/time_expire"),
        ("native", {"time_expire": "2026-09-21T22:20:00"}, "/time_expire"),
        ("native", {"time_expire": "2026-09-21T22:13:20+08:00"}, "/time_expire"),
        ("jsapi", {"payer": None}, "/payer"),
        ("jsapi", {"payer": {"openid": ""}}, "/payer/openid"),
        ("h5", {"scene_info": None}, "/scene_info"),
        ("h5", {"scene_info": {"payer_client_ip": "127.0.0.1"}}, "/scene_info/h5_info"),
    ],
)
async def test_what_is_no_order_is_refused_with_its_field(
    wechat: MakeWeChat, way: str, changed: dict[str, Any], field: str
) -> None:
    async with wechat() as w:
        status, answer = await w.ask("POST", f"{PAY}/{way}", an_order(1, **changed))
        assert (status, answer["code"], answer["detail"]["field"]) == (400, "PARAM_ERROR", field)
        assert answer["detail"]["location"] == "body"
        assert w.found(TradeCreated) == []


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"\xff", b'"x"', b"[" * 5000, b'{"mchid":' * 5000])
async def test_a_body_that_is_no_object_is_refused_for_the_first_field_it_lacks(
    wechat: MakeWeChat, body: bytes
) -> None:
    async with wechat() as w:
        reply = await w.send("POST", f"{PAY}/native", body)
        assert (reply.status, json.loads(reply.body)["code"]) == (400, "PARAM_ERROR")
        assert w.is_signed(reply.headers, reply.body)


async def test_another_appid_is_refused_by_a_code_of_its_own(wechat: MakeWeChat) -> None:
    async with wechat() as w:
        status, answer = await w.ask("POST", f"{PAY}/native", an_order(1, appid="wx0"))
        assert (status, answer["code"]) == (400, "APPID_MCHID_NOT_MATCH")


async def test_an_order_without_a_key_goes_by_its_number(wechat: MakeWeChat) -> None:
    async with wechat() as w:
        await w.ordered(1, attach=None)
        assert [(e.o, e.keyed_by) for e in w.found(TradeCreated)] == [("C000001", "order_number")]


async def test_after_its_end_nobody_can_pay_and_nobody_is_told(wechat: MakeWeChat) -> None:
    async with wechat() as w:
        page = (await w.ordered(1, time_expire="2026-09-21T22:15:20+08:00"))["code_url"]
        await w.move_to_s(119)
        assert (await w.query())[1]["trade_state"] == "NOTPAY"
        await w.move_to_s(120)
        assert (await w.query())[1]["trade_state"] == "CLOSED"
        assert (await w.pay(page)).status == 409
        status, answer = await w.ask("POST", f"{PAY}/native", an_order(1))
        assert (status, answer["code"]) == (400, "ORDER_CLOSED")
        assert (len(w.found(TradeClosed)), w.found(Captured), w.letters) == (1, [], [])


# --- queries and closing --------------------------------------------------------------------------------------------
async def test_a_transaction_is_found_by_its_own_number_only_once_it_is_paid(wechat: MakeWeChat) -> None:
    async with wechat() as w:
        page = (await w.ordered(1))["code_url"]
        by_id = f"{PAY}/id/{page.partition('=wx')[2]}?mchid={the_keys().pid}"
        assert (await w.ask("GET", by_id))[0] == 404
        await w.pay(page)
        assert await w.ask("GET", by_id) == await w.query()


@pytest.mark.parametrize(
    ("target", "status", "code"),
    [
        (f"{PAY}/out-trade-no/C000002?mchid={{mchid}}", 404, "ORDER_NOT_EXIST"),
        (f"{PAY}/id/4200000001?mchid={{mchid}}", 404, "ORDER_NOT_EXIST"),
        (f"{PAY}/out-trade-no/%FF?mchid={{mchid}}", 404, "ORDER_NOT_EXIST"),
        (f"{PAY}/out-trade-no/C000001", 400, "PARAM_ERROR"),
        (f"{PAY}/out-trade-no/C000001?mchid=1", 400, "PARAM_ERROR"),
        (f"{REFUND}/R000001", 404, "RESOURCE_NOT_EXISTS"),
        ("/v3/merchant-service/complaints-v2/1D1", 404, "RESOURCE_NOT_EXISTS"),
    ],
)
async def test_what_is_not_there_is_refused_and_the_refusal_signed(
    wechat: MakeWeChat, target: str, status: int, code: str
) -> None:
    async with wechat() as w:
        await w.ordered(1)
        found, answer = await w.ask("GET", target.format(mchid=the_keys().pid))
        assert (found, answer["code"]) == (status, code)


async def test_closing_answers_204_without_a_body_and_signed(wechat: MakeWeChat) -> None:
    async with wechat() as w:
        page = (await w.ordered(1))["code_url"]
        closing = f"{PAY}/out-trade-no/C000001/close"
        assert await w.ask("POST", closing, {"mchid": the_keys().pid}) == (204, None)
        assert (await w.query())[1]["trade_state"] == "CLOSED"
        assert (await w.pay(page)).status == 409
        assert (await w.ask("POST", closing, {"mchid": the_keys().pid}))[1]["code"] == "ORDER_CLOSED"
        assert len(w.found(TradeClosed)) == 1


@pytest.mark.parametrize(
    ("n", "body", "status", "code"),
    [
        (1, {"mchid": "{mchid}"}, 400, "ORDERPAID"),
        (2, {"mchid": "{mchid}"}, 404, "ORDER_NOT_EXIST"),
        (1, {}, 400, "PARAM_ERROR"),
        (1, {"mchid": "1"}, 400, "PARAM_ERROR"),
    ],
)
async def test_what_cannot_be_closed_stays_as_it_is(
    wechat: MakeWeChat, n: int, body: dict[str, str], status: int, code: str
) -> None:
    async with wechat() as w:
        await w.paid(1)
        asked = {name: text.format(mchid=the_keys().pid) for name, text in body.items()}
        found, answer = await w.ask("POST", f"{PAY}/out-trade-no/C{n:06d}/close", asked)
        assert (found, answer["code"]) == (status, code)
        assert w.found(TradeClosed) == []


# --- refunds --------------------------------------------------------------------------------------------------------
async def test_any_refund_makes_the_transaction_a_refunded_one_and_is_told_of_at_its_own_address(
    wechat: MakeWeChat,
) -> None:
    async with wechat() as w:
        paid = await w.paid(1)
        status, answer = await w.ask("POST", REFUND, a_refund(1, 1))
        assert (status, answer["status"], answer["transaction_id"]) == (200, "PROCESSING", paid["transaction_id"])
        assert (answer["amount"]["refund"], answer["amount"]["total"]) == (1, 1999)
        assert "success_time" not in answer
        assert (await w.query())[1]["trade_state"] == "REFUND"
        _, found = await w.ask("GET", f"{REFUND}/R000001")
        assert (found["status"], found["refund_id"]) == ("SUCCESS", answer["refund_id"])
        await w.settle()
        letter = w.letters[-1]
        told = opened(letter)
        assert (letter.url, told["event_type"], told["summary"]) == (REFUNDS, "REFUND.SUCCESS", "退款成功")
        assert told["resource"]["refund_status"] == "SUCCESS"
        assert "status" not in told["resource"]
        assert (told["resource"]["out_refund_no"], told["resource"]["amount"]["refund"]) == ("R000001", 1)


async def test_a_refund_asked_for_again_gives_nothing_more_and_is_told_of_once(wechat: MakeWeChat) -> None:
    async with wechat() as w:
        await w.paid(1)
        first = (await w.ask("POST", REFUND, a_refund(1, 1000)))[1]
        again = (await w.ask("POST", REFUND, a_refund(1, 1000)))[1]
        assert (again["status"], again["refund_id"]) == ("SUCCESS", first["refund_id"])
        await w.settle()
        assert [e.amount_fen for e in w.found(Refunded)] == [1000]
        assert [letter.url for letter in w.letters] == [NOTIFY, REFUNDS]


async def test_a_refund_without_an_address_is_told_to_nobody(wechat: MakeWeChat) -> None:
    async with wechat() as w:
        paid = await w.paid(1)
        asked = a_refund(1, transaction_id=paid["transaction_id"])
        del asked["out_trade_no"], asked["notify_url"]
        assert (await w.ask("POST", REFUND, asked))[0] == 200
        await w.settle()
        assert [letter.url for letter in w.letters] == [NOTIFY]


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"amount": {"refund": 2000, "total": 1999, "currency": "CNY"}}, 400, "INVALID_REQUEST"),
        ({"amount": {"refund": 1000, "total": 2000, "currency": "CNY"}}, 400, "INVALID_REQUEST"),
        ({"out_refund_no": "USED"}, 400, "INVALID_REQUEST"),
        ({"out_refund_no": "OTHERS"}, 400, "INVALID_REQUEST"),
        ({"out_trade_no": "C000003"}, 400, "INVALID_REQUEST"),
        ({"out_trade_no": "C000009"}, 404, "RESOURCE_NOT_EXISTS"),
        ({"out_trade_no": "", "transaction_id": "1"}, 404, "RESOURCE_NOT_EXISTS"),
        ({"out_trade_no": ""}, 400, "PARAM_ERROR"),
        ({"out_trade_no": 1}, 400, "PARAM_ERROR"),
        ({"out_refund_no": ""}, 400, "PARAM_ERROR"),
        ({"out_refund_no": "R 1"}, 400, "PARAM_ERROR"),
        ({"notify_url": "https://shop.example/refunds"}, 400, "PARAM_ERROR"),
        ({"amount": {"refund": 0, "total": 1999, "currency": "CNY"}}, 400, "PARAM_ERROR"),
        ({"amount": {"refund": 1.5, "total": 1999, "currency": "CNY"}}, 400, "PARAM_ERROR"),
        ({"amount": {"refund": 1, "total": 1999}}, 400, "PARAM_ERROR"),
    ],
)
async def test_what_is_no_refund_gives_nothing_back(
    wechat: MakeWeChat, changed: dict[str, Any], status: int, code: str
) -> None:
    async with wechat() as w:
        await w.paid(1)
        await w.paid(2)
        await w.ordered(3)
        await w.ask("POST", REFUND, a_refund(1, 500, out_refund_no="USED"))
        await w.ask("POST", REFUND, a_refund(2, 500, out_refund_no="OTHERS"))
        found, answer = await w.ask("POST", REFUND, a_refund(1, 1000) | changed)
        assert (found, answer["code"]) == (status, code)
        assert [e.amount_fen for e in w.found(Refunded)] == [500, 500]


# --- who may ask ----------------------------------------------------------------------------------------------------
async def test_a_request_that_was_signed_for_the_path_with_the_name_in_front_is_tolerated_and_noted(
    wechat: MakeWeChat,
) -> None:
    async with wechat() as w:
        target = f"{PAY}/out-trade-no/C000001?mchid={the_keys().pid}"
        await w.ordered(1)
        assert w.found(Checked) == []
        assert (await w.ask("GET", target, signed=authorization("GET", f"/wechat{target}", b"")))[0] == 200
        assert [(e.o, e.matched) for e in w.found(Checked)] == [("b00000001", "path_with_prefix")]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"key": the_keys().own["stranger_private_key"]}, "signature"),
        ({"text": b"GET\n/v3/certificates\n1790000000\n593BEC0C930BF1AFEB40B4A08C8FB242\n"}, "signature"),
        ({"wall_s": WALL_S - 301}, "timestamp"),
        ({"wall_s": WALL_S + 301}, "timestamp"),
        ({"mchid": "1900001002"}, "mchid"),
        ({"serial_no": the_keys().told["platform_serial"]}, "serial_no"),
    ],
)
async def test_a_wrong_signature_is_refused_with_401_and_what_is_wrong(
    wechat: MakeWeChat, changed: dict[str, Any], field: str
) -> None:
    async with wechat() as w:
        status, answer = await w.ask(
            "GET", "/v3/certificates", signed=authorization("GET", "/v3/certificates", b"", **changed)
        )
        assert (status, answer["code"], answer["detail"]["field"]) == (401, "SIGN_ERROR", field)
        assert [e.code for e in w.found(TradeRefused)] == [Code.UPSTREAM_BAD_SIGNATURE]


async def test_the_refusal_shows_the_text_that_should_have_been_signed_and_little_of_the_body(
    wechat: MakeWeChat,
) -> None:
    async with wechat() as w:
        text = json.dumps(an_order(1)).encode()
        signed = authorization("POST", f"{PAY}/native", text + b" ")
        reply = await w.send("POST", f"{PAY}/native", text, signed=signed)
        detail = json.loads(reply.body)["detail"]
        assert detail["issue"] == "sign not match"
        assert detail["sign_information"] == {
            "method": "POST",
            "url": f"{PAY}/native",
            "truncated_sign_message": f"POST\n{PAY}/native\n{WALL_S}\n593BEC0C930BF1AFEB40B4A08C8FB242\n" + '{"appid"',
            "sign_message_length": len(f"POST\n{PAY}/native\n{WALL_S}\n593BEC0C930BF1AFEB40B4A08C8FB242\n")
            + len(text)
            + 1,
        }


@pytest.mark.parametrize("signed", ["", "Bearer x", "WECHATPAY2-SHA256-RSA2048 mchid=1"])
async def test_a_request_without_a_signature_is_refused(wechat: MakeWeChat, signed: str) -> None:
    async with wechat() as w:
        status, answer = await w.ask("POST", f"{PAY}/native", an_order(1), signed=signed)
        assert (status, answer["code"], w.found(TradeCreated)) == (401, "SIGN_ERROR", [])


@pytest.mark.parametrize(
    ("serial", "status", "signed_by"),
    [
        ("", 200, the_keys().told["platform_serial"]),
        (the_keys().told["platform_serial"], 200, the_keys().told["platform_serial"]),
        (the_keys().told["platform_public_key_id"], 200, the_keys().told["platform_public_key_id"]),
        ("PUB_KEY_ID_1", 400, the_keys().told["platform_serial"]),
    ],
)
async def test_answers_go_by_the_serial_that_the_request_asks_for(
    wechat: MakeWeChat, serial: str, status: int, signed_by: str
) -> None:
    async with wechat() as w:
        text = json.dumps(an_order(1)).encode()
        reply = await w.send("POST", f"{PAY}/native", text, serial=serial)
        assert (reply.status, reply.headers["Wechatpay-Serial"]) == (status, signed_by)
        assert w.is_signed(reply.headers, reply.body)


async def test_notices_go_by_the_serial_that_the_shop_asked_for_last_but_not_a_stranger(wechat: MakeWeChat) -> None:
    async with wechat() as w:
        public_key_id = the_keys().told["platform_public_key_id"]
        await w.paid(1)
        await w.ask("GET", "/v3/certificates", serial=public_key_id, signed="nonsense")
        await w.paid(2)
        page = (await w.ask("POST", f"{PAY}/native", an_order(3), serial=public_key_id))[1]["code_url"]
        await w.pay(page)
        await w.settle()
        assert [letter.headers["Wechatpay-Serial"] for letter in w.letters] == [
            the_keys().told["platform_serial"],
            the_keys().told["platform_serial"],
            public_key_id,
        ]


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", f"{PAY}/native"),
        ("POST", f"{PAY}/micropay"),
        ("GET", "/v2/certificates"),
        ("DELETE", REFUND),
        ("GET", "/v3"),
    ],
)
async def test_a_path_that_the_platform_has_not_matches_nothing(wechat: MakeWeChat, method: str, target: str) -> None:
    async with wechat() as w:
        with pytest.raises(NoRoute):
            await w.send(method, target)


async def test_every_platform_certificate_is_listed_under_the_v3_key(wechat: MakeWeChat) -> None:
    async with wechat() as w:
        _, answer = await w.ask("GET", "/v3/certificates")
        pems = [plain(entry["encrypt_certificate"]).decode() for entry in answer["data"]]
        own = the_keys().own
        assert pems == [own["platform_certificate"], own["next_platform_certificate"]]
        assert [entry["serial_no"] for entry in answer["data"]] == [serial_of(pem) for pem in pems]
        until = load_pem_x509_certificate(pems[0].encode()).not_valid_after_utc
        assert f"{until:%Y-%m-%d}" <= answer["data"][0]["expire_time"]


@pytest.mark.parametrize(
    "keys",
    [
        Keys("1900001001", the_keys().key),
        Keys("1900001001", "k" * 31, the_keys().own),
        Keys("1900001001", the_keys().key, the_keys().own | {"platform_private_key": "no key"}),
    ],
)
async def test_keys_that_are_none_are_told_in_one_line(keys: Keys) -> None:
    async with a_wechat() as w:
        channel = w.mock._instances["wechat"]
        assert isinstance(channel, WeChat)
        with pytest.raises(SetupError, match=r"upstreams\.wechat: these are no keys for WeChat Pay"):
            WeChat(msgspec.structs.replace(channel._desk, keys=keys))


# --- notices --------------------------------------------------------------------------------------------------------
async def test_the_shop_is_told_of_the_payment_encrypted_and_signed(wechat: MakeWeChat) -> None:
    async with wechat() as w:
        paid = await w.paid(1)
        (letter,) = w.letters
        assert letter.body is not None
        assert (letter.method, letter.url, letter.headers["Content-Type"]) == ("POST", NOTIFY, "application/json")
        assert w.is_signed(letter.headers, letter.body)
        told = opened(letter)
        assert told["resource"] == paid
        envelope = json.loads(letter.body)
        assert {name: envelope[name] for name in ("create_time", "resource_type", "event_type", "summary")} == {
            "create_time": paid["success_time"],
            "resource_type": "encrypt-resource",
            "event_type": "TRANSACTION.SUCCESS",
            "summary": "支付成功",
        }
        assert envelope["resource"]["original_type"] == envelope["resource"]["associated_data"] == "transaction"
        assert envelope["id"] == w.found(NoticeSent)[0].notice_id


@pytest.mark.parametrize(
    ("heard", "outcome"),
    [
        (Heard(200, ""), "accepted"),
        (Heard(204, ""), "accepted"),
        (Heard(200, '{"code":"FAIL"}'), "accepted"),
        (Heard(201, ""), "refused"),
        (Heard(302, ""), "refused"),
        (Heard(401, '{"code":"FAIL"}'), "refused"),
        (Heard(500, "success"), "refused"),
    ],
)
async def test_the_status_alone_accepts(wechat: MakeWeChat, heard: Heard, outcome: str) -> None:
    async with wechat() as w:
        w.shop = lambda letter: heard
        await w.paid(1)
        assert [e.outcome for e in w.found(NoticeAnswered)] == [outcome]


async def test_every_attempt_has_the_same_id_and_tells_the_payment_as_it_was(wechat: MakeWeChat) -> None:
    async with wechat() as w:
        w.shop = lambda letter: Heard(500, "")
        await w.paid(1)
        await w.ask("POST", REFUND, a_refund(1, notify_url=""))
        await w.move_to_s(40)
        tolds = [opened(letter) for letter in w.letters]
        assert len(tolds) == 3
        assert len({told["id"] for told in tolds}) == 1
        assert {told["resource"]["trade_state"] for told in tolds} == {"SUCCESS"}
        assert len({letter.headers["Wechatpay-Timestamp"] for letter in w.letters}) == 3


async def test_a_complaint_is_told_of_by_its_number_and_a_query_says_about_what(wechat: MakeWeChat) -> None:
    async with wechat(complaint_after=BusinessTime(0), forced_after=BusinessTime(60)) as w:
        paid = await w.paid(1)
        trade = next(iter(w.mock.trades))
        w.mock.disputes.complain(trade, "没有收到卡密")
        await w.settle()
        told = opened(w.letters[-1])
        number = told["resource"]["complaint_id"]
        assert (told["event_type"], told["resource"]["action_type"]) == ("COMPLAINT.CREATE", "CREATE_COMPLAINT")
        _, found = await w.ask("GET", f"/v3/merchant-service/complaints-v2/{number}")
        assert (found["complaint_state"], found["complaint_detail"]) == ("PENDING", "没有收到卡密")
        about = {"transaction_id": paid["transaction_id"], "out_trade_no": "C000001", "amount": 1999}
        assert found["complaint_order_info"] == [about]

        await w.move_to_s(60)
        forced, ended = (opened(letter) for letter in w.letters[-2:])
        assert {letter.url for letter in w.letters} == {NOTIFY}
        assert (forced["event_type"], forced["resource"]["amount"]["refund"]) == ("REFUND.SUCCESS", 1999)
        assert (ended["event_type"], ended["resource"]["action_type"]) == (
            "COMPLAINT.STATE_CHANGE",
            "RESPONSE_BY_PLATFORM",
        )
        assert ended["id"] != told["id"]
        _, found = await w.ask("GET", f"/v3/merchant-service/complaints-v2/{number}")
        assert (found["complaint_state"], found["complaint_full_refunded"]) == ("PROCESSED", True)
        refund_no = forced["resource"]["out_refund_no"]
        assert (await w.ask("GET", f"{REFUND}/{refund_no}"))[1]["status"] == "SUCCESS"


async def test_a_complaint_that_the_shop_settles_ends_by_its_refund(wechat: MakeWeChat) -> None:
    async with wechat(complaint_after=BusinessTime(0)) as w:
        await w.paid(1)
        w.mock.disputes.complain(next(iter(w.mock.trades)), "重复购买")
        await w.ask("POST", REFUND, a_refund(1))
        await w.settle()
        events = [opened(letter) for letter in w.letters]
        assert [
            told["resource"]["action_type"] for told in events if told["event_type"] == "COMPLAINT.STATE_CHANGE"
        ] == ["SELLER_REFUND"]


async def test_a_reset_forgets_trades_refunds_and_buyers(wechat: MakeWeChat) -> None:
    async with wechat() as w:
        await w.paid(1)
        await w.ask("POST", REFUND, a_refund(1))
        w.mock.forget()
        assert (await w.query())[0] == 404
        assert (await w.ask("GET", f"{REFUND}/R000001"))[0] == 404


async def test_the_cashier_knows_no_other_number(wechat: MakeWeChat) -> None:
    async with wechat() as w:
        page = (await w.ordered(1))["code_url"]
        for other in (CASHIER, CASHIER + "wx1", page.replace("=wx", "=")):
            assert (await w.pay(other)).status == 404
        assert w.found(Captured) == []


async def test_the_button_of_the_cashiers_page_pays(wechat: MakeWeChat) -> None:
    async with wechat() as w:
        link = (await w.ordered(1))["code_url"]
        shown = await w.mock.answer(Asked("GET", "/wechat/cashier", link.rpartition("?")[2], host=HOST))
        assert shown is not None
        action = re.search(r'action="\?([^"]+)"', shown.body.decode())
        assert action is not None
        assert (await w.pay(f"{link.partition('?')[0]}?{unescape(action[1])}")).status == 200
        assert len(w.found(Captured)) == 1
