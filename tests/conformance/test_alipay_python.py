"""python-alipay-sdk 3.4.0, unmodified, against the real process of the mock."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest

from ledger.events import Struck
from ledger.states import Hop
from mocks.keyring import Keyring
from tests.conformance.alipay_world import (
    ANSWERS,
    KEY,
    NODE,
    NOTICES,
    World,
    a_world,
    answer_signed,
    merchant,
    must_be_accepted,
    notice_signed,
)
from tests.mocks.world import a_fault

alipay = pytest.importorskip("alipay")
if not hasattr(alipay, "DCAliPay"):
    pytest.skip("another package goes by the name of python-alipay-sdk here", allow_module_level=True)
pytestmark = pytest.mark.slow


def client(w: World, sign_type: str = "RSA2", **keys: str) -> Any:
    told = w.keys.told | keys
    made = alipay.AliPay(
        appid=w.keys.pid,
        app_notify_url=f"{w.shop.url}/notify",
        app_private_key_string=told["app_private_key"],
        alipay_public_key_string=told["alipay_public_key"],
        sign_type=sign_type,
    )
    return redirected(made, w)


def client_of_certificates(w: World) -> Any:
    told = w.keys.told
    made = alipay.DCAliPay(
        appid=w.keys.pid,
        app_notify_url=f"{w.shop.url}/notify",
        app_private_key_string=told["app_private_key"],
        app_public_key_cert_string=told["app_cert"],
        alipay_public_key_cert_string=told["alipay_cert"],
        alipay_root_cert_string=told["alipay_root_cert"],
    )
    return redirected(made, w)


def redirected(made: Any, w: World) -> Any:
    if not hasattr(made, "_gateway"):
        pytest.skip("this release of python-alipay-sdk has no _gateway to redirect")
    made._gateway = w.gateway
    return made


def precreated(sdk: Any, no: str, **more: Any) -> Any:
    """The answer to an order over 19.99 whose name needs care, and whose key is passed through."""
    passed = quote(f"{KEY}@buyers.example")
    return sdk.api_alipay_trade_precreate("会员 充值&x=1", no, "19.99", passback_params=passed, **more)


def verified(sdk: Any, told: dict[str, str]) -> bool:
    fields = dict(told)
    return bool(sdk.verify(fields, fields.pop("sign")))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world(tmp_path_factory.mktemp("alipay")) as w:
        yield w


@pytest.mark.parametrize(("made", "no"), [(client, "KEY1"), (client_of_certificates, "CERT1")])
def test_it_creates_pays_queries_and_verifies_what_it_is_told(world: World, made: Any, no: str) -> None:
    sdk = made(world)
    order = precreated(sdk, no)
    assert (order["code"], order["out_trade_no"]) == ("10000", no)
    unpaid = sdk.api_alipay_trade_query(out_trade_no=no)
    assert (unpaid["trade_status"], unpaid["total_amount"]) == ("WAIT_BUYER_PAY", "19.99")

    count = len(world.shop.told)
    assert world.pay(order["qr_code"]) == {"paid": True, "return_url": ""}
    told = world.shop.wait_until_told(count + 1)
    assert verified(sdk, told)
    assert not verified(sdk, told | {"total_amount": "0.01"})
    seen = [told[k] for k in ("trade_status", "out_trade_no", "total_amount", "subject", "app_id", "seller_id")]
    assert seen == ["TRADE_SUCCESS", no, "19.99", "会员 充值&x=1", world.keys.pid, world.keys.told["seller_id"]]
    assert sdk.api_alipay_trade_query(trade_no=told["trade_no"])["trade_status"] == "TRADE_SUCCESS"


def test_money_goes_back_once_for_each_number(world: World) -> None:
    sdk = client(world)
    world.pay(precreated(sdk, "REF1")["qr_code"])
    before = len(world.shop.told)
    first = sdk.api_alipay_trade_refund("5.00", out_trade_no="REF1", out_request_no="R1")
    again = sdk.api_alipay_trade_refund("5.00", out_trade_no="REF1", out_request_no="R1")
    assert [(r["fund_change"], r["refund_fee"]) for r in (first, again)] == [("Y", "5.00"), ("N", "5.00")]
    assert sdk.api_alipay_trade_query(out_trade_no="REF1")["trade_status"] == "TRADE_SUCCESS"
    rest = sdk.api_alipay_trade_refund("14.99", out_trade_no="REF1", out_request_no="R2")
    assert (rest["fund_change"], rest["refund_fee"]) == ("Y", "19.99")
    assert sdk.api_alipay_trade_query(out_trade_no="REF1")["trade_status"] == "TRADE_CLOSED"
    found = sdk.api_alipay_trade_fastpay_refund_query("R1", out_trade_no="REF1")
    assert (found["refund_status"], found["refund_amount"]) == ("REFUND_SUCCESS", "5.00")
    assert "refund_status" not in sdk.api_alipay_trade_fastpay_refund_query("R3", out_trade_no="REF1")
    world.shop.wait_until_told(before + 2)
    told = {t["out_biz_no"]: t for t in world.shop.told if "out_biz_no" in t and t["out_trade_no"] == "REF1"}
    assert [told[no]["trade_status"] for no in ("R1", "R2")] == ["TRADE_SUCCESS", "TRADE_CLOSED"]
    assert all(verified(sdk, t) for t in told.values())


def test_a_page_leads_to_the_cashier_and_the_buyer_back_with_signed_fields(world: World) -> None:
    sdk = client(world)
    back = f"{world.shop.url}/back?from=alipay"
    query = sdk.api_alipay_trade_page_pay("会员", "PAGE1", "19.99", return_url=back)
    page = world.mock.ask(f"/alipay/gateway.do?{query}").decode()
    assert "19.99" in page
    trade_no = sdk.api_alipay_trade_query(out_trade_no="PAGE1")["trade_no"]
    returned = world.pay(f"/alipay/cashier?trade_no={trade_no}")["return_url"]
    fields = dict(parse_qsl(urlsplit(returned).query))
    assert returned.startswith(back)
    assert (fields.pop("from"), fields["out_trade_no"], fields["method"]) == (
        "alipay", "PAGE1", "alipay.trade.page.pay.return",
    )  # fmt: skip
    assert verified(sdk, fields)


def test_an_order_is_closed_or_undone_as_its_state_allows(world: World) -> None:
    sdk = client(world)
    precreated(sdk, "CLOSE1")
    assert sdk.api_alipay_trade_close(out_trade_no="CLOSE1")["code"] == "10000"
    assert sdk.api_alipay_trade_query(out_trade_no="CLOSE1")["trade_status"] == "TRADE_CLOSED"
    assert sdk.api_alipay_trade_close(out_trade_no="CLOSE1")["sub_code"] == "ACQ.TRADE_STATUS_ERROR"
    world.pay(precreated(sdk, "CANCEL1")["qr_code"])
    undone = sdk.api_alipay_trade_cancel(out_trade_no="CANCEL1")
    assert (undone["action"], undone["retry_flag"]) == ("refund", "N")


def test_an_unknown_order_is_a_business_failure_and_no_error(world: World) -> None:
    answer = client(world).api_alipay_trade_query(out_trade_no="NONE")
    assert (answer["code"], answer["sub_code"]) == ("40004", "ACQ.TRADE_NOT_EXIST")


def test_a_wrong_key_of_either_side_is_noticed_by_the_other(world: World) -> None:
    others = Keyring().pair("alipay-other")
    answer = precreated(client(world, app_private_key=others.private), "WRONG1")
    assert (answer["code"], answer["sub_code"]) == ("40002", "isv.invalid-signature")
    with pytest.raises(alipay.AliPayValidationError):
        precreated(client(world, alipay_public_key=others.public), "WRONG2")


def test_the_legacy_type_is_answered_and_told_in_kind(world: World) -> None:
    sdk = client(world, sign_type="RSA")
    count = len(world.shop.told)
    world.pay(precreated(sdk, "SHA1")["qr_code"])
    told = world.shop.wait_until_told(count + 1)
    assert told["sign_type"] == "RSA"
    assert verified(sdk, told)
    with pytest.raises(alipay.AliPayException, match="sign type"):
        verified(client(world), told)


def test_what_is_refused_before_anybody_knows_the_application_is_an_exception(world: World) -> None:
    sdk = client(world)
    sdk._appid = "2021999999999999"
    with pytest.raises(alipay.AliPayException, match=r"isv\.invalid-app-id"):
        sdk.api_alipay_trade_query(out_trade_no="NONE")


@pytest.fixture(scope="module")
def offline() -> Any:
    """The client of a merchant, for what needs no gateway."""
    told = merchant().told
    return alipay.AliPay("1", None, told["app_private_key"], told["alipay_public_key"])


@pytest.mark.parametrize("name", ANSWERS)
def test_it_takes_an_answer_that_is_signed_rightly_and_no_other(offline: Any, name: str) -> None:
    if must_be_accepted(name) or name == "sign_first":  # right, though the vendor's own SDKs do not take it
        assert offline._verify_and_return_sync_response(answer_signed(name), NODE)["total_amount"] == "19.99"
    else:
        with pytest.raises((alipay.AliPayValidationError, alipay.AliPayException)):
            offline._verify_and_return_sync_response(answer_signed(name), NODE)


@pytest.mark.parametrize("name", NOTICES)
def test_it_takes_a_notice_that_is_signed_rightly_and_no_other(offline: Any, name: str) -> None:
    assert is_verified(offline, dict(parse_qsl(notice_signed(name)))) is must_be_accepted(name)


def is_verified(sdk: Any, fields: dict[str, str]) -> bool:
    """As a shop asks: without a signature, or with one that is no base64, it is none."""
    try:
        return "sign" in fields and verified(sdk, fields)
    except (alipay.AliPayException, ValueError):
        return False


def test_a_forged_notice_a_lost_signature_and_a_refused_request_are_noticed(tmp_path: Path) -> None:
    forged = a_fault("forged", "sig.wrong_peer_key", Hop.PAYMENT_SHOP)
    refused = a_fault("refused", "sig.wrong_key", Hop.SHOP_PAYMENT)
    with a_world(tmp_path, forged, refused) as w:
        sdk = client(w)
        order = precreated(sdk, "F1")
        w.begin_load()
        assert sdk.api_alipay_trade_query(out_trade_no="F1")["sub_code"] == "isv.invalid-signature"
        w.pay(order["qr_code"])
        assert not verified(sdk, w.shop.wait_until_told())
        w.mock.stop()
        assert {event.fault for event in w.mock.events() if isinstance(event, Struck)} == {"forged", "refused"}


def test_a_code_is_no_trade_before_it_is_scanned(tmp_path: Path) -> None:
    with a_world(tmp_path, precreate="scan") as w:
        sdk = client(w)
        order = precreated(sdk, "SCAN1")
        assert sdk.api_alipay_trade_query(out_trade_no="SCAN1")["sub_code"] == "ACQ.TRADE_NOT_EXIST"
        assert w.pay(order["qr_code"])["paid"] is True
        assert sdk.api_alipay_trade_query(out_trade_no="SCAN1")["trade_status"] == "TRADE_SUCCESS"
