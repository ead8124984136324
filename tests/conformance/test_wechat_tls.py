"""wechatpayv3 2.0.4, not an attribute of it touched, with its real host played through the loopback TLS proxy."""

import json
from pathlib import Path
from typing import Any

import pytest

from mocks.keyring import CA_FILE, Keyring
from mocks.upstreams import Keys
from plan.run import UpstreamPlan
from tests.mocks.running import Shop, a_shop, as_text, keys_of, proxying, running
from tests.mocks.world import a_plan

wechatpayv3 = pytest.importorskip("wechatpayv3")
pytestmark = pytest.mark.slow
HOST = "api.mch.weixin.qq.com"


def client(keys: Keys, shop: Shop, proxy: str, **changed: Any) -> Any:
    """By certificate and without a folder of such: it downloads them as soon as it is made."""
    given = {
        "wechatpay_type": wechatpayv3.WeChatPayType.NATIVE,
        "mchid": keys.pid,
        "private_key": keys.told["merchant_private_key"],
        "cert_serial_no": keys.told["merchant_serial"],
        "appid": keys.told["appid"],
        "apiv3_key": keys.key,
        "notify_url": f"{shop.url}/notify",
        "proxy": {"https": proxy},
    }
    return wechatpayv3.WeChatPay(**given | changed)


def test_untouched_it_downloads_certificates_orders_is_told_queries_and_gives_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(Keyring().folder / CA_FILE))
    plan = a_plan(upstreams={"wechat": UpstreamPlan("payment", "wechat")})
    keys = keys_of(plan)
    with (
        a_shop() as shop,
        running(tmp_path, plan, ORDERJAM_UPSTREAMS=as_text(keys)) as mock,
        proxying(tmp_path, {HOST: f"{mock.url}/wechat"}) as (_, proxy),
    ):
        sdk = client(keys["wechat"], shop, proxy)
        status, text = sdk.pay(description="会员 充值&x=1", out_trade_no="TLS-001", amount={"total": 1999})
        assert status == 200, text
        assert json.loads(sdk.query(out_trade_no="TLS-001")[1])["trade_state"] == "NOTPAY"
        assert sdk.query(out_trade_no="TLS-none")[0] == 404

        path = json.loads(text)["code_url"].removeprefix(mock.url)
        mock.ask(path, {"key": "b00000007"}, Accept="application/json")
        shop.wait_until_told()
        told = sdk.callback(shop.headers, shop.body)
        assert (told["event_type"], told["resource"]["out_trade_no"]) == ("TRANSACTION.SUCCESS", "TLS-001")
        back = {"refund": 999, "total": 1999, "currency": "CNY"}
        assert sdk.refund(out_refund_no="TLS-R", out_trade_no="TLS-001", amount=back)[0] == 200
        assert json.loads(sdk.query(out_trade_no="TLS-001")[1])["trade_state"] == "REFUND"
        status, text = sdk.pay(description="card", out_trade_no="TLS-002", amount={"total": 100})
        assert (status, sdk.close(out_trade_no="TLS-002")) == (200, (204, ""))

        with pytest.raises(Exception, match="No wechatpay platform certificate"):
            client(keys["wechat"], shop, proxy, apiv3_key="0" * 32)
