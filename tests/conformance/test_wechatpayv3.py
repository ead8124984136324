"""wechatpayv3 2.0.4, unmodified, against the real process of the mock: led there by an attribute, in public key mode
and by certificate; and untouched, through the TLS proxy."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mocks.keyring import CA_FILE, Keyring
from tests.conformance.wechat_world import KEY, World, a_strangers_key, a_world
from tests.mocks.running import WITHIN_S

wechatpayv3 = pytest.importorskip("wechatpayv3")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world(tmp_path_factory.mktemp("wechat")) as w:
        yield w


@pytest.fixture(scope="module")
def proxy(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The TLS proxy's address, in an environment that trusts its CA."""
    port = tmp_path_factory.mktemp("proxy") / "port"
    route = f"api.mch.weixin.qq.com={world.mock.url}/wechat"
    command = [sys.executable, "-P", "-m", "mocks.tlsproxy", "--route", route, "--port-file", str(port)]
    with subprocess.Popen(command) as started, pytest.MonkeyPatch.context() as patched:
        try:
            until = time.monotonic() + WITHIN_S
            while not port.exists():
                assert started.poll() is None
                assert time.monotonic() < until
                time.sleep(0.01)
            patched.setenv("REQUESTS_CA_BUNDLE", str(Keyring().folder / CA_FILE))
            yield f"http://127.0.0.1:{int(port.read_text())}"
        finally:
            started.terminate()


def client(world: World, mode: str, **changed: Any) -> Any:
    """An SDK of this merchant, led to the mock by an attribute, for the address is no argument of it; or by a proxy."""
    keys = world.keys
    given = {
        "wechatpay_type": wechatpayv3.WeChatPayType.NATIVE,
        "mchid": keys.pid,
        "private_key": keys.told["merchant_private_key"],
        "cert_serial_no": keys.told["merchant_serial"],
        "appid": keys.told["appid"],
        "apiv3_key": keys.key,
        "notify_url": f"{world.shop.url}/notify",
    }
    if mode == "public key":
        given |= {"public_key": keys.told["platform_public_key"], "public_key_id": keys.told["platform_public_key_id"]}
    elif mode == "certificate":
        folder = Path(tempfile.mkdtemp(dir=world.folder))  # its own: the SDK keeps there what it downloads
        (folder / f"{keys.told['platform_serial']}.pem").write_text(keys.told["platform_certificate"])
        given |= {"cert_dir": str(folder)}
    made = wechatpayv3.WeChatPay(**given | changed)
    if "proxy" in changed:
        return made
    assert hasattr(made._core, "_gate_way"), "this wechatpayv3 keeps its address elsewhere; 2.0.4 is what was tried"
    made._core._gate_way = f"{world.mock.url}/wechat"
    return made


def order(sdk: Any, no: str, fen: int = 1999) -> str:
    status, text = sdk.pay(description="会员 充值&x=1", out_trade_no=no, amount={"total": fen}, attach=KEY)
    assert status == 200, text
    return str(json.loads(text)["code_url"])


@pytest.mark.parametrize("mode", ["public key", "certificate", "untouched"])
def test_it_orders_queries_is_told_and_gives_back(world: World, proxy: str, mode: str) -> None:
    no = f"SDK-{mode[:4]}-1"
    sdk = client(world, mode, proxy={"https": proxy}) if mode == "untouched" else client(world, mode)
    shop = world.shop
    code_url = order(sdk, no)
    status, text = sdk.query(out_trade_no=no)
    assert (status, json.loads(text)["trade_state"]) == (200, "NOTPAY")

    told_before = len(shop.told)
    world.pay(code_url)
    shop.wait_until_told(told_before + 1)
    told = sdk.callback(shop.headers, shop.body)
    assert told["event_type"] == "TRANSACTION.SUCCESS"
    resource = told["resource"]
    assert (resource["out_trade_no"], resource["amount"]["total"], resource["attach"]) == (no, 1999, KEY)
    assert sdk.callback(shop.headers, shop.body.replace(b"encrypt-resource", b"encrypt-resourcE")) is None
    status, text = sdk.query(transaction_id=resource["transaction_id"])
    assert (status, json.loads(text)["trade_state"]) == (200, "SUCCESS")

    status, text = sdk.refund(
        out_refund_no=f"{no}-R",
        out_trade_no=no,
        amount={"refund": 999, "total": 1999, "currency": "CNY"},
        notify_url=f"{shop.url}/refunds",
    )
    assert (status, json.loads(text)["status"]) == (200, "PROCESSING")
    shop.wait_until_told(told_before + 2)
    told = sdk.callback(shop.headers, shop.body)
    assert (told["event_type"], told["resource"]["amount"]["refund"]) == ("REFUND.SUCCESS", 999)
    assert json.loads(sdk.query_refund(out_refund_no=f"{no}-R")[1])["status"] == "SUCCESS"
    assert json.loads(sdk.query(out_trade_no=no)[1])["trade_state"] == "REFUND"


def told_of(world: World, sdk: Any, no: str) -> tuple[dict[str, str], bytes]:
    """Headers and body of the notice that a new order is paid."""
    before = len(world.shop.told)
    world.pay(order(sdk, no))
    world.shop.wait_until_told(before + 1)
    return world.shop.headers, world.shop.body


def test_untouched_it_downloads_both_certificates_and_none_that_do_not_open(world: World, proxy: str) -> None:
    sdk = client(world, "untouched", proxy={"https": proxy})
    assert len(sdk._core._certificates) == 2
    with pytest.raises(Exception, match="No wechatpay platform certificate"):
        client(world, "untouched", proxy={"https": proxy}, apiv3_key="x" * 32)
    with (
        world.struck_by("sig.v3key_changed", "shop>payment"),
        pytest.raises(Exception, match="No wechatpay platform certificate"),
    ):
        client(world, "untouched", proxy={"https": proxy})


@pytest.mark.parametrize("mode", ["public key", "certificate"])
def test_it_closes_an_order_and_is_answered_204_signed(world: World, mode: str) -> None:
    sdk = client(world, mode)
    order(sdk, f"CLOSE-{mode[:4]}")
    status, text = sdk.close(out_trade_no=f"CLOSE-{mode[:4]}")
    assert (status, text) == (204, "")
    assert json.loads(sdk.query(out_trade_no=f"CLOSE-{mode[:4]}")[1])["trade_state"] == "CLOSED"


@pytest.mark.parametrize("way", ["JSAPI", "H5", "APP"])
def test_it_orders_in_the_other_ways(world: World, way: str) -> None:
    more: dict[str, dict[str, Any]] = {
        "JSAPI": {"payer": {"openid": "o-1"}},
        "H5": {"scene_info": {"payer_client_ip": "127.0.0.1", "h5_info": {"type": "Wap"}}},
    }
    status, text = client(world, "public key").pay(
        description="点卡",
        out_trade_no=f"WAY-{way}",
        amount={"total": 1},
        pay_type=wechatpayv3.WeChatPayType[way],
        **more.get(way, {}),
    )
    assert (status, list(json.loads(text))) == (200, ["h5_url" if way == "H5" else "prepay_id"])


def test_an_order_that_is_not_there_is_a_404_in_the_platforms_words(world: World) -> None:
    status, text = client(world, "public key").query(out_trade_no="NOT-THERE")
    assert (status, json.loads(text)["code"]) == (404, "ORDER_NOT_EXIST")


def test_with_another_private_key_every_call_is_a_401(world: World) -> None:
    other = client(world, "public key", private_key=a_strangers_key())
    status, text = other.pay(description="点卡", out_trade_no="OTHER-KEY", amount={"total": 1})
    assert (status, json.loads(text)["code"]) == (401, "SIGN_ERROR")
    assert json.loads(text)["detail"]["sign_information"]["url"] == "/v3/pay/transactions/native"
    assert client(world, "public key").query(out_trade_no="OTHER-KEY")[0] == 404


def test_with_another_v3_key_no_notice_opens(world: World) -> None:
    headers, body = told_of(world, client(world, "public key"), "OTHER-V3")
    assert client(world, "public key").callback(headers, body) is not None
    assert client(world, "public key", apiv3_key="x" * 32).callback(headers, body) is None


def test_it_finds_the_other_certificate_in_the_list_when_that_one_signs(world: World) -> None:
    sdk = client(world, "certificate")
    assert len(sdk._core._certificates) == 1
    with world.struck_by("sig.odd_cert_overlap", "shop>payment", "payment>shop"):
        headers, body = told_of(world, sdk, "OVERLAP")
        assert sdk.callback(headers, body)["resource"]["out_trade_no"] == "OVERLAP"
    assert headers["Wechatpay-Serial"] != world.keys.told["platform_serial"]
    assert len(sdk._core._certificates) == 2


@pytest.mark.parametrize(
    ("mode", "fault", "error", "words"),
    [
        ("public key", "sig.wrong_peer_key", Exception, "failed to verify the signature"),
        ("certificate", "sig.wrong_peer_key", Exception, "failed to verify the signature"),
        ("certificate", "sig.cert_rotated", Exception, "failed to verify the signature"),
        ("certificate", "sig.unknown_serial", Exception, "failed to verify the signature"),
        ("certificate", "sig.empty_serial", ValueError, "invalid literal"),
        ("public key", "sig.missing_type_header", Exception, "does not support this algorithm"),
        ("public key", "sig.probe", Exception, "failed to verify the signature"),
    ],
)
def test_it_notices_answers_that_are_signed_wrongly(
    world: World, mode: str, fault: str, error: type[Exception], words: str
) -> None:
    sdk = client(world, mode)
    no = f"ODD-{mode[:4]}-{fault[4:14]}"
    order(sdk, no)
    with world.struck_by(fault, "shop>payment"), pytest.raises(error, match=words):
        sdk.query(out_trade_no=no)
    assert sdk.query(out_trade_no=no)[0] == 200


@pytest.mark.parametrize(
    ("mode", "fault", "error"),
    [
        ("public key", "sig.wrong_peer_key", None),
        ("certificate", "sig.wrong_peer_key", None),
        ("certificate", "sig.cert_rotated", None),
        ("certificate", "sig.unknown_serial", None),
        ("certificate", "sig.empty_serial", ValueError),
        ("public key", "sig.gcm_bad_tag", None),
        ("public key", "sig.v3key_changed", None),
        ("public key", "sig.probe", None),
        ("public key", "sig.missing", None),
        ("public key", "sig.trailing_newline", None),
        ("public key", "sig.body_reserialized", None),
        ("public key", "sig.type_confusion", Exception),
        ("public key", "sig.missing_type_header", Exception),
    ],
)
def test_it_notices_notices_that_are_signed_wrongly(
    world: World, mode: str, fault: str, error: type[Exception] | None
) -> None:
    sdk = client(world, mode)
    with world.struck_by(fault, "payment>shop"):
        headers, body = told_of(world, sdk, f"TOLD-{mode[:4]}-{fault[4:]}")
    if error is None:
        assert sdk.callback(headers, body) is None
    else:
        with pytest.raises(error):
            sdk.callback(headers, body)


@pytest.mark.parametrize(
    ("fault", "params"),
    [
        ("sig.odd_field_order", {}),
        ("sig.odd_escaped", {}),
        ("sig.odd_spaced", {}),
        ("sig.odd_extra_field", {}),
        ("sig.odd_skew", {}),
        ("sig.clock_skew", {"by": "1 day"}),
        ("sig.partial_cover", {}),
    ],
)
def test_it_takes_what_is_odd_and_right_and_is_lenient_about_time_and_event(
    world: World, fault: str, params: dict[str, object]
) -> None:
    sdk = client(world, "public key")
    with world.struck_by(fault, "payment>shop", **params):
        headers, body = told_of(world, sdk, f"ODD-{fault[4:]}")
    assert sdk.callback(headers, body)["resource"]["trade_state"] == "SUCCESS"
